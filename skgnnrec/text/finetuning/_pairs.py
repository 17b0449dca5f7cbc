"""Pairs of related texts: of items with common users, or with a common label."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy import sparse

from skgnnrec.graph import Statistics, sharpened_cooccurrence

__all__ = ["LabelPairs", "NeighborPairs", "TextPairs", "by_text"]


class TextPairs(Protocol):
    """Pairs of related texts."""

    anchors: np.ndarray  # the texts with a partner, int64

    def draw(self, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a partner for each anchor, never the anchor itself."""

    def are_alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return which texts could be partners, (n_first, n_second) bool; they are not negatives of each other."""


def by_text(texts: list[str], y: sparse.csr_array) -> tuple[list[str], sparse.csr_array]:
    """Return the distinct texts without the empty one, sorted, and the users of each, (n_distinct, n_users) of ones.

    `texts` has one text per item, and `y` the interactions, (n_items, n_users).
    """
    distinct = sorted({text for text in texts if text})
    place = {text: row for row, text in enumerate(distinct)}
    items = np.flatnonzero([bool(text) for text in texts])
    rows = np.array([place[texts[item]] for item in items], dtype=np.int64)
    joining = sparse.csr_array(
        (np.ones(len(items), dtype=np.float32), (rows, items)), shape=(len(distinct), len(texts))
    )
    joined = sparse.csr_array(joining @ y)
    joined.sum_duplicates()
    joined.sort_indices()
    joined.data[:] = 1
    return distinct, joined


class NeighborPairs:
    """Pairs of texts whose items have common users: P(i → j) ∝ (NᵀN)_ij among the nearest j.

    N = D_u^{-1/2} Y D_i^{-1/2}. The sum over all users is less noisy than pairs from single long histories.
    """

    def __init__(self, interactions: sparse.csr_array, n_neighbors: int) -> None:
        n_texts = interactions.shape[0]
        rows, columns, weights = _nearest(interactions, n_neighbors)
        self.anchors = np.unique(rows)
        self._columns, self._ends = columns, np.cumsum(weights, dtype=np.float64)
        self._starts = np.searchsorted(rows, np.arange(n_texts + 1))
        graph = sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(n_texts, n_texts))
        self._graph = sparse.csr_array(graph + graph.T)

    def draw(self, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a partner for each anchor."""
        if not len(anchors):
            return np.zeros(0, dtype=np.int64)
        starts, stops = self._starts[anchors], self._starts[anchors + 1]
        before = np.where(starts > 0, self._ends[starts - 1], 0.0)
        drawn = before + rng.random(len(anchors)) * (self._ends[stops - 1] - before)
        return self._columns[np.clip(np.searchsorted(self._ends, drawn, side="right"), starts, stops - 1)]

    def are_alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return which texts are neighbours, in one direction or the other."""
        return self._graph[first][:, second].toarray() > 0


class LabelPairs:
    """Pairs of texts with a common label; `labels` is canonical, (n_texts, n_labels) of ones."""

    def __init__(self, labels: sparse.csr_array) -> None:
        n_texts = np.bincount(labels.indices, minlength=labels.shape[1])
        kept = sparse.csr_array(labels @ sparse.diags_array((n_texts > 1).astype(np.float32)))
        kept.eliminate_zeros()
        self._labels_of = kept
        self._texts_of = sparse.csr_array(kept.T)
        self._texts_of.sort_indices()
        self.anchors = np.flatnonzero(np.diff(kept.indptr))

    def draw(self, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return another text of a label of each anchor, with equal probabilities."""
        labels_of, texts_of = self._labels_of, self._texts_of
        n_labels = np.diff(labels_of.indptr)[anchors]
        labels = labels_of.indices[labels_of.indptr[anchors] + rng.integers(0, n_labels)]
        # Drawn among the texts of the label but the last; from the place of the anchor on, the next text is taken.
        places = texts_of.indptr[labels] + rng.integers(0, np.diff(texts_of.indptr)[labels] - 1)
        return texts_of.indices[places + (texts_of.indices[places] >= anchors)].astype(np.int64)

    def are_alike(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return which texts share a label."""
        return (self._labels_of[first] @ self._labels_of[second].T).toarray() > 0


def _nearest(interactions: sparse.csr_array, n_neighbors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the nearest neighbours of each text as rows (ascending), columns and weights."""
    if not interactions.nnz:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    graph = sharpened_cooccurrence(Statistics.accumulate(sparse.csr_array(interactions.T), 1.0), 1.0).tocoo()
    is_other = (graph.row != graph.col) & (graph.data > 0)
    rows, columns, weights = graph.row[is_other].astype(np.int64), graph.col[is_other], graph.data[is_other]
    order = np.lexsort((columns, -weights, rows))
    rows, columns, weights = rows[order], columns[order].astype(np.int64), weights[order]
    is_near = np.arange(len(rows)) - np.searchsorted(rows, rows) < n_neighbors
    return rows[is_near], columns[is_near], weights[is_near]
