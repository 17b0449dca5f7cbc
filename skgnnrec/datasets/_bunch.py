"""The common layout of all data sets."""

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
    """Return a data set with its events sorted by time, and with the matrix of their summed weights."""
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
        # The attribute `items` is the method of a dictionary.
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
        raise ValueError(f"Each item of the events must be in the item table; got the unknown item {unknown!r}.")
    if not (values > 0).all():
        # A zero in the matrix means "not seen".
        raise ValueError(f"The values of the events must be positive; got {values.min()}.")


def _sort_by_time(events: pd.DataFrame) -> pd.DataFrame:
    timestamps = events["timestamp"].to_numpy()
    if (timestamps[1:] >= timestamps[:-1]).all():
        return events.reset_index(drop=True)
    return events.sort_values("timestamp", kind="stable", ignore_index=True)


def seconds_to_datetime(seconds: ArrayLike) -> NDArray[np.datetime64]:
    """Return times in whole seconds since 1970 as `datetime64[s]`."""
    return np.asarray(seconds, dtype=np.int64).astype("datetime64[s]")
