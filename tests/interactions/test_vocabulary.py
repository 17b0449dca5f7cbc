"""Ids and positions: what is put in comes out, and equal-looking ids of different types stay different."""

import datetime as dt
import pickle
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skgnnrec.interactions import Vocabulary, as_ids

from ..strategies import any_id, filled, id_lists

ALIKE = [
    1,
    1.0,
    Decimal(1),
    "1",
    True,
    b"1",
    (1,),
    (True,),
    ("1",),
    "True",
    1.5,
    2**53 + 1,
    str(2**53 + 1),
    dt.date(2024, 1, 1),
    dt.datetime(2024, 1, 1),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    np.datetime64("2024-01-01"),
    "2024-01-01",
    pd.Timestamp("2024-01-01") + pd.Timedelta(1, "ns"),
    dt.timedelta(1),
    np.timedelta64(1, "D"),
    np.timedelta64(1, "M"),
    Decimal("0.5"),
]
DAYS = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])


def distinct(ids):
    """Return the ids without repetitions, as the vocabulary of all of them has them."""
    return Vocabulary.of(as_ids(ids))[0]


@given(id_lists())
def test_positions_and_names_are_inverse(ids):
    vocabulary, places = Vocabulary.of(as_ids(ids))
    assert_array_equal(vocabulary.positions(ids), places)
    assert_array_equal(Vocabulary(vocabulary.ids).positions(ids), places)
    for value, original in zip(vocabulary.names(places), ids, strict=True):
        assert value == original
    assert sorted(set(places.tolist())) == list(range(len(vocabulary)))


@given(id_lists(), st.lists(any_id, max_size=4))
def test_strangers_have_no_position(ids, others):
    vocabulary = distinct(ids)
    positions = vocabulary.positions(others)
    for position, other in zip(positions.tolist(), others, strict=True):
        if position >= 0:
            assert vocabulary.ids[position] == other
        else:
            assert not any(type(value) is type(other) and value == other for value in vocabulary.ids.tolist())


@given(st.randoms(use_true_random=False))
def test_ids_that_look_alike_stay_different(random):
    ids = random.sample(ALIKE, len(ALIKE))
    vocabulary = Vocabulary(ids)
    assert len(vocabulary) == len(ids)
    assert len(distinct(ids)) == len(ids)
    assert_array_equal(vocabulary.positions(ids), np.arange(len(ids)))
    for value in ids:
        found = vocabulary.names(vocabulary.positions([value]))[0]
        assert type(found) is type(value)
        assert found == value


@pytest.mark.parametrize(
    ("known", "asked", "found"),
    [
        ([1, 2, 3], [2.0, 2.5, 3], [1, -1, 2]),
        ([1, 2, 3], [True, "1", b"1", (1,)], [-1, -1, -1, -1]),
        ([1, 2, 3], [Decimal(2), 2 + 0j], [1, 1]),
        ([0.5, 2.0], [Decimal("0.5"), Fraction(1, 2), 2, "a"], [0, 0, 1, -1]),
        ([Decimal(2), "a"], [2, 2.0, "a", 3.0], [0, 0, 1, -1]),
        (["a", 2.0, 3], [2, 3.0], [1, 2]),
        (["a", 2.0, 2], [2, 2.0], [2, 1]),
        ([1, 2, 3], np.array([3, 250], dtype=np.uint8), [2, -1]),
        ([1, 2, 3], [2**64, 2], [-1, 1]),
        ([2**53, 2**53 + 1], [2**53 + 1, 2**53], [1, 0]),
        ([2**63, 2**63 + 1], [2**63 + 1, -1, 5, 0.5], [1, -1, -1, -1]),
        ([2**63, 2**63 + 1], [-(2**63), 2**63 - 1], [-1, -1]),
        ([-(2**63), 5], np.array([2**63, 5], dtype=np.uint64), [-1, 1]),
        ([0.5, 1.0], [1, 2], [1, -1]),
        ([0.5, 1.0], [np.float32(0.5), 1e-300], [0, -1]),
        ([], [1, 2], [-1, -1]),
        ([], ["a"], [-1]),
        (["a"], [], []),
        ([True, False], [False, 0], [1, -1]),
        ([("a", 1)], [("a", True), ("a", 1.0), ("a", 1)], [-1, 0, 0]),
        (DAYS, [dt.datetime(2024, 1, 2), pd.Timestamp("2024-01-03"), "2024-01-01"], [1, 2, -1]),
        (DAYS.to_numpy(), [dt.date(2024, 1, 2), np.datetime64("2024-01-03", "s")], [1, 2]),
        (DAYS.to_numpy().astype("M8[D]"), [pd.Timestamp("2024-01-02"), dt.datetime(2024, 1, 3, 1)], [1, -1]),
        ([dt.date(2024, 1, 1)], [np.datetime64("2024-01-01"), dt.datetime(2024, 1, 1)], [0, -1]),
        ([dt.datetime(2024, 1, 1)], [np.datetime64("2024-01-01"), dt.date(2024, 1, 1)], [0, -1]),
        ([dt.timedelta(1)], np.array([1, 2], dtype="m8[D]"), [0, -1]),
        (np.array([1], dtype="m8[h]"), [dt.timedelta(hours=1), dt.timedelta.max, pd.Timedelta(1, "h")], [0, -1, 0]),
        (np.array([12], dtype="m8[M]"), np.array([1], dtype="m8[Y]"), [0]),
        (np.array([1, 2], dtype="M8[ps]"), np.array([2, 1], dtype="M8[ps]"), [1, 0]),
        (np.array([1, 2], dtype="M8[10s]"), np.array([20, 10], dtype="M8[s]"), [1, 0]),
        (
            [dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)],
            [dt.datetime(2024, 1, 1, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))],
            [0],
        ),
    ],
)
def test_equal_ids_are_found_across_types(known, asked, found):
    assert Vocabulary(known).positions(asked).tolist() == found


def test_missing_ids_have_no_position_where_they_may_be():
    for known in ([1, 2], ["a", "b"], [1.5], [2**63], DAYS):
        asked = [None, np.nan, pd.NaT, pd.NA, *list(known)[:1]]
        assert Vocabulary(known).positions(asked, missing_ok=True).tolist() == [-1, -1, -1, -1, 0]
    with pytest.raises(ValueError, match="users has missing values in 1 of 1 rows: 0"):
        Vocabulary([1]).positions([None], "users")


@pytest.mark.parametrize(
    ("ids", "repeated"),
    [
        (["a", "b", "a", "a"], "'a'."),
        ([1, "1", 1], "1."),
        ([True, 1, True], "True."),
        (list(range(9)) * 2, "0, 1, 2, 3, 4, ..."),
        ([dt.date(2024, 1, 1)] * 2, r"datetime.date\(2024, 1, 1\)."),
    ],
)
def test_repeated_ids_are_refused(ids, repeated):
    with pytest.raises(ValueError, match=f"skus must be distinct; repeated: {repeated}"):
        Vocabulary(ids, "skus")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([3, 1, 2, 1], [1, 2, 3]),
        ([2.5, -1.0], [-1.0, 2.5]),
        (["b", 2, "a", 1], [1, 2, "a", "b"]),
        ([b"b", b"a"], [b"a", b"b"]),
        ([("b", 1), ("a", 2)], [("a", 2), ("b", 1)]),
        ([("b", 1), (1, "b")], [("b", 1), (1, "b")]),  # of types that cannot be compared
        ([2j, 1j], [2j, 1j]),
        ([pd.Period("2024", "Y"), pd.Period("2023-01", "M")], [pd.Period("2024", "Y"), pd.Period("2023-01", "M")]),
        ([np.datetime64(1, "ps"), np.datetime64(1, "Y")], [np.datetime64(1, "ps"), np.datetime64(1, "Y")]),
        ([np.datetime64(0, "ps"), np.datetime64(0, "Y")], [np.datetime64(0, "ps")]),  # which NumPy does not compare
        ([], []),
    ],
)
def test_distinct_ids_are_sorted_where_they_can_be(values, expected):
    vocabulary, places = Vocabulary.of(as_ids(values))
    assert vocabulary.ids.tolist() == expected
    assert_array_equal(vocabulary.positions(values), places)


@pytest.mark.parametrize(
    ("ids", "padded"),
    [
        ([5, 7], [7, -1]),
        ([5, -1], [-1, None]),  # the padding is no id
        ([2**63, 2**63 + 1], [2**63 + 1, None]),
        ([0.5, 1.5], [1.5, None]),
        (["a", "b"], ["b", None]),
        ([("a", 1), ("b", 2)], [("b", 2), None]),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 2)], [dt.date(2024, 1, 2), None]),
    ],
)
def test_padding_is_no_id(ids, padded):
    assert Vocabulary(ids).names(np.array([1, -1])).tolist() == padded


def test_padding_of_times_keeps_their_unit():
    names = Vocabulary(np.array([1, 2], dtype="M8[ns]")).names(np.array([[1, -1]]))
    assert names.tolist() == [[np.datetime64(2, "ns"), None]]
    assert names.shape == (1, 2)


@given(id_lists(), st.randoms(use_true_random=False))
def test_vocabularies_are_equal_when_their_ids_are(ids, random):
    vocabulary = distinct(ids)
    order = random.sample(range(len(vocabulary)), len(vocabulary))
    assert vocabulary.equals(vocabulary)
    assert vocabulary.equals(Vocabulary(vocabulary.ids))
    assert vocabulary.take(np.array(order, dtype=np.int64)).equals(vocabulary) == (order == sorted(order))
    assert not vocabulary.equals(vocabulary.take(np.arange(len(vocabulary) - 1))) or not len(vocabulary)


def test_equality_reads_times_of_all_libraries():
    assert Vocabulary(DAYS).equals(Vocabulary(list(DAYS)))
    assert Vocabulary(DAYS.to_numpy()).equals(Vocabulary(list(DAYS)))
    assert Vocabulary([1, 2]).equals(Vocabulary([1.0, 2.0]))
    assert not Vocabulary([1, 2]).equals(Vocabulary(["1", "2"]))
    assert not Vocabulary([1, 2]).equals(Vocabulary([1, True]))


def test_ids_are_the_callers_own():
    vocabulary = Vocabulary(filled(["a", "b"]))
    vocabulary.ids[:] = "c"
    assert vocabulary.ids.tolist() == ["a", "b"]
    assert repr(vocabulary) == "Vocabulary('a', 'b')"


@given(id_lists())
def test_vocabularies_survive_pickle(ids):
    vocabulary = distinct(ids)
    again = pickle.loads(pickle.dumps(vocabulary))
    assert again.equals(vocabulary)
    for value, original in zip(again.ids, vocabulary.ids, strict=True):
        assert type(value) is type(original)


@given(id_lists())
def test_files_hold_the_ids_of_all_kinds_without_further_types(ids):
    vocabulary = distinct(ids)
    data = skops.io.dumps(vocabulary)
    trusted = skops.io.get_untrusted_types(data=data)
    assert trusted == ["skgnnrec.interactions._vocabulary.Vocabulary"]
    again = skops.io.loads(data, trusted=trusted)
    assert again.equals(vocabulary)
    assert list(map(type, again.ids)) == list(map(type, vocabulary.ids))


def test_a_million_ids_take_about_a_second():
    rng = np.random.default_rng(0)
    numbers = rng.integers(2**62, size=100_000)
    for distinct_ids in (numbers, filled([f"user-{number}" for number in numbers])):
        values = distinct_ids[rng.integers(100_000, size=1_000_000)]
        began = time.process_time()
        vocabulary, places = Vocabulary.of(as_ids(values))
        found = vocabulary.positions(values)
        assert time.process_time() - began < 8  # one is usual; the margin is for busy machines
        assert_array_equal(found, places)
