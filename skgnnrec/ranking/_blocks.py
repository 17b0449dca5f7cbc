"""Ranking of candidates by blocks of users: the matrix of users × candidates is never in memory."""

from itertools import pairwise

import numpy as np
from scipy import sparse

from skgnnrec._device import map_in_threads, n_threads
from skgnnrec._memory import check_memory
from skgnnrec.interactions import row_of_each
from skgnnrec.ranking._scorers import EPSILON, Rough, Scorer, SparseWeights, WithFallback
from skgnnrec.ranking._top_k import best_entries, bound_of_kth, top_k

__all__ = ["BLOCK_BYTES", "CLOSE", "COLUMNS_PER_K", "MANY_COLUMNS", "ROW_CHUNK", "rank_block", "rank_in_blocks"]

# One block of float32 scores; a thread holds about three times as much. The allocator returns blocks above 32 MiB to
# the system at once, and the next block has to touch new pages.
BLOCK_BYTES = 1 << 24
ROW_CHUNK = 32
# Approximate scores of all candidates and exact ones of the best are faster than exact scores of all: the break-even
# was measured between 1,500 and 3,000 columns, on two cores with 64 to 384 dimensions.
MANY_COLUMNS = 3000
SPARSE_ROWS = 8  # times as many candidates as stored weights of the items of a history: then these are sorted alone
SPARSE_BLOCK = 256  # users at a time
COLUMNS_PER_K = 100  # for longer lists, the exact scores of their candidates take the time that was saved
CLOSE = 4  # times k candidates of a row are compared exactly at most; rows with more near-ties are scored exactly
RESULT_BYTES = 12  # for each place in a list: its column and its score
SCORE_BYTES = 12  # for each score in a block, with the arrays that are needed to rank it


@np.errstate(under="ignore")
def rank_in_blocks(
    scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns and scores of the k best candidates of each history, without the stored entries of `seen`.

    Both have the shape (n_users, k), best first; rows with fewer candidates end in column -1 and score -inf.
    """
    n_users, n_columns = X.shape[0], scorer.n_columns
    block = _block_rows(n_users, n_columns)
    check_memory(
        RESULT_BYTES * n_users * k + SCORE_BYTES * min(block, n_users) * n_columns,
        f"The ranking of {n_columns} candidates for {n_users} users, in lists of {k},",
        "Ask for shorter lists, or for fewer users at a time.",
    )
    weights = _sparse_weights(scorer, X)
    if weights is not None:
        return _rank_sparsely(scorer, weights, X, k, seen)
    columns = np.full((n_users, k), -1, dtype=np.int64)
    scores = np.full((n_users, k), -np.inf, dtype=np.float32)

    def rank_rows(start: int) -> None:
        rows = slice(start, start + block)
        histories = X[rows] if n_users > block else X
        marked = seen[rows] if seen is not None and n_users > block else seen
        columns[rows], scores[rows] = rank_block(scorer, histories, k, marked)

    map_in_threads(rank_rows, range(0, n_users, block))
    return columns, scores


def _sparse_weights(scorer: Scorer, X: sparse.csr_array) -> sparse.csr_array | None:
    """Return the weights if the scores are those of sparse weights alone, and most of them are 0."""
    inner = scorer.scorer if isinstance(scorer, WithFallback) else scorer
    if not isinstance(inner, SparseWeights) or X.shape[0] <= 1:  # of one user, all scores are as fast
        return None
    n_products = np.diff(inner.weights.indptr)[X.indices].sum(dtype=np.int64)
    is_sparse = n_products * SPARSE_ROWS <= X.shape[0] * inner.n_columns
    return inner.weights if is_sparse and inner.weights.has_sorted_indices else None


def _rank_sparsely(
    scorer: Scorer, weights: sparse.csr_array, X: sparse.csr_array, k: int, seen: sparse.csr_array | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranking from the scores that are not 0; the sparse product adds up in the order of the dense one."""
    columns = np.empty((X.shape[0], k), dtype=np.int64)
    scores = np.empty((X.shape[0], k), dtype=np.float32)
    is_ranked = np.zeros(X.shape[0], dtype=bool)

    def rank_rows(start: int) -> None:
        products = X[start : start + SPARSE_BLOCK] @ weights
        products.sort_indices()
        for row, (first, last) in enumerate(pairwise(products.indptr.tolist()), start=start):
            candidates, values = products.indices[first:last], products.data[first:last]
            if seen is not None:
                marked = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
                values[np.isin(candidates, marked) if len(marked) > 1 else candidates == marked] = -np.inf
            if np.count_nonzero(values > 0) >= k:  # else candidates without weight are in the list
                chosen = np.flatnonzero(values >= np.partition(values, len(values) - k)[len(values) - k])
                chosen = chosen[np.argsort(-values[chosen], kind="stable")[:k]]
                columns[row], scores[row], is_ranked[row] = candidates[chosen], values[chosen], True

    map_in_threads(rank_rows, range(0, X.shape[0], SPARSE_BLOCK))
    others = np.flatnonzero(~is_ranked)
    block = _block_rows(len(others), scorer.n_columns)
    for start in range(0, len(others), block):
        rows = others[start : start + block]
        columns[rows], scores[rows] = rank_block(scorer, X[rows], k, None if seen is None else seen[rows])
    return columns, scores


@np.errstate(under="ignore")
def rank_block(
    scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the result of `rank_in_blocks` for few histories, with the scores of all of them in memory."""
    found = scorer.rank(X, k, seen)
    if found is not None:
        return found
    rank = _rank_roughly if scorer.n_columns >= max(MANY_COLUMNS, COLUMNS_PER_K * k) else _rank_exactly
    return rank(scorer, X, seen, k)


def _rank_exactly(
    scorer: Scorer, X: sparse.csr_array, seen: sparse.csr_array | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    scores = scorer.scores(X)
    _leave_out(seen, scores)
    return top_k(scores, k)


def _rank_roughly(
    scorer: Scorer, X: sparse.csr_array, seen: sparse.csr_array | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the result of `_rank_exactly` from approximate scores, and exact ones of the candidates near the k-th."""
    rough = scorer.rough(X)
    if rough is None:
        return _rank_exactly(scorer, X, seen, k)
    _leave_out(seen, rough.scores)
    columns, scores, is_crowded = _screen(rough, k)
    if is_crowded.any():
        marked = None if seen is None else seen[is_crowded]
        columns[is_crowded], scores[is_crowded] = _rank_exactly(scorer, X[is_crowded], marked, k)
    return columns, scores


def _screen(rough: Rough, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `top_k` of the exact scores, and the rows in which too many approximate scores are close to the k-th."""
    # The error of an approximate score is at most e. Where at least k of them are t or larger, at least k exact scores
    # are t - e or larger. Hence a column among the k best has an exact score of at least t - e, an approximate one of
    # t - 2e.
    n_rows, n_columns = rough.scores.shape
    lowest, largest = bound_of_kth(rough.scores, k)
    largest = np.maximum(largest, np.abs(lowest))
    with np.errstate(invalid="ignore", over="ignore"):
        margin = 2 * (rough.error + 2.02 * EPSILON * largest)  # sums of terms are rounded as well
        bound = np.nextafter((lowest - margin).astype(np.float32), np.float32(-np.inf))
        is_close = rough.scores >= bound[:, None]
    is_crowded = (np.count_nonzero(is_close, axis=1) > CLOSE * k) | ~np.isfinite(margin)
    is_close[is_crowded] = False
    rows, columns = np.divmod(np.flatnonzero(is_close), n_columns)
    return *best_entries(rows, columns, rough.exact(rows, columns), n_rows, k), is_crowded


def _leave_out(seen: sparse.csr_array | None, scores: np.ndarray) -> None:
    if seen is not None:
        scores[row_of_each(seen) if len(scores) > 1 else 0, seen.indices] = -np.inf


def _block_rows(n_users: int, n_columns: int) -> int:
    """Return the number of rows of a block, a multiple of ROW_CHUNK: memory is bounded, all threads have work."""
    if n_users <= ROW_CHUNK:  # the number of threads takes as long to find as the recommendations for one user
        return ROW_CHUNK
    in_memory = BLOCK_BYTES // (4 * max(1, n_columns))
    fair = -(-n_users // n_threads())
    return max(1, min(in_memory, fair) // ROW_CHUNK) * ROW_CHUNK
