"""A log as arrays: ids and their positions, weights, times, and the matrix they make."""

import warnings
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from skgnnrec._holdout import hold_out_last, hold_out_share, row_of_each
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import ItemAlignmentError

__all__ = [
    "Events",
    "as_times",
    "as_weights",
    "check_table",
    "factorize",
    "hide_share",
    "id_index",
    "item_index",
    "matrix_of_keys",
    "positions_of",
    "read_column",
    "warn_of_types",
    "weigh",
]

# A weight that decayed to zero would read as "not seen".
SMALLEST_WEIGHT = float(np.finfo(np.float32).tiny)


class Events(NamedTuple):
    """Interactions: users and items as ids or as positions, one entry each."""

    users: np.ndarray
    items: np.ndarray
    weights: np.ndarray
    times: np.ndarray | None

    def take(self, mask: np.ndarray) -> "Events":
        """Return the events where `mask` is true."""
        times = None if self.times is None else self.times[mask]
        return Events(self.users[mask], self.items[mask], self.weights[mask], times)


def check_table(estimator: Any, X: Any, reset: bool) -> pd.DataFrame:
    """Return X as a DataFrame, its columns compared with those of the estimator's fit."""
    X = X.to_pandas() if hasattr(X, "to_pandas") else X
    if not isinstance(X, pd.DataFrame):
        # A list of tuples keeps the types of its ids.
        X = np.array(X, dtype=object) if isinstance(X, list | tuple) else X
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator, input_name="X")
    elif not len(X):
        raise ValueError(f"Found 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
    by_name = isinstance(X, pd.DataFrame) and isinstance(estimator.user, str) and isinstance(estimator.item, str)
    if reset or not by_name:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, copy=False)


def read_column(frame: pd.DataFrame, name: str | int, role: str) -> pd.Series:
    """Return a column without missing or infinite values, by name or by position."""
    if isinstance(name, str):
        column = frame[name] if name in frame.columns else None
    else:
        column = frame.iloc[:, name] if name < frame.shape[1] else None
    if column is None:
        names = ", ".join(map(repr, list(frame.columns)[:20]))
        raise ValueError(f"{role}={name!r} is not a column of X, which has {frame.shape[1]} feature(s): {names}.")
    if isinstance(column, pd.DataFrame):
        raise ValueError(f"{role}={name!r} is the name of {column.shape[1]} columns of X.")
    n_missing = int(column.isna().sum())
    if n_missing:
        raise ValueError(f"The column {role}={name!r} is missing (NaN) in {n_missing} of {len(column)} rows.")
    column = column.infer_objects() if column.dtype == object else column
    if column.dtype.kind == "f" and np.isinf(column.to_numpy()).any():
        raise ValueError(f"The column {role}={name!r} contains inf.")
    return column.rename(f"{role}={name!r}")


def as_weights(column: pd.Series) -> np.ndarray:
    """Return weights as finite non-negative numbers."""
    try:
        weights = column.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {column.name} must hold numbers: {error}.") from error
    if weights.min() < 0 or weights.max() > np.finfo(np.float32).max:
        raise ValueError(
            f"The column {column.name} must be non-negative and finite in float32, it holds values from "
            f"{weights.min()} to {weights.max()}."
        )
    return weights


def as_times(column: pd.Series) -> np.ndarray:
    """Return times as datetime64 or as numbers whose differences do not overflow."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(None)
    times = column.to_numpy()
    if times.dtype.kind not in "iufM":
        raise ValueError(f"The column {column.name} must hold datetimes or numbers, its dtype is {column.dtype}.")
    return times if times.dtype.kind == "M" else times.astype(np.int64 if times.dtype.kind == "i" else np.float64)


def factorize(ids: np.ndarray, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Return each id's place among the distinct ids, and these, sorted."""
    try:
        codes, distinct = pd.factorize(ids, sort=True)
    except TypeError as error:
        raise TypeError(
            f"A {role} given as argument must be a string, a number or another value that can be hashed: {error}."
        ) from error
    return codes.astype(np.int64), np.asarray(distinct)


def id_index(ids: Any) -> pd.Index:
    """Return ids as an index that finds them."""
    return pd.Index(ids, tupleize_cols=False)


def item_index(items: np.ndarray, catalog: ItemCatalog | None) -> pd.Index:
    """Return the items of a log as an index: those of the catalog, where there is one, which must hold the log's."""
    if catalog is None:
        return id_index(factorize(items, "item")[1])
    index = pd.RangeIndex(catalog.n_items) if catalog.ids is None else id_index(catalog.ids)
    unknown = pd.unique(items[positions_of(items, index) < 0])
    if len(unknown) and catalog.ids is None:
        raise ItemAlignmentError(
            f"The catalog has no ids, so items are positions from 0 to {catalog.n_items - 1}, the log has "
            f"{len(unknown)} others: {list(unknown[:5])}. Give ItemCatalog(..., ids=...)."
        )
    if len(unknown):
        catalog.align(pd.unique(items))  # raises, naming them
    return index


def positions_of(ids: np.ndarray, index: pd.Index) -> np.ndarray:
    """Return where ids stand in an index, -1 for those that do not."""
    return index.get_indexer(id_index(ids)).astype(np.int64)


def matrix_of_keys(keys: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the matrix that holds values at row * n_columns + column = key, for sorted distinct keys."""
    return sparse.csr_array((values.astype(np.float32), np.divmod(keys, shape[1])), shape=shape)


def weigh(events: Events, shape: tuple[int, int], rank_decay: float, half_life: Any) -> sparse.csr_array:
    """Return the matrix of the weights times their recency, the largest of each pair of a user and an item.

    Purchases added up, instead, ranked worse than their mere presence on the logs of a shop, decayed or not.
    """
    values = events.weights
    if events.times is not None and rank_decay < 1:
        values = values * rank_decay ** age_ranks(events.users, events.times)
    if events.times is not None and half_life is not None:
        ages = ages_in_time(events.users, events.times)
        values = values * 0.5 ** (ages / _as_number(half_life, events.times))
    keys, place = np.unique(events.users * shape[1] + events.items, return_inverse=True)
    largest = np.full(len(keys), SMALLEST_WEIGHT)
    np.maximum.at(largest, place, values)
    return matrix_of_keys(keys, largest, shape)


def age_ranks(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return how many distinct later times the user of each event has."""
    order = np.lexsort((times, users))
    users, times = users[order], times[order]
    is_new = np.ones(len(users), dtype=bool)
    is_new[1:] = (users[1:] != users[:-1]) | (times[1:] != times[:-1])
    step = np.cumsum(is_new)
    ages = np.empty(len(users), dtype=np.int64)
    ages[order] = _last_of_user(users, step)[users] - step
    return ages


def ages_in_time(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the time from each event to the last one of its user; seconds where times are datetimes."""
    order = np.argsort(times, kind="stable")
    ages = _last_of_user(users[order], times[order])[users] - times
    return ages / np.timedelta64(1, "s") if ages.dtype.kind == "m" else ages.astype(np.float64)


def _last_of_user(users: np.ndarray, values: np.ndarray) -> np.ndarray:
    last = np.zeros(users.max(initial=-1) + 1, dtype=values.dtype)
    last[users] = values  # of several values for one place, numpy keeps the last
    return last


def _as_number(half_life: Any, times: np.ndarray) -> float:
    """Return a half-life as a number: seconds where times are datetimes."""
    if isinstance(half_life, Real) and not isinstance(half_life, np.timedelta64):
        return float(half_life)
    if times.dtype.kind != "M":
        raise ValueError(f"half_life must be a number where times are numbers, got {half_life!r}.")
    try:
        seconds = pd.Timedelta(half_life).total_seconds()
    except ValueError as error:
        raise ValueError(f'half_life must be a time span such as "30D", got {half_life!r}.') from error
    if not seconds > 0:
        raise ValueError(f"half_life must be positive, got {half_life!r}.")
    return seconds


def hide_share(events: Events, shape: tuple[int, int], share: float, seed: int) -> np.ndarray:
    """Mark the events that are held out of each user's: a share of the items, the only one where there is one."""
    keys = events.users * shape[1] + events.items
    pairs, place = np.unique(keys, return_inverse=True)
    X = matrix_of_keys(pairs, np.ones(len(pairs)), shape)
    n_pairs = np.diff(X.indptr)
    if n_pairs.max(initial=0) < 2:
        return np.ones(len(keys), dtype=bool)
    if events.times is None:
        history, _ = hold_out_share(X, share, seed)
    else:
        latest = np.zeros(len(pairs), dtype=np.int64)
        np.maximum.at(latest, place, np.unique(events.times, return_inverse=True)[1])
        history, _ = hold_out_last(X, latest, share)
    rows = row_of_each(history)
    kept = (rows * shape[1] + history.indices)[n_pairs[rows] > 1]
    return ~np.isin(keys, kept)


def warn_of_types(users: np.ndarray, known_users: np.ndarray) -> None:
    """Warn when none of the users is known and their ids differ in type: 7 is not "7"."""
    asked, known = ([type(user).__name__ for user in ids[:1].tolist()] for ids in (users, known_users))
    if asked and asked != known:
        warnings.warn(
            f"None of the users was in the fit: their ids are of type {asked[0]}, those of the fit of type {known[0]}.",
            UserWarning,
            stacklevel=3,
        )
