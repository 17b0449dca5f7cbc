"""Scorers whose lists are not those of the largest scores: the best candidates in another order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec.ranking import Scorer, rank_block

__all__ = ["LOWEST", "Candidates", "Greedy", "Order", "Reranked", "standardize_rows"]

LOWEST = -1e300  # of a place without a candidate: it is chosen after all others
BLOCK_VALUES = 1 << 20  # of all candidates of a block of users at once: more would leave the processor's cache


@dataclass(frozen=True, eq=False)
class Candidates:
    """The best candidates of users, in the order of a recommender."""

    columns: np.ndarray  # (n_rows, n), -1 for padding, which is last
    relevance: np.ndarray  # (n_rows, n), float64: standardised for each user, descending, 0 for padding

    def values(self, values: np.ndarray) -> np.ndarray:
        """Return values of the candidates with `LOWEST` in the place of padding."""
        return np.where(self.columns >= 0, values, LOWEST)


class Order(ABC):
    """Makes the lists of a scorer."""

    @abstractmethod
    def rank(
        self, scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of the k items of each list and their scores, padded with -1 and -inf."""

    @abstractmethod
    def take(self, columns: np.ndarray) -> Order:
        """Return the order of the candidates in these columns."""


@dataclass(frozen=True, eq=False)
class Reranked(Scorer):
    """The scores of a scorer; lists are in another order."""

    scorer: Scorer
    order: Order

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return self.scorer.scores(X)

    def take(self, columns: np.ndarray) -> Reranked:
        return Reranked(self.scorer.take(columns), self.order.take(columns))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return self.scorer.contributions(X, columns)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self.scorer.baseline(X, columns)

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
        return self.order.rank(self.scorer, X, k, seen)


class Greedy(Order):
    """Chooses from the best candidates of each user, place by place; further places keep the order of the scorer."""

    n_candidates: int

    @abstractmethod
    def values_per_candidate(self, n: int) -> int:
        """Return how many values are in memory for each candidate while n places are filled."""

    @abstractmethod
    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        """Return the candidate at each of n places as its place among the candidates, (n_rows, n)."""

    def rank(
        self, scorer: Scorer, X: sparse.csr_array, k: int, seen: sparse.csr_array | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n = min(self.n_candidates, scorer.n_columns)
        columns, scores = rank_block(scorer, X, max(k, n), seen)
        first = min(k, n)
        if not columns.shape[0] or not first:
            return columns[:, :k], scores[:, :k]
        places = np.tile(np.arange(max(k, n)), (len(columns), 1))[:, :k]
        step = max(1, BLOCK_VALUES // (n * self.values_per_candidate(first)))
        for start in range(0, len(columns), step):
            rows = slice(start, start + step)
            candidates = Candidates(columns[rows, :n], standardize_rows(scores[rows, :n]))
            places[rows, :first] = self.choose(X[rows], candidates, first)
        return np.take_along_axis(columns, places, axis=1), np.take_along_axis(scores, places, axis=1)


def standardize_rows(scores: np.ndarray) -> np.ndarray:
    """Return the finite values of each row minus their mean, over their standard deviation, in descending order.

    Padding, which is -inf, becomes 0. The scores of lists that are in another order already are sorted, so that their
    order remains.
    """
    scores = -np.sort(-scores.astype(np.float64), axis=1)
    is_item = scores > -np.inf
    known = np.where(is_item, scores, 0.0)
    counts = np.maximum(np.count_nonzero(is_item, axis=1), 1)[:, None]
    differences = np.where(is_item, known - known.sum(axis=1, keepdims=True) / counts, 0.0)
    deviation = np.sqrt((differences**2).sum(axis=1, keepdims=True) / counts)
    is_constant = known[:, :1] <= known.min(axis=1, initial=np.inf, where=is_item)[:, None]
    with np.errstate(under="ignore"):
        return np.divide(differences, deviation, out=np.zeros_like(differences), where=~is_constant & (deviation > 0))
