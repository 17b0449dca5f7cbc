"""Tables of all libraries: one reader, one result, and messages that say what came and what to give."""

import datetime as dt
from contextlib import suppress
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec import PopularityRecommender
from skgnnrec.interactions import read_table

from ..strategies import LIBRARIES, alike, as_table, filled, tables, wrong_arguments

COLUMNS = {"user": ["ann", "bob", "ann"], "item": [2**53, 2**53 + 1, 5], "weight": [1.0, 0.5, 2.0], "day": [3, 1, 2]}
MANY = LIBRARIES[: LIBRARIES.index("polars lazy")] + LIBRARIES[LIBRARIES.index("polars lazy") + 1 :]


def place(table, name):
    """Return how a column is asked for: by name where the table has names."""
    return name if name in table.labels else list(COLUMNS).index(name)


def column(values):
    """Read the only column of a table, a dict or what the library of the column has for one."""
    native = {pl.Series: pl.DataFrame, pa.Decimal128Array: pa.table, pd.Series: pd.DataFrame}.get(type(values), dict)
    return read_table(native({"weight": values})).values("weight", "weight")


# One result -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", MANY)
def test_all_libraries_give_one_result(library):
    table = read_table(as_table(COLUMNS, library))
    assert len(table) == 3
    assert table.ids(place(table, "user"), "user").tolist() == COLUMNS["user"]
    assert table.ids(place(table, "item"), "item").tolist() == COLUMNS["item"]
    assert table.values(place(table, "weight"), "weight").tolist() == COLUMNS["weight"]
    assert table.values(place(table, "day"), "timestamp").tolist() == COLUMNS["day"]


@pytest.mark.parametrize(
    "table",
    [
        nw.from_native(pd.DataFrame(COLUMNS)),
        {name: pd.Series(values, index=[5, 6, 7]) for name, values in COLUMNS.items()},
        {name: pl.Series(values) for name, values in COLUMNS.items()},
        {name: pa.array(values) for name, values in COLUMNS.items()},
        {name: tuple(values) for name, values in COLUMNS.items()},
    ],
    ids=["narwhals", "series of pandas", "series of polars", "arrays of pyarrow", "tuples"],
)
def test_tables_of_other_parts_give_the_same(table):
    table = read_table(table)
    assert table.labels == list(COLUMNS)
    assert table.ids("user", "user").tolist() == COLUMNS["user"]
    assert table.ids("item", "item").tolist() == COLUMNS["item"]
    assert table.values("weight", "weight").tolist() == COLUMNS["weight"]


@given(
    st.lists(alike, min_size=1, max_size=5), st.sampled_from(["dict", "dict of arrays", "pandas", "rows", "objects"])
)
def test_ids_keep_their_types_in_tables_of_objects(ids, library):
    columns = {"user": ids, "item": list(range(len(ids)))}
    table = read_table(as_table({name: filled(values) for name, values in columns.items()}, library))
    found = table.ids("user" if "user" in table.labels else 0, "user")
    for value, original in zip(list(found) if found.dtype.kind in "mM" else found.tolist(), ids, strict=True):
        assert value == original
        # pandas keeps one type of times in a column
        assert type(value) is type(original) or isinstance(original, dt.date | dt.timedelta)


def test_arrays_become_tables():
    for array in (np.array([[1, 2], [3, 4]]), torch.tensor([[1, 2], [3, 4]])):
        table = read_table(array)
        assert table.labels == [0, 1]
        assert table.ids(1, "item").tolist() == [2, 4]
    strings = read_table(np.array([["ann", "mug"], ["bob", "pot"]]))
    assert strings.ids(0, "user").tolist() == ["ann", "bob"]


def test_masked_values_are_missing():
    array = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]])
    table = read_table(array)
    assert table.ids(0, "user").tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"weight=1 of X has missing values .* 1 of 2 rows: 0"):
        table.values(1, "weight")
    with pytest.raises(ValueError, match="user='user' of X has missing values in 1 of 2 rows: 1"):
        read_table({"user": np.ma.array([1, 2], mask=[False, True])}).ids("user", "user")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], [1.0, 2.5]),
        ([True, False], [True, False]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (filled([1, 2.5]), [1.0, 2.5]),
        ([Decimal("1.5"), Decimal(2)], [1.5, 2.0]),
        (pd.Series([Decimal("1.5")], dtype=pd.ArrowDtype(pa.decimal128(5, 2))), [1.5]),
        (pl.Series([Decimal("1.5")]), [1.5]),
        (pa.array([Decimal("1.5")]), [1.5]),
        (pd.Series([1, 0], dtype=pd.SparseDtype(int, 0)), [1, 0]),
        (pd.Series([1, 2], dtype="Int64"), [1, 2]),
        (pd.Series([1, 2], dtype="category"), [1, 2]),
        (pl.Series([1, 2], dtype=pl.Int128), [1, 2]),
        (pd.to_datetime(["2024-01-01"]), [np.datetime64("2024-01-01")]),
        (pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Berlin"), [np.datetime64("2023-12-31T23", "s")]),
        ([dt.date(2024, 1, 1), dt.datetime(2024, 1, 2)], [np.datetime64("2024-01-01"), np.datetime64("2024-01-02")]),
        ([dt.datetime(2024, 1, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=5)))], [np.datetime64("2024-01-01", "s")]),
        (
            [
                dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))),
                dt.datetime.max.replace(tzinfo=dt.UTC),
            ],
            [np.datetime64("0000-12-31T19", "s"), np.datetime64(dt.datetime.max)],
        ),
        ([pd.Timestamp(1), dt.date(1970, 1, 2)], [np.datetime64(1, "ns"), np.datetime64(1, "D")]),
        (np.array([1, 2], dtype="M8[ps]"), [np.datetime64(1, "ps"), np.datetime64(2, "ps")]),
        (["a", "b"], ["a", "b"]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_columns_are_read_as_numbers_or_times(values, expected):
    found = column(values)
    assert found.tolist() == expected if found.dtype.kind not in "M" else (found == np.array(expected)).all()
    in_a_dict = read_table({"weight": values}).values("weight", "weight")
    assert_array_equal(in_a_dict, found)


# Columns --------------------------------------------------------------------------------------------------------------


def test_columns_are_found_by_name_or_by_position():
    frame = pd.DataFrame([[1, 2, 3]], columns=["user", 0, ("item", 1)])
    table = read_table(frame)
    assert table.ids("user", "user").tolist() == [1]
    assert table.ids(0, "user").tolist() == [1]
    assert table.ids(2, "item").tolist() == [3]
    for name, role in (("who", "user"), (3, "item"), (-1, "item"), (1.5, "item"), (None, "item")):
        with pytest.raises(ValueError, match=rf"{role}={name!r} is not a column of X, which has 3 feature\(s\): 'us"):
            table.ids(name, role)


def test_a_name_of_several_columns_is_refused():
    table = read_table(pd.DataFrame([[1, 2]], columns=["user", "user"]))
    assert table.ids(1, "user").tolist() == [2]
    with pytest.raises(ValueError, match="user='user' is the name of 2 columns of log"):
        read_table(pd.DataFrame([[1, 2]], columns=["user", "user"]), input_name="log").ids("user", "user")


def test_columns_are_recorded_and_compared():
    estimator = PopularityRecommender()
    read_table(pd.DataFrame(COLUMNS), estimator=estimator, reset=True)
    assert estimator.feature_names_in_.tolist() == list(COLUMNS)
    with pytest.raises(ValueError, match="feature names should match"):
        read_table(pd.DataFrame(COLUMNS)[["item", "user", "weight", "day"]], estimator=estimator)
    read_table(pd.DataFrame(COLUMNS)[["item", "user"]], estimator=estimator, by_name=True)
    estimator.fit(np.ones((2, 4)))
    with pytest.raises(ValueError, match="X has 2 features, but PopularityRecommender is expecting 4"):
        read_table(np.ones((1, 2)), estimator=estimator, by_name=True)


# Errors ---------------------------------------------------------------------------------------------------------------

NO_TABLE = r"log must be a table: a DataFrame, an array, a dict of columns or a list of rows; got an object of type {}"
ONE_DIMENSION = (
    "log must be a table, got a {} of one dimension: pass a DataFrame, or one column as a DataFrame by to_frame"
)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ("abc", NO_TABLE.format("str")),
        (b"abc", NO_TABLE.format("bytes")),
        (5, NO_TABLE.format("int")),
        (2.5, NO_TABLE.format("float")),
        (None, NO_TABLE.format("NoneType")),
        ({1, 2}, NO_TABLE.format("set")),
        (iter([(1, 2)]), NO_TABLE.format("list_iterator")),
        (read_table, NO_TABLE.format("function")),
        (int, NO_TABLE.format("type")),
        ({}, "log is a dict, which must hold columns of one length; got an empty one"),
        ({"a": 1}, "log is a dict, which must hold columns of one length; got 'a': None"),
        ({"a": "abc"}, "log is a dict, which must hold columns of one length; got 'a': None"),
        ({"a": {1}}, "log is a dict, which must hold columns of one length; got 'a': None"),
        ({"a": np.array(1)}, "log is a dict, which must hold columns of one length; got 'a': None"),
        ({"a": [1], "b": [1, 2]}, "log is a dict, which must hold columns of one length; got 'a': 1, 'b': 2"),
        ({"a": np.ones((2, 2))}, r"The column 'a' of log must have one dimension, got an array of shape \(2, 2\)"),
        ({"a": pd.DataFrame({"b": [1]})}, "The column 'a' of log cannot be read as an array: 'DataFrame'"),
        (["ann", "bob"], "log must be a table, or a list of rows such as .*Reshape your data: it has one dimension"),
        ([{"a": 1}], "log must be a table, or a list of rows such as"),
        ([np.array(1)], "log must be a table, or a list of rows such as"),
        ([(1, 2), (1,)], "The rows of log must have one length, got lengths from 1 to 2"),
        ([], r"0 sample\(s\)"),
        ([[]], r"0 feature\(s\)"),
        (np.arange(3), "Reshape your data"),
        (np.zeros((2, 2, 2)), "dim 3"),
        (np.zeros((0, 2)), r"0 sample\(s\)"),
        (pd.DataFrame(COLUMNS)[:0], r"Found 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1 is required"),
        (pl.DataFrame(COLUMNS)[:0], r"Found 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1 is required"),
        (pa.table(COLUMNS)[:0], r"Found 0 sample\(s\) \(shape=\(0, 4\)\) while a minimum of 1 is required"),
        (pd.Series([1]), ONE_DIMENSION.format("Series")),
        (pd.Index([1]), ONE_DIMENSION.format("Index")),
        (pl.Series([1]), ONE_DIMENSION.format("Series")),
        (pa.chunked_array([[1]]), ONE_DIMENSION.format("ChunkedArray")),
        (torch.ones((2, 2), requires_grad=True), "log cannot be read as an array: Can't call numpy"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_table_is_named(X, match):
    with pytest.raises(ValueError, match=match):
        read_table(X, input_name="log")


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (pl.LazyFrame(COLUMNS), r"log is a lazy table, LazyFrame: call log.collect\(\) first"),
        (nw.from_native(pl.LazyFrame(COLUMNS)), r"log is a lazy table, LazyFrame: call log.collect\(\) first"),
        (sparse.csr_array(np.eye(2)), "log must be a table with one interaction a row, got a sparse matrix"),
        (sparse.dok_array(np.eye(2)), "log must be a table with one interaction a row, got a sparse matrix"),
    ],
)
def test_tables_that_are_to_be_converted_say_how(X, match):
    with pytest.raises(TypeError, match=match):
        read_table(X, input_name="log")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1, None], r"has missing values \(NaN\) in 1 of 2 rows: 1"),
        ([1, np.nan], r"has missing values \(NaN\) in 1 of 2 rows: 1"),
        (filled([1, pd.NA]), r"has missing values \(NaN\) in 1 of 2 rows: 1"),
        ([pd.NaT, dt.datetime(2024, 1, 1)], r"has missing values \(NaN\) in 1 of 2 rows: 0"),
        (np.array(["NaT"], dtype="M8[s]"), r"has missing values \(NaN\) in 1 of 1 rows: 0"),
        (pd.Series([1, None], dtype="Int64"), r"has missing values \(NaN\) in 1 of 2 rows: 1"),
        (pl.Series([1, None]), r"has missing values \(NaN\) in 1 of 2 rows: 1"),
        ([None] * 9, r"has missing values \(NaN\) in 9 of 9 rows: 0, 1, 2, 3, 4, ..."),
        ([1.0, np.inf], "contains infinity in row 1"),
        ([Decimal("sNaN")], "cannot convert signaling NaN to float|cannot be read as numbers"),
        ([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)], "with zones or times without, got both"),
        ([pd.Timestamp(1), dt.date(2500, 1, 1)], r"datetime64\[ns\] can hold, got 2500-01-01 in row 1"),
    ],
)
def test_columns_with_wrong_values_are_named(values, match):
    with pytest.raises(ValueError, match=match):
        column(values)


def test_columns_of_lists_are_refused():
    with pytest.raises(ValueError, match=r"weight='weight' of X must hold one value in a row, got .* shape \(1,\)"):
        column(pl.Series([{"a": 1.0}]))


def test_ids_that_cannot_be_hashed_are_a_type_error():
    match = r"A user given as argument must be a string, a number or .* got a list in row 1: \[1\]"
    with pytest.raises(TypeError, match=match):
        read_table({"user": ["a", [1]]}).ids("user", "user")


@given(tables() | wrong_arguments)
def test_all_errors_are_value_or_type_errors(X):
    with suppress(ValueError, TypeError):
        table = read_table(X)
        for place in range(len(table.labels)):
            with suppress(ValueError, TypeError):
                assert len(table.ids(place, "user")) == len(table)
            with suppress(ValueError, TypeError):
                assert len(table.values(place, "weight")) == len(table)
