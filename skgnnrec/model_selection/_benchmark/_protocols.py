"""The protocols of a benchmark: which interactions are learned, which are histories, and which are held out."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from skgnnrec.exceptions import LeakageWarning
from skgnnrec.interactions import Log, Times, hold_out_cold_items, hold_out_share, matrix_of_pairs, weigh
from skgnnrec.model_selection._benchmark._data import BenchmarkData
from skgnnrec.model_selection._leakage import check_leakage

WITH_TIMES = ("future", "last")
WITHOUT_TIMES = ("random", "new_users", "cold_items")
GIVEN = "given"
PER_DAY = {"h": 24, "m": 1440, "s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}


class Part(NamedTuple):
    """One split: the interactions of the fit and of the histories, the held-out pairs, and the items to rank."""

    train: Log
    histories: Log
    held_out: sparse.csr_array  # (n_users, n_items)
    candidates: NDArray[np.intp] | None


class Task(NamedTuple):
    """One split as matrices, of the users that take part."""

    X_train: sparse.csr_array  # (n_train_users, n_items)
    histories: sparse.csr_array  # (n_test_users, n_items)
    held_out: sparse.csr_array  # (n_test_users, n_items)
    users: NDArray[np.intp]  # (n_test_users,)
    candidates: NDArray[np.intp] | None


def protocols_of(data: BenchmarkData, asked: Any) -> list[str]:
    """Return the protocols that a data set allows, or those among them that are asked for."""
    if data._held_out is not None:
        return [GIVEN]
    if asked is not None:
        return [name for name in asked if name not in WITH_TIMES or data._log.times is not None]
    found = list(WITH_TIMES) if data._log.times is not None else ["random"]
    return [*found, "new_users", *(["cold_items"] if data._catalog is not None else [])]


def split(log: Log, shape: tuple[int, int], protocol: str, test_size: float, seed: int) -> Part:
    """Split the interactions of a log by a protocol."""
    if protocol == "future":
        return _future(log, shape, test_size)
    if protocol == "last":
        return _last(log, shape)
    pairs, place = np.unique(log.users * shape[1] + log.items, return_inverse=True)
    X = matrix_of_pairs(pairs, np.ones(len(pairs)), shape)
    if protocol == "cold_items":
        past, held_out = hold_out_cold_items(X, test_size, seed)
        train = log.take(np.flatnonzero(~np.isin(log.items, held_out.indices)))
        return Part(train, train, held_out, np.unique(held_out.indices).astype(np.intp))
    past, held_out = hold_out_share(X, test_size, seed)
    kept = np.isin(pairs, _pairs_of(past))[place]
    if protocol == "random":
        train = log.take(np.flatnonzero(kept))
        return Part(train, train, held_out, None)
    is_new = _new_users(X, test_size, seed)
    is_test = is_new[log.users]
    held_out = sparse.csr_array(sparse.diags_array(is_new.astype(np.float32)) @ held_out)
    held_out.eliminate_zeros()
    return Part(log.take(np.flatnonzero(~is_test)), log.take(np.flatnonzero(is_test & kept)), held_out, None)


def given(data: BenchmarkData) -> Part:
    """Return the published split of a data set."""
    return Part(data._log, data._log, data._held_out, None)


def as_matrices(part: Part, shape: tuple[int, int], rank_decay: float) -> Task:
    """Return a split as matrices; users take part if they have a history and held-out interactions."""
    X_train, histories = (weigh(_by_day(log), shape, rank_decay, None) for log in (part.train, part.histories))
    learned = np.flatnonzero(np.diff(X_train.indptr))
    users = np.flatnonzero((np.diff(histories.indptr) > 0) & (np.diff(part.held_out.indptr) > 0))
    return Task(X_train[learned], histories[users], part.held_out[users], users, part.candidates)


def count_leaks(part: Part, log: Log, shape: tuple[int, int]) -> dict[str, int | None]:
    """Count held-out interactions that are learned too, and those that are earlier than what is learned."""
    parts = [part.train] if part.train is part.histories else [part.train, part.histories]
    learned = np.concatenate([each.users * shape[1] + each.items for each in parts])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)
        pairs = np.unique(learned)
        counts: dict[str, int | None] = {
            **check_leakage(matrix_of_pairs(pairs, np.ones(len(pairs)), shape), part.held_out)
        }
    return {**counts, "n_early": _count_early(part, log, shape)}


def _count_early(part: Part, log: Log, shape: tuple[int, int]) -> int | None:
    """Count held-out interactions whose first time is earlier than an interaction of the fit; None without times."""
    if log.times is None:
        return None
    pairs, first = _first_times(log, shape)
    held_out = np.isin(pairs, _pairs_of(part.held_out))
    if not held_out.any():  # a published split has no times of held-out interactions
        return None
    latest = max(each.times.values.max() for each in (part.train, part.histories) if each.times is not None)
    return int((first[held_out] < latest).sum())


def _future(log: Log, shape: tuple[int, int], test_size: float) -> Part:
    """Hold out the pairs of user and item whose first interaction is after a moment."""
    assert log.times is not None  # protocols_of asks for it
    times = log.times.values
    n_kept = len(times) - max(1, round(test_size * len(times)))
    cut = np.partition(times, n_kept - 1)[n_kept - 1] if n_kept > 0 else times.max()
    pairs, first = _first_times(log, shape)
    if not (first > cut).any():
        raise ValueError(
            f"data must have pairs of user and item that begin after the first {1 - test_size:.0%} of the interactions;"
            f" got none after the time {cut}."
        )
    held_out = matrix_of_pairs(pairs[first > cut], np.ones(int((first > cut).sum())), shape)
    train = log.take(np.flatnonzero(times <= cut))
    return Part(train, train, held_out, None)


def _last(log: Log, shape: tuple[int, int]) -> Part:
    """Hold out the last new item of each user with two or more; histories end before it."""
    assert log.times is not None  # protocols_of asks for it
    pairs, first = _first_times(log, shape)
    users = pairs // shape[1]
    order = np.lexsort((pairs, first, users))
    is_last = np.append(users[order][1:] != users[order][:-1], True)
    is_last &= np.append(False, users[order][1:] == users[order][:-1])  # not the only one
    last = np.sort(order[is_last])
    if not len(last):
        raise ValueError(f"data must have a user with two or more items; got none among {shape[0]} users.")
    ends = np.full(shape[0], log.times.values.max())
    ends[users[last]] = first[last]
    kept = (log.times.values <= ends[log.users]) & ~np.isin(log.users * shape[1] + log.items, pairs[last])
    train = log.take(np.flatnonzero(kept))
    return Part(train, train, matrix_of_pairs(pairs[last], np.ones(len(last)), shape), None)


def _first_times(log: Log, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the distinct pairs, row * n_items + column, and the first time of each."""
    assert log.times is not None
    keys = log.users * shape[1] + log.items
    order = np.lexsort((log.times.values, keys))
    pairs, place = np.unique(keys[order], return_index=True)
    return pairs, log.times.values[order][place]


def _pairs_of(X: sparse.csr_array) -> NDArray[np.int64]:
    rows = np.repeat(np.arange(X.shape[0], dtype=np.int64), np.diff(X.indptr))
    return rows * X.shape[1] + X.indices


def _new_users(X: sparse.csr_array, test_size: float, seed: int) -> NDArray[np.bool_]:
    """Mark a random share of the users with two or more items."""
    users = np.flatnonzero(np.diff(X.indptr) > 1)
    n_new = max(1, round(test_size * len(users)))
    if n_new >= X.shape[0]:
        raise ValueError(f"data must have users for the fit and for the test; got {X.shape[0]} users.")
    is_new = np.zeros(X.shape[0], dtype=bool)
    is_new[check_random_state(seed).permutation(users)[:n_new]] = True
    return is_new


def _by_day(log: Log) -> Log:
    """Return the log with datetimes as days, so that the age of an interaction is a number of days."""
    if log.times is None or log.times.unit not in PER_DAY:
        return log
    return log._replace(times=Times(log.times.values // PER_DAY[log.times.unit], "D"))


def permuted(task: Task, order: NDArray[np.intp], rows: NDArray[np.intp]) -> Task:
    """Return a task with its items, and the users of the fit, in another order."""
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    X_train, histories, held_out = (
        sparse.csr_array(X[:, order]) for X in (task.X_train[rows], task.histories, task.held_out)
    )
    for X in (X_train, histories, held_out):
        X.sort_indices()
    candidates = None if task.candidates is None else np.sort(place[task.candidates])
    return Task(X_train, histories, held_out, task.users, candidates)
