"""Exact top-k in blocks of users: all users are ranked, users x items never stands in memory."""

from collections.abc import Callable
from threading import Lock

import numpy as np
from scipy import sparse

from skgnnrec._device import map_in_threads, n_threads
from skgnnrec._top_k import CLOSE, best_columns, contenders, group_maxima, sort_entries

__all__ = [
    "BLOCK_BYTES",
    "ProductScorer",
    "exact_product",
    "largest_norm",
    "matmul_by_row",
    "rank_in_blocks",
    "round_for_exact_sums",
    "top_k",
]

# One block of float32 scores; a thread holds about three times as much. Beyond 32 MiB the allocator gives memory back
# at once, and every block pays for its pages again.
BLOCK_BYTES = 1 << 24
EPSILON, TINY = 2.0**-24, 2.0**-126  # of float32: the relative error of a rounding, the smallest number it is true of
MANY_COLUMNS = 100  # times as many as are asked for: then rough scores save more than exact ones of the best cost
ROW_CHUNK = 32
COLUMN_CHUNK = 4096  # of a factor that is converted for few rows
SMALLEST_EXPONENT = -149  # of float32
PRODUCT_ROWS = 128  # rows of a product in float64, before they are added up in float32


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k largest scores of each row, best first, ties by position.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns), float32
        The scores; columns at -inf are not eligible.
    k : int
        The number of columns to return, at least 1.

    Returns
    -------
    columns : ndarray of shape (n_rows, k), int64
        Column positions, -1 where a row has fewer than k eligible columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.ranking import top_k
    >>> top_k(np.array([[0.1, 0.7, 0.7, -np.inf]], dtype=np.float32), 4)
    array([[ 1,  2,  0, -1]])
    """
    return best_columns(scores, k)[0]


def round_for_exact_sums(A: np.ndarray, n_terms: int, axis: int) -> np.ndarray:
    """Round a factor so that sums of products of it are exact in float64, whatever their order.

    Parameters
    ----------
    A : ndarray of shape (n_rows, n_columns), float32
        A factor of a matrix product.
    n_terms : int
        The number of products in a sum.
    axis : int
        The axis that is summed over; the largest value along it sets the precision.

    Returns
    -------
    rounded : ndarray of shape (n_rows, n_columns), float32
        Whole multiples of a power of two, below 2^22 of them for up to 512 terms: as exact as float32 sums are.
    """
    # n_terms products of two integers of that many bits stay within the 53 bits of float64.
    bits = min(24, (53 - max(1, n_terms - 1).bit_length()) // 2)
    largest = np.abs(A).max(axis=axis, keepdims=True, initial=0.0)
    # A power of two that float32 has: multiplying by it is exact, and takes no copy in float64.
    quantum = np.ldexp(np.float32(1.0), np.maximum(np.frexp(largest)[1] - bits, SMALLEST_EXPONENT))
    rounded = A / quantum
    np.rint(rounded, out=rounded)
    rounded *= quantum
    return rounded.astype(np.float32, copy=False)


def matmul_by_row(A: np.ndarray, B: np.ndarray, out: np.ndarray) -> None:
    """Add the product A B to `out`, each row to the same bits whatever rows stand beside it.

    A matrix product sums in an order that depends on its shape and on the place in it, so a user's near-ties would
    change places between a call for one user and a call for all. Sums that are exact do not depend on their order.

    Parameters
    ----------
    A : ndarray of shape (n_rows, n_inner), float32
        The rows.
    B : ndarray of shape (n_inner, n_columns), float64
        The common factor, from ``round_for_exact_sums(B, n_inner, axis=0)``.
    out : ndarray of shape (n_rows, n_columns), float32
        What the product is added to, in place.
    """
    A = round_for_exact_sums(A, B.shape[0], axis=1).astype(np.float64)
    for start in range(0, A.shape[0], PRODUCT_ROWS):
        out[start : start + PRODUCT_ROWS] += A[start : start + PRODUCT_ROWS] @ B


def exact_product(B: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
    """Return ``matmul_by_row`` with a common factor that is kept in float32.

    Few rows convert it piece by piece, in the processor's cache; the first block of many rows converts it once for all.

    Parameters
    ----------
    B : ndarray of shape (n_inner, n_columns), float32
        The common factor, from ``round_for_exact_sums(B, n_inner, axis=0)``.

    Returns
    -------
    add : callable
        Takes the rows A of shape (n_rows, n_inner) and an array of shape (n_rows, n_columns) to add A B to, in place.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.ranking import exact_product
    >>> out = np.zeros((1, 2), dtype=np.float32)
    >>> exact_product(np.array([[1, 2], [3, 4]], dtype=np.float32))(np.ones((1, 2), dtype=np.float32), out)
    >>> out
    array([[4., 6.]], dtype=float32)
    """
    lock = Lock()
    converted: list[np.ndarray] = []

    def add(A: np.ndarray, out: np.ndarray) -> None:
        if A.shape[0] > ROW_CHUNK:
            with lock:
                if not converted:
                    converted.append(B.astype(np.float64))
        if converted:
            matmul_by_row(A, converted[0], out)
            return
        for start in range(0, B.shape[1], COLUMN_CHUNK):
            columns = slice(start, start + COLUMN_CHUNK)
            matmul_by_row(A, B[:, columns].astype(np.float64), out[:, columns])

    return add


def largest_norm(B: np.ndarray) -> float:
    """Return the length of the longest column, or a little more.

    Parameters
    ----------
    B : ndarray of shape (n_inner, n_columns), float32
        A matrix.

    Returns
    -------
    largest : float
        0 where there are no columns.
    """
    squares = np.einsum("ij,ij->j", B, B, dtype=np.float64)
    return 1.0001 * float(np.sqrt(squares.max(initial=0.0)))


Exact = Callable[[np.ndarray, np.ndarray], np.ndarray]  # from rows and columns to the scores of these cells


class ProductScorer:
    """Scores that are a known part plus a matrix product, exactly or, in less time, roughly.

    A call returns S(X) + A(X) B to the bits of `matmul_by_row`. `rough` computes the product in float32 and says by how
    much it may be off, so that `rank_in_blocks` need compute only a few columns of each row exactly: the same ranking.

    Parameters
    ----------
    known : callable
        S: takes histories, returns a (n_rows, n_columns) float32 array; one that is not new is not writeable.
    embed : callable
        A: takes histories, returns a (n_rows, n_inner) float32 array.
    B : ndarray of shape (n_inner, n_columns), float32
        The common factor, from ``round_for_exact_sums(B, n_inner, axis=0)``.
    largest : float
        No column of B is longer: `largest_norm` of B, or of a matrix with more columns.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from skgnnrec.ranking import ProductScorer, rank_in_blocks
    >>> B = np.array([[1, 0, 2], [0, 3, 1]], dtype=np.float32)
    >>> score = ProductScorer(lambda X: np.zeros((X.shape[0], 3), dtype=np.float32), lambda X: X.toarray(), B, 3.2)
    >>> X = sparse.csr_array(np.array([[1, 1]], dtype=np.float32))
    >>> score(X)
    array([[1., 3., 3.]], dtype=float32)
    >>> rank_in_blocks(score, X, 2, n_columns=3)[0]
    array([[1, 2]])
    """

    def __init__(
        self,
        known: Callable[[sparse.csr_array], np.ndarray],
        embed: Callable[[sparse.csr_array], np.ndarray],
        B: np.ndarray,
        largest: float,
    ) -> None:
        self._known, self._embed, self._B, self._largest = known, embed, B, largest
        self._add = exact_product(B)

    def __call__(self, X: sparse.csr_array) -> np.ndarray:
        """Return the scores.

        Parameters
        ----------
        X : csr_array of shape (n_rows, n_items)
            Histories.

        Returns
        -------
        scores : ndarray of shape (n_rows, n_columns), float32
            A new array.
        """
        scores = self._known(X)
        if not scores.flags.writeable:
            scores = scores.copy()
        self._add(self._embed(X), scores)
        return scores

    def rough(self, X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, Exact]:
        """Return scores that are a little off.

        Parameters
        ----------
        X : csr_array of shape (n_rows, n_items)
            Histories.

        Returns
        -------
        scores : ndarray of shape (n_rows, n_columns), float32
            A new array.
        error : ndarray of shape (n_rows,), float64
            By how much the product, without the addition, may be off in each row: a sum of n products in float32 is
            off by at most n 2^-24 times the sum of their sizes, in whatever order it is taken.
        exact : callable
            Takes rows and columns, returns the scores of these cells as a call would.
        """
        B, n_inner = self._B, self._B.shape[0]
        A = round_for_exact_sums(self._embed(X), n_inner, axis=1)
        known = self._known(X)
        scores = A @ B
        scores += known
        A = A.astype(np.float64)
        # What underflows is lost besides.
        error = 1.01 * n_inner * (EPSILON * self._largest * np.sqrt(np.einsum("ij,ij->i", A, A)) + TINY)

        def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            products = np.einsum("ij,ij->i", A[rows], B.T[columns].astype(np.float64))
            return (known[rows, columns] + products).astype(np.float32)

        return scores, error, exact


def _screened_top_k(
    scores: np.ndarray, error: np.ndarray, exact: Exact, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `top_k` and the scores that `exact` gives, and which rows are left out: too many columns come close.

    Each of the k best rough scores is off by at most e, so k exact scores reach t - e with t the k-th or less; a column
    among the k best is at least that good, and its rough score is t - 2e or more.
    """
    n_rows = scores.shape[0]
    maxima = group_maxima(scores, k)
    largest = np.partition(maxima, maxima.shape[1] - k, axis=1)[:, maxima.shape[1] - k :]
    size = np.where(largest == -np.inf, 0, np.abs(largest)).max(axis=1)
    margin = 2 * (error + 2.02 * EPSILON * size)  # either sum, of the known part and the product, is rounded
    with np.errstate(invalid="ignore", over="ignore"):
        bound = np.nextafter((largest[:, 0] - margin).astype(np.float32), np.float32(-np.inf))
        entries, crowded = contenders(scores, maxima, bound, CLOSE * k)
    columns, values = sort_entries(entries, exact(*entries), n_rows, k)
    return columns, values, crowded | ~np.isfinite(margin)


def rank_in_blocks(
    score: Callable[[sparse.csr_array], np.ndarray],
    X: sparse.csr_array,
    k: int,
    *,
    n_columns: int,
    seen: sparse.csr_array | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank columns for every row of X, a block of rows at a time.

    Parameters
    ----------
    score : callable
        Takes some rows of `X`, returns a new (n_rows, n_columns) float32 array of their scores. A `ProductScorer` is
        asked for rough scores first.
    X : csr_array of shape (n_users, n_items)
        The histories.
    k : int
        The number of columns to return.
    n_columns : int
        The number of columns `score` returns.
    seen : csr_array of shape (n_users, n_columns), default=None
        The stored entries are left out of the ranking.

    Returns
    -------
    columns : ndarray of shape (n_users, k), int64
        Column positions, best first, -1 where there are fewer than k.
    scores : ndarray of shape (n_users, k), float32
        Their scores, -inf where there is no column.
    """
    n_users = X.shape[0]
    columns = np.full((n_users, k), -1, dtype=np.int64)
    scores = np.full((n_users, k), -np.inf, dtype=np.float32)

    rough = getattr(score, "rough", None) if n_columns > max(k, MANY_COLUMNS * k) else None

    def rank(start: int) -> None:
        rows = slice(start, start + block)
        histories = X[rows] if n_users > block else X
        marked = None if seen is None else (seen[rows] if n_users > block else seen)
        if rough is None:
            columns[rows], scores[rows] = _rank_exactly(score, histories, marked, k)
            return
        block_scores, error, exact = rough(histories)
        _leave_out(marked, block_scores)
        columns[rows], scores[rows], crowded = _screened_top_k(block_scores, error, exact, k)
        if crowded.any():
            left = start + np.flatnonzero(crowded)
            marked = None if marked is None else marked[crowded]
            columns[left], scores[left] = _rank_exactly(score, histories[crowded], marked, k)

    block = _block_rows(n_users, n_columns)
    map_in_threads(rank, range(0, n_users, block))
    return columns, scores


def _rank_exactly(
    score: Callable[[sparse.csr_array], np.ndarray], X: sparse.csr_array, seen: sparse.csr_array | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the k best scores of each row, and these."""
    scores = score(X)
    _leave_out(seen, scores)
    return best_columns(scores, k)


def _leave_out(seen: sparse.csr_array | None, scores: np.ndarray) -> None:
    """Set what is seen to -inf."""
    if seen is not None:
        scores[np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)), seen.indices] = -np.inf


def _block_rows(n_users: int, n_columns: int) -> int:
    """Return the rows of a block: bounded memory, whole chunks, work for every thread."""
    if n_users <= ROW_CHUNK:  # to ask for the threads takes as long as serving one user
        return ROW_CHUNK
    in_memory = BLOCK_BYTES // (4 * max(1, n_columns))
    fair = -(-n_users // n_threads())
    return max(1, min(in_memory, fair) // ROW_CHUNK) * ROW_CHUNK
