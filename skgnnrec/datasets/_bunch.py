"""The one layout that every data set is returned in."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import Bunch


def build_bunch(
    events: pd.DataFrame,
    items: pd.DataFrame,
    weights: ArrayLike,
    descr: str,
    *,
    user_ids: NDArray[Any] | None = None,
    **extra: Any,
) -> Bunch:
    """Sort the events by time and add the matrix that they make.

    Parameters
    ----------
    events : DataFrame
        One row an event: `user_id`, `item_id`, `timestamp` and what else is known.
    items : DataFrame
        One row an item, with its `item_id`; their order is that of the columns of the matrix.
    weights : array-like of shape (n_events,)
        Positive value of each event; events of one user and one item are added up.
    descr : str
        Description of the data set.
    user_ids : ndarray of shape (n_users,), default=None
        Sorted users, where some of them may have no event; else the users of the events.
    **extra : Any
        More fields of the bunch.

    Returns
    -------
    bunch : Bunch
        `events`, `item_frame` (also as ``bunch["items"]``), `interactions`, `user_ids`, `item_ids`, `DESCR`
        and the extra fields.
    """
    if user_ids is None:
        user_ids = np.unique(events["user_id"].to_numpy())
    item_ids = items["item_id"].to_numpy()
    rows = np.searchsorted(user_ids, events["user_id"].to_numpy())
    columns = pd.Index(item_ids).get_indexer(events["item_id"])
    values = np.asarray(weights, dtype=np.float32)
    _check_events(events["item_id"], columns, values)
    interactions = sparse.csr_matrix((values, (rows, columns)), shape=(len(user_ids), len(item_ids)))
    interactions.sum_duplicates()
    return Bunch(
        events=_sort_by_time(events),
        items=items,
        # As an attribute, `items` is the method of the dictionary that a Bunch is.
        item_frame=items,
        interactions=interactions,
        user_ids=user_ids,
        item_ids=item_ids,
        DESCR=descr,
        **extra,
    )


def _check_events(item_ids: pd.Series, columns: NDArray[np.intp], values: NDArray[np.float32]) -> None:
    if (columns < 0).any():
        unknown = item_ids[columns < 0].tolist()[0]
        raise ValueError(f"Every item of the events must be in the items, got the unknown item {unknown!r}.")
    if not (values > 0).all():
        # A stored zero would read as "not seen" in the matrix.
        raise ValueError(f"The values of the events must be positive, got {values.min()}.")


def _sort_by_time(events: pd.DataFrame) -> pd.DataFrame:
    timestamps = events["timestamp"].to_numpy()
    if (timestamps[1:] >= timestamps[:-1]).all():
        return events.reset_index(drop=True)
    return events.sort_values("timestamp", kind="stable", ignore_index=True)


def seconds_to_datetime(seconds: ArrayLike) -> NDArray[np.datetime64]:
    """Turn seconds since 1970 (UTC) into `datetime64[s]`, the unit of all data sets.

    Parameters
    ----------
    seconds : array-like of shape (n_events,)
        Whole seconds.

    Returns
    -------
    timestamps : ndarray of shape (n_events,)
        The times, as `datetime64[s]`.
    """
    return np.asarray(seconds, dtype=np.int64).astype("datetime64[s]")
