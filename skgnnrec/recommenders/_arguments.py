"""Checks of the arguments of recommenders: tables in the place of catalogs, held-out items, ratings as y."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import Vocabulary, first_few, warn_caller

__all__ = [
    "as_list",
    "check_columns",
    "is_list",
    "one_per_row",
    "refuse_catalog",
    "refuse_other_candidates",
    "refuse_other_estimator",
    "refuse_table",
    "select_columns",
    "warn_of_ratings",
]

LARGEST_STARS, FEWEST_STARS = 10, 3  # whole numbers are taken for ratings if there are so many from 0 to the largest


def check_columns(vocabulary: Vocabulary | None, fitted: Vocabulary | None, input_name: str) -> None:
    """Refuse columns of a table that are not the items of the fit, in that order."""
    if vocabulary is None:
        return
    if fitted is None:  # integers in another order than 0, 1, ... would be taken for positions
        labels = vocabulary.ids
        if labels.dtype.kind not in "iu" or (labels == np.arange(len(labels))).all():
            return
        fitted = Vocabulary(np.arange(len(labels)))
    if not vocabulary.equals(fitted):
        raise ValueError(
            f"The columns of {input_name} must be the items of the fit, in that order: {input_name} starts with "
            f"{first_few(vocabulary.ids[:3])}, the fit with {first_few(fitted.ids[:3])}. "
            f"{input_name}.reindex(columns=recommender.item_ids_, fill_value=0) aligns them."
        )


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


def refuse_other_estimator(estimator: Any, expected: type) -> None:
    """Refuse a `recommender` that is no recommender of matrices, without printing all of it."""
    given, owner = estimator.recommender, type(estimator).__name__
    if isinstance(given, expected):
        return
    came, advice = f"a {type(given).__name__}", ""
    if isinstance(given, type):
        came, advice = f"the class {given.__name__}", f" Pass an instance of it, {given.__name__}(...)."
    elif hasattr(given, "unknown_users"):  # a recommender of logs
        advice = f" A LogRecommender takes the whole log and is the outermost one: LogRecommender({owner}(...))."
    raise InvalidParameterError(
        f"The 'recommender' parameter of {owner} must be a recommender, such as RidgeRecommender(). "
        f"Got {came} instead.{advice}"
    )


def refuse_catalog(items: Any, name: str, caller: str) -> None:
    """Refuse a catalog where only fitted items have a meaning."""
    if isinstance(items, ItemCatalog):
        raise ValueError(f"{name} must name fitted items, got an ItemCatalog: {caller} takes no new items.")


def refuse_other_candidates(candidates: Any) -> None:
    """Refuse candidates that are neither a catalog nor a list of items."""
    is_table = hasattr(type(candidates), "columns")
    if is_list(candidates) and not is_table:
        return
    advice = " ItemCatalog(table, ids='sku') makes a catalog from a table." if is_table else ""
    raise ValueError(
        "candidates must be an ItemCatalog or a list of fitted items, by id where ids are known and by position "
        f"elsewhere; got a {type(candidates).__name__}.{advice}"
    )


def one_per_row(columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a matrix with one entry in each row, none where the column is -1."""
    if columns.dtype.kind not in "iu" or (columns < -1).any() or (columns >= shape[1]).any():
        raise ValueError(
            f"y with one entry for each user must hold positions of items, integers from 0 to {shape[1] - 1} or -1 for "
            f"none; got {columns[:5].tolist()}... of dtype {columns.dtype}."
        )
    rows = np.flatnonzero(columns >= 0)
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns[rows])), shape=shape)


def warn_of_ratings(y: Any, n_rows: int, n_interactions: int | None, advice: str) -> None:
    """Warn of a y that holds one rating for each interaction, because `fit` does not use y.

    Held-out items and labels for a splitter are whole numbers, one for each row; so are the ratings of a log, whose
    rows are its interactions (`n_interactions` is None).
    """
    try:
        ratings = np.asarray(y)
    except Exception:  # anything can be passed where it is not used
        return
    if ratings.dtype.kind not in "iuf" or not ratings.ndim or ratings.shape[1:] not in ((), (1,)):
        return
    n, values = len(ratings), np.unique(ratings[np.isfinite(ratings)])
    is_whole = bool((values == np.rint(values)).all())
    are_stars = len(values) >= FEWEST_STARS and values[0] >= 0 and values[-1] <= LARGEST_STARS
    is_clear = n not in (n_rows, 1) and n == n_interactions
    if is_clear or not is_whole or (n_interactions is None and n == n_rows and are_stars):
        warn_caller(f"y is not used in fit, but holds {n} numbers that look like ratings. {advice}")


def as_list(ids: Any) -> Any:
    """Return ids as they are, and one id as a list."""
    return [ids] if isinstance(ids, str | bytes) or not hasattr(ids, "__iter__") else ids


def is_list(items: Any) -> bool:
    """Return whether items are several, in an order."""
    return isinstance(items, Iterable) and not isinstance(items, str | bytes | dict | set | frozenset)


def select_columns(X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
    """Return the columns of X, in that order; -1 stands for a column without entries."""
    if len(columns) == X.shape[1] and (columns == np.arange(X.shape[1])).all():
        return X
    place = np.full(X.shape[1], -1, dtype=np.int64)
    place[columns[columns >= 0]] = np.flatnonzero(columns >= 0)
    kept = place[X.indices] >= 0
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return sparse.csr_array((X.data[kept], (rows[kept], place[X.indices[kept]])), shape=(X.shape[0], len(columns)))
