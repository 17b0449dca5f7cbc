"""Reading texts out of what users hold: lists, arrays, series and frames."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd


def as_table(X: Any) -> pd.DataFrame | np.ndarray:
    """Bring texts into a frame or an object array of one or two dimensions.

    Parameters
    ----------
    X : DataFrame, Series, array or sequence
        The texts.

    Returns
    -------
    table : DataFrame or ndarray of object, shape (n_texts,) or (n_texts, n_columns)
        The same values, not yet checked.

    Raises
    ------
    ValueError
        If X is a single text, or has no or more than two dimensions.
    """
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, (str, bytes)):
        raise ValueError(f"X must be a sequence of texts, got one {type(X).__name__}; wrap it in a list.")
    table = np.asarray(X, dtype=object)
    if table.ndim not in (1, 2):
        raise ValueError(
            f"X must be a sequence of texts, an array of one or two dimensions or a DataFrame, "
            f"got {type(X).__name__} with {table.ndim} dimensions."
        )
    return table


def read_texts(table: pd.DataFrame | np.ndarray, columns: Any, separator: str) -> list[str]:
    """Read one text a row, joining columns.

    Parameters
    ----------
    table : DataFrame or ndarray of object, shape (n_texts,) or (n_texts, n_columns)
        The values. One-dimensional values are texts already and have no columns to select.
    columns : None, label or sequence of labels
        The columns of a frame by label, of an array by position; None reads all.
    separator : str
        Stands between the columns that have text in a row.

    Returns
    -------
    texts : list of str, length n_texts
        The texts; missing and blank ones are the empty string.

    Raises
    ------
    ValueError
        If a column is absent, or a value is neither text nor missing.
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
    """Pair the position of each selected column with its label."""
    labels: list[Hashable] = list(table.columns if isinstance(table, pd.DataFrame) else range(table.shape[1]))
    if not labels:
        raise ValueError("X has no columns, at least one column of text is needed.")
    if columns is None:
        return list(enumerate(labels))
    wanted: list[Hashable] = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
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
    """Check one value and bring it into a string that every tokenizer takes.

    Parameters
    ----------
    value : object
        A string or a missing value (None, NaN, NA, NaT).
    row : int
        Its row in X, for the error message.
    label : hashable, optional
        Its column in X, for the error message.

    Returns
    -------
    text : str
        Valid Unicode, empty where the value is missing or blank.

    Raises
    ------
    ValueError
        If the value is neither text nor missing.
    """
    if isinstance(value, str):
        return "" if value.isspace() else _repair_surrogates(value)
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    place = f"row {row}" if label is None else f"row {row}, column {label!r}"
    raise ValueError(
        f"X must hold texts (str) or missing values (None, NaN, NA), got {type(value).__name__} at {place}."
    )


def _repair_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates, which have no UTF-8 form, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(text)
