"""Splitters of logs by time: one row an interaction, in any order."""

from collections.abc import Iterator
from datetime import timedelta
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

NANOSECONDS = 10**9  # of a second

_COLUMN = [str, Interval(Integral, 0, None, closed="left")]
_DURATION = [timedelta, np.timedelta64, str, Interval(Real, 0, None, closed="neither"), None]


class RollingWindows(BaseCrossValidator):
    """Windows of time that roll over a log: learn from what came before a window, be scored on what happened in it.

    The test windows are the last `n_splits` spans of length `test_size`, one after the other, up to the last
    interaction; each trains on the interactions before it. Unlike `TimeSeriesSplit`, which cuts by the number of rows,
    windows are spans of time, and the rows may be in any order.

    Parameters
    ----------
    timestamp : str or int
        The column of the times, datetimes or numbers: a name in a DataFrame, or a position.
    n_splits : int, default=5
        The number of windows.
    test_size : float, timedelta or str, default=None
        The length of a test window: a number in the unit of numeric times, in seconds where times are datetimes; or
        anything `pandas.Timedelta` takes, such as "7D", for datetimes. None divides the time of the log by
        ``n_splits + 1``.
    train_size : float, timedelta or str, default=None
        The length of the training window before each test window. None trains on all of the past.
    gap : float, timedelta or str, default=None
        Time between training and test window that is left out, for example because answers arrive late.

    Raises
    ------
    ValueError
        From `split`, if a window is empty, or if the column is not there or holds no times.

    See Also
    --------
    LeaveLastOut : Holds out each user's last interactions.
    split_interactions : Splits a matrix in time.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec.model_selection import RollingWindows
    >>> log = pd.DataFrame({"user": [1, 1, 2, 2, 1], "item": [3, 5, 3, 4, 4], "day": [1, 2, 4, 6, 7]})
    >>> for train, test in RollingWindows("day", n_splits=2, test_size=2).split(log):
    ...     print(train, test)
    [0 1] [2]
    [0 1 2] [3 4]
    """

    def __init__(
        self,
        timestamp: str | int,
        *,
        n_splits: int = 5,
        test_size: Any = None,
        train_size: Any = None,
        gap: Any = None,
    ) -> None:
        constraints = {
            "timestamp": _COLUMN,
            "n_splits": [Interval(Integral, 1, None, closed="left")],
            "test_size": _DURATION,
            "train_size": _DURATION,
            "gap": _DURATION,
        }
        given = {name: value for name, value in locals().items() if name in constraints}
        validate_parameter_constraints(constraints, given, caller_name="RollingWindows")
        self.timestamp = timestamp
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.gap = gap

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows before each window and those in it, the earliest window first.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The log.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray
            Positions of the rows to learn from.
        test : ndarray
            Positions of the rows to be scored on.
        """
        times = read_times(X, self.timestamp)
        ages = times.values.max() - times.values  # exact for integers; the last interaction has age 0
        length = times.duration("test_size", self.test_size) or ages.max() / (self.n_splits + 1)
        reach = times.duration("train_size", self.train_size) or np.inf
        gap = times.duration("gap", self.gap) or 0
        for window in range(self.n_splits):
            start = (self.n_splits - window) * length
            train = np.flatnonzero((ages >= start + gap) & (ages < start + gap + reach))
            test = np.flatnonzero((ages < start) & (ages >= start - length))
            for part, rows in (("train", train), ("test", test)):
                if not len(rows):
                    raise ValueError(
                        f"No interaction is in the {part} part of window {window} of {self.n_splits}. The log spans "
                        f"{ages.max() / times.unit:g}{times.unit_name}, a window {length / times.unit:g}: use fewer or "
                        "shorter windows."
                    )
            yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of windows.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            The number of windows.
        """
        return int(self.n_splits)


class LeaveLastOut(BaseCrossValidator):
    """Hold out the last interactions of each user of a log.

    There is one split: the last `n_last` rows of each user, by time, are the test part, though never all of a user's;
    of rows at one time, the lower one is the later. A matrix is split so by
    ``split_interactions(X, hold_out="last", test_size=1, timestamps=...)``.

    Users stand at different points in time: what one did yesterday may tell what another did last year.
    `RollingWindows` has no such leak.

    Parameters
    ----------
    user : str or int
        The column of the users: a name in a DataFrame, or a position.
    timestamp : str or int
        The column of the times, datetimes or numbers.
    n_last : int, default=1
        The number of interactions to hold out of each user's.

    See Also
    --------
    RollingWindows : Holds out what happened in windows of time.
    check_leakage : Counts what is held out but earlier than what is learned from.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec.model_selection import LeaveLastOut
    >>> log = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": [3, 5, 3, 4, 4], "day": [1, 2, 6, 4, 7]})
    >>> for train, test in LeaveLastOut("user", "day").split(log):
    ...     print(train, test)
    [0 3 4] [1 2]
    """

    def __init__(self, user: str | int, timestamp: str | int, *, n_last: int = 1) -> None:
        constraints = {"user": _COLUMN, "timestamp": _COLUMN, "n_last": [Interval(Integral, 1, None, closed="left")]}
        given = {"user": user, "timestamp": timestamp, "n_last": n_last}
        validate_parameter_constraints(constraints, given, caller_name="LeaveLastOut")
        self.user = user
        self.timestamp = timestamp
        self.n_last = n_last

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the earlier rows of all users and their last ones, once.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The log.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray
            Positions of the rows to learn from.
        test : ndarray
            Positions of the rows to be scored on.
        """
        users = pd.factorize(read_column(X, self.user, "user").to_numpy())[0]
        order = np.lexsort((read_times(X, self.timestamp).values, users))
        counts = np.bincount(users)
        ends = np.cumsum(counts)
        n_held_out = np.minimum(self.n_last, counts - 1)
        if not n_held_out.any():
            raise ValueError(f"X has no user with two interactions, of {len(counts)} users: nothing can be held out.")
        sorted_users = users[order]
        is_last = np.empty(len(users), dtype=bool)
        is_last[order] = np.arange(len(users)) >= (ends - n_held_out)[sorted_users]
        yield np.flatnonzero(~is_last), np.flatnonzero(is_last)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, which is 1.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            1.
        """
        return 1


class Times(NamedTuple):
    """Times as numbers."""

    values: NDArray[Any]
    unit: int  # of these numbers in what users give durations in
    unit_name: str

    def duration(self, name: str, given: Any) -> float | None:
        """Return a duration in the unit of the values."""
        if given is None:
            return None
        if isinstance(given, Real) and not isinstance(given, np.timedelta64):
            return float(given) * self.unit
        if self.unit == 1:
            raise ValueError(f"{name} must be a number where times are numbers; got {given!r}.")
        try:
            length = pd.Timedelta(given).as_unit("ns").value
        except ValueError as error:
            raise ValueError(f'{name} must be a time span such as "7D"; got {given!r}.') from error
        if length <= 0:
            raise ValueError(f"{name} must be positive; got {given!r}.")
        return float(length)


def read_times(X: Any, name: str | int) -> Times:
    """Return the times of a log's rows: nanoseconds where they are datetimes."""
    column = read_column(X, name, "timestamp")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert(None)
        return Times(column.to_numpy().astype("datetime64[ns]").astype(np.int64), NANOSECONDS, " seconds")
    if column.dtype.kind not in "iuf":
        raise ValueError(f"timestamp={name!r} must hold datetimes or numbers; its dtype is {column.dtype}.")
    return Times(column.to_numpy().astype(np.float64 if column.dtype.kind == "f" else np.int64), 1, "")


def read_column(X: Any, name: str | int, role: str) -> pd.Series:
    """Return a column of a log without missing values, by name or by position."""
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    if not len(frame):
        raise ValueError("X must have at least one row, an interaction; got none.")
    found = frame.get(name) if isinstance(name, str) else (frame.iloc[:, name] if name < frame.shape[1] else None)
    if not isinstance(found, pd.Series):
        raise ValueError(f"{role}={name!r} must be one column of X; it has {list(frame.columns)[:20]}.")
    if found.isna().any():
        raise ValueError(f"{role}={name!r} is missing (NaN) in {int(found.isna().sum())} of {len(found)} rows.")
    return found.infer_objects() if found.dtype == object else found
