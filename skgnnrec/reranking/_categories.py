"""Categories of items, read from a column of the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import Vocabulary, as_ids, first_few

__all__ = ["Categories", "column_of"]


@dataclass(frozen=True, eq=False)
class Categories:
    """The categories of items: several for some items, none for others."""

    names: Vocabulary
    codes: np.ndarray  # (n_items, the largest number of categories of an item), int64, padded with -1

    @classmethod
    def of(cls, catalog: ItemCatalog, column: Any, name: str, separator: str | None = None) -> Categories:
        """Return the categories of the items of a catalog; `name` is that of the parameter with the column."""
        lists = _split(column_of(catalog, column, name), separator)
        flat = np.empty(sum(map(len, lists)), dtype=object)
        flat[:] = [value for values in lists for value in values]
        names, places = Vocabulary.of(as_ids(flat, f"{name}={column!r}, a column of the catalog,"))
        codes = np.full((len(lists), max(map(len, lists), default=0)), -1, dtype=np.int64)
        lengths = np.array([len(values) for values in lists], dtype=np.int64)
        codes[np.arange(codes.shape[1]) < lengths[:, None]] = places
        return cls(names, codes)

    def of_candidates(
        self, columns: np.ndarray, catalog: Any, column: Any, separator: str | None
    ) -> tuple[np.ndarray, int]:
        """Return the codes of candidates, and the number of categories that they stand for.

        Candidates are items of the fit by their columns, or -1 for new items, which are rows of a catalog.
        """
        new = np.flatnonzero(columns < 0)
        if not len(new):
            return self.codes[columns], len(self.names)
        other = Categories.of(catalog.take(new), column, "candidates", separator)
        places = self.names.positions(other.names.ids)
        unknown = np.flatnonzero(places < 0)
        places[unknown] = len(self.names) + np.arange(len(unknown))
        width = max(self.codes.shape[1], other.codes.shape[1])
        codes = np.full((len(columns), width), -1, dtype=np.int64)
        is_known = columns >= 0
        codes[is_known, : self.codes.shape[1]] = self.codes[columns[is_known]]
        codes[new, : other.codes.shape[1]] = np.append(places, -1)[other.codes]
        return codes, len(self.names) + len(unknown)

    def shares(self) -> sparse.csr_array:
        """Return the membership of items, in equal shares of their categories, (n_items, n_categories)."""
        rows, places = np.nonzero(self.codes >= 0)
        counts = np.count_nonzero(self.codes >= 0, axis=1)
        shape = (len(self.codes), len(self.names))
        return sparse.csr_array((1.0 / counts[rows], (rows, self.codes[rows, places])), shape=shape)


def column_of(catalog: ItemCatalog, column: Any, name: str) -> Any:
    """Return a column of a catalog as a Series of pandas."""
    data = catalog.data
    labels = list(data.columns) if hasattr(data, "columns") else []
    if labels.count(column) != 1:
        found = f"has the columns {first_few(np.array(labels, dtype=object))}" if labels else "is no table"
        raise ValueError(f"{name}={column!r} must be a column of the catalog, which {found}.")
    return data[column]


def _split(values: Any, separator: str | None) -> list[list[Any]]:
    """Return the distinct categories of each item; none for a missing value."""
    lists = []
    for value, is_missing in zip(values, values.isna(), strict=True):
        if isinstance(value, list | tuple | set | frozenset | np.ndarray):
            parts: Iterable[Any] = value
        elif is_missing:
            parts = []
        elif separator is not None and isinstance(value, str):
            parts = filter(None, (part.strip() for part in value.split(separator)))
        else:
            parts = [value]
        lists.append(list(dict.fromkeys(parts)))
    return lists
