"""A ranker returns what `recommend` returns, to the bit, for one user, for several, and in threads."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.ranking import (
    ByRecency,
    Constant,
    LowRank,
    Ranker,
    SparseWeights,
    Sum,
    WithFallback,
    rank_in_blocks,
    round_for_exact_sums,
)


@pytest.fixture(scope="module")
def fitted(prototype, furnish, tastes):
    """Return each recommender with the catalog of the 40 items, fitted."""
    return furnish(prototype).fit(sparse.csr_array(tastes.interactions))


@pytest.fixture
def weighted(X):
    """Return histories with weights; some are empty and some have all items."""
    X = X.tolil()
    X[5], X[7] = 0, 1
    X = sparse.csr_array(X, dtype=np.float32)
    X.data *= np.random.default_rng(0).random(X.nnz, dtype=np.float32) + 0.1
    return X


def histories(X):
    """Return the positions and the weights of each row."""
    rows = [slice(start, stop) for start, stop in pairwise(X.indptr)]
    return [X.indices[row] for row in rows], [X.data[row] for row in rows]


def expected(rec, X, n, **options):
    items, scores = rec.recommend(X, n, **options)
    return rec.catalog.positions(items), scores


@pytest.mark.parametrize("n", [1, 7, 60])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_one_user_gets_what_recommend_returns(fitted, weighted, n, exclude_seen):
    rank = fitted.ranker()
    items, scores = expected(fitted, weighted, n, exclude_seen=exclude_seen)
    for row, (positions, weights) in enumerate(zip(*histories(weighted), strict=True)):
        found, best = rank(positions, weights, n, exclude_seen=exclude_seen)
        assert (found.dtype, best.dtype, found.shape, best.shape) == (np.int64, np.float32, (n,), (n,))
        assert_array_equal(found, items[row])
        assert_array_equal(best, scores[row])


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_batch_gets_what_recommend_returns(fitted, weighted, exclude_seen):
    rank = fitted.ranker()
    positions, weights = histories(weighted)
    for found, wanted in zip(
        rank.batch(positions, weights, 9, exclude_seen=exclude_seen),
        expected(fitted, weighted, 9, exclude_seen=exclude_seen),
        strict=True,
    ):
        assert_array_equal(found, wanted)
    for empty in rank.batch([], n=3):
        assert empty.shape == (0, 3)


def test_without_weights_all_items_count_the_same(fitted, X):
    rank = fitted.ranker()
    items, scores = expected(fitted, X, 10)
    positions, _ = histories(X)
    assert_array_equal(rank.batch(positions)[0], items)
    for row in (0, 3, 8):
        assert_array_equal(rank(positions[row])[1], scores[row])
        assert_array_equal(rank(positions[row].tolist())[0], items[row])


def test_the_order_of_a_history_does_not_matter(fitted, weighted):
    rank = fitted.ranker()
    positions, weights = histories(weighted)
    row = 7
    order = np.random.default_rng(1).permutation(len(positions[row]))
    for found, wanted in zip(
        rank(positions[row][order], weights[row][order]), rank(positions[row], weights[row]), strict=True
    ):
        assert_array_equal(found, wanted)
    backwards = rank.batch([each[::-1] for each in positions], [each[::-1] for each in weights])
    assert_array_equal(backwards[1], rank.batch(positions, weights)[1])


def test_eight_threads_get_what_one_gets(fitted, weighted):
    rank = fitted.ranker()
    tasks = list(zip(*histories(weighted), strict=True)) * 4
    items, scores = expected(fitted, weighted, 10)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda task: rank(*task), tasks))
    for row, (positions, best) in enumerate(found):
        assert_array_equal(positions, items[row % len(items)])
        assert_array_equal(best, scores[row % len(items)])


def test_a_later_fit_does_not_change_a_ranker(fitted, X):
    rec = pickle.loads(pickle.dumps(fitted))
    rank, before = rec.ranker(), rec.ranker()([1, 2])
    rec.fit(X[:40])
    for found, wanted in zip(rank([1, 2]), before, strict=True):
        assert_array_equal(found, wanted)


def test_histories_and_results_belong_to_the_caller(fitted):
    rank, positions, weights = fitted.ranker(), np.array([3, 1]), np.array([1.0, 2.0])
    items, scores = rank(positions, weights)
    kept = items.copy(), scores.copy()
    items[:], scores[:] = 0, 0
    assert_array_equal(rank(positions, weights)[1], kept[1])
    assert_array_equal(rank([])[0], rank([])[0])
    assert_array_equal([positions, weights], [[3, 1], [1, 2]])


@pytest.mark.parametrize("positions", [[-1], [40], [0, 2**31 - 1], [-(2**31)]])
def test_positions_out_of_range_are_refused(fitted, positions):
    rank = fitted.ranker()
    with pytest.raises(IndexError, match=r"positions must be from 0 to 39, got -?\d+ to -?\d+\."):
        rank(positions)
    with pytest.raises(IndexError, match="positions must be from 0 to 39"):
        rank.batch([[1, 2], positions])


def test_a_ranker_needs_a_fit(recommender):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        clone(recommender).ranker()


def test_items_known_by_position_only(X):
    for rec in (RidgeRecommender(), PopularityRecommender()):
        items, _ = rec.fit(X).recommend(X[:5])
        assert_array_equal(rec.ranker().batch(histories(X[:5])[0])[0], items)


# Co-occurrence and a product of many dimensions: most candidates are left out before the product is complete

N_ITEMS, DIM = 9000, 160


def large_scorer(kind):
    """Return a scorer of 9,000 candidates with sparse weights and a product."""
    rng = np.random.default_rng(0)
    weights = sparse.random_array((N_ITEMS, N_ITEMS), density=0.01, format="csr", dtype=np.float32, rng=rng)
    projection = rng.standard_normal((N_ITEMS, DIM), dtype=np.float32)
    items = rng.standard_normal((N_ITEMS, DIM), dtype=np.float32)
    if kind in ("falling", "recency"):  # as singular vectors, with few long candidates
        items *= (np.geomspace(1, 0.01, DIM) * rng.pareto(2, N_ITEMS)[:, None]).astype(np.float32) * np.float32(0.002)
    if kind == "ties":
        weights.data = np.ceil(3 * weights.data)
        items[:] = np.round(items[:1], 1) * np.float32(0.001)
    if kind == "negative":
        weights.data -= 5
    if kind == "large":
        weights *= np.float32(1e30)
    items = round_for_exact_sums(items, DIM, axis=1)
    terms = (SparseWeights(weights), LowRank(projection, items))
    if kind == "two known terms":
        terms = (*terms, Constant(rng.random(N_ITEMS, dtype=np.float32)))
    inner = ByRecency(Sum(terms), 0.7) if kind == "recency" else Sum(terms)
    return WithFallback(inner, rng.random(N_ITEMS, dtype=np.float32))


@pytest.mark.parametrize("kind", ["falling", "flat", "ties", "negative", "large", "two known terms", "recency"])
def test_candidates_that_are_left_out_are_not_among_the_best(kind):
    scorer = large_scorer(kind)
    rng = np.random.default_rng(1)
    X = sparse.random_array((25, N_ITEMS), density=0.002, format="csr", dtype=np.float32, rng=rng)
    X.sort_indices()
    rank = Ranker(scorer, N_ITEMS)
    for n in (1, 20, 150, 500):
        columns, scores = rank_in_blocks(scorer, X, n, X)
        for row, (positions, weights) in enumerate(zip(*histories(X), strict=True)):
            found, best = rank(positions, weights, n)
            assert_array_equal(found, columns[row])
            assert_array_equal(best, scores[row])


class CountedRows:
    """An array that counts the rows that are taken of it."""

    def __init__(self, array):
        self.array, self.n_rows, self.shape = array, 0, array.shape

    def __getitem__(self, key):
        taken = self.array[key]
        self.n_rows += len(taken)
        return taken

    def __len__(self):
        return len(self.array)


def test_few_candidates_need_the_product():
    cooccurrence, product = large_scorer("falling").scorer.terms
    items = CountedRows(product.items)
    rank = Ranker(Sum((cooccurrence, LowRank(product.projection, items))), N_ITEMS)
    items.n_rows = 0
    rank([3, 99, 5000], n=20)
    assert 0 < items.n_rows < N_ITEMS / 2
