"""Team-draft interleaving."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import binomtest

from skgnnrec import ItemCatalog, PopularityRecommender
from skgnnrec.online import interleave, interleaving_credit, interleaving_test

ranking = st.permutations(range(6)).flatmap(lambda items: st.integers(1, 6).map(lambda n: items[:n]))
seeds = st.integers(0, 1000)


def team_draft(a, b, n, coins):
    """Return the merged list and the teams of one user, by a direct implementation."""
    merged, teams = [], []
    while len(merged) < n:
        left = [[item for item in ranked if item not in merged] for ranked in (a, b)]
        if not left[0] and not left[1]:
            break
        ahead = teams.count(0) - teams.count(1)
        side = coins[len(merged) // 2] if ahead == 0 else int(ahead > 0)
        side = side if left[side] else 1 - side
        merged.append(left[side][0])
        teams.append(side)
    padding = [-1] * (n - len(merged))
    return merged + padding, teams + padding


@given(ranking, ranking, st.integers(1, 8), seeds)
def test_equals_a_direct_implementation(a, b, n, seed):
    items, teams = interleave([a], [b], n, random_state=seed)
    coins = np.random.RandomState(seed).randint(2, size=(1, -(-n // 2)))[0]
    expected = team_draft(list(a), list(b), n, coins)
    assert (items[0].tolist(), teams[0].tolist()) == expected


@given(ranking, seeds)
def test_merged_list_of_equal_rankings_is_the_ranking(a, seed):
    items, teams = interleave([a], [a], random_state=seed)
    assert items[0].tolist() == list(a)
    assert abs((teams == 0).sum() - (teams == 1).sum()) <= 1


@given(st.permutations(range(6)), st.permutations(range(6)), seeds)
def test_teams_take_turns_and_items_are_distinct(a, b, seed):
    items, teams = interleave([a], [b], random_state=seed)
    assert sorted(items[0]) == list(range(6))
    assert_array_equal(teams[0].reshape(3, 2).sum(axis=1), 1)


IDS = {
    "int": [3, 5, 7, 9],
    "int with -1": [-1, 5, 7, 9],
    "unsigned": np.array([3, 5, 7, 9], dtype=np.uint32),
    "beyond int64": np.array([3, 5, 7, 2**64 - 1], dtype=np.uint64),
    "str": ["mug", "pot", "cup", "-1"],
    "bytes": [b"mug", b"pot", b"cup", b"tray"],
    "tuple": [("mug", 1), ("mug", 2), ("pot", 1), ("pot", 2)],
    "datetime64": np.array(["2020", "2021", "2022", "2023"], dtype="M8[Y]").astype("M8[D]"),
    "date": [datetime.date(2020, 1, day) for day in range(1, 5)],
    "float": [0.5, 1.5, 2.5, 3.5],
    "mixed": [1, "1", ("1",), b"1"],
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@pytest.mark.parametrize("seed", range(3))
def test_padding_of_recommend_is_recognised(ids, seed):
    X = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    lists = PopularityRecommender(catalog=ItemCatalog(np.eye(4), ids=ids)).fit(X).recommend(X, 4)[0]
    items, teams = interleave(lists, lists[:, :2], 5, random_state=seed)
    assert (teams >= 0).sum(axis=1).tolist() == [0, 2, 3]
    for row, n_left in enumerate([0, 2, 3]):
        shown, padding = items[row][:n_left].tolist(), items[row][n_left:].tolist()
        expected = lists[row].tolist()[:n_left]
        assert [(type(item), item) for item in shown] == [(type(item), item) for item in expected]
        assert padding == [None if items.dtype == object else -1] * (5 - n_left)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([["x", None]], [["x", None]], ["x", None, None]),
        ([["x", -1]], [["y", None]], ["x", "y", None]),
        ([[5, -1]], [["y", None]], [5, "y", None]),
        (np.array([[5, -1]], dtype=object), np.array([[7, -1]]), [5, 7, -1]),
        (np.array([[5.0, np.nan]]), np.array([[7.0, np.nan]]), [5.0, 7.0, None]),
        (pd.DataFrame([["x", None]]), pd.DataFrame([["y", pd.NA]]), ["x", "y", None]),
        ([[-1, None]], [[5, None]], [-1, 5, None]),  # None is the padding, so that -1 is an item
        ([[1, None]], [["1", None]], [1, "1", None]),
        ([[("a", 1)]], [[("a", 2)]], [("a", 1), ("a", 2), None]),
        ([[-1]], [[-1]], [-1, -1, -1]),
        ([[None]], [[None]], [None, None, None]),
    ],
)
def test_every_form_of_padding_is_recognised(a, b, expected):
    items, teams = interleave(a, b, 3, random_state=0)  # the seed lets ranking a choose first
    assert items.tolist() == [expected]
    assert [type(item) for item in items[0].tolist()] == [type(item) for item in expected]
    is_item = [item is not None and not (item == -1 and items.dtype != object) for item in expected]
    assert (teams[0] >= 0).tolist() == is_item


def test_types_of_the_merged_lists():
    assert interleave(np.array([[5, -1]]), np.array([[5, -1]]), random_state=0)[0].dtype == np.int64
    assert interleave(np.array([["x", "yy"]]), np.array([["zzz", "x"]]), random_state=0)[0].dtype == object


def test_random_clicks_favour_no_ranking():
    # The clicks do not depend on the rankings, so that each ranking should win about half of the lists.
    rng = np.random.default_rng(0)
    a, b = (np.argsort(rng.random((20_000, 10)), axis=1) for _ in range(2))
    _, teams = interleave(a, b, random_state=0)
    result = interleaving_test(teams, rng.random(teams.shape) < 1 / np.arange(2, 12))
    assert result.p_value > 1e-3
    assert result.low < 0.5 < result.high


def test_the_better_ranking_wins():
    # Users click on items below 5 only, and b ranks them first.
    rng = np.random.default_rng(0)
    a = np.argsort(rng.random((500, 20)), axis=1)
    b = np.argsort(rng.random((500, 20)) + 0.5 * (np.arange(20) >= 5), axis=1)
    items, teams = interleave(a, b, 10, random_state=0)
    result = interleaving_test(teams, items < 5)
    assert result.low > 0.5
    assert result.wins_a + result.wins_b + result.ties == 500
    expected = binomtest(result.wins_b, result.wins_a + result.wins_b)
    assert result.p_value == expected.pvalue
    assert (result.low, result.high) == tuple(expected.proportion_ci(0.95))


def test_credit_is_the_sum_over_each_team():
    assert_array_equal(interleaving_credit([[0, 1, 1], [1, 0, -1]], [[2, 0.5, 1], [0, 1, 0]]), [[2, 1.5], [1, 0]])


def test_lists_of_a_user_are_summed():
    # Five lists of one user, one of another: two users, not six.
    teams, clicks = [[0, 1]] * 6, [[1, 0]] * 5 + [[0, 1]]
    result = interleaving_test(teams, clicks, users=["ann"] * 5 + ["bob"])
    assert (result.wins_a, result.wins_b, result.ties) == (1, 1, 0)


def test_users_of_equal_names_and_different_types_are_different():
    result = interleaving_test([[0, 1]] * 2, [[1, 0], [0, 1]], users=[1, "1"])
    assert (result.wins_a, result.wins_b) == (1, 1)


def test_result_without_wins():
    result = interleaving_test([[0, 1]], [[0, 0]])
    assert np.isnan(result.share_b)
    assert (result.low, result.high, result.p_value, result.ties) == (0, 1, 1, 1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([[1, 1]], [[1, 2]], r"ranking_a must contain an item at most once per row; got 1 more than once in row 0"),
        ([[1, 2]], [["x", "x"]], r"ranking_b must contain an item at most once"),
        ([[1, 2]], [[1, 2], [2, 1]], r"one row per user; got 1 and 2 rows"),
        ([1, 2], [[1, 2]], r"ranking_a must have shape \(n_users, n\), n >= 1; got rows of type int"),
        (np.array([1, 2]), [[1, 2]], r"ranking_a must have shape \(n_users, n\), n >= 1; got \(2,\)"),
        ([[1, 2], [1]], [[1, 2]], r"rows of different lengths. Pad the shorter ones with None"),
        ({1, 2}, [[1, 2]], r"ranking_a must have shape .*; got a set"),
        ([{1, 2}], [[1, 2]], r"got rows of type set"),
        (["mug"], [["mug"]], r"got rows of type str"),
        ([[]], [[1]], r"got \(1, 0\)"),
        ([[[1], [2]]], [[1, 2]], r"ranking_a must be values that can be hashed.* got a list"),
    ],
)
def test_bad_rankings_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        interleave(a, b)


def test_lists_beyond_the_memory_are_refused():
    with pytest.raises(ValueError, match=r"A list of n=1000000000000 items for each of 1 users needs .* Reduce n"):
        interleave([[1]], [[2]], 10**12)


@pytest.mark.parametrize(
    ("teams", "clicks", "message"),
    [
        ([[0, 1]], [[0, 1, 0]], r"the same shape; got \(1, 2\) and \(1, 3\)"),
        ([[0, 2]], [[0, 1]], r"teams must hold 0, 1 or -1; got 2"),
        ([[0, 1]], [[0, -1]], r"clicks must be >= 0; got -1"),
        ([[0, 1]], [[0, np.nan]], r"clicks contains NaN"),
        ([0, 1], [[0, 1]], r"teams must be an array of numbers of shape \(n_lists, n\); got shape \(2,\)"),
        ([[0, 1]], [["0", "1"]], r"clicks must be an array of numbers .*; got values of dtype <U1"),
        ([[0, 1]], [[0], [1, 2]], r"clicks must be .*; got rows of different lengths"),
        ([[0, 1]], {0, 1}, r"clicks must be .*; got a set"),
    ],
)
def test_bad_clicks_are_refused(teams, clicks, message):
    with pytest.raises(ValueError, match=message):
        interleaving_test(teams, clicks)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ([1, 2], "users must hold one id for each of 1 rows; got 2 ids"),
        ([None], "users has missing values in 1 of 1 rows"),
        ([["ann"]], "users must be values that can be hashed"),
        ({"ann"}, "users must have an order, got a set"),
    ],
)
def test_bad_users_are_refused(users, message):
    with pytest.raises(ValueError, match=message):
        interleaving_test([[0, 1]], [[0, 1]], users=users)
