"""Blocked ranking: the same lists for any blocks and threads, with and without approximate scores."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.ranking import (
    BLOCK_BYTES,
    Constant,
    DenseWeights,
    LowRank,
    Scorer,
    SparseWeights,
    Sum,
    WithFallback,
    rank_in_blocks,
    round_for_exact_sums,
    top_k,
)
from skgnnrec.ranking._blocks import CLOSE, COLUMNS_PER_K, MANY_COLUMNS, ROW_CHUNK


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def random_histories(n_users, n_items, density=0.3):
    rng = np.random.default_rng(0)
    return sparse.random_array((n_users, n_items), density=density, rng=rng, format="csr", dtype=np.float32)


@pytest.fixture
def histories():
    return random_histories(101, 23)


@pytest.fixture
def scorer():
    return DenseWeights(normal(23, 17))


@dataclass
class Watched(Scorer):
    """The scores of another scorer; the numbers of rows that are scored exactly and approximately are recorded."""

    scorer: Scorer
    error: Exception | None = None
    exact_rows: list[int] = field(default_factory=list)
    rough_rows: list[int] = field(default_factory=list)

    @property
    def n_columns(self):
        return self.scorer.n_columns

    def scores(self, X):
        if self.error is not None:
            raise self.error
        self.exact_rows.append(X.shape[0])
        return self.scorer.scores(X)

    def take(self, columns):
        return Watched(self.scorer.take(columns))

    def contributions(self, X, columns):
        return self.scorer.contributions(X, columns)

    def rough(self, X):
        self.rough_rows.append(X.shape[0])
        return self.scorer.rough(X)


def ranked_at_once(scorer, X, k, seen=None):
    """Return the ranking by the exact scores of all users and candidates."""
    scores = scorer.scores(X)
    if seen is not None:
        scores[seen.toarray() != 0] = -np.inf
    return top_k(scores, k)


def assert_ranking(found, expected):
    assert_array_equal(found[0], expected[0])
    assert_array_equal(found[1], expected[1])
    assert (found[0].dtype, found[1].dtype) == (np.int64, np.float32)


# Blocks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_columns", [17, BLOCK_BYTES // (4 * ROW_CHUNK)])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_blocks_and_threads_do_not_matter(n_columns, n_threads):
    X, scorer = random_histories(101, 4), DenseWeights(normal(4, n_columns))
    with threadpool_limits(n_threads):
        assert_ranking(rank_in_blocks(scorer, X, 5), ranked_at_once(scorer, X, 5))


def test_memory_of_a_block_is_bounded():
    watched = Watched(DenseWeights(normal(4, BLOCK_BYTES // (4 * ROW_CHUNK))))
    rank_in_blocks(watched, random_histories(101, 4), 700)  # lists too long for approximate scores
    assert sum(watched.exact_rows) == 101
    assert max(watched.exact_rows) == ROW_CHUNK


@pytest.mark.parametrize("n_users", [1, 31, 32, 33, 64, 65])
def test_numbers_of_users_around_a_block(n_users, scorer):
    X = random_histories(n_users, 23)
    with threadpool_limits(2):
        assert_ranking(rank_in_blocks(scorer, X, 5, X[:, :17]), ranked_at_once(scorer, X, 5, X[:, :17]))


def test_seen_columns_are_left_out(histories, scorer):
    seen = sparse.random_array((101, 17), density=0.6, rng=np.random.default_rng(1), format="csr")
    columns, scores = rank_in_blocks(scorer, histories, 17, seen)
    assert_ranking((columns, scores), ranked_at_once(scorer, histories, 17, seen))
    assert_array_equal(scores == -np.inf, columns == -1)
    assert_array_equal((columns >= 0).sum(axis=1), 17 - np.diff(seen.indptr))


def test_no_users_and_no_columns(histories, scorer):
    columns, scores = rank_in_blocks(scorer.take(np.array([], dtype=int)), histories, 2)
    assert columns.shape == scores.shape == (101, 2)
    assert (columns == -1).all()
    assert (scores == -np.inf).all()
    columns, scores = rank_in_blocks(scorer, histories[:0], 2)
    assert columns.shape == scores.shape == (0, 2)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_errors_in_threads_reach_the_caller(histories, scorer, n_threads):
    with threadpool_limits(n_threads), pytest.raises(FloatingPointError, match="no score today"):
        rank_in_blocks(Watched(scorer, FloatingPointError("no score today")), histories, 2)


def test_rankings_too_large_for_memory_are_refused(histories, scorer):
    match = "The ranking of 17 candidates for 101 users, in lists of 1000000000000, needs .* GiB.*shorter lists"
    with pytest.raises(MemoryLimitError, match=match):
        rank_in_blocks(scorer, histories, 10**12)
    many = Constant(np.broadcast_to(np.float32(0), (10**12,)))
    with pytest.raises(MemoryLimitError, match="The ranking of 1000000000000 candidates for 1 users"):
        rank_in_blocks(many, histories[:1], 2)


# Approximate scores ---------------------------------------------------------------------------------------------------


def product(n_items, n_columns, scale=1.0, copies=1):
    """Return a scorer whose candidates come in copies, which tie."""
    vectors = np.repeat(normal(n_columns, n_items, seed=1), copies, axis=0) * np.float32(scale)
    known = np.repeat(normal(n_items, n_columns, seed=2), copies, axis=1)
    factors = LowRank(np.eye(n_items, dtype=np.float32), round_for_exact_sums(vectors, n_items, axis=1))
    return Sum((DenseWeights(known), factors))


@pytest.mark.parametrize("copies", [1, 3, 40])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("k", [1, 7])
def test_approximate_scores_do_not_change_the_ranking(copies, scale, k):
    X = random_histories(90, 24)
    watched = Watched(product(24, -(-MANY_COLUMNS // copies), scale, copies))
    seen = sparse.random_array((90, watched.n_columns), density=0.2, rng=np.random.default_rng(1), format="csr")
    assert_ranking(rank_in_blocks(watched, X, k, seen), ranked_at_once(watched.scorer, X, k, seen))
    assert sum(watched.rough_rows) == 90
    # 40 copies tie, more than are compared exactly; so do all candidates of the rare empty histories.
    assert (sum(watched.exact_rows) < 45) == (copies < CLOSE)


@pytest.mark.parametrize(
    ("n_columns", "k", "is_rough"),
    [
        (MANY_COLUMNS, 10, True),
        (MANY_COLUMNS - 1, 10, False),
        (MANY_COLUMNS, MANY_COLUMNS // COLUMNS_PER_K, True),
        (MANY_COLUMNS, MANY_COLUMNS // COLUMNS_PER_K + 1, False),
    ],
)
def test_approximate_scores_need_many_columns_for_each_place(n_columns, k, is_rough):
    watched = Watched(product(4, n_columns))
    rank_in_blocks(watched, random_histories(5, 4), k)
    assert watched.rough_rows == ([5] if is_rough else [])


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_approximate_scores_beyond_float32_are_replaced_by_exact_ones(value):
    known = np.zeros((4, MANY_COLUMNS), dtype=np.float32)
    known[0, 3] = value
    factors = LowRank(np.full((4, 4), 1e30, dtype=np.float32), normal(MANY_COLUMNS, 4))
    watched = Watched(Sum((DenseWeights(known), factors)))
    with np.errstate(all="ignore"):
        rank_in_blocks(watched, sparse.csr_array(np.ones((2, 4), dtype=np.float32)), 3)
    assert sum(watched.exact_rows) >= 1


@pytest.mark.parametrize("scale", [1e-38, 1.0, 1e30])
def test_errors_on_underflow_do_not_reach_the_caller(scale):
    X = random_histories(20, 24)
    X.data *= np.where(np.arange(X.nnz) % 2, np.float32(1e-30), np.float32(1))
    scorer = product(24, MANY_COLUMNS, scale)
    expected = ranked_at_once(scorer, X, 5)
    with np.errstate(all="raise"):
        assert_ranking(rank_in_blocks(scorer, X, 5), expected)


@pytest.mark.parametrize("with_seen", [True, False])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
def test_histories_of_one_item_are_ranked_from_its_weights(density, with_seen):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((300, 500)) < density, rng.integers(-1, 6, (300, 500)) / 4, 0).astype(np.float32)
    X = sparse.csr_array(
        (rng.integers(1, 4, 200).astype(np.float32), rng.integers(0, 300, 200), np.arange(201)), shape=(200, 300)
    )
    seen = sparse.csr_array((X.data, X.indices, X.indptr), shape=(200, 500)) if with_seen else None
    for n in (1, 5, 40):
        weights = SparseWeights(sparse.csr_array(dense))
        for scorer in (weights, WithFallback(weights, dense[0])):
            for found, wanted in zip(
                rank_in_blocks(scorer, X, n, seen), rank_in_blocks(DenseWeights(dense), X, n, seen), strict=True
            ):
                assert_array_equal(found, wanted)
