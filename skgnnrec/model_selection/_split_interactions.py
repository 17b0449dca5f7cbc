"""Splitting interactions into the past to learn from and the future to be scored on."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions, validate_params

from skgnnrec._holdout import (
    hold_out_cold_items,
    hold_out_future,
    hold_out_last,
    hold_out_share,
    row_of_each,
)
from skgnnrec._recommended import named_as
from skgnnrec._validation import check_indices, check_interactions


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "hold_out": [StrOptions({"random", "last", "future", "cold_items"})],
        "test_size": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "timestamps": ["array-like", "sparse matrix", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def split_interactions(
    X: Any,
    *,
    hold_out: str = "random",
    test_size: float = 0.2,
    timestamps: Any = None,
    random_state: Any = None,
) -> tuple[Any, Any]:
    """Split a matrix of interactions into the past and a future to predict.

    Both parts keep all users and all items, and add up to `X`. With ``cv=SameUsers()`` they serve as ``X``
    and ``y`` of any search.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_users, n_items)
        Interactions, finite and >= 0; zero means none.
    hold_out : {"random", "last", "future", "cold_items"}, default="random"
        What the future is made of:

        - "random": interactions drawn from each user with two or more, never all of a user's;
        - "last": the latest interactions of each such user; ``test_size=1`` is the leave-last-out of the literature;
        - "future": whatever came after one moment, the same for all users, as in real use; users and items that first
          appear later have an empty past;
        - "cold_items": all interactions of items drawn at random, so that they are new.

    test_size : float in (0, 1) or int >= 1, default=0.2
        Share or number of what is held out: interactions of each user for "random" and "last" (at least one,
        at most all but one), of all interactions for "future", of the items with interactions for
        "cold_items".
    timestamps : {array-like, sparse matrix} of shape (n_users, n_items) or None, default=None
        For "last" and "future": the time of each interaction in `X`, for example in nanoseconds (int64);
        stored zeros are times. Times of other cells are ignored. Note that scipy sums duplicates when it
        builds a matrix: reduce the log to one time per user and item first.
    random_state : int, RandomState instance or None, default=None
        Seed for "random" and "cold_items".

    Returns
    -------
    X_past : csr_array or DataFrame of float32 of shape (n_users, n_items)
        The interactions to fit on; a DataFrame, with its names, where `X` is one.
    y_future : csr_array or DataFrame of float32 of shape (n_users, n_items)
        The interactions to score on.

    Raises
    ------
    ValueError
        If `X` is not finite and >= 0, if timestamps are missing where they are needed, or if nothing would
        remain on one side of the split.

    Warns
    -----
    EmptyHistoryWarning
        If no user has two interactions, so that "random" and "last" hold out nothing.

    See Also
    --------
    SameUsers : The splitter that hands the pair to a search.

    Notes
    -----
    A user's draw under "random" depends on the seed and on the user's interactions only, not on the order of
    the rows (but for users whose rows are equal, who draw in order of appearance). Interactions at one time
    are not divided by "future": those at the time of the cut all stay in the past. A value that sums up several
    events, such as a count, may know of events after the cut: build `X` from the events before it instead.
    Under "last", the higher column counts as the later one.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.model_selection import split_interactions
    >>> X = np.array([[1, 1, 1], [1, 0, 1]])
    >>> years = np.array([[2021, 2023, 2022], [2023, 0, 2024]])
    >>> X_past, y_future = split_interactions(X, hold_out="last", timestamps=years)
    >>> X_past.toarray()
    array([[1., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    >>> y_future.toarray()
    array([[0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    interactions = check_interactions(X)
    if hold_out == "random":
        parts = hold_out_share(interactions, test_size, random_state)
    elif hold_out == "cold_items":
        parts = hold_out_cold_items(interactions, test_size, random_state)
    elif timestamps is None:
        raise ValueError(f"timestamps must be given with hold_out={hold_out!r}; got None.")
    else:
        hold_out_latest = hold_out_last if hold_out == "last" else hold_out_future
        parts = hold_out_latest(interactions, times_of(interactions, timestamps), test_size)
    past, future = (named_as(X, part) for part in parts)
    return past, future


def times_of(X: sparse.csr_array, timestamps: Any) -> NDArray[Any]:
    """Return the time of each stored value of `X`, in the order of ``X.data``."""
    if not sparse.issparse(timestamps):
        timestamps = np.asarray(timestamps)
    if timestamps.shape != X.shape:
        raise ValueError(f"timestamps must have the shape of X, {X.shape}; got {timestamps.shape}.")
    is_sparse = sparse.issparse(timestamps)
    times = _look_up_times(X, timestamps) if is_sparse else timestamps[row_of_each(X), X.indices]
    if times.dtype.kind not in "iufM":
        raise ValueError(f"timestamps must be numbers or datetimes; got dtype {times.dtype}.")
    _check_none_missing(X, ~np.isfinite(times))
    return times


def _look_up_times(X: sparse.csr_array, timestamps: Any) -> NDArray[Any]:
    entries = sparse.coo_array(check_indices(timestamps, "timestamps"))
    n_items = X.shape[1]
    keys = entries.coords[0].astype(np.int64) * n_items + entries.coords[1]
    ascending = np.argsort(keys, kind="stable")
    keys = keys[ascending]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        row, column = divmod(int(keys[twice[0]]), n_items)
        raise ValueError(
            f"timestamps must hold one time per user and item; got several in row {row}, column {column}. "
            "Keep the latest of each, for example."
        )
    wanted = row_of_each(X) * n_items + X.indices
    places = np.searchsorted(keys, wanted)
    _check_none_missing(X, np.append(keys, -1)[places] != wanted)
    return entries.data[ascending[places]]


def _check_none_missing(X: sparse.csr_array, is_missing: NDArray[np.bool_]) -> None:
    if is_missing.any():
        first = np.argmax(is_missing)
        raise ValueError(
            f"timestamps must hold a finite time for each interaction of X; got none for {is_missing.sum()} "
            f"of {X.nnz}, the first in row {row_of_each(X)[first]}, column {X.indices[first]}."
        )
