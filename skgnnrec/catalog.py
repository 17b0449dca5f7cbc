"""The data of items as one immutable value that scikit-learn passes on unchanged."""

from typing import Any

import joblib
import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags

from skgnnrec._columns import as_table, hashable, read_columns
from skgnnrec._html import cell, shorten, table
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.interactions import Vocabulary, as_ids, as_positions, describe_type, first_few

__all__ = ["ItemCatalog"]

SHOWN_ITEMS, SHOWN_COLUMNS = 5, 8  # of a catalog in a notebook


class ItemCatalog:
    """The items of a recommender, with one row of data per item.

    A catalog is a constructor parameter of recommenders and never an argument of `fit`: scikit-learn slices every
    argument of `fit` that has as many rows as there are users. A catalog is immutable and has neither a length nor a
    shape. Copies of a catalog are the catalog itself, so `clone`, pipelines and searches pass it on unchanged. Two
    catalogs are equal if their contents are equal.

    Parameters
    ----------
    data : {DataFrame, Series, dict, array-like, sparse matrix} with n_items rows
        The data of the items: texts, categories, prices, or vectors. DataFrames and Series may be from pandas, polars
        or pyarrow. A dict maps the names of columns to columns. Images are the paths of files or arrays of dtype uint8:
        a list or a column of them, or one array of shape (n_items, height, width) or (n_items, height, width,
        channels).
    ids : str or array-like of shape (n_items,), default=None
        The item ids, or the name of the column of `data` (or of its pandas index) that holds them. This column is not
        part of the item data. If None, row j of the catalog describes column j of the interactions.

    Attributes
    ----------
    n_items : int
        The number of items.
    ids : ndarray of shape (n_items,) or None
        The item ids.
    data : {DataFrame, Series, ndarray, csr_array} with n_items rows
        The item data without the ids. Tables are returned as objects of pandas.

    Raises
    ------
    ItemAlignmentError
        If ids are repeated or missing, or if their number differs from the number of rows of `data`.
    TypeError
        If `data` is not a table of items.

    Notes
    -----
    The item encoder of a recommender receives `data`. If it is a transformer of texts, such as `TfidfVectorizer`, and
    `data` is a DataFrame with one column, the encoder receives this column. Missing texts become empty texts for
    encoders that do not accept missing values.

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

    __slots__ = ("_content", "_data", "_kind", "_labels", "_vocabulary")

    # `_data` is a matrix or a list of columns, `_labels` has the names of the columns.
    _content: str | None
    _data: Any
    _kind: str
    _labels: list[Any] | None
    _vocabulary: Vocabulary | None

    def __init__(self, data: Any, ids: Any = None) -> None:
        if isinstance(data, ItemCatalog):
            raise TypeError("data must be a table of items; got an ItemCatalog.")
        table = as_table(data)
        how_to_keep_one = _how_to_keep_one(data, ids)
        if isinstance(ids, str):
            table, ids = _split_ids(table, ids)
        self._set(*read_columns(table), None)
        if ids is not None:
            vocabulary = _read_ids(ids, how_to_keep_one)
            has_data = not isinstance(self._data, list) or bool(self._data)  # a table may have no column but the ids
            if has_data and len(vocabulary) != self.n_items:
                raise ItemAlignmentError(f"ids has {len(vocabulary)} entries, data {self.n_items} rows.")
            self._set(self._kind, self._labels, self._data, vocabulary)

    def _set(self, kind: str, labels: list[Any] | None, data: Any, vocabulary: Vocabulary | None) -> "ItemCatalog":
        self.__setstate__({"_kind": kind, "_labels": labels, "_data": data, "_vocabulary": vocabulary})
        return self

    @property
    def n_items(self) -> int:
        """Return the number of items."""
        if not isinstance(self._data, list):
            return int(self._data.shape[0])
        if self._data:
            return len(self._data[0].values)
        return 0 if self._vocabulary is None else len(self._vocabulary)

    @property
    def ids(self) -> np.ndarray | None:
        """Return a copy of the item ids, or None if items are known by position."""
        return None if self._vocabulary is None else self._vocabulary.ids

    @property
    def data(self) -> Any:
        """Return a copy of the item data without the ids."""
        if not isinstance(self._data, list):
            return self._data.copy()
        if self._kind == "array":
            return self._data[0].values.copy()
        if self._kind == "series":
            return self._data[0].to_series().rename(None if self._labels is None else self._labels[0])
        columns = dict(enumerate(column.to_series() for column in self._data))
        frame = pd.DataFrame(columns, index=pd.RangeIndex(self.n_items))
        frame.columns = pd.Index(self._labels or [], tupleize_cols=False)
        return frame

    def positions(self, ids: Any) -> np.ndarray:
        """Return the positions of items in the catalog.

        The method turns the lists that `recommend` returns into the lists that the metrics take.

        Parameters
        ----------
        ids : array-like of shape (n,), or ndarray of any shape
            Item ids, or positions if the catalog has no ids.

        Returns
        -------
        positions : ndarray of the shape of `ids`, int64
            The row of each item, -1 for ids that are not in the catalog.

        Raises
        ------
        ValueError
            If the catalog has no ids and `ids` are not integers.
        """
        shape = ids.shape if isinstance(ids, np.ndarray) else None
        flat = ids.ravel() if shape is not None else ids
        if self._vocabulary is not None:
            found = self._vocabulary.positions(flat, missing_ok=True)
        else:
            places = as_positions(flat, "ids", "The catalog has no ids, so items are known by position.")
            found = np.where((places >= 0) & (places < self.n_items), places, -1)
        return found if shape is None else found.reshape(shape)

    def take(self, positions: Any) -> "ItemCatalog":
        """Return a catalog of the items at given positions.

        Parameters
        ----------
        positions : array-like of int, shape (n,)
            Rows of this catalog, from 0 to ``n_items - 1``.

        Returns
        -------
        catalog : ItemCatalog
            The items at `positions`, in this order.

        Raises
        ------
        ValueError
            If a position is not an integer or is out of range.
        """
        rows = as_positions(positions, "positions", "numpy.flatnonzero turns a mask into positions.")
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n_items):
            wrong = rows[(rows < 0) | (rows >= self.n_items)]
            raise ValueError(f"positions must be from 0 to {self.n_items - 1}; got {first_few(wrong)}.")
        is_list = isinstance(self._data, list)
        data = [column.take(rows) for column in self._data] if is_list else self._data[rows]
        vocabulary = None if self._vocabulary is None else Vocabulary(self._vocabulary.ids[rows])
        return ItemCatalog.__new__(ItemCatalog)._set(self._kind, self._labels, data, vocabulary)

    def align(self, ids: Any) -> "ItemCatalog":
        """Return a catalog of the items with given ids.

        Parameters
        ----------
        ids : array-like of shape (n,)
            Item ids.

        Returns
        -------
        catalog : ItemCatalog
            The items with these ids, in this order.

        Raises
        ------
        ItemAlignmentError
            If an id is not in the catalog, or if the catalog has no ids.
        """
        if self._vocabulary is None:
            raise ItemAlignmentError(
                "The catalog has no ids to find items by: pass ids= to ItemCatalog(...), or X without column names."
            )
        wanted = ids if isinstance(ids, Vocabulary) else Vocabulary(ids)
        if wanted.equals(self._vocabulary):
            return self
        positions = self._vocabulary.positions(wanted.ids)
        missing = wanted.ids[positions < 0]
        if len(missing):
            asked, held = describe_type(wanted.ids), describe_type(self._vocabulary.ids)
            hint = "" if asked == held else f" These ids are of type {asked}, those of the catalog of type {held}."
            raise ItemAlignmentError(
                f"The catalog lacks {len(missing)} of {len(wanted)} items: {first_few(missing)}. Add a row for each; "
                f"its text may be missing.{hint}"
            )
        return self.take(positions)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"ItemCatalog is immutable: cannot set {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"ItemCatalog is immutable: cannot delete {name!r}.")

    def __copy__(self) -> "ItemCatalog":
        return self

    def __deepcopy__(self, memo: dict) -> "ItemCatalog":
        return self

    def _digest(self) -> str:
        """Return a hash of the contents."""
        if self._content is None:
            data = self._data
            if isinstance(data, list):
                contents: Any = [column.contents() for column in data]
            elif sparse.issparse(data):
                contents = data.shape, data.data, data.indices.astype(np.int64), data.indptr.astype(np.int64)
            else:
                contents = data.shape, hashable(data.ravel())
            labels = None if self._labels is None else [joblib.hash(label) for label in self._labels]
            ids = None if self._vocabulary is None else hashable(self._vocabulary.ids)
            object.__setattr__(self, "_content", str(joblib.hash((self._kind, labels, contents, ids))))
        return str(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ItemCatalog) and (self is other or self._digest() == other._digest())

    def __hash__(self) -> int:
        return hash(self._digest())

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "_content"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "_content": None}.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        parts = [f"n_items={self.n_items}"]
        if self._vocabulary is not None and self.n_items:
            first, last = (first_few(self._vocabulary.ids[place : place + 1 or None]) for place in (0, -1))
            parts.append(f"ids={first}...{last}")
        if self._kind == "frame":
            parts.append(f"columns={[str(label) for label in self._labels or []]}")
        return f"ItemCatalog({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Return the first items as a table, for notebooks."""
        first = self.take(np.arange(min(SHOWN_ITEMS, self.n_items)))
        ids = range(first.n_items) if first.ids is None else first.ids.tolist()
        data = first.data.toarray() if sparse.issparse(first.data) else first.data
        frame = data.to_frame() if isinstance(data, pd.Series) else pd.DataFrame(data)
        names = frame.columns if self._labels is not None else range(frame.shape[1])
        head = ["position" if self._vocabulary is None else "id", *names[:SHOWN_COLUMNS]]
        rows = [[str(name), *frame.iloc[row, :SHOWN_COLUMNS]] for row, name in enumerate(ids)]
        hidden = {"items": self.n_items - len(rows), "columns": frame.shape[1] - SHOWN_COLUMNS}
        note = " and ".join(f"{number} more {name}" for name, number in hidden.items() if number > 0)
        title = f"ItemCatalog of {self.n_items} items, columns: {frame.shape[1]}"
        return table(
            title,
            [cell(shorten(name), "th") for name in head],
            [[cell(shorten(f"{value:.4g}" if isinstance(value, float) else value)) for value in row] for row in rows],
            note and f"… {note}",
        )


def encoder_input(catalog: ItemCatalog, encoder: Any) -> Any:
    """Return the data of a catalog as an item encoder takes them.

    Encoders of texts take the only column of a table. Missing texts are empty texts for encoders that do not accept
    missing values, also for those inside a ColumnTransformer.
    """
    data = catalog.data
    readers = _readers_of_texts(encoder)
    if not readers:
        for label, accepts_missing in _text_columns(encoder).items() if hasattr(data, "columns") else ():
            if label in data.columns and not accepts_missing:
                data[label] = _fill(data[label])
        return data
    if hasattr(data, "columns"):
        if data.shape[1] != 1:
            raise ValueError(
                f"item_encoder={type(encoder).__name__}(...) takes one column of texts; the catalog has "
                f"{data.shape[1]} columns: {list(data.columns)}. Pass ItemCatalog(data['title'], ids=data['id']), or "
                "encode each column with a ColumnTransformer."
            )
        data = data.iloc[:, 0]
    return data if data.ndim != 1 or _accept_missing(readers) else _fill(data)


def texts_as_items(catalog: ItemCatalog | None, encoder: Any, texts: list[str]) -> ItemCatalog:
    """Return sentences as items with the columns of a catalog: the first column of texts has them, others are empty.

    Columns of numbers have their means.
    """
    items = None if catalog is None or encoder is None else catalog.data
    if items is None or (items.ndim == 2 and not hasattr(items, "columns")):
        raise ValueError(
            "query is a str, but the recommender has no encoder of texts: pass a vector in the space of the item "
            "vectors, or use catalog=ItemCatalog(texts) and item_encoder=TextEmbedder(...)."
        )
    if items.ndim == 1:
        return ItemCatalog(texts)
    means = {label: items[label].mean() for label in items if items[label].dtype.kind in "biuf"}
    data = pd.DataFrame({label: [means.get(label, "")] * len(texts) for label in items})
    chosen = getattr(encoder, "columns", None)
    chosen = [chosen] if isinstance(chosen, str) else [*(chosen or ()), *_text_columns(encoder)]
    first = next((label for label in [*chosen, *items] if label in items and label not in means), None)
    if first is None:
        raise ValueError(f"query holds texts, but the catalog has no column of texts: {list(items)}.")
    data[first] = texts
    return ItemCatalog(data)


def _readers_of_texts(encoder: Any) -> list[BaseEstimator]:
    """Return the encoder, or the transformers inside it, whose tags say that their input is a column of texts."""
    if isinstance(encoder, Pipeline):
        steps = [step for _, step in encoder.steps if step not in (None, "passthrough")]
        return _readers_of_texts(steps[0]) if steps else []
    if isinstance(encoder, FeatureUnion):
        return [reader for _, part in encoder.transformer_list for reader in _readers_of_texts(part)]
    if not isinstance(encoder, BaseEstimator):
        return []
    tags = get_tags(encoder).input_tags
    return [encoder] if tags.string and not tags.two_d_array else []


def _accept_missing(readers: list[BaseEstimator]) -> bool:
    return all(get_tags(reader).input_tags.allow_nan for reader in readers)


def _text_columns(encoder: Any) -> dict[str, bool]:
    """Return the columns that a ColumnTransformer passes to encoders of texts, and whether these accept gaps."""
    first = encoder[0] if isinstance(encoder, Pipeline) else encoder
    columns: dict[str, bool] = {}
    for _, transformer, column in getattr(first, "transformers", ()):
        readers = _readers_of_texts(transformer) if isinstance(column, str) else []
        if readers:
            columns[column] = columns.get(column, True) and _accept_missing(readers)
    return columns


def _fill(texts: Any) -> Any:
    """Return texts with empty ones in place of missing ones."""
    return pd.Series(texts, dtype=object).where(pd.notna(texts), "")


def _split_ids(table: Any, name: str) -> tuple[Any, Any]:
    """Return a table without its column of ids, and this column."""
    if not hasattr(table, "columns"):
        raise ItemAlignmentError(f"ids={name!r} must be a column of data, but data is not a DataFrame.")
    labels = list(table.columns)
    if labels.count(name) == 1:
        if isinstance(table, nw.DataFrame):
            return table.drop(name), table[name].to_native()
        return table.drop(columns=name), table[name]
    if getattr(getattr(table, "index", None), "name", None) == name:
        return table, table.index
    raise ItemAlignmentError(f"ids={name!r} must be one column of data; the columns are {labels}.")


def _how_to_keep_one(data: Any, ids: Any) -> str:
    if isinstance(ids, str) and hasattr(data, "drop_duplicates"):
        return f"data.drop_duplicates({ids!r}) keeps the first row of each id."
    if isinstance(ids, str) and hasattr(data, "unique"):
        return f"data.unique({ids!r}, keep='first', maintain_order=True) keeps the first row of each id."
    return "~pandas.Index(ids).duplicated() marks the first row of each id."


def _read_ids(ids: Any, how_to_keep_one: str) -> Vocabulary:
    try:
        return Vocabulary(ids)
    except ValueError as error:
        raise ItemAlignmentError(_describe_repeated(ids, how_to_keep_one) or str(error)) from error


def _describe_repeated(ids: Any, how_to_keep_one: str) -> str | None:
    try:
        distinct, places = Vocabulary.of(as_ids(ids))
    except ValueError:
        return None
    repeated = distinct.ids[np.bincount(places) > 1]
    return f"ids must be distinct; got {first_few(repeated)} in more than one row. {how_to_keep_one}"


def item_vocabulary(items: np.ndarray, catalog: ItemCatalog | None) -> tuple[Vocabulary, np.ndarray]:
    """Return the items of the catalog, or those of a log without catalog, and the position of each value."""
    if catalog is None:
        return Vocabulary.of(items)
    vocabulary = Vocabulary(np.arange(catalog.n_items)) if catalog._vocabulary is None else catalog._vocabulary
    positions = vocabulary.positions(items)
    if (positions < 0).any():
        unknown, _ = Vocabulary.of(items[positions < 0])
        if catalog._vocabulary is None:
            raise ItemAlignmentError(
                f"The catalog has no ids, so items are positions from 0 to {catalog.n_items - 1}; the log has "
                f"{len(unknown)} other items: {first_few(unknown.ids)}. Pass ids= to ItemCatalog(...)."
            )
        catalog.align(Vocabulary.of(items)[0])  # raises an error that names them
    return vocabulary, positions
