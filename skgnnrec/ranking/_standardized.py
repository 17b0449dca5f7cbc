"""Scores in units of the standard deviation of the scores of a user."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each
from skgnnrec.ranking._scorers import Scorer

__all__ = ["Standardized", "standardize"]


def standardize(scores: np.ndarray) -> np.ndarray:
    """Return scores minus the mean of their row, over its standard deviation; zeros where all are equal."""
    mean, scale = _moments(scores)
    return ((scores - mean[:, None]) * scale[:, None]).astype(np.float32)


def _moments(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each row, and one over the standard deviation, 0 where all values are equal; in float64."""
    mean = scores.mean(axis=1, dtype=np.float64)
    deviation = scores.std(axis=1, dtype=np.float64)
    is_constant = scores.max(axis=1, initial=-np.inf) <= scores.min(axis=1, initial=np.inf)
    return mean, np.divide(1.0, deviation, out=np.zeros_like(deviation), where=~is_constant & (deviation > 0))


@dataclass(frozen=True, eq=False)
class Standardized(Scorer):
    """A weight times the scores of a scorer, standardised by the scores that a reference gives to its candidates."""

    reference: Scorer
    scorer: Scorer  # the reference itself, some of its candidates, or new items
    weight: float

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        reference = self.reference.scores(X)
        mean, scale = _moments(reference)
        scores = reference if self.scorer is self.reference else self.scorer.scores(X)
        return ((scores - mean[:, None]) * (self.weight * scale)[:, None]).astype(np.float32)

    def take(self, columns: np.ndarray) -> Standardized:
        return replace(self, scorer=self.scorer.take(columns))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        _, scale = _moments(self.reference.scores(X))
        parts = self.scorer.contributions(X, columns)
        data = parts.data * self.weight * scale[row_of_each(X)]
        return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        mean, scale = _moments(self.reference.scores(X))
        return (self.scorer.baseline(X, columns) - mean) * self.weight * scale
