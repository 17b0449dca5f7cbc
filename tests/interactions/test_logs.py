"""Logs: what they hold, what their interactions weigh, and what is hidden of them."""

import datetime as dt
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.interactions import (
    Log,
    Times,
    Vocabulary,
    as_ids,
    hide_share,
    matrix_of_pairs,
    read_log,
    read_table,
    warn_of_types,
    weigh,
)

from ..strategies import LIBRARIES, as_table, tables

COLUMNS = {
    "user": ["ann", "ann", "bob", "ann"],
    "item": ["mug", "pot", "mug", "mug"],
    "weight": [1.0, 2.0, 0.0, 3.0],
    "day": [1, 2, 1, 4],
}
NAMES = {"user": "user", "item": "item", "weight": "weight", "timestamp": "day"}


def log(users, items, weights=None, times=None, unit=None):
    """Return a log of positions."""
    weights = np.ones(len(users)) if weights is None else np.array(weights, dtype=np.float64)
    return Log(np.array(users), np.array(items), weights, None if times is None else Times(np.array(times), unit))


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", [library for library in LIBRARIES if library != "polars lazy"])
def test_all_libraries_give_one_log(library):
    table = read_table(as_table(COLUMNS, library))
    names = NAMES if "user" in table.labels else dict(zip(NAMES, range(4), strict=True))
    found = read_log(table, **names)
    assert found.users.tolist() == ["ann", "ann", "ann"]  # a weight of 0 is no interaction
    assert found.items.tolist() == ["mug", "pot", "mug"]
    assert found.weights.tolist() == [1, 2, 3]
    assert found.times.values.tolist() == [1, 2, 4]
    assert found.times.unit is None


def test_interactions_without_weight_or_time_weigh_one():
    found = read_log(read_table(COLUMNS), user="user", item="item")
    assert found.weights.tolist() == [1, 1, 1, 1]
    assert found.times is None
    assert found.take(np.array([3, 0])).users.tolist() == ["ann", "ann"]


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (["1", "2"], "The column weight='weight' of X must hold numbers, got 1 of type str in row 0"),
        ([1, "two"], "must hold numbers, got two of type str in row 1"),
        ([1, 2j], "must hold numbers, got 2j of type complex in row 1|must hold numbers, got .* in row 0"),
        ([{}, 1], "must hold numbers, got {} of type dict in row 0"),
        ([10**400, 1], "must hold numbers, got 10000.* of type int in row 0"),
        (pd.to_datetime(["2024", "2025"]), "must hold numbers, got 2024.* of type datetime64 in row 0"),
        ([dt.timedelta(1)] * 2, "must hold numbers, got .* of type timedelta64 in row 0"),
        ([1, -1], r"must hold weights from 0 to 1e\+30, it holds values from -1.0 to 1.0"),
        ([1, 1e300], r"must hold weights from 0 to 1e\+30, it holds values from 1.0 to 1e\+300"),
        ([1, np.inf], "contains infinity in row 1"),
        ([1, None], r"has missing values \(NaN\) in 1 of 2 rows: 1"),
    ],
)
def test_what_is_no_weight_is_named(weights, match):
    with pytest.raises(ValueError, match=match):
        read_log(read_table({"user": [1, 2], "item": [1, 2], "weight": weights}), **{**NAMES, "timestamp": None})


@given(tables())
def test_any_log_has_finite_positive_weights(table):
    """Whatever is accepted can be learned from, with floating-point errors raised; all else is a plain error."""
    with suppress(ValueError, TypeError), np.errstate(all="raise"):
        table = read_table(table)
        names = ["user", "item", "weight", "time"] if "user" in table.labels else [0, 1, 2, 3]
        found = read_log(table, **dict(zip(NAMES, names, strict=True)))
        (users, rows), (items, columns) = Vocabulary.of(found.users), Vocabulary.of(found.items)
        found, shape = found._replace(users=rows, items=columns), (len(users), len(items))
        X = weigh(found, shape, 0.5, 2.0)
        assert np.isfinite(X.data).all()
        assert (X.data > 0).all()
        assert hide_share(found, shape, 0.3, 0).shape == rows.shape


# Weights --------------------------------------------------------------------------------------------------------------


def test_matrix_of_pairs():
    X = matrix_of_pairs(np.array([0, 4, 5]), np.array([1.0, 2.0, 3.0]), (2, 3))
    assert X.dtype == np.float32
    assert_array_equal(X.toarray(), [[1, 0, 0], [0, 2, 3]])


def test_of_repeated_interactions_the_largest_counts():
    X = weigh(log([0, 0, 0], [1, 1, 0], [2, 3, 1]), (1, 2), 1.0, None)
    assert_array_equal(X.toarray(), [[1, 3]])


def test_recency_counts_back_from_the_last_interaction_of_a_user():
    users, items, times = [0, 0, 0, 1], [0, 1, 2, 0], [0, 10, 20, 5]
    decayed = weigh(log(users, items, times=times), (2, 3), 0.5, None)
    assert_allclose(decayed.toarray(), [[0.25, 0.5, 1], [1, 0, 0]])
    halved = weigh(log(users, items, times=times), (2, 3), 1.0, 10)
    assert_allclose(halved.toarray(), [[0.25, 0.5, 1], [1, 0, 0]])
    both = weigh(log(users, items, [4, 4, 4, 4], times), (2, 3), 0.5, 10)
    assert_allclose(both.toarray(), [[0.25, 1, 4], [4, 0, 0]])


def test_equal_times_are_one_step():
    X = weigh(log([0, 0, 0], [0, 1, 2], times=[1, 5, 5]), (1, 3), 0.5, None)
    assert_allclose(X.toarray(), [[0.5, 1, 1]])


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_half_lives_are_spans_of_time(unit):
    times = np.array(["2024-01-01", "2024-01-08"], dtype=f"M8[{unit}]").astype(np.int64)
    for half_life in ("7D", dt.timedelta(7), np.timedelta64(7, "D"), 7 * 86_400):
        assert_allclose(
            weigh(log([0, 0], [0, 1], times=times, unit=unit), (1, 2), 1.0, half_life).toarray(), [[0.5, 1]]
        )


EXTREMES = [-(2**63), -1, 0, 1, 2**63 - 1]


@given(
    st.lists(st.sampled_from(EXTREMES) | st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=6),
    st.sampled_from([5e-324, 1e-300, 1, 1e9, 1.7e308]),
    st.sampled_from([None, "D", "s", "ns", "ps"]),
    st.sampled_from([1e-300, 0.5, 1.0]),
)
def test_older_interactions_weigh_less_whatever_the_times(times, half_life, unit, rank_decay):
    with np.errstate(all="raise"):
        X = weigh(
            log([0] * len(times), range(len(times)), times=times, unit=unit), (1, len(times)), rank_decay, half_life
        )
    weights = X.toarray()[0]
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert weights[np.argmax(times)] == 1
    assert (np.diff(weights[np.argsort(times, kind="stable")]) >= 0).all()


def test_float_times_of_any_size_have_weights():
    with np.errstate(all="raise"):
        X = weigh(log([0, 0], [0, 1], times=[-1e308, 1e308]), (1, 2), 1.0, 1e-300)
    assert X.toarray()[0, 0] > 0


def test_tiny_weights_are_interactions():
    X = weigh(log([0, 0], [0, 1], [1e-320, 1.0]), (1, 2), 1.0, None)
    assert X.nnz == 2
    assert X.data.min() > 0


# Hidden interactions --------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1), st.booleans(), st.integers(0, 3))
def test_a_share_of_the_items_of_each_user_is_hidden(pairs, timed, seed):
    users, items = np.array(pairs).T
    found = log(users, items, times=range(len(pairs)) if timed else None)
    hidden = hide_share(found, (5, 7), 0.3, seed)
    for user in np.unique(users):
        of_user = users == user
        seen, held_out = set(items[of_user & ~hidden]), set(items[of_user & hidden])
        assert not seen & held_out
        n = len(seen | held_out)
        assert len(held_out) == (1 if n == 1 else min(max(1, round(0.3 * n)), n - 1))
        if timed and seen:
            last = {item: max(np.flatnonzero(of_user & (items == item))) for item in seen | held_out}
            assert max(last[item] for item in seen) < min(last[item] for item in held_out)


def test_the_only_item_of_each_user_is_hidden():
    assert hide_share(log([0, 0, 1], [2, 2, 3]), (2, 4), 0.3, 0).all()


# Types ----------------------------------------------------------------------------------------------------------------


def test_ids_of_another_type_are_warned_about():
    known = Vocabulary(["7", "8"])
    with pytest.warns(UserWarning, match="None of the users was in the fit: their ids are of type int, .* of type str"):
        warn_of_types(as_ids([7]), known)


@pytest.mark.parametrize("users", [[], ["9"]])
def test_ids_of_the_type_of_the_fit_are_not_warned_about(users, recwarn):
    warn_of_types(as_ids(users), Vocabulary(["7", "8"]))
    assert not recwarn
