"""Ranking metrics: known answers, scikit-learn's NDCG, properties, hostile input."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import ndcg_score

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


def test_published_example_of_dcg():
    # Wikipedia, "Evaluation measures (information retrieval)": AP of hits at the ranks 1, 3, 6 of 3 held out.
    truth = np.zeros((1, 8))
    truth[0, [0, 2, 5]] = 1
    assert map_at_k(truth, [range(8)]) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)


def random_case(seed, n_users=40, n_items=30, n=10):
    rng = np.random.default_rng(seed)
    truth = sparse.random_array((n_users, n_items), density=0.1, rng=rng, format="csr")
    return truth, np.argsort(rng.random((n_users, n_items)), axis=1)[:, :n]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_agrees_with_sklearn(seed, k):
    truth, lists = random_case(seed)
    relevant = (truth.toarray() > 0).astype(float)
    has_truth = relevant.any(axis=1)
    scores = np.zeros(truth.shape)
    np.put_along_axis(scores, lists, np.arange(lists.shape[1], 0, -1, dtype=float)[None, :], axis=1)
    expected = ndcg_score(relevant[has_truth], scores[has_truth], k=k)
    assert ndcg_at_k(truth, lists, k=k) == pytest.approx(expected, abs=1e-9)


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


def test_list_of_padding_finds_nothing():
    assert set(ranking_metrics([[1, 0]], [[-1, -1]]).values()) == {0.0}


@each_metric
def test_per_user_without_any_held_out_is_nan(metric):
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
def test_names_of_items_do_not_matter(case, random):
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
def test_appending_an_irrelevant_item_changes_only_what_depends_on_k(case):
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
def test_recall_and_hit_rate_grow_with_k(case):
    truth, lists = case
    for name in ("recall", "hit_rate", "mrr"):
        values = [METRICS[name](truth, lists, k=k) for k in range(1, lists.shape[1] + 1)]
        assert (np.diff(values) >= 0).all()


@given(cases())
@properties
def test_one_held_out_item_ties_the_metrics_together(case):
    truth, lists = case
    single = np.zeros_like(truth)
    single[:, 0] = 1
    metrics = ranking_metrics(single, lists)
    assert metrics["recall"] == metrics["hit_rate"]
    assert metrics["map"] == pytest.approx(metrics["mrr"])
    assert metrics["precision"] == pytest.approx(metrics["recall"] / lists.shape[1])


def test_thirty_thousand_users_take_well_under_a_second():
    rng = np.random.default_rng(0)
    n_users, n_items, k, n_held_out = 30_000, 40_000, 20, 217_000
    cells = rng.integers(n_users, size=n_held_out), rng.integers(n_items, size=n_held_out)
    truth = sparse.coo_array((np.ones(n_held_out), cells), shape=(n_users, n_items)).tocsr()
    lists = (rng.integers(n_items, size=(n_users, 1)) + 997 * np.arange(k)) % n_items
    began = time.process_time()
    ranking_metrics(truth, lists)
    assert time.process_time() - began < 2  # a tenth of it is usual; the margin is for busy machines
