"""Top-k: exact, stable, the same for one row as for many."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec import _top_k, ranking
from skgnnrec.ranking import PRODUCT_ROWS, ROW_CHUNK, matmul_by_row, rank_in_blocks, round_for_exact_sums, top_k

few_values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5, 2.0])  # many ties
score_tables = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=few_values)


def reference_top_k(scores, k):
    """Return the first k of a stable descending sort, -1 for what is at -inf or missing."""
    order = np.argsort(-scores, axis=1, kind="stable")
    order[np.take_along_axis(scores, order, axis=1) == -np.inf] = -1
    padding = np.full((len(scores), max(0, k - scores.shape[1])), -1)
    return np.hstack([order, padding])[:, :k]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@given(score_tables, st.integers(1, 12))
def test_top_k_is_a_stable_sort(scores, k):
    assert_array_equal(top_k(scores, k), reference_top_k(scores, k))


@given(hnp.arrays(np.float32, (5, 30), elements=st.floats(-1024, 1024, width=32)), st.integers(1, 30))
def test_top_k_of_any_numbers(scores, k):
    assert_array_equal(top_k(scores, k), reference_top_k(scores, k))


@given(
    hnp.arrays(
        np.float32, st.tuples(st.integers(0, 6), st.integers(1, 90)), elements=few_values | st.floats(-9, 9, width=32)
    ),
    st.integers(1, 4),
    st.sampled_from([2, 3, 16]),
    st.sampled_from([1, 4, 1000]),
)
def test_top_k_of_groups_of_columns_is_the_same(scores, k, group, close):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_top_k, "WIDE", 0)
        patch.setattr(_top_k, "GROUP", group)
        patch.setattr(_top_k, "CLOSE", close)
        assert_array_equal(top_k(scores, k), reference_top_k(scores, k))


def test_groups_of_columns_leave_few_to_look_at(monkeypatch):
    monkeypatch.setattr(_top_k, "WIDE", 1000)
    scores = normal(5, 1013)
    maxima = _top_k.group_maxima(scores, 3)
    assert maxima.shape == (5, 1013 // _top_k.GROUP + 1013 % _top_k.GROUP)
    kth = np.sort(maxima, axis=1)[:, -3]
    assert (kth <= np.sort(scores, axis=1)[:, -3]).all()
    entries, crowded = _top_k.contenders(scores, maxima, kth, 100)
    assert_array_equal(entries, np.nonzero(scores >= kth[:, None]))
    assert not crowded.any()
    (rows, _), crowded = _top_k.contenders(scores, maxima, np.where([1, 0, 1, 1, 1], kth, -9.0), 100)
    assert_array_equal(crowded, [False, True, False, False, False])
    assert 1 not in rows


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (1, 1)])
def test_top_k_of_nothing(shape):
    best = top_k(np.full(shape, -np.inf, dtype=np.float32), 3)
    assert best.shape == (shape[0], 3)
    assert best.dtype == np.int64
    assert (best == -1).all()


def test_top_k_leaves_the_scores_alone():
    scores = normal(4, 9)
    before = scores.copy()
    top_k(scores, 3)
    assert_array_equal(scores, before)


def added(A, B):
    """Return the product that matmul_by_row adds to zeros."""
    out = np.zeros((len(A), B.shape[1]), dtype=np.float32)
    matmul_by_row(A, B, out=out)
    return out


@given(st.integers(0, 2 * PRODUCT_ROWS), st.integers(0, 9), st.integers(1, 9), st.integers(0, 5))
def test_matmul_by_row_adds_the_product(n_rows, n_inner, n_columns, seed):
    A, B, C = normal(n_rows, n_inner, seed=seed), normal(n_inner, n_columns), normal(n_rows, n_columns)
    out = C.copy()
    matmul_by_row(A, round_for_exact_sums(B, n_inner, axis=0), out=out)
    assert_allclose(out, C + A.astype(np.float64) @ B.astype(np.float64), rtol=1e-5, atol=1e-5)


@given(st.lists(st.integers(0, 199), min_size=1, max_size=80), st.sampled_from([1, 2]))
def test_matmul_by_row_gives_a_row_the_same_bits_in_any_company(rows, n_threads):
    A, B = normal(200, 64), round_for_exact_sums(normal(64, 50), 64, axis=0)
    with threadpool_limits(n_threads):
        assert_array_equal(added(A[rows], B), added(A, B)[rows])


@given(st.lists(st.integers(0, 49), min_size=1, max_size=50))
def test_matmul_by_row_gives_a_column_the_same_bits_in_any_company(columns):
    A, B = normal(40, 64), round_for_exact_sums(normal(64, 50), 64, axis=0)
    assert_array_equal(added(A, np.ascontiguousarray(B[:, columns])), added(A, B)[:, columns])


@pytest.mark.parametrize("n_rows", [[5, 5], [5, ROW_CHUNK + 1, 5]])
def test_a_factor_in_float32_gives_the_bits_of_one_in_float64(monkeypatch, n_rows):
    monkeypatch.setattr(ranking, "COLUMN_CHUNK", 7)
    B = round_for_exact_sums(normal(64, 50), 64, axis=0)
    add = ranking.exact_product(B)
    for n in n_rows:  # few rows before and after the factor is converted
        out = np.zeros((n, 50), dtype=np.float32)
        add(normal(n, 64), out)
        assert_array_equal(out, added(normal(n, 64), B.astype(np.float64)))


@pytest.mark.parametrize("n_terms", [1, 2, 3, 64, 256, 257, 4096])
def test_rounded_factors_have_exact_sums(n_terms):
    scales = 10.0 ** np.arange(-6, 6)
    A = round_for_exact_sums((scales[:, None] * normal(12, n_terms)).astype(np.float32), n_terms, axis=1)
    B = round_for_exact_sums((normal(n_terms, 12, seed=1) * scales).astype(np.float32), n_terms, axis=0)
    order = np.random.default_rng(0).permutation(n_terms)
    A, B = A.astype(np.float64), B.astype(np.float64)
    exact = [[math.fsum(row * column) for column in B.T] for row in A]
    assert_array_equal(A @ B, exact)
    assert_array_equal(A[:, order] @ B[order], exact)


def test_rounding_is_as_fine_as_float32_sums():
    A = normal(20, 256)
    rounded = round_for_exact_sums(A, 256, axis=1)
    assert rounded.dtype == np.float32
    assert (np.abs(rounded - A).max(axis=1) <= np.abs(A).max(axis=1) * 2.0**-22).all()
    assert_array_equal(round_for_exact_sums(rounded, 256, axis=1), rounded)
    assert not round_for_exact_sums(np.zeros((2, 3), np.float32), 3, axis=0).any()


@pytest.fixture
def histories():
    return sparse.random_array((101, 23), density=0.2, rng=np.random.default_rng(0), format="csr", dtype=np.float32)


@pytest.fixture
def score():
    weights = normal(23, 17)
    return lambda X: X @ weights


@pytest.mark.parametrize("block_bytes", [1, 4 * 17 * ROW_CHUNK, 1 << 26])
def test_blocks_do_not_matter(monkeypatch, histories, score, block_bytes):
    monkeypatch.setattr(ranking, "BLOCK_BYTES", block_bytes)
    columns, scores = rank_in_blocks(score, histories, 5, n_columns=17)
    assert_array_equal(columns, reference_top_k(score(histories), 5))
    assert_array_equal(scores, np.take_along_axis(score(histories), columns, axis=1))
    assert (columns.dtype, scores.dtype) == (np.int64, np.float32)


def test_a_block_is_bounded(monkeypatch, histories):
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * 17 * ROW_CHUNK)
    heights = []

    def score(X):
        heights.append(X.shape[0])
        return np.zeros((X.shape[0], 17), dtype=np.float32)

    rank_in_blocks(score, histories, 5, n_columns=17)
    assert max(heights) <= ROW_CHUNK
    assert sum(heights) == 101


def test_seen_columns_are_left_out(histories, score):
    seen = sparse.random_array((101, 17), density=0.6, rng=np.random.default_rng(1), format="csr")
    columns, scores = rank_in_blocks(score, histories, 17, n_columns=17, seen=seen)
    masked = np.where(seen.toarray() > 0, -np.inf, score(histories)).astype(np.float32)
    assert_array_equal(columns, reference_top_k(masked, 17))
    assert_array_equal(scores == -np.inf, columns == -1)
    assert_array_equal((columns >= 0).sum(axis=1), 17 - np.diff(seen.indptr))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_do_not_matter(histories, score, n_threads):
    with threadpool_limits(n_threads):
        columns, _ = rank_in_blocks(score, histories, 5, n_columns=17)
    assert_array_equal(columns, reference_top_k(score(histories), 5))


def test_no_users_and_no_columns(histories):
    columns, scores = rank_in_blocks(lambda X: np.zeros((X.shape[0], 0), np.float32), histories, 2, n_columns=0)
    assert (columns == -1).all()
    assert (scores == -np.inf).all()
    columns, scores = rank_in_blocks(lambda X: np.zeros((X.shape[0], 3), np.float32), histories[:0], 2, n_columns=3)
    assert columns.shape == scores.shape == (0, 2)


def test_errors_of_a_thread_come_out(histories):
    def fail(X):
        raise FloatingPointError("no score today")

    with pytest.raises(FloatingPointError, match="no score today"):
        rank_in_blocks(fail, histories, 2, n_columns=3)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 1e30])
@pytest.mark.parametrize("axis", [0, 1])
def test_rounding_in_float32_is_that_in_float64(scale, axis):
    rng = np.random.default_rng(0)
    A = (rng.normal(size=(30, 20)) * 10 ** rng.uniform(-3, 3, size=(30, 20)) * scale).astype(np.float32)
    largest = np.abs(A.astype(np.float64)).max(axis=axis, keepdims=True)
    quantum = 2.0 ** (np.floor(np.log2(largest)) + 1 - 22)  # 22 bits: 300 products of them fit into the 53 of float64
    rounded = round_for_exact_sums(A, 300, axis)
    assert rounded.dtype == np.float32
    assert_array_equal(rounded, (np.rint(A / quantum) * quantum).astype(np.float32))


def product_scorer(n_inner, n_columns, scale=1.0, copies=1):
    """Return a scorer of histories with n_inner items; columns come in copies, which tie."""
    B = np.repeat(normal(n_inner, n_columns, seed=1), copies, axis=1) * np.float32(scale)
    B = round_for_exact_sums(B, n_inner, axis=0)
    known = np.repeat(normal(n_inner, n_columns, seed=2), copies, axis=1)
    return ranking.ProductScorer(lambda X: X @ known, lambda X: X.toarray(), B, ranking.largest_norm(B))


@pytest.fixture
def rough_from_the_first_column(monkeypatch):
    """Screen lists of any length, and count the rows that are scored as a whole."""
    whole = []
    exactly = ranking._rank_exactly
    monkeypatch.setattr(ranking, "MANY_COLUMNS", 0)
    monkeypatch.setattr(
        ranking, "_rank_exactly", lambda score, X, *a: whole.append(X.shape[0]) or exactly(score, X, *a)
    )
    return whole


@pytest.mark.parametrize("copies", [1, 3, 40])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("wide", [0, 1000])
def test_rough_scores_do_not_change_the_ranking(rough_from_the_first_column, monkeypatch, copies, scale, k, wide):
    monkeypatch.setattr(_top_k, "WIDE", wide)
    monkeypatch.setattr(_top_k, "GROUP", 2)
    X = sparse.random_array((90, 24), density=0.3, random_state=0, dtype=np.float32, format="csr")
    score = product_scorer(24, 50, scale, copies)
    seen = sparse.random_array((90, 50 * copies), density=0.2, random_state=1, format="csr")
    found, values = rank_in_blocks(score, X, k, n_columns=50 * copies, seen=seen)
    # 40 copies tie, more than may be told apart; and an empty history ties everywhere.
    is_screened = sum(rough_from_the_first_column) < 45
    assert is_screened == (copies < ranking.CLOSE)
    expected, expected_values = rank_in_blocks(score.__call__, X, k, n_columns=50 * copies, seen=seen)
    assert_array_equal(found, expected)
    assert_array_equal(values, expected_values)


def test_rough_scores_are_off_by_no_more_than_they_say():
    X = sparse.random_array((200, 300), density=0.5, random_state=0, dtype=np.float32, format="csr")
    B = round_for_exact_sums(normal(300, 80), 300, axis=0)
    nothing = lambda X: np.zeros((X.shape[0], 80), dtype=np.float32)  # noqa: E731  a scorer without a known part
    score = ranking.ProductScorer(nothing, lambda X: X.toarray(), B, ranking.largest_norm(B))
    scores, error, exact = score.rough(X)
    off = np.abs(scores - X.toarray().astype(np.float64) @ B)
    assert off.max() > 0
    assert (off.max(axis=1) <= error).all()
    rows, columns = np.nonzero(scores > 1)
    assert_array_equal(exact(rows, columns), score(X)[rows, columns])


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_rough_scores_beyond_float32_are_left_to_exact_ones(rough_from_the_first_column, value):
    known = np.zeros((2, 30), dtype=np.float32)
    known[0, 3] = value
    score = ranking.ProductScorer(lambda X: known[: X.shape[0]].copy(), lambda X: X.toarray(), normal(4, 30), 1e38)
    rank_in_blocks(score, sparse.csr_array(np.ones((2, 4), dtype=np.float32)), 3, n_columns=30)
    assert sum(rough_from_the_first_column) >= 1


def test_fewer_columns_than_asked_for_are_scored_exactly(rough_from_the_first_column):
    X = sparse.csr_array(np.eye(4, dtype=np.float32))
    found, _ = rank_in_blocks(product_scorer(4, 3), X, 5, n_columns=3)
    assert rough_from_the_first_column == [4]
    assert (found[:, 3:] == -1).all()
