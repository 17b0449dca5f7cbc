"""Texts from lists, arrays, series and tables."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["as_table", "clean_text", "read_text", "read_texts", "repair_surrogates"]

# White space and characters without a glyph: controls, the characters that Unicode calls ignorable, and the blank of
# Braille. Tokenizers drop them or turn each into tokens, and either way they say nothing.
_INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
_LEADING = re.compile(rf"[{_INVISIBLE}]*")
# Longer than what separates paragraphs or indents a line.
_LONG_RUN = re.compile(rf"[{_INVISIBLE}]{{9,}}")


def as_table(X: Any) -> pd.DataFrame | np.ndarray:
    """Return texts as a pandas DataFrame or an object array, (n_texts,) or (n_texts, n_columns), not yet checked."""
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, str | bytes):
        raise ValueError(f"X must be a sequence of texts, got one {type(X).__name__}; wrap it in a list.")
    if sparse.issparse(X):
        raise ValueError(f"X must be a sequence of texts, got a sparse matrix, a {type(X).__name__}.")
    native = nw.from_native(X, pass_through=True, allow_series=True)
    if isinstance(native, nw.LazyFrame):
        raise ValueError(f"X must be an eager table, got {type(X).__name__}; call collect() first.")
    if isinstance(native, nw.DataFrame):
        return pd.DataFrame({name: pd.Series(native[name].to_list(), dtype=object) for name in native.columns})
    table = np.asarray(native.to_list() if isinstance(native, nw.Series) else X, dtype=object)
    if table.ndim not in (1, 2):
        raise ValueError(
            f"X must be a sequence of texts, an array of one or two dimensions or a DataFrame, "
            f"got {type(X).__name__} with {table.ndim} dimensions."
        )
    return table


def read_texts(table: pd.DataFrame | np.ndarray, columns: Any, separator: str) -> list[str]:
    """Return one clean text for each row, the selected columns joined; blank and missing texts are "".

    `columns` are labels of a DataFrame or positions in an array, None for all. Columns without text in a row are left
    out of its text.
    """
    if table.ndim == 1:
        return [read_text(value, row) for row, value in enumerate(table)]
    selected = [
        [read_text(value, row, label) for row, value in enumerate(_column_values(table, position))]
        for position, label in _locate_columns(table, columns)
    ]
    if len(selected) == 1:
        return selected[0]
    return [separator.join(part for part in parts if part) for parts in zip(*selected, strict=True)]


def _locate_columns(table: pd.DataFrame | np.ndarray, columns: Any) -> list[tuple[int, Hashable]]:
    """Return the position and the label of each selected column."""
    labels: list[Hashable] = list(table.columns if isinstance(table, pd.DataFrame) else range(table.shape[1]))
    if not labels:
        raise ValueError("X has no columns, at least one column of text is needed.")
    if columns is None:
        return list(enumerate(labels))
    wanted: list[Hashable] = [columns] if isinstance(columns, str | int | np.integer) else list(columns)
    if not wanted:
        raise ValueError("columns must be None or select at least one column, got an empty selection.")
    missing = [label for label in wanted if label not in labels]
    if missing:
        raise ValueError(f"columns selects {missing}, but X has the columns {labels}.")
    repeated = [label for label in wanted if labels.count(label) > 1]
    if repeated:
        raise ValueError(f"columns selects {repeated}, which X has more than once: {labels}.")
    return [(labels.index(label), label) for label in wanted]


def _column_values(table: pd.DataFrame | np.ndarray, position: int) -> np.ndarray:
    if isinstance(table, pd.DataFrame):
        return table.iloc[:, position].to_numpy(dtype=object)
    return table[:, position]


def read_text(value: Any, row: int, label: Hashable | None = None) -> str:
    """Return the clean text of a value, "" for a missing one; other types raise a ValueError that names the place."""
    if isinstance(value, str):
        return clean_text(str(value))
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    place = f"row {row}" if label is None else f"row {row}, column {label!r}"
    raise ValueError(
        f"X must hold texts (str) or missing values (None, NaN, NA), got {type(value).__name__} at {place}."
    )


def clean_text(text: str) -> str:
    """Return valid Unicode without invisible characters at the start, white space at the end and long blank runs."""
    if text.isascii() and text.isprintable() and " " * 9 not in text:  # most texts, ten times as fast
        return text.strip()
    text = repair_surrogates(text)
    start = _LEADING.match(text).end()  # type: ignore[union-attr]
    return _LONG_RUN.sub(" ", text[start:]).rstrip()


def repair_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates, which have no UTF-8 form, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
