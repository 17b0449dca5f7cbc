"""Histories to which shares of the histories of other users are added."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each
from skgnnrec.ranking._scorers import Rough, Scorer, like

__all__ = ["Smoothed"]

BLOCK_ENTRIES = 4096  # whose histories are multiplied with contributions at once


@dataclass(frozen=True, eq=False)
class Smoothed(Scorer):
    """The scores of x + f H, for histories x and shares f of the histories H of other users, in columns after x."""

    scorer: Scorer
    histories: sparse.csr_array  # H, (n_others, n_items), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def smooth(self, X: sparse.csr_array) -> sparse.csr_array:
        """Return x + f H; x where there are no further columns."""
        n_items = self.histories.shape[1]
        if X.shape[1] <= n_items:
            return X
        added = sparse.csr_array(X[:, n_items:] @ self.histories)
        added.sort_indices()
        return sparse.csr_array(X[:, :n_items] + added)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return self.scorer.scores(self.smooth(X))

    def take(self, columns: np.ndarray) -> Smoothed:
        return replace(self, scorer=self.scorer.take(columns))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        """Return contributions in proportion to what each item and each other user add to the smoothed history."""
        Z = self.smooth(X)
        parts = self.scorer.contributions(Z, columns)
        if Z is X:
            return parts
        weights = sparse.csr_array((parts.data / Z.data, Z.indices, Z.indptr), shape=Z.shape)
        rows, is_item = row_of_each(X), X.indices < Z.shape[1]
        data = np.zeros(X.nnz)
        if is_item.any():
            data[is_item] = X.data[is_item] * np.asarray(weights[rows[is_item], X.indices[is_item]]).ravel()
        others = np.flatnonzero(~is_item)
        for start in range(0, len(others), BLOCK_ENTRIES):
            some = others[start : start + BLOCK_ENTRIES]
            products = self.histories[X.indices[some] - Z.shape[1]].multiply(weights[rows[some]])
            data[some] = X.data[some] * np.asarray(products.sum(axis=1)).ravel()
        return like(X, data)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self.scorer.baseline(self.smooth(X), columns)

    def rough(self, X: sparse.csr_array) -> Rough | None:
        return self.scorer.rough(self.smooth(X))

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray] | None:
        return self.scorer.rank(self.smooth(X), k, seen)
