"""Novelty, average popularity, popularity lift and serendipity."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import precision_score

from skgnnrec.metrics import average_popularity, novelty, popularity_lift, precision_at_k, serendipity

FITTED = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]])  # the items have 4, 2, 1 and 0 users
LISTS = np.array([[0, 1], [2, 3], [1, -1], [-1, -1]])


def test_known_answers():
    assert_allclose(novelty(LISTS, FITTED, average=False), [0.5, 2, 1, np.nan])
    assert_allclose(average_popularity(LISTS, FITTED, average=False), [3 / 4, 1 / 8, 1 / 2, np.nan])
    assert novelty(LISTS, FITTED) == pytest.approx(3.5 / 3)
    assert novelty(LISTS, FITTED, k=1) == pytest.approx((0 + 2 + 1) / 3)
    assert average_popularity(LISTS, FITTED, sample_weight=[1, 1, 0, 5]) == pytest.approx(7 / 16)


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, np.ndarray.tolist])
def test_form_of_interactions_does_not_matter(form):
    for metric in (novelty, average_popularity):
        assert metric(LISTS, form(FITTED)) == metric(LISTS, FITTED)
    assert popularity_lift(LISTS, form(FITTED)) == popularity_lift(LISTS, FITTED)


@pytest.mark.parametrize("seed", range(5))
def test_agree_with_a_loop_over_users(seed):
    rng = np.random.default_rng(seed)
    X = (rng.random((30, 20)) < 0.2).astype(float)
    lists = np.argsort(rng.random((30, 20)), axis=1)[:, :5]
    shares = np.maximum(X.sum(axis=0), 1) / 30
    expected = [np.mean([-np.log2(shares[item]) for item in row]) for row in lists]
    assert_allclose(novelty(lists, X, average=False), expected, rtol=0, atol=1e-9)
    shares = X.mean(axis=0)
    weights = rng.random(30)
    users = np.flatnonzero(X.any(axis=1))
    chosen = np.average([shares[X[user] > 0].mean() for user in users], weights=weights[users])
    listed = np.average([shares[lists[user]].mean() for user in users], weights=weights[users])
    assert abs(popularity_lift(lists, X, sample_weight=weights) - (listed / chosen - 1)) < 1e-9


def test_lift_of_a_group_uses_the_popularity_among_all_users():
    assert popularity_lift(LISTS[:1], FITTED[:1], interactions=FITTED) == pytest.approx(0)
    assert popularity_lift(LISTS[1:2], FITTED[1:2], interactions=FITTED) == pytest.approx(1 / 8 - 1)


def test_serendipity_is_the_precision_for_unexpected_items():
    rng = np.random.default_rng(0)
    truth = (rng.random((30, 20)) < 0.3).astype(int)
    lists, expected = (np.argsort(rng.random((30, 20)), axis=1)[:, :n] for n in (5, 8))
    surprising, shown = truth.copy(), np.zeros_like(truth)
    np.put_along_axis(surprising, expected, 0, axis=1)
    np.put_along_axis(shown, lists, 1, axis=1)
    held_out = truth.any(axis=1)
    found = serendipity(truth, lists, expected)
    reference = precision_score(surprising[held_out], shown[held_out], average="samples", zero_division=0)
    assert abs(found - reference) < 1e-12
    assert serendipity(truth, lists, np.full((30, 1), -1)) == pytest.approx(precision_at_k(truth, lists))
    assert serendipity(truth, lists, lists) == 0
    assert_array_equal(serendipity([[0, 0]], [[0]], [[1]], average=False), [np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: novelty([[4]], FITTED), "from 0 to 3, or -1 as padding; got 4"),
        (lambda: novelty([[-1]], FITTED), "must have a recommended item; got none in 1 rows"),
        (lambda: novelty([[0]], -FITTED), "Negative values in data passed to interactions"),
        (lambda: average_popularity([[0]], FITTED, sample_weight=[0]), "of positive weight must have a recommended"),
        (lambda: popularity_lift([[0]], FITTED), "recommended and histories must have one row per user; got 1 and 4"),
        (lambda: popularity_lift(LISTS, 0 * FITTED), "must have a history and a recommended item; got none"),
        (lambda: popularity_lift(LISTS, FITTED, interactions=0 * FITTED), "got a mean popularity of 0"),
        (
            lambda: popularity_lift(LISTS, FITTED, interactions=FITTED[:, :3]),
            "one column per item; got 3 and 4 columns",
        ),
        (lambda: serendipity(FITTED, LISTS, [[0]]), "expected and recommended must have one row per user; got 1 and 4"),
        (lambda: serendipity([[1, 0]], [[0]], [[2]]), "expected must hold item positions from 0 to 1"),
        (lambda: serendipity([[0, 0]], [[0]], [[1]]), "must have held-out items; got none in 1 rows"),
    ],
)
def test_errors_name_the_cause(call, message):
    with pytest.raises(ValueError, match=message):
        call()
