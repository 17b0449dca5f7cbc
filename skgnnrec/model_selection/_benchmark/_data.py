"""A data set of a benchmark: interactions, with times, a catalog and a fixed split where they are known."""

from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import (
    Log,
    Vocabulary,
    check_interactions,
    column_vocabulary,
    first_few,
    naming,
    read_log,
    read_table,
    read_times,
    refuse_log,
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
    "catalog": [ItemCatalog, None],
    "rank_decay": [Interval(Real, 0, 1, closed="right")],
}


class BenchmarkData:
    """A data set of `benchmark`: interactions, with their times and a catalog where they are known.

    Parameters
    ----------
    interactions : {array-like, sparse matrix, DataFrame}
        A matrix of shape (n_users, n_items), finite and >= 0, or a log with one interaction per row.
    user : str or int, default=None
        The column of the users of a log. If None, `interactions` is a matrix.
    item : str or int, default=None
        The column of the items of a log.
    timestamp : str, int or {array-like, sparse matrix} of shape (n_users, n_items), default=None
        The column of the times of a log; for a matrix, the time of each interaction. Times are numbers or datetimes.
    catalog : ItemCatalog, default=None
        The items. A catalog with ids is aligned with the items of a log or the columns of a DataFrame. Otherwise row j
        describes column j of the matrix.
    held_out : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
        The held-out interactions of a published split of a matrix, of which `interactions` is the training part. The
        protocol of the data set is then "given".
    rank_decay : float in (0, 1], default=1.0
        The weight of an interaction in a history is ``rank_decay ** age``, where the age is the number of later times
        with interactions of the user; of later days where times are datetimes. It requires `timestamp` if below 1.

    Attributes
    ----------
    n_users : int
        The number of users.
    n_items : int
        The number of items.
    n_interactions : int
        The number of interactions. Repeated interactions of a user and an item in a log count each.

    Raises
    ------
    TypeError
        If a table is lazy.
    ValueError
        If the interactions, times, catalog and held-out interactions do not belong together.

    See Also
    --------
    benchmark : Run recommenders over data sets and protocols.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec.model_selection import BenchmarkData
    >>> log = pd.DataFrame({"user": ["ann", "ann", "bob"], "item": ["cup", "pot", "cup"], "day": [1, 2, 2]})
    >>> BenchmarkData(log, user="user", item="item", timestamp="day")
    BenchmarkData(n_users=2, n_items=2, n_interactions=3, times=True, catalog=False)
    """

    def __init__(
        self,
        interactions: Any,
        *,
        user: str | int | None = None,
        item: str | int | None = None,
        timestamp: Any = None,
        catalog: ItemCatalog | None = None,
        held_out: Any = None,
        rank_decay: float = 1.0,
    ) -> None:
        refuse_lazy_tables(interactions=interactions, timestamp=timestamp, held_out=held_out)
        given = {"user": user, "item": item, "timestamp": timestamp, "catalog": catalog, "rank_decay": rank_decay}
        validate_parameter_constraints(CONSTRAINTS, given, caller_name="BenchmarkData")
        if (user is None) != (item is None):
            raise ValueError(f"user and item must be given together, for logs; got user={user!r} and item={item!r}.")
        if rank_decay < 1 and timestamp is None:
            raise ValueError(f"rank_decay={rank_decay!r} requires timestamp; got None.")
        self._catalog, self._rank_decay, self._held_out = catalog, float(rank_decay), None
        if user is None:
            self._read_matrix(interactions, timestamp)
            if held_out is not None:
                self._held_out = self._read_held_out(interactions, held_out)
        else:
            if held_out is not None:
                raise ValueError("held_out must be None for a log; give both parts as matrices.")
            self._read_log(interactions, user, item, timestamp)
        if self._catalog is not None and self._catalog.ids is not None:
            self._catalog = ItemCatalog(self._catalog.data)  # columns have no labels: items are known by position

    def _read_matrix(self, interactions: Any, timestamp: Any) -> None:
        with naming("interactions"):
            refuse_log(interactions)
        X = check_interactions(interactions, input_name="interactions")
        times = None
        if timestamp is not None:
            if isinstance(timestamp, str | Integral):
                raise ValueError(
                    f"timestamp must have the shape of the matrix, {X.shape}; got {timestamp!r}. For logs, name the "
                    "columns: user=..., item=..."
                )
            require_same_labels(interactions, timestamp, "interactions", "timestamp")
            if shape_of(timestamp, "timestamp") != X.shape:
                raise ValueError(
                    f"timestamp must have the shape of interactions, {X.shape}; got {shape_of(timestamp, 'timestamp')}."
                )
            times = read_times(times_of(X, timestamp, "timestamp"), "timestamp")
        self._log, self._shape = Log(row_of_each(X), X.indices.astype(np.int64), X.data, times), X.shape
        labels = column_vocabulary(interactions, "interactions")
        if self._catalog is not None and self._catalog.ids is not None and labels is not None:
            self._catalog = self._catalog.align(labels)
        elif self._catalog is not None and self._catalog.n_items != X.shape[1]:
            raise ValueError(f"interactions has {X.shape[1]} columns, the catalog {self._catalog.n_items} items.")

    def _read_held_out(self, interactions: Any, held_out: Any) -> sparse.csr_array:
        if shape_of(held_out, "held_out") != self._shape:
            raise ValueError(
                f"held_out must have the shape of interactions, {self._shape}; got {shape_of(held_out, 'held_out')}."
            )
        require_same_labels(interactions, held_out, "interactions", "held_out")
        return check_interactions(held_out, input_name="held_out")

    def _read_log(self, interactions: Any, user: Any, item: Any, timestamp: Any) -> None:
        if not (timestamp is None or isinstance(timestamp, str | Integral)):
            raise ValueError(
                f"timestamp must be a column of the log, by name or position; got a {type(timestamp).__name__}."
            )
        table = read_table(interactions, input_name="interactions")
        log = read_log(table, user=user, item=item, timestamp=timestamp)
        users, rows = Vocabulary.of(log.users)
        if self._catalog is None:
            items, columns = Vocabulary.of(log.items)
            n_items = len(items)
        else:
            if self._catalog.ids is None:
                raise ValueError("catalog must have ids for a log; got one without: ItemCatalog(data, ids=...).")
            columns, n_items = self._catalog.positions(log.items), self._catalog.n_items
            if (columns < 0).any():
                raise ValueError(f"catalog lacks items of the log: {first_few(log.items[columns < 0])}.")
        self._log, self._shape = Log(rows, columns, log.weights, log.times), (len(users), n_items)

    @property
    def n_users(self) -> int:
        """Return the number of users."""
        return self._shape[0]

    @property
    def n_items(self) -> int:
        """Return the number of items."""
        return self._shape[1]

    @property
    def n_interactions(self) -> int:
        """Return the number of interactions."""
        return len(self._log.users)

    def __repr__(self) -> str:
        sizes = f"n_users={self.n_users}, n_items={self.n_items}, n_interactions={self.n_interactions}"
        known = f"times={self._log.times is not None}, catalog={self._catalog is not None}"
        return f"BenchmarkData({sizes}, {known}{', held_out=True' if self._held_out is not None else ''})"


def describe_data(data: BenchmarkData) -> dict[str, Any]:
    """Return the sizes and a hash of the interactions of a data set."""
    log, held_out = data._log, data._held_out
    arrays = [log.users, log.items, log.weights.astype(np.float64), None if log.times is None else log.times.values]
    arrays += [] if held_out is None else [held_out.indptr.astype(np.int64), held_out.indices.astype(np.int64)]
    sizes = {"n_users": data.n_users, "n_items": data.n_items, "n_interactions": data.n_interactions}
    return {**sizes, "rank_decay": data._rank_decay, "hash": joblib.hash(arrays)}
