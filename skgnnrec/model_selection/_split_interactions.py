"""Split a matrix of interactions into training and held-out interactions."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils._param_validation import RealNotInt, StrOptions, validate_params

from skgnnrec._constraints import Interval
from skgnnrec.interactions import (
    check_indices,
    check_interactions,
    conversion_to_times,
    describe_type,
    hold_out_cold_items,
    hold_out_future,
    hold_out_last,
    hold_out_share,
    labelled_as,
    read_table,
    refuse_log,
    row_of_each,
    shape_of,
)
from skgnnrec.model_selection._labels import refuse_lazy_tables, require_same_labels


@validate_params(
    {
        "hold_out": [StrOptions({"random", "last", "future", "cold_items"})],
        "test_size": [
            Interval(RealNotInt, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
        ],
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
    """Split a matrix of interactions into the past and the future.

    Both parts have all users and all items, and their sum is `X`. Together with ``cv=SameUsers()`` they are the ``X``
    and ``y`` of any search.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions, finite and >= 0; zero means no interaction.
    hold_out : {"random", "last", "future", "cold_items"}, default="random"
        The interactions of the future:

        - "random": random interactions of each user with two or more, but never all of a user;
        - "last": the latest interactions of each such user; ``test_size=1`` is the leave-last-out protocol;
        - "future": all interactions after one moment that is the same for all users, as in real use. Users and items
          that first appear after this moment have no past;
        - "cold_items": all interactions of random items, which are new items then.

    test_size : float in (0, 1) or int >= 1, default=0.2
        The share or number of held-out interactions: of each user for "random" and "last" (at least one, at most all
        but one), of all interactions for "future". For "cold_items", the share or number of items among those with
        interactions.
    timestamps : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items) or None, default=None
        The time of each interaction in `X`, a number or a datetime, for "last" and "future". Stored zeros are times.
        Times of cells without interaction are ignored. If `X` and `timestamps` are DataFrames, they must have the same
        labels in the same order. SciPy sums duplicates when it builds a matrix, so reduce a log to one time per user
        and item first.
    random_state : int, RandomState instance or None, default=None
        The seed for "random" and "cold_items".

    Returns
    -------
    X_past : csr_array or DataFrame of shape (n_users, n_items), float32
        The interactions to fit on. The result is a DataFrame with the same labels if `X` is a DataFrame, with sparse
        columns if all columns of `X` are sparse.
    y_future : csr_array or DataFrame of shape (n_users, n_items), float32
        The held-out interactions.

    Raises
    ------
    TypeError
        If a table is lazy.
    ValueError
        If `X` is not finite and >= 0, if times are missing, if the labels of `X` and `timestamps` differ, or if one
        part would be empty.

    Warns
    -----
    EmptyHistoryWarning
        If no user has two interactions, so that "random" and "last" hold out nothing.

    See Also
    --------
    SameUsers : The splitter that passes both parts to a search.
    check_leakage : Check a split for leaks.

    Notes
    -----
    The random interactions of a user depend on the seed and on the interactions of the user, but not on the order of
    the rows. (Users with equal rows draw in order of appearance.) "future" never divides interactions with the same
    time: those at the moment of the cut belong to the past. A value that counts several events can contain events after
    the cut, so build `X` from events before it. For "last", the higher of two columns with the same time is the later.

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
    refuse_lazy_tables(X=X, timestamps=timestamps)
    refuse_log(X)
    interactions = check_interactions(X)
    if hold_out == "random":
        parts = hold_out_share(interactions, test_size, random_state)
    elif hold_out == "cold_items":
        parts = hold_out_cold_items(interactions, test_size, random_state)
    elif timestamps is None:
        raise ValueError(f"hold_out={hold_out!r} requires timestamps; got None.")
    else:
        require_same_labels(X, timestamps, "X", "timestamps")
        hold_out_latest = hold_out_last if hold_out == "last" else hold_out_future
        parts = hold_out_latest(interactions, times_of(interactions, timestamps), test_size)
    past, future = (labelled_as(X, part) for part in parts)
    return past, future


def times_of(X: sparse.csr_array, timestamps: Any, name: str = "timestamps") -> NDArray[Any]:
    """Return the time of each stored value of `X`, in the order of ``X.data``."""
    shape = shape_of(timestamps, name)
    if shape != X.shape:
        raise ValueError(f"{name} must have the shape of X, {X.shape}; got {shape}.")
    conversion = conversion_to_times(timestamps, name)
    if not sparse.issparse(timestamps):
        is_dict = isinstance(timestamps, Mapping)
        timestamps = np.asarray(read_table(timestamps, input_name=name).data if is_dict else timestamps)
    if sparse.issparse(timestamps):
        times = _look_up_times(X, timestamps, name)
    else:
        times = timestamps[row_of_each(X), X.indices]
    if times.dtype.kind == "O":
        _check_none_missing(X, pd.isna(times), name)
        times = read_table({name: times}, input_name=name).values(name, name) if len(times) else times.astype(float)
    if times.dtype.kind not in "iufM":
        kind = describe_type(times)
        hint = f" Convert strings first: {conversion}" if kind == "str" else ""
        raise ValueError(f"{name} must have numbers or datetimes; got values of type {kind}.{hint}")
    _check_none_missing(X, ~np.isfinite(times), name)
    return times


def _look_up_times(X: sparse.csr_array, timestamps: Any, name: str) -> NDArray[Any]:
    entries = sparse.coo_array(check_indices(timestamps, name))
    n_items = X.shape[1]
    keys = entries.coords[0].astype(np.int64) * n_items + entries.coords[1]
    ascending = np.argsort(keys, kind="stable")
    keys = keys[ascending]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        row, column = divmod(int(keys[twice[0]]), n_items)
        raise ValueError(
            f"{name} must have one time per user and item; got several in row {row}, column {column}. Keep one of "
            "them, for example the latest."
        )
    wanted = row_of_each(X) * n_items + X.indices
    places = np.searchsorted(keys, wanted)
    _check_none_missing(X, np.append(keys, -1)[places] != wanted, name)
    return entries.data[ascending[places]]


def _check_none_missing(X: sparse.csr_array, is_missing: NDArray[np.bool_], name: str) -> None:
    if is_missing.any():
        first = np.argmax(is_missing)
        raise ValueError(
            f"{name} must have a finite time for each interaction of X; got none for {is_missing.sum()} of {X.nnz}, "
            f"the first in row {row_of_each(X)[first]}, column {X.indices[first]}."
        )
