"""Team-draft interleaving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import binomtest

from skgnnrec.online import interleave, interleaving_credit, interleaving_test

ranking = st.permutations(range(6)).flatmap(lambda items: st.integers(1, 6).map(lambda n: items[:n]))
seeds = st.integers(0, 1000)


def team_draft(a, b, n, coins):
    """Radlinski's algorithm as it is written, for one user."""
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
def test_equals_the_algorithm_in_words(a, b, n, seed):
    items, teams = interleave([a], [b], n, random_state=seed)
    coins = np.random.RandomState(seed).randint(2, size=(1, -(-n // 2)))[0]
    expected = team_draft(list(a), list(b), n, coins)
    assert (items[0].tolist(), teams[0].tolist()) == expected


@given(ranking, seeds)
def test_equal_rankings_stay_as_they_are(a, seed):
    items, teams = interleave([a], [a], random_state=seed)
    assert items[0].tolist() == list(a)
    assert abs((teams == 0).sum() - (teams == 1).sum()) <= 1


@given(st.permutations(range(6)), st.permutations(range(6)), seeds)
def test_teams_take_turns_and_no_item_comes_twice(a, b, seed):
    items, teams = interleave([a], [b], random_state=seed)
    assert sorted(items[0]) == list(range(6))
    assert_array_equal(teams[0].reshape(3, 2).sum(axis=1), 1)


def test_ids_keep_their_type_and_padding():
    items, teams = interleave([["x", None]], [["x", None]], 2, random_state=0)
    assert items.tolist() == [["x", None]]
    assert teams[0, 1] == -1
    items, teams = interleave(np.array([[5, -1]]), np.array([[5, -1]]), 2, random_state=0)
    assert items.tolist() == [[5, -1]]
    assert items.dtype == np.int64
    assert interleave(np.array([["x", "yy"]]), np.array([["zzz", "x"]]), random_state=0)[0].dtype == object


def test_random_clicks_favour_nobody():
    # The rankings differ, the clicks do not look at them: each side should win half of the decided lists.
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


def test_credit_is_the_sum_of_each_team():
    assert_array_equal(interleaving_credit([[0, 1, 1], [1, 0, -1]], [[2, 0.5, 1], [0, 1, 0]]), [[2, 1.5], [1, 0]])


def test_lists_of_a_user_count_once():
    # Five lists of one user, one of another: two users, not six.
    teams, clicks = [[0, 1]] * 6, [[1, 0]] * 5 + [[0, 1]]
    result = interleaving_test(teams, clicks, users=["ann"] * 5 + ["bob"])
    assert (result.wins_a, result.wins_b, result.ties) == (1, 1, 0)


def test_without_a_decided_user_nothing_is_known():
    result = interleaving_test([[0, 1]], [[0, 0]])
    assert np.isnan(result.share_b)
    assert (result.low, result.high, result.p_value, result.ties) == (0, 1, 1, 1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([[1, 1]], [[1, 2]], r"ranking_a must name an item at most once per row; got 1 more than once in row 0"),
        ([[1, 2]], [["x", "x"]], r"ranking_b must name an item at most once"),
        ([[1, 2]], [[1, 2], [2, 1]], r"one row per user; got 1 and 2 rows"),
        ([1, 2], [[1, 2]], r"ranking_a must have shape \(n_users, n\)"),
    ],
)
def test_bad_rankings_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        interleave(a, b)


@pytest.mark.parametrize(
    ("teams", "clicks", "message"),
    [
        ([[0, 1]], [[0, 1, 0]], r"tables of one shape; got \(1, 2\) and \(1, 3\)"),
        ([[0, 2]], [[0, 1]], r"teams must hold 0, 1 or -1; got \[2\]"),
        ([[0, 1]], [[0, -1]], r"clicks must be finite and >= 0"),
    ],
)
def test_bad_clicks_are_refused(teams, clicks, message):
    with pytest.raises(ValueError, match=message):
        interleaving_test(teams, clicks)


def test_users_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"users must name the user of each of 1 lists; got 2 ids"):
        interleaving_test([[0, 1]], [[0, 1]], users=[1, 2])
