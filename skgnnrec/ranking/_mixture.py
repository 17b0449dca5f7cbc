"""Candidates that consist of shares of others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each
from skgnnrec.ranking._scorers import Scorer, like

__all__ = ["Mixture"]


@dataclass(frozen=True, eq=False)
class Mixture(Scorer):
    """The scores of candidates that are sums of those of others, in shares."""

    scorer: Scorer  # of the others
    shares: sparse.csr_array  # (n_columns, n_others), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return int(self.shares.shape[0])

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return np.ascontiguousarray((self.shares @ self.scorer.scores(X).T).T)

    def take(self, columns: np.ndarray) -> Mixture:
        return replace(self, shares=self.shares[columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        shares, rows = self.shares[columns], row_of_each(X)
        data = np.zeros(X.nnz)
        for place in range(np.diff(shares.indptr).max(initial=0)):
            inside, others, weights = _at(shares, place)
            parts = self.scorer.contributions(X[inside], others)
            data[inside[rows]] += parts.data * weights[row_of_each(parts)]
        return like(X, data)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        shares = self.shares[columns]
        sums = np.zeros(X.shape[0])
        for place in range(np.diff(shares.indptr).max(initial=0)):
            inside, others, weights = _at(shares, place)
            sums[inside] += self.scorer.baseline(X[inside], others) * weights
        return sums


def _at(shares: sparse.csr_array, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows have a share at a place, and for these the other candidate and the share."""
    inside = np.diff(shares.indptr) > place
    entries = shares.indptr[:-1][inside] + place
    return inside, shares.indices[entries], shares.data[entries]
