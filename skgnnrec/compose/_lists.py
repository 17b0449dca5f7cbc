"""Scorers whose lists are made of the lists of other scorers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec.ranking import Constant, WithFallback, rank_block

__all__ = ["ByLists", "select_rows", "squash"]


@dataclass(frozen=True, eq=False)
class ByLists(WithFallback):
    """A scorer that makes its own lists; rows without history receive constant scores."""

    def take(self, columns: np.ndarray) -> ByLists:
        return ByLists(self.scorer.take(columns), self.fallback[columns])

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray] | None:
        found = self.scorer.rank(X, k, seen)
        is_empty = np.diff(X.indptr) == 0
        if found is not None and is_empty.any():
            popular = rank_block(Constant(self.fallback), X[is_empty], k, select_rows(seen, is_empty))
            found[0][is_empty], found[1][is_empty] = popular
        return found


def select_rows(seen: sparse.csr_array | None, rows: np.ndarray) -> sparse.csr_array | None:
    """Return some rows of the items that are left out."""
    return None if seen is None else seen[rows]


def squash(scores: np.ndarray) -> np.ndarray:
    """Return a number above 0 for each score, in reverse order; at most 1 where scores are not negative, float64.

    The logarithm keeps large counts apart in float32.
    """
    scores = scores.astype(np.float64)
    size = 1 + np.log1p(np.abs(scores))
    return np.where(scores >= 0, 1 / size, size)
