"""Scores that are made of the ranks of items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each
from skgnnrec.ranking import Scorer

__all__ = ["Ranked", "sorted_unseen", "without_contributions"]

SMOOTHING = 60  # of reciprocal ranks, from Cormack, Clarke and Buettcher (SIGIR 2009)


def sorted_unseen(scores: np.ndarray, X: sparse.csr_array) -> np.ndarray:
    """Return the scores of each row in ascending order, with -inf in the place of items of the history."""
    unseen = scores.copy()
    unseen[row_of_each(X), X.indices] = -np.inf
    unseen.sort(axis=1)
    return unseen


def without_contributions(scorer: Scorer, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
    """Return the score of candidate ``columns[r]`` for history r, as a baseline to which no item contributes."""
    return scorer.scores(X)[np.arange(X.shape[0]), columns].astype(np.float64)


@dataclass(frozen=True, eq=False)
class Ranked(Scorer):
    """A weight over 60 plus the rank of a candidate among the items of a reference that are not in the history."""

    reference: Scorer
    scorer: Scorer  # the reference itself, some of its candidates, or new items
    weight: float

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        reference = self.reference.scores(X)
        scores = reference if self.scorer is self.reference else self.scorer.scores(X)
        ascending = sorted_unseen(reference, X)
        first = SMOOTHING + 1 + ascending.shape[1]
        found = np.empty(scores.shape, dtype=np.float32)
        for row, (items, own) in enumerate(zip(ascending, scores, strict=True)):
            found[row] = self.weight / (first - np.searchsorted(items, own, side="right"))
        return found

    def take(self, columns: np.ndarray) -> Ranked:
        return replace(self, scorer=self.scorer.take(columns))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((np.zeros(X.nnz), X.indices, X.indptr), shape=X.shape)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return without_contributions(self, X, columns)
