"""Ranking metrics: known answers, the results of scikit-learn and ranx, and properties."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import average_precision_score, ndcg_score, precision_score, recall_score

from skgnnrec.metrics import (
    hit_rate_at_k,
    map_at_k,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    ranking_metrics,
    recall_at_k,
)

METRICS = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "precision": precision_at_k,
    "hit_rate": hit_rate_at_k,
    "mrr": mrr_at_k,
    "map": map_at_k,
}
each_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())

# Three users of five items; the held-out items are {0, 3, 4}, {2} and none.
TRUTH = np.array([[1, 0, 0, 1, 1], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]])
LISTS = np.array([[3, 1, 0, 2], [4, 2, -1, -1], [0, 1, 2, 3]])
LOG3 = np.log2(3)
TOLERANCE = 1e-9
KNOWN = {  # of the first two users, at k = 4
    "ndcg": [(1 + 1 / 2) / (1 + 1 / LOG3 + 1 / 2), 1 / LOG3],
    "recall": [2 / 3, 1],
    "precision": [2 / 4, 1 / 4],
    "hit_rate": [1, 1],
    "mrr": [1, 1 / 2],
    "map": [(1 / 1 + 2 / 3) / 3, 1 / 2],
}
KNOWN_AT_1 = {
    "ndcg": [1, 0],
    "recall": [1 / 3, 0],
    "precision": [1, 0],
    "hit_rate": [1, 0],
    "mrr": [1, 0],
    "map": [1, 0],
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("k", "known"), [(None, KNOWN), (4, KNOWN), (1, KNOWN_AT_1)])
def test_known_answer(name, k, known):
    per_user = METRICS[name](TRUTH, LISTS, k=k, average=False)
    assert per_user.dtype == np.float64
    assert_allclose(per_user, [*known[name], np.nan], rtol=1e-12)
    mean = METRICS[name](TRUTH, LISTS, k=k)
    assert isinstance(mean, float)
    assert mean == pytest.approx(np.mean(known[name]), rel=1e-12)


def test_average_precision_of_one_user():
    # The hits at the ranks 1, 3 and 6 are all 3 held-out items.
    truth = np.zeros((1, 8))
    truth[0, [0, 2, 5]] = 1
    assert map_at_k(truth, [range(8)]) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)


def random_case(seed, n=20):
    """Return held-out items of 40 users, at least one each, and lists of n of 50 items."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((40, 50)) < 0.1).astype(int)
    truth[np.arange(40), rng.integers(50, size=40)] = 1
    return truth, np.argsort(rng.random((40, 50)), axis=1)[:, :n]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 20])
def test_short_lists_agree_with_scikit_learn(seed, k):
    truth, lists = random_case(seed)
    scores, shown = np.zeros(truth.shape), np.zeros_like(truth)
    np.put_along_axis(scores, lists, np.arange(lists.shape[1], 0, -1.0)[None, :], axis=1)
    np.put_along_axis(shown, lists[:, :k], 1, axis=1)
    without_truth = np.zeros((1, 50), dtype=int), np.arange(20)[None]  # a user who does not count
    ours = ranking_metrics(np.vstack([truth, without_truth[0]]), np.vstack([lists, without_truth[1]]), k=k)
    assert ours["ndcg"] == pytest.approx(ndcg_score(truth, scores, k=k), abs=TOLERANCE)
    assert ours["recall"] == pytest.approx(recall_score(truth, shown, average="samples"), abs=TOLERANCE)
    assert ours["precision"] == pytest.approx(precision_score(truth, shown, average="samples"), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
def test_whole_rankings_agree_with_scikit_learn(seed):
    truth, lists = random_case(seed, n=50)
    scores = -np.argsort(lists, axis=1)
    expected = np.mean([average_precision_score(*user) for user in zip(truth, scores, strict=True)])
    assert ranking_metrics(truth, lists)["map"] == pytest.approx(expected, abs=TOLERANCE)
    first_only = np.zeros_like(truth)
    first_only[np.arange(40), truth.argmax(axis=1)] = 1  # the precision at one relevant item is its reciprocal rank
    expected = np.mean([average_precision_score(*user) for user in zip(first_only, scores, strict=True)])
    assert ranking_metrics(first_only, lists)["mrr"] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.filterwarnings("ignore:.*:Warning:ranx")
@pytest.mark.parametrize("k", [1, 5, 20])
def test_agrees_with_ranx(k):
    ranx = pytest.importorskip("ranx", reason="ranx is not installed: it brings numba, lxml and more")
    for seed in range(10):
        truth, lists = random_case(seed)
        qrels = ranx.Qrels({f"u{u}": {f"i{i}": 1 for i in np.flatnonzero(row)} for u, row in enumerate(truth)})
        run = ranx.Run({f"u{u}": {f"i{i}": 100.0 - r for r, i in enumerate(row)} for u, row in enumerate(lists)})
        ours = ranking_metrics(truth, lists, k=k)
        n_held_out = truth.sum(axis=1)
        per_user = ranking_metrics(truth, lists, k=k, average=False)["map"]
        # ranx divides by the number of held-out items, which can exceed k.
        ours["map"] = np.mean(per_user * np.minimum(n_held_out, k) / n_held_out)
        for name, value in ours.items():
            assert value == pytest.approx(ranx.evaluate(qrels, run, f"{name}@{k}"), abs=TOLERANCE)


@pytest.mark.parametrize("average", [True, False])
def test_ranking_metrics_agrees_with_each_function(average):
    truth, lists = random_case(0)
    weights = np.arange(len(lists))
    options = {"k": 5, "sample_weight": weights, "average": average}
    together = ranking_metrics(truth, lists, **options)
    assert list(together) == list(METRICS)
    for name, metric in METRICS.items():
        assert_array_equal(together[name], metric(truth, lists, **options))


def test_sample_weight():
    assert recall_at_k(TRUTH, LISTS, sample_weight=[1, 3, 1000]) == pytest.approx((2 / 3 + 3) / 4)
    assert recall_at_k(TRUTH, LISTS, sample_weight=[0, 2, 0]) == 1


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e308])
def test_only_ratios_of_weights_matter(scale):
    with np.errstate(all="raise"):
        assert ranking_metrics(TRUTH, LISTS, sample_weight=3 * [scale]) == pytest.approx(ranking_metrics(TRUTH, LISTS))


def test_empty_lists_score_zero():
    assert set(ranking_metrics([[1, 0]], [[-1, -1]]).values()) == {0.0}


@each_metric
def test_users_without_held_out_items_have_nan(metric):
    assert_array_equal(metric(np.zeros((2, 3)), [[0], [1]], average=False), [np.nan, np.nan])
    assert metric(np.zeros((0, 3)), np.zeros((0, 2), dtype=int), average=False).shape == (0,)


# Properties


@st.composite
def cases(draw):
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    n = draw(st.integers(1, n_items))
    bits = draw(st.lists(st.booleans(), min_size=n_users * n_items, max_size=n_users * n_items))
    truth = np.reshape(bits, (n_users, n_items)).astype(int)
    truth[0, draw(st.integers(0, n_items - 1))] = 1
    lists = np.array([draw(st.permutations(range(n_items)))[:n] for _ in range(n_users)])
    for row in lists:
        row[draw(st.integers(0, n)) :] = -1
    return truth, lists


properties = settings(max_examples=60, deadline=None, derandomize=True)


@given(cases())
@properties
def test_values_lie_between_0_and_1(case):
    for per_user in ranking_metrics(*case, average=False).values():
        counted = case[0].any(axis=1)
        assert np.isnan(per_user[~counted]).all()
        assert ((per_user[counted] >= 0) & (per_user[counted] <= 1 + 1e-12)).all()


@given(cases())
@properties
def test_perfect_list_scores_1(case):
    truth, lists = case
    n = lists.shape[1]
    best = np.argsort(-truth, axis=1, kind="stable")[:, :n]
    metrics = ranking_metrics(truth, best)
    for name in ("ndcg", "map", "mrr", "hit_rate"):
        assert metrics[name] == pytest.approx(1, abs=1e-12)
    assert (metrics["recall"] == 1) == (truth.sum(axis=1).max() <= n)


@given(cases(), st.randoms(use_true_random=False))
@properties
def test_order_of_users_does_not_matter(case, random):
    truth, lists = case
    order = random.sample(range(len(truth)), len(truth))
    whole = ranking_metrics(truth, lists, average=False)
    for name, per_user in ranking_metrics(truth[order], lists[order], average=False).items():
        assert_array_equal(per_user, whole[name][order])


@given(cases(), st.randoms(use_true_random=False))
@properties
def test_order_of_items_does_not_matter(case, random):
    truth, lists = case
    new_position = np.array([*random.sample(range(truth.shape[1]), truth.shape[1]), -1])
    renamed = np.empty_like(truth)
    renamed[:, new_position[:-1]] = truth
    assert ranking_metrics(renamed, new_position[lists]) == ranking_metrics(truth, lists)


@given(cases())
@properties
def test_moving_a_hit_up_never_lowers_a_metric(case):
    truth, lists = case
    before = ranking_metrics(truth, lists, average=False)
    counted = truth.any(axis=1)
    for place in range(1, lists.shape[1]):
        moved = lists.copy()
        is_hit = (lists >= 0) & np.take_along_axis(truth, lists, axis=1).astype(bool)
        rows = np.flatnonzero(is_hit[:, place] & ~is_hit[:, place - 1])
        moved[rows, place - 1], moved[rows, place] = lists[rows, place], lists[rows, place - 1]
        after = ranking_metrics(truth, moved, average=False)
        for name in METRICS:
            assert (after[name][counted] >= before[name][counted] - 1e-12).all()
        assert (after["ndcg"][rows] > before["ndcg"][rows]).all()
        assert (after["map"][rows] > before["map"][rows]).all()


@given(cases())
@properties
def test_appending_an_irrelevant_item_changes_only_metrics_that_depend_on_k(case):
    truth, lists = case
    wider = np.pad(truth, ((0, 0), (0, 1)))
    lists = np.where((lists == -1).any(axis=1, keepdims=True), 0, lists)[:, :1]
    longer = np.column_stack([lists, np.full(len(lists), truth.shape[1])])
    before, after = ranking_metrics(wider, lists), ranking_metrics(wider, longer)
    for name in ("recall", "hit_rate", "mrr"):
        assert after[name] == before[name]
    assert after["precision"] == pytest.approx(before["precision"] / 2)
    assert after["ndcg"] <= before["ndcg"]


@given(cases())
@properties
def test_recall_hit_rate_and_mrr_grow_with_k(case):
    truth, lists = case
    for name in ("recall", "hit_rate", "mrr"):
        values = [METRICS[name](truth, lists, k=k) for k in range(1, lists.shape[1] + 1)]
        assert (np.diff(values) >= 0).all()


@given(cases())
@properties
def test_relations_between_metrics_with_one_held_out_item(case):
    truth, lists = case
    single = np.zeros_like(truth)
    single[:, 0] = 1
    metrics = ranking_metrics(single, lists)
    assert metrics["recall"] == metrics["hit_rate"]
    assert metrics["map"] == pytest.approx(metrics["mrr"])
    assert metrics["precision"] == pytest.approx(metrics["recall"] / lists.shape[1])


def test_30_000_users_are_evaluated_within_two_seconds():
    rng = np.random.default_rng(0)
    n_users, n_items, k, n_held_out = 30_000, 40_000, 20, 217_000
    cells = rng.integers(n_users, size=n_held_out), rng.integers(n_items, size=n_held_out)
    truth = sparse.coo_array((np.ones(n_held_out), cells), shape=(n_users, n_items)).tocsr()
    lists = (rng.integers(n_items, size=(n_users, 1)) + 997 * np.arange(k)) % n_items
    began = time.process_time()
    ranking_metrics(truth, lists)
    assert time.process_time() - began < 2  # usually 0.2 s; the margin is for busy machines
