"""Recommendation lists of fitted recommenders for the displays, and means of metrics."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skgnnrec.interactions import (
    Vocabulary,
    check_interactions,
    column_labels,
    columns_of_pairs,
    first_few,
    read_log,
    read_table,
)
from skgnnrec.metrics import HeldOutRanking, check_recommended, ranking_metrics
from skgnnrec.ranking import fitted_recommender, rank_held_out, warn_of_leak
from skgnnrec.recommenders import LogRecommender


def named_estimators(given: Any, name: str | None) -> dict[str, Any]:
    """Return estimators by name; a single one has the given name or that of its class."""
    estimators = _named(given, name, type(given).__name__)
    for estimator in estimators.values():
        if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
            raise TypeError(f"estimator must be a recommender, or a dict of recommenders by name; got {given!r}.")
    return estimators


def named_lists(
    given: Any, name: str | None, n_items: int, n_users: int | None = None, *, one_length: bool
) -> dict[str, NDArray[np.int64]]:
    """Return checked lists by name; all of them have the same number of users and, with `one_length`, of items."""
    tables = _named(given, name, "recommender")
    lists = {key: check_recommended(table, n_items, name=f"recommended[{key!r}]") for key, table in tables.items()}
    n_rows = {key: len(table) for key, table in lists.items()}
    if len(set(n_rows.values()) | ({n_users} - {None})) > 1:
        expected = "one row per user" if n_users is None else f"one row for each of the {n_users} users of y_true"
        raise ValueError(f"recommended must have {expected} for all recommenders; got {n_rows} rows.")
    lengths = {key: table.shape[1] for key, table in lists.items()}
    if one_length and len(set(lengths.values())) > 1:
        raise ValueError(f"recommended must have lists of the same length for all recommenders; got {lengths} items.")
    return lists


def check_count(name: str, value: Any, least: int = 1) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}; got {value!r}.")


def check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string; got {value!r}.")


def check_metric(metric: Any) -> None:
    known = list(ranking_metrics([[1]], [[0]]))
    if not isinstance(metric, str) or metric not in known:
        raise ValueError(f"metric must be one of {', '.join(known)}; got {metric!r}.")


def unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the fitted recommender in searches and pipelines, and its input."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(f"estimator must be a fitted recommender; got {estimator!r}.")
    check_is_fitted(estimator)
    return fitted_recommender(estimator, X)


def matrix_recommender(recommender: Any) -> Any:
    """Return the recommender of a matrix inside of a `LogRecommender`, or the recommender itself."""
    return recommender.recommender_ if isinstance(recommender, LogRecommender) else recommender


def is_log(recommender: Any, X: Any) -> bool:
    """Return whether X is a log for a `LogRecommender`, and not its matrix of histories."""
    if not isinstance(recommender, LogRecommender) or sparse.issparse(X):
        return False
    is_numbers = isinstance(X, np.ndarray) and X.dtype != object and X.ndim == 2
    return not (is_numbers and X.shape[1] == recommender.recommender_.n_features_in_)


def check_matrix(X: Any, recommender: Any, name: str = "X") -> None:
    """Refuse values other than a matrix of users and items of the fit; `y` may also name one item per user."""
    n_items = recommender.n_features_in_
    shape = _shape(X)
    if shape is not None and (shape[1:] == (n_items,) or (name == "y" and shape[1:] in ((), (1,)))):
        return
    found = f"a {type(X).__name__}" + ("" if shape is None else f" of shape {shape}")
    raise ValueError(
        f"{name} must be a matrix of users and the {n_items} items of the fit, or a log for a LogRecommender; "
        f"got {found}."
    )


def rank_each(estimators: Mapping[str, Any], X: Any, y: Any, k: int) -> dict[str, HeldOutRanking]:
    """Return the ranking of each fitted recommender, for the same held-out interactions."""
    rankings = {}
    for name, estimator in estimators.items():
        recommender, histories = unwrap(estimator, X)
        if is_log(recommender, histories):
            rankings[name] = recommender.rank_held_out(histories if y is None else y, n_recommendations=k)
            continue
        inner = matrix_recommender(recommender)
        check_matrix(histories, inner)
        if y is not None:
            check_matrix(y, inner, "y")
        rankings[name] = rank_held_out(inner, histories, y, k)
    first = next(iter(rankings.values()))
    warn_of_leak(first.histories, first.held_out)
    if not first.held_out.nnz:
        raise ValueError("There is nothing to draw: X and y have no held-out interactions.")
    different = [name for name, ranking in rankings.items() if not _has_same_users(ranking, first)]
    if different:
        raise ValueError(
            "All recommenders must be evaluated on the same users and held-out interactions; those of "
            f"{', '.join(map(repr, different))} are not those of {next(iter(rankings))!r}."
        )
    return rankings


def recommend_each(estimators: Mapping[str, Any], X: Any, k: int) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return the number of users of each item, and the lists of each recommender as positions of these items.

    The items are the columns of a matrix, or for a log the items of the first recommender.
    """
    items: Vocabulary | None = None
    counts = np.empty(0, dtype=np.int64)
    lists: dict[str, Any] = {}
    for name, estimator in estimators.items():
        recommender, histories = unwrap(estimator, X)
        if not is_log(recommender, histories):
            found = _recommend_columns(matrix_recommender(recommender), histories, k)
        else:
            items = Vocabulary(recommender.item_ids_) if items is None else items
            found = _recommend_for_log(recommender, histories, k, items, name)
        counts = counts if lists else users_per_item(recommender, histories)
        lists[name] = found
    return counts, lists


def users_per_item(recommender: Any, X: Any) -> NDArray[np.int64]:
    """Return the number of users of each item in a matrix or a log."""
    if not is_log(recommender, X):
        inner = matrix_recommender(recommender)
        check_matrix(X, inner)
        if column_labels(X) is not None:
            inner.recommend(X[:1], 1)  # refuses columns in another order than that of the fit
        checked = check_interactions(X)
        return np.bincount(checked.indices, minlength=checked.shape[1])
    table = read_table(X)
    others = {"weight": recommender.weight, "timestamp": recommender.timestamp}
    user, item = columns_of_pairs(table, recommender.user, recommender.item, others)
    log = read_log(table, user=user, item=item, weight=recommender.weight)
    items = Vocabulary(recommender.item_ids_).positions(log.items)
    users = Vocabulary.of(log.users)[1]
    pairs = np.unique(np.column_stack([users, items])[items >= 0], axis=0)
    return np.bincount(pairs[:, 1], minlength=len(recommender.item_ids_))


def mean_and_error(y_true: Any, lists: Any, metric: str, k: int | None = None) -> tuple[float, float, int]:
    """Return the mean of a metric over users, its standard error, and the number of users."""
    per_user = ranking_metrics(y_true, lists, k=k, average=False)[metric]
    per_user = per_user[~np.isnan(per_user)]
    n = len(per_user)
    if not n:
        return float("nan"), float("nan"), 0
    error = per_user.std(ddof=1) / np.sqrt(n) if n > 1 else float("nan")
    return float(per_user.mean()), float(error), n


def _named(given: Any, name: Any, default: str) -> dict[str, Any]:
    """Return a dict as it is, and another value with its name."""
    if name is not None:
        check_text("name", name)
    if not isinstance(given, Mapping):
        return {default if name is None else name: given}
    if not given:
        raise ValueError("A display needs at least one recommender; got an empty dict.")
    return dict(given)


def _shape(X: Any) -> tuple[int, ...] | None:
    """Return the shape of a matrix or of rows of equal lengths, None for other values."""
    if not isinstance(X, list | tuple):
        shape: tuple[int, ...] | None = getattr(X, "shape", None)
        return shape
    try:
        return np.shape(X)
    except ValueError:
        return None


def _has_same_users(ranking: HeldOutRanking, other: HeldOutRanking) -> bool:
    """Return whether two rankings have the same users, each with the same number of held-out interactions."""
    if ranking.users is not None and other.users is not None and not np.array_equal(ranking.users, other.users):
        return False
    return np.array_equal(*(np.diff(each.held_out.indptr) for each in (ranking, other)))


def _recommend_columns(recommender: Any, X: Any, k: int) -> NDArray[np.int64]:
    """Return the lists for the rows of a matrix, as positions of its columns."""
    check_matrix(X, recommender)
    found, scores = recommender.recommend(X, k)
    ids = recommender.item_ids_
    if ids is not None:
        found = Vocabulary(ids).positions(found.ravel(), missing_ok=True).reshape(found.shape)
    return np.where(np.isneginf(scores), -1, found)


def _recommend_for_log(recommender: Any, X: Any, k: int, items: Vocabulary, name: str) -> NDArray[np.int64]:
    """Return the lists for the users of a log, as positions of the given items."""
    found, scores = recommender.recommend(histories=read_table(X).data, n_recommendations=k)
    positions = items.positions(found.ravel(), missing_ok=True).reshape(found.shape)
    is_padding = np.isneginf(scores)
    unknown = found[(positions < 0) & ~is_padding]
    if len(unknown):
        raise ValueError(f"All recommenders must know the same items; {name!r} recommends {first_few(unknown)}.")
    return np.where(is_padding, -1, positions)
