"""Logs as arrays with one entry per interaction, and their conversion to a weighted matrix."""

from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skgnnrec.interactions._hold_out import hold_out_last, hold_out_share, row_of_each
from skgnnrec.interactions._ids import describe_type, joined_ids
from skgnnrec.interactions._matrix import LARGEST_WEIGHT
from skgnnrec.interactions._tables import Table
from skgnnrec.interactions._times import Times
from skgnnrec.interactions._vocabulary import Vocabulary
from skgnnrec.interactions._warnings import warn_caller

__all__ = [
    "Log",
    "concatenate_logs",
    "hide_share",
    "matrix_of_pairs",
    "read_log",
    "read_weights",
    "warn_of_types",
    "weigh",
]

# A weight that decayed to zero would mean "not seen".
SMALLEST_WEIGHT = float(np.finfo(np.float32).tiny)
BLOCK_ROWS, N_BLOCKS = 1 << 18, 64  # of long logs, which are weighed in blocks of users


class Log(NamedTuple):
    """Interactions, one entry each: users and items as ids or as positions."""

    users: np.ndarray
    items: np.ndarray
    weights: np.ndarray
    times: Times | None

    def take(self, rows: np.ndarray) -> "Log":
        """Return some of the interactions."""
        times = None if self.times is None else Times(self.times.values[rows], self.times.unit)
        return Log(self.users[rows], self.items[rows], self.weights[rows], times)


def concatenate_logs(first: Log, second: Log) -> Log:
    """Return the interactions of two logs, with ids; the times of both are of one kind."""
    times = None
    if first.times is not None and second.times is not None:
        times = first.times.followed_by(second.times)
    users, items = (joined_ids(*parts) for parts in ((first.users, second.users), (first.items, second.items)))
    return Log(users, items, np.concatenate([first.weights, second.weights]), times)


def read_log(table: Table, *, user: Any, item: Any, weight: Any = None, timestamp: Any = None) -> Log:
    """Return the interactions of positive weight, with users and items as ids."""
    weights = np.ones(len(table)) if weight is None else read_weights(table, weight)
    times = None
    if timestamp is not None:
        times = table.times(timestamp)
    log = Log(table.ids(user, "user"), table.ids(item, "item"), weights, times)
    return log if log.weights.all() else log.take(np.flatnonzero(log.weights))


def read_weights(table: Table, weight: Any) -> np.ndarray:
    """Return a column of weights, non-negative and at most `LARGEST_WEIGHT`."""
    values, name = table.values(weight, "weight"), table.describe(weight, "weight")
    if values.dtype.kind not in "biuf":
        row = next((row for row, value in enumerate(values) if not isinstance(value, Number)), 0)
        kind = type(values[row]).__name__
        raise ValueError(f"{name} must hold numbers, got {str(values[row])[:60]} of type {kind} in row {row}.")
    with np.errstate(all="ignore"):
        weights = values.astype(np.float64)
    if weights.min() < 0 or weights.max() > LARGEST_WEIGHT:
        raise ValueError(
            f"{name} must hold weights from 0 to {LARGEST_WEIGHT:g}, it holds values from {weights.min()} to "
            f"{weights.max()}."
        )
    return weights


def matrix_of_pairs(pairs: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the matrix with `values` at row * n_columns + column = pair, for sorted distinct pairs."""
    return sparse.csr_array((values.astype(np.float32), np.divmod(pairs, shape[1])), shape=shape)


def weigh(log: Log, shape: tuple[int, int], rank_decay: float, half_life: Any) -> sparse.csr_array:
    """Return the matrix of weights times recency; of repeated pairs of a user and an item the largest counts."""
    n_rows = len(log.users)
    block = max(BLOCK_ROWS, n_rows // N_BLOCKS)
    if n_rows <= block:
        return _weigh_users(log, shape, rank_decay, half_life)
    ends = np.cumsum(np.bincount(log.users, minlength=shape[0]))
    index = sparse.get_index_dtype(maxval=max(n_rows, shape[1]))
    values, columns = np.empty(n_rows, dtype=np.float32), np.empty(n_rows, dtype=index)
    counts = np.zeros(shape[0] + 1, dtype=index)
    start = n_filled = 0
    while start < shape[0]:  # the work needs several times the memory of the matrix: it is done for some of the users
        stop = max(int(np.searchsorted(ends, (ends[start - 1] if start else 0) + block, side="right")), start + 1)
        part = log.take(_rows_of_users(log.users, start, stop))
        part = part._replace(users=part.users.astype(np.int64) - start)
        X = _weigh_users(part, (stop - start, shape[1]), rank_decay, half_life)
        filled = slice(n_filled, n_filled + X.nnz)
        values[filled], columns[filled], counts[start + 1 : stop + 1] = X.data, X.indices, np.diff(X.indptr)
        start, n_filled = stop, filled.stop
    for array in (values, columns):
        array.resize(n_filled, refcheck=False)  # in place; a slice would keep the memory of repeated pairs
    return sparse.csr_array((values, columns, np.cumsum(counts, dtype=index)), shape=shape)


def _weigh_users(log: Log, shape: tuple[int, int], rank_decay: float, half_life: Any) -> sparse.csr_array:
    # Sums of repeated purchases rank worse than the largest on the logs of a shop, with and without decay.
    values = log.weights
    with np.errstate(under="ignore", over="ignore"):  # of years in half-lives of days nothing is left
        if log.times is not None and rank_decay < 1:
            values = values * rank_decay ** _age_ranks(log.users, log.times.values)
        if log.times is not None and half_life is not None:
            span = log.times.span("half_life", half_life)
            assert span is not None  # given, and not None
            values = values * 0.5 ** (_ages(log.users, log.times.values) / float(span))
    keys = log.users.astype(np.int64) * shape[1] + log.items
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    largest = np.maximum.reduceat(values[order], starts) if len(starts) else np.zeros(0)
    return matrix_of_pairs(keys[starts], np.maximum(largest, SMALLEST_WEIGHT), shape)


def _rows_of_users(users: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the rows of users from `start` to `stop`, without an array of marks for all rows."""
    found = []
    for first in range(0, len(users), BLOCK_ROWS):
        part = users[first : first + BLOCK_ROWS]
        found.append(first + np.flatnonzero((part >= start) & (part < stop)))
    return np.concatenate(found)


def hide_share(log: Log, shape: tuple[int, int], share: float, seed: int) -> np.ndarray:
    """Mark the interactions that are held out: a share of the items of each user, or the only one."""
    keys = log.users * shape[1] + log.items
    pairs, place = np.unique(keys, return_inverse=True)
    X = matrix_of_pairs(pairs, np.ones(len(pairs)), shape)
    n_items = np.diff(X.indptr)
    if n_items.max(initial=0) < 2:
        return np.ones(len(keys), dtype=bool)
    if log.times is None:
        history, _ = hold_out_share(X, share, seed)
    else:
        latest = np.zeros(len(pairs), dtype=np.int64)
        np.maximum.at(latest, place, np.unique(log.times.values, return_inverse=True)[1])
        history, _ = hold_out_last(X, latest, share)
    rows = row_of_each(history)
    kept = (rows * shape[1] + history.indices)[n_items[rows] > 1]
    return ~np.isin(keys, kept)


def warn_of_types(ids: np.ndarray, known: Vocabulary, name: str = "users") -> None:
    """Warn when no id is known and ids differ in type from those of the fit: 7 is not "7"."""
    asked, fitted = describe_type(ids), describe_type(known.ids)
    if len(ids) and asked != fitted:
        warn_caller(
            f"None of the {name} was in the fit: their ids are of type {asked}, those of the fit of type {fitted}."
        )


def _age_ranks(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the number of distinct later times of the user of each interaction."""
    order = np.lexsort((times, users))
    users, times = users[order], times[order]
    is_new = np.ones(len(users), dtype=bool)
    is_new[1:] = (users[1:] != users[:-1]) | (times[1:] != times[:-1])
    step = np.cumsum(is_new)
    ages = np.empty(len(users), dtype=np.int64)
    ages[order] = _last_of_user(users, step)[users] - step
    return ages


def _ages(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the time from each interaction to the last one of its user, in the unit of the times."""
    order = np.argsort(times, kind="stable")
    last = _last_of_user(users[order], times[order])[users]
    if times.dtype == np.int64:  # ages up to 2 ** 64 are exact without a sign
        last, times = last.view(np.uint64), times.view(np.uint64)
    return (last - times).astype(np.float64)


def _last_of_user(users: np.ndarray, values: np.ndarray) -> np.ndarray:
    last = np.zeros(users.max(initial=-1) + 1, dtype=values.dtype)
    last[users] = values  # of several values for one place, NumPy keeps the last
    return last
