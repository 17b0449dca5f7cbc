"""Histories and queries together: queries are virtual items, in columns of the history after those of the items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec.ranking._scorers import Scorer, like

__all__ = ["QUERY_WEIGHT", "Steered"]

QUERY_WEIGHT = 0.8  # the best of five on the validation part of Online Retail


@dataclass(frozen=True, eq=False)
class Steered(Scorer):
    """The scores of the items of a history plus those of its queries; without items, those of the queries alone."""

    history: Scorer
    query: Scorer  # of the columns after the items
    n_items: int

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.history.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        items, queries = self._split(X)
        scores = self.history.scores(items)
        scores[np.diff(items.indptr) == 0] = 0
        scores += self.query.scores(queries)
        return scores

    def take(self, columns: np.ndarray) -> Steered:
        return Steered(self.history.take(columns), self.query.take(columns), self.n_items)

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        items, queries = self._split(X)
        parts = np.empty(X.nnz)
        is_item = X.indices < self.n_items
        parts[is_item] = self.history.contributions(items, columns).data
        parts[~is_item] = self.query.contributions(queries, columns).data
        return like(X, parts)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        items, queries = self._split(X)
        own = np.where(np.diff(items.indptr) > 0, self.history.baseline(items, columns), 0)
        return own + self.query.baseline(queries, columns)

    def _split(self, X: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
        return X[:, : self.n_items], X[:, self.n_items :]
