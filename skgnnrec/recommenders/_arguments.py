"""Checks of the arguments of recommenders: tables in the place of catalogs and matrices, held-out items."""

from datetime import date
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

from skgnnrec.catalog import ItemCatalog

__all__ = ["one_per_row", "refuse_catalog", "refuse_log", "refuse_table"]

# A table of at most so many columns and at least so many rows is taken for a log if its first two columns hold whole
# numbers, so many different ones: users rarely have the same two items, and with so many different weights.
LOG_COLUMNS, LOG_ROWS, LOG_IDS = 8, 50, 10
LOG_SAMPLE = 1000  # rows that are looked at


def refuse_table(estimator: Any) -> None:
    """Refuse a table in the place of a catalog, without printing it."""
    given, is_required = estimator.catalog, None not in estimator._parameter_constraints["catalog"]
    if isinstance(given, ItemCatalog) or (given is None and not is_required):
        return
    expected = "an ItemCatalog" if is_required else "an ItemCatalog or None"
    came = "None" if given is None else f"a {type(given).__name__}"
    raise InvalidParameterError(
        f"The 'catalog' parameter of {type(estimator).__name__} must be {expected}. Got {came} instead. "
        "ItemCatalog(table, ids='sku') makes one from a table whose column 'sku' holds the ids."
    )


def refuse_catalog(items: Any, name: str, caller: str) -> None:
    """Refuse a catalog where only fitted items have a meaning."""
    if isinstance(items, ItemCatalog):
        raise ValueError(f"{name} must name fitted items, got an ItemCatalog: {caller} takes no new items.")


def refuse_log(X: Any) -> None:
    """Refuse a log, which would be learned as a matrix of a few items."""
    if sparse.issparse(X) or not hasattr(X, "__getitem__") or isinstance(X, str | bytes | dict):
        return
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


def one_per_row(columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a matrix with one entry in each row, none where the column is -1."""
    if columns.dtype.kind not in "iu" or (columns < -1).any() or (columns >= shape[1]).any():
        raise ValueError(
            f"y with one entry for each user must hold positions of items, integers from 0 to {shape[1] - 1} or -1 for "
            f"none; got {columns[:5].tolist()}... of dtype {columns.dtype}."
        )
    rows = np.flatnonzero(columns >= 0)
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns[rows])), shape=shape)
