"""Check a split for interactions that are learned too early."""

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints

from skgnnrec._constraints import Interval
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.interactions import (
    Times,
    Vocabulary,
    check_interactions,
    column_labels,
    read_table,
    row_of_each,
    shape_of,
)
from skgnnrec.model_selection._labels import refuse_lazy_tables, require_same_labels
from skgnnrec.model_selection._split_interactions import times_of

_COLUMN = [str, Interval(Integral, 0, None, closed="left"), None]


CONSTRAINTS = {
    "user": _COLUMN,
    "item": _COLUMN,
    "timestamp": [str, Interval(Integral, 0, None, closed="left"), "array-like", "sparse matrix", None],
    "order": [StrOptions({"global", "user"})],
}


def check_leakage(
    train: Any, test: Any, *, user: Any = None, item: Any = None, timestamp: Any = None, order: str = "global"
) -> dict[str, int]:
    """Count held-out interactions that a recommender learns from or that precede what it learns from.

    The two parts of a split are two matrices or two logs. A held-out interaction that is also in the training part can
    be memorised. A held-out interaction that is earlier than a training interaction makes the test easier than real
    use, in which the future is unknown. Random splits, splits by user and splits that hold out the last interaction of
    each user have this second leak [1]_.

    Parameters
    ----------
    train : {array-like, sparse matrix, DataFrame}
        The training part: a matrix of shape (n_users, n_items), or a log.
    test : {array-like, sparse matrix, DataFrame}
        The held-out part: a matrix of the same shape, or a log with the same columns. The rows and columns of two
        DataFrames must have the same labels in the same order.
    user : str or int, default=None
        For logs, the column of the users: a name in a DataFrame, or a position. If None, the parts are matrices.
    item : str or int, default=None
        For logs, the column of the items.
    timestamp : str, int or {array-like, sparse matrix} of shape (n_users, n_items), default=None
        For logs, the column of the times. For matrices, the time of each interaction in either part. If None, times are
        not compared.
    order : {"global", "user"}, default="global"
        Whether held-out interactions are compared with the latest training interaction of all users, or with that of
        the same user.

    Returns
    -------
    counts : dict of str to int
        The number of held-out interactions (``n_held_out``), of those that are in the training part (``n_shared``), and
        of those that are earlier than a training interaction (``n_early``; only with times). In logs with times,
        interactions of one user and item at different times are different interactions.

    Raises
    ------
    TypeError
        If a table is lazy.
    ValueError
        If the parts differ in shape or labels, or if columns or times are missing.

    Warns
    -----
    LeakageWarning
        Once for each of the two leaks.

    See Also
    --------
    split_interactions : Split a matrix; ``hold_out="future"`` has neither leak.
    RollingWindows : Split a log in time, without either leak.

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
    >>> with warnings.catch_warnings(record=True) as caught:  # X contains the future
    ...     counts = check_leakage(X, y_future)
    >>> counts, len(caught)
    ({'n_held_out': 1, 'n_shared': 1}, 1)
    """
    given = {"user": user, "item": item, "timestamp": timestamp, "order": order}
    refuse_lazy_tables(train=train, test=test, timestamp=timestamp)  # before they are taken for a wrong type
    validate_parameter_constraints(CONSTRAINTS, given, caller_name="check_leakage")
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
        _warn(f"The split leaks: {n_shared} of {n_held_out} held-out interactions are in the training part too.")
    if events.times is None or held_out.times is None:
        return counts
    n_early = _count_early(events, held_out, order)
    if n_early:
        latest = "the latest training interaction" if order == "global" else "a training interaction of the same user"
        _warn(f"The split leaks the future: {n_early} of {n_held_out} held-out interactions are earlier than {latest}.")
    return {**counts, "n_early": n_early}


class _Events(NamedTuple):
    users: NDArray[np.int64]
    keys: NDArray[np.int64]  # equal for the same interaction in both parts
    times: NDArray[Any] | None


def _read_matrices(train: Any, test: Any, timestamps: Any) -> list[_Events]:
    hint = "For logs, name the columns: user=..., item=..."
    for name, part in (("train", train), ("test", test)):
        others = [] if column_labels(part, name) is None else _other_columns(part)
        if others:
            label, dtype = others[0]
            raise ValueError(
                f"{name} must be a matrix of numbers, users by items; got the column {label!r} of type {dtype}. {hint}"
            )
    shape, other = shape_of(train, "train"), shape_of(test, "test")
    if other != shape:
        raise ValueError(f"test must have the shape of train, {shape}; got {other}. {hint}")
    require_same_labels(train, test, "train", "test")
    events = []
    for name, part in (("train", train), ("test", test)):
        X = check_interactions(part, input_name=name)
        if timestamps is not None:
            require_same_labels(part, timestamps, name, "timestamp")
        users = row_of_each(X)
        times = None if timestamps is None else times_of(X, timestamps, "timestamp")
        events.append(_Events(users, users * X.shape[1] + X.indices, times))
    return events


def _other_columns(table: Any) -> list[tuple[Any, Any]]:
    """Return the labels and types of columns that hold no numbers."""
    if hasattr(table, "iloc"):
        kinds = zip(table.columns, table.dtypes, strict=True)
        return [(label, dtype) for label, dtype in kinds if getattr(dtype, "kind", "O") not in "biuf"]
    frame = nw.from_native(table, pass_through=True)
    schema = frame.schema if isinstance(frame, nw.DataFrame) else {}
    return [(label, dtype) for label, dtype in schema.items() if not (dtype.is_numeric() or dtype == nw.Boolean)]


def _read_logs(train: Any, test: Any, user: Any, item: Any, timestamp: Any) -> list[_Events]:
    if not (timestamp is None or isinstance(timestamp, str | int)):
        raise ValueError(
            f"timestamp must be a column of the logs, by name or position; got a {type(timestamp).__name__}."
        )
    tables = [read_table(part, input_name=name) for part, name in ((train, "train"), (test, "test"))]
    n_train = len(tables[0])
    users, items = (_codes(tables, name, role) for name, role in ((user, "user"), (item, "item")))
    keys, times = users * (items.max() + 1) + items, None
    if timestamp is not None:
        times = _in_one_unit([table.times(timestamp) for table in tables], timestamp)
        moments = np.unique(times, return_inverse=True)[1]
        keys = np.unique(keys, return_inverse=True)[1] * (moments.max() + 1) + moments
    halves = (slice(None, n_train), slice(n_train, None))
    return [_Events(users[half], keys[half], None if times is None else times[half]) for half in halves]


def _in_one_unit(parts: list[Times], timestamp: Any) -> NDArray[Any]:
    """Return the times of both logs, one after the other, in the finer of their units."""
    units = [part.unit for part in parts]
    if units[0] == units[1]:
        return np.concatenate([part.values for part in parts])
    if None in units:
        kinds = " and ".join("numbers" if unit is None else "datetimes" for unit in units)
        raise ValueError(f"timestamp={timestamp!r} must be of one kind in train and test; got {kinds}.")
    moments = [part.values.view(f"M8[{part.unit}]") for part in parts]
    finer = np.result_type(*moments)
    for name, part in zip(("train", "test"), moments, strict=True):
        if (part.astype(finer).astype(part.dtype) != part).any():
            raise ValueError(
                f"timestamp={timestamp!r} of {name} has times that {finer} cannot hold; convert train and test to one "
                "unit of time."
            )
    return np.concatenate([part.astype(finer) for part in moments])


def _codes(tables: list[Any], name: Any, role: str) -> NDArray[np.int64]:
    """Return an integer for each id of a column, for both logs one after the other."""
    (first, codes), later = Vocabulary.of(tables[0].ids(name, role)), tables[1].ids(name, role)
    found = first.positions(later)
    new = found < 0
    found[new] = len(first) + Vocabulary.of(later[new])[1]
    return np.concatenate([codes, found])


def _count_early(events: _Events, held_out: _Events, order: str) -> int:
    """Count held-out events before the latest training event, of all users or of the same user."""
    assert events.times is not None and held_out.times is not None  # noqa: PT018  both or none have times
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
    warnings.warn(message, LeakageWarning, stacklevel=3)  # at the call of check_leakage
