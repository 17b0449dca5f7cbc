"""The sums over users from which closed forms are computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec._device import map_in_threads, n_threads
from skgnnrec._memory import available_memory, check_memory

__all__ = [
    "PAIR_BYTES",
    "Statistics",
    "check_pairs",
    "cooccurrence_rows",
    "count_users",
    "largest_of_rows",
    "most_pairs",
    "pairs_that_fit",
    "pruned_rows",
    "stack_rows",
    "weighted_interactions",
]

FRACTION_BITS = 32  # of weights that are no integers
PAIR_BYTES = 12  # a position and a value
PRUNED_BYTES = 4 * 8  # of a pair that is kept, in float32: both orders, and their union
BLOCK_SUMS = 20_000_000  # of a block of rows that are pruned together
FEWEST_PAIRS = 50  # of an item: with fewer, the graph says little


@dataclass(frozen=True, eq=False)
class Statistics:
    r"""Sums over the users of a matrix X: :math:`C = X^T D_u^{-a} X`, item counts and the number of users.

    With d_u the number of items of user u, a binary X has :math:`C_{ij} = \sum_u d_u^{-a}` over the users who have both
    items. C then holds integers: counts for a = 0, else sums of weights that are rounded to multiples of
    :math:`2^{-32}`. Therefore sums are exact. They do not depend on the order of the users or on how these are divided
    into blocks, and subtraction restores the statistics before an addition. For other X they are sums in float64.
    """

    cooccurrence: sparse.csr_array  # (n_items, n_items): C in units of `unit`, int64 or, where X is not binary, float64
    item_counts: np.ndarray  # (n_items,), int64
    n_users: int
    user_exponent: float  # a, non-negative
    multiply: Callable[[np.ndarray], np.ndarray] | None = None  # C times vectors, from interactions that are elsewhere

    @classmethod
    def accumulate(cls, X: sparse.csr_array, user_exponent: float = 0.0, max_pairs: int | None = None) -> Statistics:
        """Return the statistics of a canonical matrix.

        With `max_pairs`, C contains the pairs of each item with that many others, those of the largest cosines, in both
        orders, and the diagonal, in float32. Such statistics cannot be added to others.
        """
        check_pairs(most_pairs(X), X.shape[1], max_pairs)
        cooccurrence = _cooccurrence(X, *weighted_interactions(X, user_exponent), max_pairs)
        return cls(cooccurrence, count_users(X), X.shape[0], float(user_exponent))

    @property
    def unit(self) -> float:
        """Return the weight of 1 in `cooccurrence`."""
        return 2.0**-FRACTION_BITS if self.user_exponent else 1.0

    def __add__(self, other: Statistics) -> Statistics:
        return self._combine(other, 1)

    def __sub__(self, other: Statistics) -> Statistics:
        return self._combine(other, -1)

    def _combine(self, other: Statistics, sign: int) -> Statistics:
        if len(self.item_counts) != len(other.item_counts) or self.user_exponent != other.user_exponent:
            raise ValueError(
                f"Statistics of {len(self.item_counts)} items with exponent {self.user_exponent} and of "
                f"{len(other.item_counts)} items with exponent {other.user_exponent} cannot be combined."
            )
        cooccurrence = sparse.csr_array(self.cooccurrence + sign * other.cooccurrence)
        counts, n_users = self.item_counts + sign * other.item_counts, self.n_users + sign * other.n_users
        if n_users < 0 or (counts < 0).any() or (cooccurrence.data < 0).any():
            raise ValueError("Only interactions that were added before can be subtracted.")
        return Statistics(cooccurrence, counts, n_users, self.user_exponent)


def count_users(X: sparse.csr_array) -> np.ndarray:
    """Return the number of users of each item, int64."""
    return np.bincount(X.indices, minlength=X.shape[1])


def most_pairs(X: sparse.csr_array) -> int:
    """Return the largest number of pairs of items that X can have, in both orders."""
    return int(min((np.diff(X.indptr).astype(np.float64) ** 2).sum(), float(X.shape[1]) ** 2))


def pairs_that_fit(most: int, n_items: int) -> int | None:
    """Return the number of pairs of an item for which memory suffices, None where it suffices for all."""
    available = available_memory()
    if available is None or PAIR_BYTES * most <= available:
        return None
    return max(FEWEST_PAIRS, available // (2 * PRUNED_BYTES * n_items))


def check_pairs(most: int, n_items: int, max_pairs: int | None) -> None:
    """Raise MemoryLimitError if co-occurrences of so many pairs, or with `max_pairs` of each item, do not fit."""
    needed = (
        PAIR_BYTES * most if max_pairs is None else min(PAIR_BYTES * most, PRUNED_BYTES * (max_pairs + 1) * n_items)
    )
    check_memory(needed, f"The co-occurrence graph of {n_items} items", "Leave out the longest histories.")


def weighted_interactions(X: sparse.csr_array, user_exponent: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return X and D_u^{-a} X in units of `Statistics.unit`, int64 where X is binary and else float64."""
    lengths = np.diff(X.indptr).astype(np.int64)
    values, weights = X.data.astype(np.float64), np.ones(X.shape[0])
    if user_exponent:
        scaled = 2.0**FRACTION_BITS * np.maximum(lengths, 1) ** -float(user_exponent)
        weights = np.maximum(np.rint(scaled), 1)
    if (X.data == 1).all():
        values, weights = values.astype(np.int64), weights.astype(np.int64)
    valued = sparse.csr_array((values, X.indices, X.indptr), shape=X.shape)
    return valued, sparse.csr_array((values * np.repeat(weights, lengths), X.indices, X.indptr), shape=X.shape)


def cooccurrence_rows(X: sparse.csr_array, user_exponent: float, start: int, stop: int) -> sparse.csr_array:
    """Return the rows of C from `start` to `stop`, with sorted indices."""
    valued, weighted = weighted_interactions(X, user_exponent)
    rows = weighted[:, start:stop].T.tocsr() @ valued
    rows.sort_indices()
    return rows


def largest_of_rows(strength: np.ndarray, indptr: np.ndarray, n: int) -> np.ndarray:
    """Return which entries of the rows of a CSR array are the n largest ones of their row, the first of equal ones."""
    kept = np.ones(len(strength), dtype=bool)
    for row in np.flatnonzero(np.diff(indptr) > n):
        values = strength[indptr[row] : indptr[row + 1]]
        least = np.partition(values, len(values) - n)[len(values) - n]
        is_larger = values > least
        equal = np.flatnonzero(values == least)
        is_larger[equal[: n - np.count_nonzero(is_larger)]] = True
        kept[indptr[row] : indptr[row + 1]] = is_larger
    return kept


def _cooccurrence(
    X: sparse.csr_array, valued: sparse.csr_array, weighted: sparse.csr_array, max_pairs: int | None
) -> sparse.csr_array:
    """Return the product of the two matrices of `weighted_interactions`; threads compute blocks of rows."""
    lengths = np.diff(X.indptr)
    by_item = weighted.T.tocsr()
    # Blocks of equal work, not of equal size: popular items often have neighbouring positions.
    lengths_by_item = sparse.csr_array((np.repeat(lengths, lengths), X.indices, X.indptr), shape=X.shape).sum(axis=0)
    work = np.cumsum(lengths_by_item, dtype=np.float64)
    n_blocks = 4 * n_threads() if max_pairs is None else max(4 * n_threads(), int(work[-1] // BLOCK_SUMS))
    cuts = np.searchsorted(work, np.linspace(0, work[-1], n_blocks + 1)[1:-1])
    bounds = np.unique([0, *cuts, X.shape[1]])
    diagonal = np.asarray(by_item.multiply(valued.T.tocsr()).sum(axis=1), dtype=np.float64)

    def rows_of(start: int, stop: int) -> sparse.csr_array:
        rows = by_item[start:stop] @ valued
        return rows if max_pairs is None else pruned_rows(rows, start, diagonal, max_pairs)

    blocks = map_in_threads(lambda ends: rows_of(*ends), list(itertools.pairwise(bounds)))  # scipy releases the GIL
    product = stack_rows(blocks, max_pairs)
    if max_pairs is not None:
        return product
    # The product is symmetric, and its transpose has sorted indices: else the order of sums depends on the blocks.
    ordered = product.tocsc()
    return sparse.csr_array((ordered.data, ordered.indices, ordered.indptr), shape=product.shape)


def stack_rows(blocks: list[sparse.csr_array], max_pairs: int | None) -> sparse.csr_array:
    """Return C from its rows, with the pairs that remain for one of their items in both orders."""
    product = sparse.vstack(blocks, format="csr")
    return product if max_pairs is None else sparse.csr_array(product.maximum(product.T))


def pruned_rows(rows: sparse.csr_array, start: int, diagonal: np.ndarray, n: int) -> sparse.csr_array:
    """Return rows of C, the first of which is row `start`, with the diagonal and the n pairs of largest cosines."""
    rows.sort_indices()  # equal cosines are kept in the order of the items, not of the users
    strength = rows.data / np.sqrt(diagonal[rows.indices])
    of_each = np.repeat(np.arange(start, start + rows.shape[0]), np.diff(rows.indptr))
    strength[rows.indices == of_each] = np.inf
    kept = largest_of_rows(strength, rows.indptr, n + 1)
    ends = np.append(0, np.cumsum(kept))[rows.indptr].astype(rows.indices.dtype)  # with int64, a pair has 12 bytes
    return sparse.csr_array((rows.data[kept].astype(np.float32), rows.indices[kept], ends), shape=rows.shape)
