"""Splitters of logs by time."""

from collections.abc import Iterator
from fractions import Fraction
from math import floor
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec._constraints import Interval
from skgnnrec.interactions import SPAN, Vocabulary, read_table

_COLUMN = [str, Interval(Integral, 0, None, closed="left")]
EDGE = 1e-9  # of a window: floating-point times that are so near to an edge are at the edge
SPACINGS = 4  # between floating-point numbers of the size of the times: the rounding error of a difference of times
SIMPLE = 10**6  # largest denominator of a number such as 0.1, which no float is exactly


class RollingWindows(BaseCrossValidator):
    """Split a log into consecutive windows of time, each with the interactions before it as training data.

    The test windows are the last `n_splits` spans of length `test_size`, up to the last interaction. Each window
    contains its end and not its beginning, so every interaction of the whole span is in exactly one window. The
    training data of a window are the earlier interactions. Unlike windows of `TimeSeriesSplit`, which have the same
    number of rows, these windows have the same length in time, and the rows can be in any order.

    Parameters
    ----------
    timestamp : str or int
        The column of the times, datetimes or numbers: a name in a DataFrame, or a position.
    n_splits : int, default=5
        The number of windows.
    test_size : float, timedelta or str, default=None
        The length of a test window. A number is in the unit of numeric times, and in seconds if times are datetimes.
        For datetimes it can be anything that `pandas.Timedelta` takes, such as "7D". If None, it is the time between
        the first and the last interaction, divided by ``n_splits + 1``.
    train_size : float, timedelta or str, default=None
        The length of the training window before each test window. If None, all earlier interactions are training data.
    gap : float, timedelta or str, default=None
        The length of the time between training and test window, which is left out. If None, there is no gap.

    Raises
    ------
    ValueError
        From `split`, if a training or test window is empty, or if the column is absent or has no times.

    See Also
    --------
    LeaveLastOut : Hold out the last interactions of each user.
    split_interactions : Split a matrix, at random or by time.

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
            "test_size": SPAN,
            "train_size": SPAN,
            "gap": SPAN,
        }
        given = {name: value for name, value in locals().items() if name in constraints}
        validate_parameter_constraints(constraints, given, caller_name="RollingWindows")
        self.timestamp = timestamp
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.gap = gap

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows before each window and the rows in it, for the earliest window first.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The log: a table of pandas, polars or pyarrow, a dict of columns, an array or a list of rows.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of shape (n_train,)
            The positions of the training rows.
        test : ndarray of shape (n_test,)
            The positions of the test rows.
        """
        table = read_table(X)
        column, times = table.values(self.timestamp, "timestamp"), table.times(self.timestamp)
        last, first = _exact(times.values.max()), _exact(times.values.min())
        length, reach, gap = (
            _simplify(times.span(name, getattr(self, name))) for name in ("test_size", "train_size", "gap")
        )
        if length is None:
            length = (last - first) / (self.n_splits + 1)
        tolerance = _tolerance(column, length)

        def until(moment: Fraction) -> NDArray[np.bool_]:
            return times.values <= _bound(moment + tolerance, is_exact=times.values.dtype.kind == "i")

        for window in range(self.n_splits):
            start = last - (self.n_splits - window) * length
            is_train = until(start - (gap or 0))
            if reach is not None:
                is_train &= ~until(start - (gap or 0) - reach)
            train, test = np.flatnonzero(is_train), np.flatnonzero(until(start + length) & ~until(start))
            for part, rows in (("training", train), ("test", test)):
                if not len(rows):
                    raise ValueError(
                        f"The {part} part of window {window} of n_splits={self.n_splits} has no interaction. The log "
                        f"spans {times.describe(last - first)}, a window {times.describe(length)}: use a smaller "
                        "n_splits or another test_size, train_size or gap; "
                        f"got {self.test_size!r}, {self.train_size!r} and {self.gap!r}."
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

    There is one split. The last `n_last` rows of each user by time are test rows, but at least one row of each user is
    a training row. Of the rows of a user with the same time, the lowest row of the table is the last. For a matrix, use
    ``split_interactions(X, hold_out="last", test_size=1, timestamps=...)``.

    The test rows of some users are earlier than training rows of others, so a recommender can learn from the future.
    `RollingWindows` has no such leak.

    Parameters
    ----------
    user : str or int
        The column of the users: a name in a DataFrame, or a position.
    timestamp : str or int
        The column of the times, datetimes or numbers.
    n_last : int, default=1
        The number of interactions to hold out per user.

    See Also
    --------
    RollingWindows : Hold out windows of time.
    check_leakage : Count held-out interactions that are earlier than training interactions.

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
        """Yield one split: the earlier rows of all users and their last rows.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The log: a table of pandas, polars or pyarrow, a dict of columns, an array or a list of rows.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of shape (n_train,)
            The positions of the training rows.
        test : ndarray of shape (n_test,)
            The positions of the test rows.
        """
        table = read_table(X)
        _, users = Vocabulary.of(table.ids(self.user, "user"))
        order = np.lexsort((table.times(self.timestamp).values, users))
        counts = np.bincount(users)
        n_held_out = np.minimum(self.n_last, counts - 1)
        if not n_held_out.any():
            raise ValueError(f"X must have a user with two or more interactions; got none among {len(counts)} users.")
        is_last = np.empty(len(users), dtype=bool)
        is_last[order] = np.arange(len(users)) >= (np.cumsum(counts) - n_held_out)[users[order]]
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


def _exact(time: Any) -> Fraction:
    return Fraction(time.item())


def _simplify(span: Fraction | None) -> Fraction | None:
    """Return the simple fraction that a float stands for: 1/10 for 0.1."""
    if span is None:
        return None
    simple = span.limit_denominator(SIMPLE)
    return simple if abs(simple - span) <= span * Fraction(2) ** -50 else span


def _tolerance(column: NDArray[Any], length: Fraction) -> Fraction:
    """Return by how much a time at an edge may be later than the edge because it was rounded."""
    if column.dtype.kind != "f":
        return Fraction(0)
    largest = np.abs(column).max()
    spacing = largest - np.nextafter(largest, largest.dtype.type(0))
    return max(length * Fraction(EDGE), SPACINGS * _exact(spacing))


def _bound(moment: Fraction, *, is_exact: bool) -> float:
    """Return a moment as a number that times can be compared with."""
    if is_exact:
        return floor(moment)
    try:
        return float(moment)
    except OverflowError:
        return -np.inf if moment < 0 else np.inf
