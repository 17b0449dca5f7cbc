"""Logs in the place of matrices: they would be read as a matrix of a few items."""

from collections.abc import Mapping
from datetime import date
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.interactions._tables import as_frame

__all__ = ["refuse_log"]

# A table of at most so many columns and at least so many rows is taken for a log if its first two columns hold whole
# numbers, so many different ones: users rarely have the same two items, and with so many different weights.
LOG_COLUMNS, LOG_ROWS, LOG_IDS = 8, 50, 10
LOG_SAMPLE = 1000  # rows that are looked at


def refuse_log(X: Any) -> None:
    """Refuse a log, which would be learned as a matrix of a few items."""
    if sparse.issparse(X) or not hasattr(X, "__getitem__") or isinstance(X, str | bytes):
        return
    if isinstance(X, Mapping):
        X = as_frame(X, "X")
    if getattr(X, "ndim", 2) != 2:
        return
    rows = np.array(X[:LOG_SAMPLE], dtype=object)  # of a list, an array or a frame
    if rows.ndim != 2 or not 2 <= rows.shape[1] <= LOG_COLUMNS:
        return
    columns = rows.T
    is_named = any(isinstance(value, str | bytes | date | np.datetime64) for value in rows[:LOG_IDS].ravel())
    if is_named or (len(rows) >= LOG_ROWS and all(_look_like_ids(column) for column in columns[:2])):
        raise ValueError(
            f"X looks like a log of interactions: it holds ids, and its {len(columns)} columns would be learned as "
            f"{len(columns)} items. Use LogRecommender(recommender, user=..., item=...) for a log. A matrix has a row "
            "for each user and a column for each item."
        )


def _look_like_ids(column: np.ndarray) -> bool:
    numbers = np.unique(column[[isinstance(value, Real) for value in column]].astype(np.float64))
    return len(numbers) >= LOG_IDS and bool((numbers == np.rint(numbers)).all())
