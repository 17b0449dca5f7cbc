"""Popularity as a term of a sum, of more weight in histories with little evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.ranking._scorers import Scorer, like

__all__ = ["PopularityTerm"]


@dataclass(frozen=True, eq=False)
class PopularityTerm(Scorer):
    """The popularity of candidates, times (x · share) (m / (m + e))² for the history x.

    The evidence e = x · counts / max x is the number of users who share the items of the history.
    """

    share: np.ndarray  # (n_items,), float64
    counts: np.ndarray  # (n_items,)
    popularity: np.ndarray  # (n_columns,), float32
    enough: float  # m, the evidence by which the weight falls to a quarter

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return len(self.popularity)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return self._weights(X)[:, None] * self.popularity

    def take(self, columns: np.ndarray) -> PopularityTerm:
        return replace(self, popularity=self.popularity[columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return like(X, np.zeros(X.nnz))

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self._weights(X).astype(np.float64) * self.popularity[columns]

    @np.errstate(under="ignore")
    def _weights(self, X: sparse.csr_array) -> np.ndarray:
        filled = np.flatnonzero(np.diff(X.indptr))
        largest = np.ones(X.shape[0])
        largest[filled] = np.maximum.reduceat(X.data, X.indptr[filled]) if len(filled) else 1
        evidence = X @ self.counts.astype(np.float64) / largest
        return (X @ self.share * (self.enough / (self.enough + evidence)) ** 2).astype(np.float32)
