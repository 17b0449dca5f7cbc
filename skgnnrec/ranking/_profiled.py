"""Scores of users who have a profile beside their history."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.ranking._blocks import rank_block
from skgnnrec.ranking._scorers import Rough, Scorer, like

__all__ = ["Profiled"]


@dataclass(frozen=True, eq=False)
class Profiled(Scorer):
    """The scores of histories, plus those of profiles, which are in columns after the items.

    Users without history receive the scores of their profile alone.
    """

    scorer: Scorer  # of histories
    n_items: int
    beside: Scorer | None  # of the profiles of users with a history; None adds nothing
    alone: Scorer  # of the profiles of users without history

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        if X.shape[1] == self.n_items:
            return self.scorer.scores(X)
        items, profiles, is_alone = self._split(X)
        scores = self.scorer.scores(items)
        scores[is_alone] = self.alone.scores(profiles[is_alone])
        if self.beside is not None:
            both = np.flatnonzero(self._is_both(items, profiles))
            scores[both] += self.beside.scores(profiles[both])
        return scores

    def take(self, columns: np.ndarray) -> Profiled:
        beside = None if self.beside is None else self.beside.take(columns)
        return replace(self, scorer=self.scorer.take(columns), beside=beside, alone=self.alone.take(columns))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        items, profiles, is_alone = self._split(X)
        data = np.empty(X.nnz)
        is_item = X.indices < self.n_items
        data[is_item] = self.scorer.contributions(items, columns).data
        lengths = np.diff(profiles.indptr)
        parts = np.where(np.repeat(is_alone, lengths), self.alone.contributions(profiles, columns).data, 0.0)
        if self.beside is not None:
            is_both = np.repeat(self._is_both(items, profiles), lengths)
            parts = np.where(is_both, self.beside.contributions(profiles, columns).data, parts)
        data[~is_item] = parts
        return like(X, data)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        items, profiles, is_alone = self._split(X)
        return np.where(is_alone, self.alone.baseline(profiles, columns), self.scorer.baseline(items, columns))

    def rough(self, X: sparse.csr_array) -> Rough | None:
        return self.scorer.rough(X) if X.shape[1] == self.n_items else None

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the lists of histories in another order, where these have one, and those of profiles alone."""
        items, profiles, is_alone = self._split(X)
        found = self.scorer.rank(items, k, seen)
        alone = np.flatnonzero(is_alone)
        if found is not None and len(alone):
            best = rank_block(self.alone, profiles[alone], k, None if seen is None else seen[alone])
            for lists, own in zip(found, best, strict=True):
                lists[alone] = own
        return found

    def _split(self, X: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
        """Return histories, profiles, and which users have only a profile."""
        items, profiles = X[:, : self.n_items], X[:, self.n_items :]
        return items, profiles, (np.diff(items.indptr) == 0) & (np.diff(profiles.indptr) > 0)

    @staticmethod
    def _is_both(items: sparse.csr_array, profiles: sparse.csr_array) -> np.ndarray:
        return (np.diff(items.indptr) > 0) & (np.diff(profiles.indptr) > 0)
