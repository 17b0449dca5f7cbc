"""Pairs of users and candidates, and the columns that a ranker reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.compose._ranks import sorted_unseen
from skgnnrec.interactions import binarize, row_of_each, shape_of
from skgnnrec.ranking import Scorer, standardize, top_k

__all__ = ["Pairs", "PairsOfCandidates", "number_columns"]

Features = Callable[[pd.DataFrame], Any]


class Pairs(NamedTuple):
    """The pairs of some users, sorted by user and item."""

    rows: np.ndarray  # (n_pairs,)
    columns: np.ndarray  # (n_pairs,)
    features: Any  # a table with a row for each pair
    fused: np.ndarray  # (n_rows, n_items): the mean of the standardised scores


def number_columns(catalog: ItemCatalog | None, names: list[str]) -> dict[str, np.ndarray]:
    """Return the columns of numbers of a catalog that is a table, as float64."""
    data = None if catalog is None else catalog.data
    if not isinstance(data, pd.DataFrame):
        return {}
    numbers = {
        str(label): data[label].to_numpy(dtype=np.float64, na_value=np.nan)
        for label in data
        if pd.api.types.is_numeric_dtype(data[label].dtype) and not pd.api.types.is_complex_dtype(data[label].dtype)
    }
    own = {"user", "item", "item_count", "history_length"}
    own |= {f"{name}_{kind}" for name in names for kind in ("score", "rank")} | {f"history_{name}" for name in numbers}
    if own & set(numbers):
        raise ValueError(
            f"catalog must not have columns of numbers with names of features: {sorted(own & set(numbers))}."
        )
    return numbers


@dataclass(frozen=True, eq=False)
class PairsOfCandidates:
    """Makes the pairs of histories with the candidates of several scorers."""

    names: tuple[str, ...]
    scorers: tuple[Scorer, ...]
    n_candidates: int  # of each scorer
    item_ids: np.ndarray | None  # (n_items,), None where items are known by position
    item_counts: np.ndarray  # (n_items,)
    numbers: dict[str, np.ndarray]  # of the catalog, (n_items,) each
    features: Features | None

    def of(self, X: sparse.csr_array) -> Pairs:
        """Return the pairs of histories, none of them with an item of the history."""
        # Scores grow with the length and the weights of a history, part of which is hidden in the training.
        scores = [standardize(scorer.scores(X)) for scorer in self.scorers]
        is_candidate = np.zeros(scores[0].shape, dtype=bool)
        for own in scores:
            unseen = own.copy()
            unseen[row_of_each(X), X.indices] = -np.inf
            best, _ = top_k(unseen, min(self.n_candidates, own.shape[1]))
            rows = np.broadcast_to(np.arange(len(best))[:, None], best.shape)
            is_candidate[rows[best >= 0], best[best >= 0]] = True
        rows, columns = np.nonzero(is_candidate)
        frame = self._frame(X, scores, rows, columns)
        fused = np.asarray(np.mean(scores, axis=0, dtype=np.float32))
        return Pairs(rows, columns, self._read(frame), fused)

    def _frame(
        self, X: sparse.csr_array, scores: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
    ) -> pd.DataFrame:
        """Return the tidy frame of pairs."""
        found = {"user": rows, "item": columns if self.item_ids is None else self.item_ids[columns]}
        ends = np.searchsorted(rows, np.arange(X.shape[0] + 1))
        for name, own in zip(self.names, scores, strict=True):
            values, ranks = own[rows, columns], np.empty(len(rows), dtype=np.int64)
            for row, ascending in enumerate(sorted_unseen(own, X)):
                part = slice(ends[row], ends[row + 1])
                ranks[part] = 1 + len(ascending) - np.searchsorted(ascending, values[part], side="right")
            found |= {f"{name}_score": values, f"{name}_rank": ranks}
        lengths = np.diff(X.indptr)
        found |= {"item_count": self.item_counts[columns], "history_length": lengths[rows]}
        seen = binarize(X).astype(np.float64)
        for name, values in self.numbers.items():
            is_known = np.isfinite(values)
            n_known = seen @ is_known.astype(np.float64)
            total = seen @ np.where(is_known, values, 0.0)
            mean = np.divide(total, n_known, out=np.full(len(total), np.nan), where=n_known > 0)
            found |= {name: values[columns], f"history_{name}": mean[rows]}
        return pd.DataFrame(found)

    def _read(self, frame: pd.DataFrame) -> Any:
        """Return what the ranker reads of the frame."""
        if self.features is None or not len(frame):
            return frame.drop(columns=["user", "item"])
        table = self.features(frame)
        shape = shape_of(table, "features")
        if len(shape) != 2 or shape[0] != len(frame):
            raise ValueError(
                f"features must return a table with one row for each of {len(frame)} pairs; it returned a "
                f"{type(table).__name__} of the shape {tuple(shape)}."
            )
        return table
