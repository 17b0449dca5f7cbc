"""All ranking metrics against other libraries, on random cases: scikit-learn always, ranx where it is installed."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score, precision_score, recall_score

from skgnnrec.metrics import ranking_metrics

TOLERANCE = 1e-9


def random_case(seed, n=20):
    """Return held-out items of some users, at least one each, and lists of n of 50 items."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((40, 50)) < 0.1).astype(int)
    truth[np.arange(40), rng.integers(50, size=40)] = 1
    return truth, np.argsort(rng.random((40, 50)), axis=1)[:, :n]


@pytest.mark.parametrize("seed", range(10))
def test_short_lists_agree_with_scikit_learn(seed):
    truth, lists = random_case(seed)
    scores, shown = np.zeros(truth.shape), np.zeros_like(truth)
    np.put_along_axis(scores, lists, np.arange(lists.shape[1], 0, -1.0)[None, :], axis=1)
    np.put_along_axis(shown, lists, 1, axis=1)
    ours = ranking_metrics(truth, lists)
    assert abs(ours["ndcg"] - ndcg_score(truth, scores, k=lists.shape[1])) < TOLERANCE
    assert abs(ours["recall"] - recall_score(truth, shown, average="samples")) < TOLERANCE
    assert abs(ours["precision"] - precision_score(truth, shown, average="samples")) < TOLERANCE


@pytest.mark.parametrize("seed", range(10))
def test_precision_of_whole_rankings_agrees_with_scikit_learn(seed):
    truth, lists = random_case(seed, n=50)
    scores = -np.argsort(lists, axis=1)
    expected = np.mean([average_precision_score(*user) for user in zip(truth, scores, strict=True)])
    assert abs(ranking_metrics(truth, lists)["map"] - expected) < TOLERANCE
    first_only = np.zeros_like(truth)
    first_only[np.arange(40), truth.argmax(axis=1)] = 1  # the precision at one relevant item is its reciprocal rank
    expected = np.mean([average_precision_score(*user) for user in zip(first_only, scores, strict=True)])
    assert abs(ranking_metrics(first_only, lists)["mrr"] - expected) < TOLERANCE


@pytest.mark.filterwarnings("ignore:.*:Warning:ranx")
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("k", [1, 5, 20])
def test_ranx_agrees(seed, k):
    ranx = pytest.importorskip("ranx", reason="ranx is not installed: it brings numba, lxml and more")
    truth, lists = random_case(seed)
    qrels = ranx.Qrels({f"u{u}": {f"i{i}": 1 for i in np.flatnonzero(row)} for u, row in enumerate(truth)})
    run = ranx.Run({f"u{u}": {f"i{i}": 100.0 - r for r, i in enumerate(row)} for u, row in enumerate(lists)})
    ours = ranking_metrics(truth, lists, k=k)
    n_held_out = truth.sum(axis=1)
    per_user = ranking_metrics(truth, lists, k=k, average=False)["map"]
    # ranx divides the sum of precisions by all held-out items, ours by the most that a list can hold.
    ours["map"] = np.mean(per_user * np.minimum(n_held_out, k) / n_held_out)
    for name, value in ours.items():
        assert abs(value - ranx.evaluate(qrels, run, f"{name}@{k}")) < TOLERANCE
