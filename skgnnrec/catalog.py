"""Item data as one immutable value that scikit-learn passes on untouched."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.exceptions import ItemAlignmentError

__all__ = ["ItemCatalog"]

SHOWN = 5  # ids an error message names


class ItemCatalog:
    """The items of a recommender: one row of data per item, found by id.

    A catalog is a constructor parameter of recommenders, never an argument of `fit`: scikit-learn slices whatever
    array has as many rows as there are users. It is immutable, has no length and no shape, and copies of it are
    itself, so `clone`, pipelines and searches pass it on untouched.

    Parameters
    ----------
    data : DataFrame, Series, array-like or sparse matrix with one row per item
        What is known of the items: texts, categories, prices, or vectors. A Series or a list of strings reaches
        the item encoder as it is (what `TfidfVectorizer` expects), a DataFrame as a DataFrame (what
        `ColumnTransformer` expects).
    ids : str or array-like of shape (n_items,), default=None
        The item ids: the name of a column of `data`, which then is no longer part of the item's data, or the ids
        themselves. Without ids, items are known by their position: row j describes column j of the interactions.

    Attributes
    ----------
    n_items : int
        The number of items.
    ids : ndarray of shape (n_items,) or None
        The item ids.
    data : DataFrame, Series, ndarray or sparse matrix
        The items' data without the ids.

    Raises
    ------
    ItemAlignmentError
        If ids repeat, are missing, or are not as many as the rows of `data`.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec import ItemCatalog
    >>> table = pd.DataFrame({"sku": ["a", "b", "c"], "title": ["red mug", "blue mug", "tea pot"]})
    >>> catalog = ItemCatalog(table, ids="sku")
    >>> catalog
    ItemCatalog(n_items=3, ids='a'...'c', columns=['title'])
    >>> catalog.align(["c", "a"]).data["title"].tolist()
    ['tea pot', 'red mug']
    """

    __slots__ = ("_data", "_index")

    _data: Any
    _index: pd.Index | None

    def __init__(self, data: Any, ids: Any = None) -> None:
        if isinstance(data, ItemCatalog):
            raise TypeError("data must be a table of items, got an ItemCatalog.")
        data = _as_table(data)
        if isinstance(ids, str):
            data, ids = _split_id_column(data, ids)
        index = None if ids is None else _as_index(ids, data.shape[0])
        if isinstance(data, pd.DataFrame | pd.Series):
            data = data.reset_index(drop=True)
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_index", index)

    @property
    def n_items(self) -> int:
        """Return the number of items."""
        return int(self._data.shape[0])

    @property
    def ids(self) -> np.ndarray | None:
        """Return the item ids, None where items are known by position."""
        return None if self._index is None else self._index.to_numpy().copy()

    @property
    def data(self) -> Any:
        """Return a copy of the items' data, without the ids."""
        return self._data.copy()

    def positions(self, ids: Any) -> np.ndarray:
        """Return where items stand in the catalog.

        Parameters
        ----------
        ids : array-like of any shape
            Item ids, or positions where the catalog has no ids.

        Returns
        -------
        positions : ndarray of the shape of `ids`, int64
            The row of each item, -1 for one that is not in the catalog: what `recommend` returns becomes what the
            metrics take.
        """
        if self._index is not None:
            ids = np.asarray(ids)
            return self._index.get_indexer(pd.Index(ids.ravel())).astype(np.int64).reshape(ids.shape)
        positions = np.asarray(ids, dtype=np.int64)
        return np.where((positions >= 0) & (positions < self.n_items), positions, -1)

    def take(self, positions: Any) -> "ItemCatalog":
        """Return the catalog of some items, by position.

        Parameters
        ----------
        positions : array-like of int, shape (n,)
            Rows of this catalog.

        Returns
        -------
        catalog : ItemCatalog
            The items at `positions`, in that order.
        """
        positions = np.asarray(positions, dtype=np.int64)
        rows = self._data.iloc[positions] if hasattr(self._data, "iloc") else self._data[positions]
        return ItemCatalog(rows, None if self._index is None else self._index[positions])

    def align(self, ids: Any) -> "ItemCatalog":
        """Return the catalog of some items, by id.

        Parameters
        ----------
        ids : array-like of shape (n,)
            Item ids.

        Returns
        -------
        catalog : ItemCatalog
            The items called `ids`, in that order.

        Raises
        ------
        ItemAlignmentError
            If an id is not in the catalog, or the catalog has no ids.
        """
        if self._index is None:
            raise ItemAlignmentError(
                "The catalog has no ids to find items by: pass ids= to ItemCatalog(...), or X without column names."
            )
        ids = np.asarray(ids)
        positions = self.positions(ids)
        missing = ids[positions < 0]
        if len(missing):
            raise ItemAlignmentError(
                f"The catalog lacks {len(missing)} of {len(ids)} items: {_some(missing)}. Add a row for each "
                f"(its text may be missing). {_type_hint(ids, self._index)}".rstrip()
            )
        return self.take(positions)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"ItemCatalog is immutable: cannot set {name!r}.")

    def __copy__(self) -> "ItemCatalog":
        return self

    def __deepcopy__(self, memo: dict) -> "ItemCatalog":
        return self

    def __reduce__(self) -> tuple:
        return ItemCatalog, (self._data, self._index)

    def __repr__(self) -> str:
        parts = [f"n_items={self.n_items}"]
        if self._index is not None and self.n_items:
            parts.append(f"ids={_plain(self._index[0])!r}...{_plain(self._index[-1])!r}")
        if isinstance(self._data, pd.DataFrame):
            parts.append(f"columns={[str(name) for name in self._data.columns]}")
        return f"ItemCatalog({', '.join(parts)})"


def _as_table(data: Any) -> Any:
    if isinstance(data, pd.DataFrame | pd.Series):
        return data
    if sparse.issparse(data):
        return sparse.csr_array(data, copy=True)
    if hasattr(data, "to_pandas"):
        return data.to_pandas()
    if isinstance(data, str | bytes | dict) or not hasattr(data, "__len__"):
        raise TypeError(
            f"data must be a DataFrame, a Series, a list or an array with a row per item, got {type(data).__name__}."
        )
    array = np.array(data, dtype=object if _holds_text(data) else None)  # a copy, which the caller cannot change
    if array.ndim == 1:
        return pd.Series(array)
    if array.ndim != 2:
        raise ValueError(f"data must have one or two dimensions, got {array.ndim}.")
    return array


def _holds_text(data: Any) -> bool:
    return getattr(data, "dtype", None) is None and any(isinstance(value, str) for value in data)


def _split_id_column(data: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(data, pd.DataFrame) or name not in data.columns:
        raise ItemAlignmentError(
            f"ids={name!r} must be a column of data"
            + (f", got columns {list(data.columns)}." if isinstance(data, pd.DataFrame) else ", which is no DataFrame.")
        )
    return data.drop(columns=name), data[name]


def _as_index(ids: Any, n_items: int) -> pd.Index:
    index = pd.Index(ids if isinstance(ids, pd.Index) else np.asarray(ids), tupleize_cols=False).rename(None)
    if len(index) != n_items:
        raise ItemAlignmentError(f"ids has {len(index)} entries, data {n_items} rows.")
    if index.hasnans:
        raise ItemAlignmentError(f"ids are missing in {np.count_nonzero(index.isna())} rows.")
    if not index.is_unique:
        raise ItemAlignmentError(f"ids repeat: {_some(index[index.duplicated()].unique())}.")
    return index


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _some(ids: Any) -> str:
    shown = ", ".join(repr(_plain(value)) for value in ids[:SHOWN])
    return shown + (", ..." if len(ids) > SHOWN else "")


def _type_hint(ids: np.ndarray, index: pd.Index) -> str:
    """Say it when ids differ in type only, the commonest cause of a catalog that lacks everything."""
    asked, held = type(_plain(ids[0])).__name__, type(_plain(index[0])).__name__ if len(index) else "nothing"
    return "" if asked == held else f"Those ids are of type {asked}, the catalog's of type {held}."
