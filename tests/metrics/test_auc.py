"""AUC: known answers, and the results of scikit-learn for whole and short lists."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import roc_auc_score

from skgnnrec.metrics import auc_at_k

TRUTH = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
LISTS = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])


@pytest.mark.parametrize(
    ("truth", "lists", "options", "expected"),
    [
        (TRUTH, LISTS, {}, [3 / 4, np.nan, np.nan]),
        (TRUTH, LISTS, {"k": 1}, [(2 + 1) / 4, np.nan, np.nan]),  # the other held-out item is tied with two
        ([[1, 0, 0, 0]], [[-1, -1]], {}, [1 / 2]),
        ([[1, 0, 0, 0]], [[1, -1]], {}, [(0 + 2 / 2) / 3]),
        ([[1, 0, 0, 0]], [[2, 0, 3]], {"seen": [[0, 1, 0, 0]]}, [1 / 2]),
        ([[1, 0, 0, 0]], [[2, 0, 3]], {"seen": [[0, 1, 1, 0]]}, [1]),
        ([[1, 0, 0]], [[0, 1]], {"seen": [[1, 1, 1]]}, [np.nan]),  # no other items to compare with
    ],
)
def test_known_answer(truth, lists, options, expected):
    assert_allclose(auc_at_k(truth, lists, average=False, **options), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 7, 30])
@pytest.mark.parametrize("with_history", [False, True])
def test_agrees_with_scikit_learn(seed, k, with_history):
    rng = np.random.default_rng(seed)
    n_users, n_items = 40, 30
    truth = sparse.random_array((n_users, n_items), density=0.1, rng=rng, format="csr")
    seen = sparse.random_array((n_users, n_items), density=0.2, rng=rng, format="csr") if with_history else None
    order = np.argsort(rng.random((n_users, n_items)), axis=1)
    relevant, left_out = truth.toarray() > 0, np.zeros((n_users, n_items), dtype=bool)
    if seen is not None:
        left_out = (seen.toarray() > 0) & ~relevant
    lists = np.full((n_users, n_items), -1)
    for row in range(n_users):
        candidates = order[row][~left_out[row, order[row]]]
        lists[row, : len(candidates)] = candidates
    found = auc_at_k(truth, lists, k=k, seen=seen, average=False)
    for row in range(n_users):
        scores = np.zeros(n_items)
        listed = lists[row, :k][lists[row, :k] >= 0]
        scores[listed] = np.arange(len(listed), 0, -1)
        ranked = ~left_out[row]
        if relevant[row].any():
            assert abs(found[row] - roc_auc_score(relevant[row, ranked], scores[ranked])) < 1e-12
    assert auc_at_k(truth, lists, k=k, seen=seen) == pytest.approx(np.nanmean(found), rel=1e-12)


def test_weights_and_users_without_pairs():
    truth, lists = [[1, 0], [1, 0], [1, 1]], [[0, 1], [1, 0], [0, 1]]
    assert auc_at_k(truth, lists) == 1 / 2
    assert auc_at_k(truth, lists, sample_weight=[3, 1, 100]) == 3 / 4
    assert_array_equal(auc_at_k([[1, 1]], [[0, 1]], average=False), [np.nan])
    with pytest.raises(ValueError, match="held-out items and others to compare them with"):
        auc_at_k([[1, 1]], [[0, 1]])


def test_seen_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"seen must have the shape of y_true, \(3, 4\); got \(2, 4\)"):
        auc_at_k(TRUTH, LISTS, seen=TRUTH[:2])
