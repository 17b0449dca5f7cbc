"""Ids as arrays: each keeps its value and its type, and what is no id is refused with its rows."""

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skgnnrec.interactions import as_ids, describe_type, first_few

from ..strategies import (
    CONTAINERS,
    ID_KINDS,
    any_id,
    contain,
    filled,
    hostile_ids,
    id_lists,
    missing_ids,
    unhashable_ids,
    wrong_arguments,
)

BIG = [2**53, 2**53 + 1, -(2**62)]
UNSIGNED = [2**63 + 1, 2**63 + 2]
BERLIN = "Europe/Berlin"


def as_objects(array):
    """Return the values as Python objects; times stay those of NumPy."""
    return list(array) if array.dtype.kind in "mM" else array.tolist()


def assert_same(found, expected):
    """Check values and types; integers and floats of NumPy count as those of Python."""
    assert len(found) == len(expected)
    for value, original in zip(found, expected, strict=True):
        original = original.item() if isinstance(original, np.number | np.bool_ | np.str_) else original
        assert value == original
        assert type(value) is type(original)


# Values and types stay ------------------------------------------------------------------------------------------------


@given(id_lists())
def test_lists_of_ids_stay_what_they_are(ids):
    assert_same(as_objects(as_ids(ids)), ids)
    assert_same(as_objects(as_ids(tuple(ids))), ids)
    assert_same(as_objects(as_ids(filled(ids))), ids)
    assert_same(as_objects(as_ids(iter(ids))), ids)


@given(st.lists(any_id | missing_ids, max_size=5))
def test_missing_ids_stay_what_they_are_where_they_may_be(ids):
    found = as_objects(as_ids(ids, missing_ok=True))
    for value, original in zip(found, ids, strict=True):
        # Values that differ from themselves are compared by their text.
        assert value is original or str(value) == str(original)


@given(id_lists(), st.sampled_from(CONTAINERS))
def test_ids_are_read_alike_from_all_containers(ids, container):
    values = contain(ids, container)
    if isinstance(values, np.ndarray | pd.Series | pd.Index | pd.Categorical | pl.Series):
        ids = values.tolist() if getattr(values, "dtype", None) != np.dtype("M8[ns]") else list(values)
    assert len(as_ids(values, missing_ok=True)) == len(ids)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (BIG, np.int64),
        (np.array(BIG), np.int64),
        (np.array([1, 2], dtype=np.int8), np.int64),
        (UNSIGNED, np.uint64),
        (np.array(UNSIGNED, dtype=np.uint64), np.uint64),
        (np.array([1, 2], dtype=np.uint64), np.int64),
        (range(3), np.int64),
        (pd.Series(BIG, dtype="Int64"), np.int64),
        (pd.Series(BIG, dtype="int64[pyarrow]"), np.int64),
        (pd.Series(pd.Categorical(BIG)), np.int64),
        (pl.Series(BIG), np.int64),
        (pl.Series([1, 2], dtype=pl.Int128), np.int64),
        (pa.array(BIG), np.int64),
        (torch.tensor([1, 2]), np.int64),
        ([torch.tensor(1), torch.tensor(2)], np.int64),
        ([1.5, 2.0], np.float64),
        (np.array([1.5, 2.0], dtype=np.float32), np.float64),
        ([-1, *UNSIGNED], object),
        ([2**70], object),
        ([True, False], object),
        (np.array([True, False]), object),
        (["a", "b"], object),
        (np.array(["a", "b"]), object),
        (pl.Series(["a", "b"], dtype=pl.Categorical), object),
        (np.array([b"a", b"b"]), object),
        (np.array([(1, "a"), (2, "b")], dtype=[("n", "i4"), ("t", "U1")]), object),
        (pd.MultiIndex.from_product([["a"], [1, 2]]), object),
        ([1, "1"], object),
        ([], object),
        (np.array(["2024-01-01"], dtype="M8[D]"), "M8[D]"),
        (np.array(["2024"], dtype="M8[Y]"), "M8[Y]"),
        (pd.Series(pd.to_datetime(["2024-01-01"])).dt.as_unit("ms"), "M8[ms]"),
        (pl.Series([dt.date(2024, 1, 1)]), "M8[D]"),
        (pa.array([dt.date(2024, 1, 1)]), "M8[D]"),
        (pa.array([10**12], pa.timestamp("s")), "M8[s]"),
        (pa.array([1, 2], pa.timestamp("ns")), "M8[ns]"),
        ([np.datetime64(1, "ns"), np.datetime64(2, "ns")], "M8[ns]"),
        ([np.datetime64(1, "ns"), np.datetime64(2, "D")], object),
        (np.array([1], dtype="m8[s]"), "m8[s]"),
        ([dt.date(2024, 1, 1)], object),
        ([pd.Timestamp(1), pd.Timestamp(2)], object),
        (pd.date_range("2024", periods=2, tz=BERLIN), object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_array_is_as_narrow_as_its_ids_allow(values, dtype):
    ids = as_ids(values)
    assert ids.dtype == dtype
    assert ids.shape == (len(values),)
    if ids.dtype.kind not in "mM" and not isinstance(values, pa.Array):
        originals = values.tolist() if isinstance(values, np.ndarray) else values
        assert all(found == value for found, value in zip(ids.tolist(), originals, strict=True))


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([2**53 + 1, None], dtype="Int64"),
        pd.Series([2**53 + 1, None], dtype="int64[pyarrow]"),
        pd.Series(pd.Categorical([2**53 + 1, None])),
        pl.Series([2**53 + 1, None]),
        pa.array([2**53 + 1, None]),
        np.ma.array([2**53 + 1, 0], mask=[False, True]),
        [2**53 + 1, None],
    ],
    ids=lambda series: str(getattr(series, "dtype", "list")),
)
def test_large_integers_stay_exact_beside_missing_values(series):
    found = as_ids(series, missing_ok=True)
    assert found[0] == 2**53 + 1
    assert type(found[0]) is int
    with pytest.raises(ValueError, match=r"ids has missing values in 1 of 2 rows: 1\. None, NaN and NaT are no ids"):
        as_ids(series)


def test_times_with_zones_keep_their_nanoseconds():
    stamps = pd.DatetimeIndex([1, 2]).tz_localize("UTC").tz_convert(BERLIN)
    in_polars = pl.Series([1, 2]).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC").dt.convert_time_zone(BERLIN)
    for values in (stamps, pd.Series(stamps), in_polars):
        assert as_ids(values).tolist() == list(stamps)
    python = pl.Series([dt.datetime(2024, 1, 1)]).dt.replace_time_zone(BERLIN)
    assert as_ids(python).tolist() == python.to_list()


def test_the_array_of_the_caller_is_not_changed():
    values = filled(["a", np.int64(3), 2.5])
    as_ids(values)
    assert type(values[1]) is np.int64


# Errors ---------------------------------------------------------------------------------------------------------------


@given(st.lists(any_id, max_size=4), missing_ids, st.data())
def test_missing_ids_are_refused_with_their_rows(ids, missing, data):
    row = data.draw(st.integers(0, len(ids)))
    ids.insert(row, missing)
    with pytest.raises(ValueError, match=f"users has missing values in 1 of {len(ids)} rows: {row}"):
        as_ids(ids, "users")


@given(st.lists(any_id, max_size=4), unhashable_ids, st.data())
def test_unhashable_ids_are_refused_with_their_row(ids, value, data):
    row = data.draw(st.integers(0, len(ids)))
    ids.insert(row, value)
    match = f"users must be values that can be hashed, .*; got a {type(value).__name__} in row {row}"
    for missing_ok in (False, True):
        with pytest.raises(ValueError, match=match):
            as_ids(ids, "users", missing_ok=missing_ok)


@given(hostile_ids())
def test_all_errors_are_value_errors(values):
    with suppress(ValueError):
        assert as_ids(values).ndim == 1


@given(wrong_arguments)
def test_messages_say_what_is_wrong(value):
    try:
        as_ids(value, "users")
    except ValueError as error:
        assert str(error).startswith("users ")  # noqa: PT017  some of the arguments are right


EXPECTED_ONE_COLUMN = "users must be one column of ids, got a {}: pass one of its columns"
EXPECTED_A_LIST = "users must be a list or an array of ids, got one {}"
EXPECTED_AN_ORDER = r"users must have an order, got a {}: pass list\(...\) or sorted\(...\)"
EXPECTED_ONE_DIMENSION = "users must have one dimension, got an array of shape {}"


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("ann", EXPECTED_A_LIST.format("str: 'ann'")),
        (b"ann", EXPECTED_A_LIST.format("bytes: b'ann'")),
        (7, EXPECTED_A_LIST.format("int: 7")),
        (2.5, EXPECTED_A_LIST.format("float: 2.5")),
        (None, EXPECTED_A_LIST.format("NoneType: None")),
        (dt.date(2024, 1, 1), EXPECTED_A_LIST.format("date: datetime.date")),
        (as_ids, EXPECTED_A_LIST.format("function: <function")),
        ({"ann"}, EXPECTED_AN_ORDER.format("set")),
        (frozenset(["ann"]), EXPECTED_AN_ORDER.format("frozenset")),
        ({"ann": 1}, EXPECTED_AN_ORDER.format("dict")),
        (pd.DataFrame({"user": [1]}), EXPECTED_ONE_COLUMN.format("DataFrame")),
        (pl.DataFrame({"user": [1]}), EXPECTED_ONE_COLUMN.format("DataFrame")),
        (pl.LazyFrame({"user": [1]}), EXPECTED_ONE_COLUMN.format("LazyFrame")),
        (pa.table({"user": [1]}), EXPECTED_ONE_COLUMN.format("Table")),
        (sparse.csr_array(np.eye(2)), EXPECTED_ONE_COLUMN.format("csr_array")),
        (sparse.dok_array((2, 2)), EXPECTED_ONE_COLUMN.format("dok_array")),
        (np.eye(2), EXPECTED_ONE_DIMENSION.format(r"\(2, 2\)")),
        (np.array(3), EXPECTED_ONE_DIMENSION.format(r"\(\)")),
        (np.zeros((0, 2)), EXPECTED_ONE_DIMENSION.format(r"\(0, 2\)")),
        ([np.nan], "users has missing values in 1 of 1 rows: 0"),
        ([1.0, np.inf], "users has infinite values in 1 of 2 rows: 1"),
        ([None] * 9, "users has missing values in 9 of 9 rows: 0, 1, 2, 3, 4, ..."),
        (np.array(["NaT"], dtype="M8[s]"), "users has missing values in 1 of 1 rows: 0"),
        (pl.Series([None, "a"]), "users has missing values in 1 of 2 rows: 0"),
        ([[1, 2]], r"got a list in row 0: \[1, 2\]"),
        (["a", {"b": 1}], "got a dict in row 1: {'b': 1}"),
        ([np.arange(2)], "got a ndarray in row 0"),
        (pl.Series([[1]]), "got a ndarray in row 0"),
        (pa.array([[1]]), "got a list in row 0"),
        ([Decimal("sNaN")], "got a Decimal in row 0: sNaN"),
        ([2.0**53], "users holds floats of 9007199254740992 or more, where neighbouring integers cannot be told apart"),
        (["a", 2.0**53], "users holds floats of 9007199254740992 or more"),
        (np.array([2**24], dtype=np.float32), "users holds floats of 16777216 or more"),
        (np.array([2048], dtype=np.float16), "users holds floats of 2048 or more"),
        (np.array([1], dtype=np.longdouble) / 3, "users holds floats of dtype .* that float64 cannot hold"),
        (torch.ones(2, requires_grad=True), "users cannot be read as an array: Can't call numpy"),
        (torch.ones(2, dtype=torch.bfloat16), "users cannot be read as an array: Got unsupported ScalarType"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_list_of_ids_is_named(value, match):
    with pytest.raises(ValueError, match=match):
        as_ids(value, "users")


# Messages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "text", "kind"),
    [
        ([], "", "nothing"),
        (["a"], "'a'", "str"),
        (list(range(7)), "0, 1, 2, 3, 4, ...", "int"),
        ([2.5], "2.5", "float"),
        ([True], "True", "bool"),
        ([("a", 1)], "('a', 1)", "tuple"),
        ([Fraction(1, 3)], "Fraction(1, 3)", "Fraction"),
        ([np.datetime64("2024")], "np.datetime64('2024')", "datetime64"),
    ],
)
def test_ids_are_shown_as_their_users_write_them(ids, text, kind):
    assert first_few(as_ids(ids)) == text
    assert describe_type(as_ids(ids)) == kind


def test_all_kinds_of_ids_are_tried():
    assert len(ID_KINDS) >= 17
