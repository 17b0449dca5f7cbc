"""Item-to-item ridge regression with sparse weights: a sparse approximate inverse, and a low-rank part for content.

Each column of the inverse of C + λI is solved for on few items alone, the items with the largest cosines of
co-occurrence: the sparse approximate inverse of Grote and Huckle (SIAM J. Sci. Comput. 1997), in the form of a small
regression for each item. The item vectors F add w² F Fᵀ, of low rank: its part follows from Woodbury's identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from skgnnrec._device import map_in_threads
from skgnnrec._memory import SMALL, available_memory, check_memory
from skgnnrec.graph import Statistics, largest_of_rows, popularity_scale, rescale

__all__ = [
    "DENSE_BYTES",
    "SparseRegression",
    "chosen_solver",
    "mean_column_length",
    "regress_sparsely",
    "regress_sparsely_on",
]

DENSE_BYTES = 12  # of a dense fit, for each pair of items: the matrix, the sparse sums, the blocks of the inversion
DENSE_ITEMS = 30_000  # with more, a dense inverse takes many minutes

# Of an item, that are kept for each of its predictors: the regressions need those among predictors, too. With 10,
# lists are as accurate as with all; with 4, they lose a little where histories are long.
MOST_PAIRS, FEWEST_PAIRS = 10, 4
ALL_PAIRS = 120_000_000  # of all items, where this lies between the two
BATCH_VALUES = 10_000_000  # of small Gram matrices at a time: each look-up of a batch first passes over all pairs,
ROWS_SHARE = 0.2  # or over those of the items in it, where these are at most such a share


@dataclass(frozen=True, eq=False)
class SparseRegression:
    """Weights W + L Rᵀ, of which the diagonal is zero, and what is computed with them."""

    weights: sparse.csr_array  # W, (n_items, n_items), float32
    left: np.ndarray  # L, (n_items, n_dimensions), float32
    right: np.ndarray  # R, (n_items, n_dimensions), float32
    projection: np.ndarray | None  # w² D_i^{-c} P F, where there are vectors F


def chosen_solver(solver: str, order_weight: float, n_items: int) -> str:
    """Return "dense" or "sparse": what the parameter names, or by the number of items and the memory."""
    if solver == "sparse" and order_weight > 0:
        raise ValueError(f'order_weight must be 0 with solver="sparse"; got {order_weight}.')
    if solver != "auto":
        return solver
    available = available_memory()
    is_enough = available is None or DENSE_BYTES * n_items**2 <= max(available, SMALL)
    return "dense" if order_weight > 0 or (is_enough and n_items <= DENSE_ITEMS) else "sparse"


def regress_sparsely(
    X: sparse.csr_array, vectors: np.ndarray | None, *, user_exponent: float, n_predictors: int, **settings: float
) -> SparseRegression:
    """Return the sparse and the low-rank part of the weights, as `regress_sparsely_on` the statistics of X."""
    n_pairs = np.clip(ALL_PAIRS // X.shape[1], FEWEST_PAIRS * n_predictors, MOST_PAIRS * n_predictors)
    statistics = Statistics.accumulate(X, user_exponent, int(n_pairs))
    return regress_sparsely_on(statistics, vectors, n_predictors=n_predictors, **settings)


def regress_sparsely_on(
    statistics: Statistics,
    vectors: np.ndarray | None,
    *,
    n_predictors: int,
    item_exponent: float,
    content_weight: float,
    alpha: float,
) -> SparseRegression:
    """Return the weights of the regression; λ and w² are relative to the mean diagonal of the Gram matrix."""
    scale = popularity_scale(statistics.item_counts, -item_exponent).astype(np.float32)
    C = _scaled(statistics, scale)
    diagonal = C.diagonal()
    mean_diagonal = float(diagonal[diagonal > 0].mean(dtype=np.float64)) if (diagonal > 0).any() else 1.0
    weight = content_weight * mean_diagonal if vectors is not None else 0.0
    ridge = alpha * mean_diagonal
    predictors = _predictors(C, diagonal, n_predictors)
    W, own = _columns(C, diagonal + np.float32(ridge), predictors, ridge)
    if vectors is None:
        empty = np.zeros((len(scale), 0), dtype=np.float32)
        return SparseRegression(rescale(W, scale, 1 / scale), empty, empty, None)
    return _with_content(W, own, vectors, weight, diagonal + ridge + weight, scale)


def _scaled(statistics: Statistics, scale: np.ndarray) -> sparse.csr_array:
    """Return the co-occurrences, multiplied by the scale of both items, in float32; they share the positions."""
    C = statistics.cooccurrence
    C.sort_indices()
    data = C.data.astype(np.float32)
    data *= np.float32(statistics.unit)
    if (scale != 1).any():
        data *= np.repeat(scale, np.diff(C.indptr))
        data *= scale[C.indices]
    return sparse.csr_array((data, C.indices, C.indptr), shape=C.shape)


def _predictors(C: sparse.csr_array, diagonal: np.ndarray, n: int) -> sparse.csr_array:
    """Return the rows of C with the n items of the largest cosines, without the item of the row."""
    lengths = np.sqrt(np.maximum(diagonal, np.finfo(np.float32).tiny))
    cuts = np.searchsorted(C.indptr, np.arange(BATCH_VALUES, C.nnz, BATCH_VALUES))
    blocks = []
    for start, stop in pairwise(np.unique([0, *cuts, C.shape[0]])):
        rows = C[start:stop]
        of_each = np.repeat(np.arange(start, stop, dtype=C.indices.dtype), np.diff(rows.indptr))
        strength = rows.data / lengths[rows.indices]
        strength[rows.indices == of_each] = np.inf
        kept = largest_of_rows(strength, rows.indptr, n + 1)
        kept &= (rows.indices != of_each) & (rows.data > 0)
        ends = np.append(0, np.cumsum(kept))[rows.indptr].astype(C.indices.dtype)
        blocks.append(sparse.csr_array((rows.data[kept], rows.indices[kept], ends), shape=rows.shape))
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def _columns(
    C: sparse.csr_array, diagonal: np.ndarray, predictors: sparse.csr_array, least: float
) -> tuple[sparse.csr_array, np.ndarray]:
    """Return the regression of each item on its predictors, and the diagonal of the inverse.

    `diagonal` is that of C + λI. The rows of `predictors` are the predictors and their co-occurrences with the item.
    The weights are the columns of the result, (n_items, n_items); `least` bounds the squared error from below.
    """
    counts, starts = np.diff(predictors.indptr), predictors.indptr
    order = np.argsort(counts, kind="stable")  # items with equally many predictors are solved for together
    data, errors = np.zeros_like(predictors.data), diagonal.astype(np.float64)

    def solve(items: np.ndarray) -> None:
        n = counts[items].max()
        is_filled = np.arange(n) < counts[items][:, None]  # (n_batch, n)
        places = np.where(is_filled, starts[items][:, None] + np.arange(n), 0)
        chosen = predictors.indices[places]
        targets = np.where(is_filled, predictors.data[places], 0)
        G = np.zeros((len(items), n, n), dtype=np.float32)
        below, beside = np.tril_indices(n, -1)
        if n > 1:  # scipy returns no array for no pairs
            rows, chosen_rows = _only_rows(C, chosen)
            pairs = np.asarray(rows[chosen_rows[:, below].ravel(), chosen[:, beside].ravel()]).reshape(len(items), -1)
            G[:, below, beside] = pairs * (is_filled[:, below] & is_filled[:, beside])
        G += G.transpose(0, 2, 1)
        G[:, np.arange(n), np.arange(n)] = diagonal[chosen]
        found = np.linalg.solve(G, targets[..., None])[..., 0]
        data[places[is_filled]] = found[is_filled]
        errors[items] -= np.einsum("ij,ij->i", targets, found)

    order = order[counts[order] > 0]
    sizes = counts[order].astype(np.int64) ** 2
    batches = np.split(order, np.flatnonzero(np.diff(np.cumsum(sizes) // BATCH_VALUES)) + 1)
    map_in_threads(solve, [batch for batch in batches if len(batch)])
    columns = sparse.csr_array((data, predictors.indices, predictors.indptr), shape=predictors.shape)
    return columns.T.tocsr(), 1 / np.maximum(errors, least)


def _only_rows(C: sparse.csr_array, chosen: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """Return the rows of some items, and the places of the items in them; all rows where most are chosen."""
    is_chosen = np.zeros(C.shape[0], dtype=bool)
    is_chosen[chosen] = True
    items = np.flatnonzero(is_chosen)
    if len(items) > ROWS_SHARE * C.shape[0]:
        return C, chosen
    place = np.zeros(C.shape[0], dtype=chosen.dtype)
    place[items] = np.arange(len(items))
    return C[items], place[chosen]


def _with_content(
    W: sparse.csr_array,
    own: np.ndarray,
    vectors: np.ndarray,
    weight: float,
    largest: np.ndarray,
    scale: np.ndarray,
) -> SparseRegression:
    """Return the weights with content, from those without.

    With the sparse inverse S and U = S F, the inverse is P = S - U (I / w² + Fᵀ U)^{-1} Uᵀ = S - L Lᵀ. The weights are
    -P_ij / P_jj, where the sparse part cancels the diagonal of L Lᵀ. `largest` are numbers that 1 / P_jj cannot exceed.
    """
    check_memory(
        20 * vectors.size,
        f"The low-rank part of {vectors.shape[1]} dimensions of {len(vectors)} items",
        "Reduce the number of dimensions of the item vectors.",
    )
    # A column of W has the whole regression of its item: F is multiplied by the columns.
    U = (own[:, None] * (vectors - W.T @ vectors)).astype(np.float32)
    inner = (vectors.T @ U).astype(np.float64)
    values, basis = np.linalg.eigh((inner + inner.T) / 2 + np.eye(len(inner)) / weight)
    L = U @ (basis / np.sqrt(np.maximum(values, 1 / weight))).astype(np.float32)
    projection = U - L @ (L.T @ vectors)
    del U
    squares = np.einsum("id,id->i", L, L, dtype=np.float64)
    precision = np.maximum(own - squares, 1 / largest)
    W = rescale(W, scale, own / precision / scale) - sparse.diags_array(squares / precision, format="csr")
    L, right = scale[:, None] * L, (1 / (precision * scale)).astype(np.float32)[:, None] * L
    projection *= np.float32(weight) * scale[:, None]
    return SparseRegression(sparse.csr_array(W.astype(np.float32)), L, right, projection)


def mean_column_length(W: sparse.csr_array, L: np.ndarray, R: np.ndarray, is_counted: np.ndarray) -> float:
    """Return the mean Euclidean length of some columns of W + L Rᵀ, 1 where they are zero."""
    squares = np.asarray(W.power(2).sum(axis=0), dtype=np.float64)
    squares += 2 * np.einsum("id,id->i", W.T @ L, R, dtype=np.float64)
    squares += np.einsum("id,de,ie->i", R, L.T @ L, R, dtype=np.float64, optimize=True)
    return float(np.sqrt(np.maximum(squares, 0))[is_counted].mean()) or 1.0
