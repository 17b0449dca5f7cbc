"""Sums over users of which each contributes a bounded part, in integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import eigh, eigvalsh
from scipy.sparse.linalg import eigsh

from skgnnrec._memory import check_memory
from skgnnrec.graph import Statistics, count_users
from skgnnrec.interactions import binarize, row_of_each
from skgnnrec.privacy._noise import IntegerNoise

__all__ = ["UNIT_BITS", "Bound", "BoundedSums"]

UNIT_BITS = 32  # co-occurrences are multiples of 2^-32
LARGEST_STD = 2.0**57  # of noise, in units: ten standard deviations fit into int64
FEWEST_ITEMS = 32  # whose spectrum is looked at
PATIENCE = 2  # larger matrices without a larger sum of squares
DOUBLE_ITEMS = 1000  # up to which the spectrum is computed in float64
SHARES = (0.69, 0.3, 0.01)  # of the squared distance, which is what adds up: co-occurrences, item counts, users


@dataclass(frozen=True, eq=False)
class Bound:
    """What one user contributes at most."""

    max_items: int
    max_norm: float
    user_exponent: float | None  # of the co-occurrences, None where item counts suffice

    def weights(self) -> np.ndarray:
        """Return the weight of a user with d items in units of the co-occurrences, (max_items + 1,), int64.

        The contribution to the co-occurrences has d (d + 1) / 2 distinct entries, all equal to the weight.
        """
        d = np.arange(1, self.max_items + 1, dtype=np.float64)
        largest = np.minimum(d ** -float(self.user_exponent or 0), self.max_norm / np.sqrt(d * (d + 1) / 2))
        return np.concatenate([[0], np.floor(2.0**UNIT_BITS * largest)]).astype(np.int64)

    def sensitivities(self) -> tuple[float, float, float]:
        """Return the largest lengths of the contribution to co-occurrences, item counts and the number of users."""
        d = np.arange(self.max_items + 1, dtype=np.float64)
        lengths = self.weights() * np.sqrt(d * (d + 1) / 2) / 2.0**UNIT_BITS
        return float(lengths.max()), float(np.sqrt(self.max_items)), 1.0

    def scales(self, distance: float) -> tuple[float, float, float]:
        """Return the standard deviations of the noise of a release at a distance (see `distance_of`)."""
        cooccurrence, item_counts, n_users = self.sensitivities()
        if self.user_exponent is None:
            return 0.0, item_counts / distance, 0.0
        shares = np.sqrt(SHARES) * distance
        return cooccurrence / shares[0], item_counts / shares[1], n_users / shares[2]

    def of_rows(self, X: sparse.csr_array) -> sparse.csr_array:
        """Return binary rows with at most `max_items` entries: a pseudo-random choice that depends on the row alone."""
        lengths = np.diff(X.indptr)
        of_long = np.flatnonzero(np.repeat(lengths > self.max_items, lengths))
        if not len(of_long):
            return binarize(X)
        rows = row_of_each(X)[of_long]
        code = np.random.default_rng(0).integers(0, 2**64, X.shape[1], dtype=np.uint64)[X.indices[of_long]]
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        of_row = np.repeat(_mixed(np.add.reduceat(code, starts)), np.diff(starts, append=len(rows)))  # sums wrap
        order = np.lexsort((_mixed(code ^ of_row), rows))
        place = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
        kept = np.ones(X.nnz, dtype=bool)
        kept[of_long[order[place >= self.max_items]]] = False
        indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, self.max_items))])
        return sparse.csr_array((np.ones(int(kept.sum()), np.float32), X.indices[kept], indptr), shape=X.shape)


def _mixed(code: np.ndarray) -> np.ndarray:
    """Return 64-bit integers with all bits mixed: the finalizer of SplitMix64."""
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class BoundedSums:
    """Sums over users with bounded rows, with or without noise."""

    cooccurrence: np.ndarray | None  # (n_items, n_items), int64, in units of 2^-32
    item_counts: np.ndarray  # (n_items,), int64
    n_users: int

    @classmethod
    def accumulate(cls, X: sparse.csr_array, bound: Bound) -> BoundedSums:
        """Return the sums over the rows of X."""
        X, n_items = bound.of_rows(X), X.shape[1]
        if bound.user_exponent is None:
            return cls(None, count_users(X), 0)  # nobody needs the number of users, which has no noise then
        check_memory(
            48 * n_items**2,  # the sums in two types, the difference, its eigenvectors and the repaired matrix
            f"PrivateRecommender with {n_items} items",
            "Pass the items that most users have, or a PopularityRecommender.",
        )
        lengths = np.diff(X.indptr)
        ones = np.ones(X.nnz, dtype=np.int64)
        weighted = sparse.csr_array((np.repeat(bound.weights()[lengths], lengths), X.indices, X.indptr), shape=X.shape)
        counted = sparse.csr_array((ones, X.indices, X.indptr), shape=X.shape)
        return cls((counted.T @ weighted).toarray(), count_users(X), X.shape[0])

    def combine(self, other: BoundedSums, sign: int) -> BoundedSums:
        """Return the sums with others added or subtracted."""
        both = None
        if self.cooccurrence is not None and other.cooccurrence is not None:
            both = self.cooccurrence + sign * other.cooccurrence
        counts = self.item_counts + sign * other.item_counts
        return BoundedSums(both, counts, self.n_users + sign * other.n_users)

    def with_noise(self, scales: tuple[float, float, float], noise: IntegerNoise) -> BoundedSums:
        """Return the sums with rounded Gaussian noise of these standard deviations."""
        std = scales[0] * 2.0**UNIT_BITS
        if max(std, *scales) > LARGEST_STD:
            raise ValueError(f"epsilon is too small: the noise has a standard deviation of {max(scales):.3g}.")
        cooccurrence = self.cooccurrence
        if cooccurrence is not None:
            cooccurrence = cooccurrence.copy()
            for item in range(len(cooccurrence)):
                cooccurrence[item, item:] += noise.draw(std, len(cooccurrence) - item)
                cooccurrence[item:, item] = cooccurrence[item, item:]
        counts = self.item_counts + noise.draw(scales[1], len(self.item_counts))
        return replace(
            self,
            cooccurrence=cooccurrence,
            item_counts=counts,
            n_users=self.n_users + int(noise.draw(scales[2], 1)[0]),
        )

    def statistics(self, user_exponent: float | None, std: float) -> Statistics:
        """Return statistics for a fit, of co-occurrences that have noise of a standard deviation."""
        counts = np.maximum(self.item_counts, 0)
        if self.cooccurrence is None:
            empty = sparse.csr_array((len(counts), len(counts)), dtype=np.float64)
            return Statistics(empty, counts, max(self.n_users, 1), 0.0)
        repaired = denoised(self.cooccurrence * 2.0**-UNIT_BITS, counts, std)
        exponent = float(user_exponent or 0)
        unit = 2.0**-UNIT_BITS if exponent else 1.0
        return Statistics(sparse.csr_array(repaired / unit), counts, max(self.n_users, 1), exponent)


@np.errstate(under="ignore")
def denoised(C: np.ndarray, item_counts: np.ndarray, std: float) -> np.ndarray:
    """Return co-occurrences without the spectrum of their noise, positive semidefinite."""
    # The eigenvalues of a symmetric matrix of noise are within 2 σ √n. One beyond it, λ, belongs to the sums, and
    # √(λ² - 4 n σ²) has the smallest error for large n (R. R. Nadakuditi, "OptShrink", IEEE Transactions on Information
    # Theory 2014). The matrix is the difference from the co-occurrences of independent items: where the noise hides all
    # others, these remain. Rare items add as much noise as others: the matrix is that of the n items with most users,
    # and n is doubled as long as the eigenvalues beyond the noise have a larger sum of squares.
    expected = _of_independent_items(C, item_counts)
    difference, order = C - expected, np.argsort(-item_counts, kind="stable")
    sizes = [len(C)]
    while sizes[0] >= 2 * FEWEST_ITEMS:
        sizes.insert(0, sizes[0] // 2)
    best, n_worse, items, found = -1.0, 0, order[:0], np.zeros((0, 0))
    for n_items in sizes:
        block = difference[np.ix_(order[:n_items], order[:n_items])]
        values, V = eigh(block.astype(np.float64 if n_items <= DOUBLE_ITEMS else np.float32), driver="evd")
        shrunk = np.sqrt(np.maximum(values.astype(np.float64) ** 2 - 4 * n_items * std**2, 0.0)) * np.sign(values)
        n_worse = n_worse + 1 if 0 < best >= shrunk @ shrunk else 0
        if n_worse == PATIENCE:
            break
        if not n_worse:
            best, items, kept = shrunk @ shrunk, order[:n_items], shrunk != 0
            found = (V[:, kept] * shrunk[kept].astype(V.dtype)) @ V[:, kept].T
    expected[np.ix_(items, items)] += found
    return _positive(expected)


def _positive(C: np.ndarray) -> np.ndarray:
    """Return a symmetric matrix plus the multiple of the identity with which no eigenvalue is negative."""
    if len(C) <= DOUBLE_ITEMS:
        smallest = float(eigvalsh(C, subset_by_index=[0, 0])[0])
    else:
        smallest = float(eigsh(C, 1, which="SA", v0=np.ones(len(C)), tol=1e-3, return_eigenvectors=False)[0])
    if smallest < 0:
        C[np.diag_indices_from(C)] -= 1.001 * smallest
    return C


def _of_independent_items(C: np.ndarray, item_counts: np.ndarray) -> np.ndarray:
    """Return r diag(c) + s (c cᵀ - diag(c²)) for item counts c: the diagonal and all else have the sums of those of C.

    The sums over many entries have hardly any noise.
    """
    counts = item_counts.astype(np.float64)
    total = counts.sum()
    pairs = total**2 - counts @ counts
    off_diagonal = max((C.sum() - np.trace(C)) / pairs, 0.0) if pairs > 0 else 0.0
    expected = off_diagonal * np.outer(counts, counts)
    np.fill_diagonal(expected, max(np.trace(C) / total, 0.0) * counts if total > 0 else 0.0)
    return expected
