"""The guard against splits that leak."""

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skgnnrec._holdout import row_of_each
from skgnnrec._validation import check_interactions
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.model_selection._log_splitters import read_column, read_times
from skgnnrec.model_selection._split_interactions import times_of

_COLUMN = [str, Interval(Integral, 0, None, closed="left"), None]


@validate_params(
    {
        "train": ["array-like", "sparse matrix"],
        "test": ["array-like", "sparse matrix"],
        "user": _COLUMN,
        "item": _COLUMN,
        "timestamp": [str, Interval(Integral, 0, None, closed="left"), "array-like", "sparse matrix", None],
        "order": [StrOptions({"global", "user"})],
    },
    prefer_skip_nested_validation=True,
)
def check_leakage(
    train: Any, test: Any, *, user: Any = None, item: Any = None, timestamp: Any = None, order: str = "global"
) -> dict[str, int]:
    """Warn where a split lets a recommender learn from what it is scored on, or from the time after it.

    Two leaks are looked for, in two matrices or in two logs: interactions that are held out and learned from, and
    held-out interactions that happened before something that is learned from. The second one makes a test easier than
    life, where the future is not known; splits at random, of users, and of each user's last interaction have it [1]_.

    Parameters
    ----------
    train : {array-like, sparse matrix, DataFrame}
        What the recommender learns from: a matrix, users × items, or a log.
    test : {array-like, sparse matrix, DataFrame}
        What it is scored on: a matrix of the same shape, or a log of the same columns.
    user : str or int, default=None
        For logs: the column of the users, a name in a DataFrame or a position. None says that these are matrices.
    item : str or int, default=None
        For logs: the column of the items.
    timestamp : str, int or {array-like, sparse matrix} of shape (n_users, n_items), default=None
        The column of the times of logs, or for matrices the time of each interaction of either part. None does not look
        at time.
    order : {"global", "user"}, default="global"
        Whether a held-out interaction must be no earlier than all interactions that are learned from, or than those of
        its user only.

    Returns
    -------
    counts : dict of str to int
        How many interactions are held out (``n_held_out``), learned from as well (``n_shared``), and earlier than what
        is learned from (``n_early``; left out without times). In logs with times, an item that a user takes up again
        later is not shared.

    Raises
    ------
    ValueError
        If the parts do not have the same form, or if columns or times are missing.

    Warns
    -----
    LeakageWarning
        Once for each of the two leaks.

    See Also
    --------
    split_interactions : ``hold_out="future"`` has neither leak.
    RollingWindows : Nor has this, for logs.

    References
    ----------
    .. [1] Y. Ji, A. Sun, J. Zhang and C. Li, "A critical study on data leakage in recommender system offline
       evaluation", ACM Transactions on Information Systems 41(3), 2023.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skgnnrec.model_selection import check_leakage, split_interactions
    >>> X = np.array([[1, 1, 1], [1, 0, 1]])
    >>> years = np.array([[2021, 2023, 2022], [2023, 0, 2024]])
    >>> X_past, y_future = split_interactions(X, hold_out="future", test_size=1, timestamps=years)
    >>> check_leakage(X_past, y_future, timestamp=years)
    {'n_held_out': 1, 'n_shared': 0, 'n_early': 0}
    >>> with warnings.catch_warnings(record=True) as caught:  # the fit must not see the future
    ...     counts = check_leakage(X, y_future)
    >>> counts, len(caught)
    ({'n_held_out': 1, 'n_shared': 1}, 1)
    """
    if (user is None) != (item is None):
        raise ValueError(f"user and item must be given together, for logs; got user={user!r} and item={item!r}.")
    if user is None:
        events, held_out = _read_matrices(train, test, timestamp)
    else:
        events, held_out = _read_logs(train, test, user, item, timestamp)
    n_held_out = len(held_out.keys)
    n_shared = int(np.isin(held_out.keys, events.keys).sum())
    counts = {"n_held_out": n_held_out, "n_shared": n_shared}
    if n_shared:
        _warn(f"The split leaks: {n_shared} of {n_held_out} held-out interactions are learned from as well.")
    if events.times is None or held_out.times is None:
        return counts
    n_early = _count_early(events, held_out, order)
    if n_early:
        whose = "the latest interaction" if order == "global" else "one of the same user"
        _warn(
            f"The split leaks the future: {n_early} of {n_held_out} held-out interactions are earlier than {whose} "
            "that is learned from."
        )
    return {**counts, "n_early": n_early}


class _Events(NamedTuple):
    users: NDArray[np.int64]
    keys: NDArray[np.int64]  # what makes an interaction the same in both parts
    times: NDArray[Any] | None


def _read_matrices(train: Any, test: Any, timestamps: Any) -> list[_Events]:
    hint = "Of logs, name the columns: user=..., item=..."
    frames = [part for part in (train, test) if isinstance(part, pd.DataFrame)]
    if not all(pd.api.types.is_numeric_dtype(dtype) for frame in frames for dtype in frame.dtypes):
        raise ValueError(f"train and test must be matrices of numbers, users by items. {hint}")
    if np.shape(train) != np.shape(test):
        raise ValueError(f"train and test must have the same shape; got {np.shape(train)} and {np.shape(test)}. {hint}")
    parts = [check_interactions(part, input_name=name) for part, name in ((train, "train"), (test, "test"))]
    events = []
    for part in parts:
        users = row_of_each(part)
        times = None if timestamps is None else times_of(part, timestamps)
        events.append(_Events(users, users * part.shape[1] + part.indices, times))
    return events


def _read_logs(train: Any, test: Any, user: Any, item: Any, timestamp: Any) -> list[_Events]:
    if not (timestamp is None or isinstance(timestamp, str | int)):
        raise ValueError(f"timestamp must be the column of the times of the logs; got {type(timestamp).__name__}.")
    n_train = len(train)
    users, items = (_codes(train, test, name, role) for name, role in ((user, "user"), (item, "item")))
    keys, times = users * (items.max() + 1) + items, None
    if timestamp is not None:
        times = np.concatenate([read_times(part, timestamp).values for part in (train, test)])
        moments = np.unique(times, return_inverse=True)[1]
        keys = np.unique(keys, return_inverse=True)[1] * (moments.max() + 1) + moments
    halves = (slice(None, n_train), slice(n_train, None))
    return [_Events(users[half], keys[half], None if times is None else times[half]) for half in halves]


def _codes(train: Any, test: Any, name: Any, role: str) -> NDArray[np.int64]:
    """Return a number for each id of a column of both parts, one after the other."""
    ids = [read_column(part, name, role).to_numpy(dtype=object) for part in (train, test)]
    codes: NDArray[np.int64] = pd.factorize(np.concatenate(ids))[0].astype(np.int64)
    return codes


def _count_early(events: _Events, held_out: _Events, order: str) -> int:
    """Count held-out events before the latest one that is learned from, of anyone or of their user."""
    assert events.times is not None and held_out.times is not None  # noqa: PT018  one promise of the caller
    if not len(events.times):
        return 0
    if order == "global":
        return int((held_out.times < events.times.max()).sum())
    n_users = 1 + max(events.users.max(), held_out.users.max(initial=0))
    latest, is_known = np.full(n_users, events.times.min()), np.zeros(n_users, dtype=bool)
    np.maximum.at(latest, events.users, events.times)
    is_known[events.users] = True
    return int((is_known[held_out.users] & (held_out.times < latest[held_out.users])).sum())


def _warn(message: str) -> None:
    warnings.warn(message, LeakageWarning, stacklevel=4)  # at the call of check_leakage, above its validation
