"""Updates of recommenders for logs: further interactions are learned, users, items and interactions are forgotten."""

from __future__ import annotations

import os
from copy import copy
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog, item_vocabulary
from skgnnrec.interactions import (
    Log,
    LogSource,
    Vocabulary,
    as_ids,
    concatenate_logs,
    find_rows,
    first_few,
    read_big_log,
    warn_of_types,
)
from skgnnrec.recommenders._arguments import as_list, refuse_other_estimator
from skgnnrec.recommenders._base import BaseRecommender

__all__ = ["LogUpdates"]


class LogUpdates(BaseEstimator):
    """The part of `LogRecommender` that learns and forgets after the fit. It keeps the log as arrays of positions."""

    recommender: BaseRecommender
    recommender_: BaseRecommender
    interactions_: sparse.csr_array
    _users_: Vocabulary
    _items_: Vocabulary
    _log_: Log
    _catalog_: ItemCatalog | None

    def _validate_params(self) -> None:
        refuse_other_estimator(self, BaseRecommender)
        super()._validate_params()

    def partial_fit(self, X: Any, y: Any = None, *, catalog: ItemCatalog | None = None) -> Self:
        """Learn from further interactions, of known or of new users.

        For recommenders in closed form, the result is that of a fit to the whole log, with the encoded items of the
        first fit. A `GNNRecommender` continues its training with the users of the further interactions. New items
        require a new fit, which is made here. If the recommender is not fitted, it is fitted.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The further interactions, with the columns of the fit.
        y : Ignored
            Not used.
        catalog : ItemCatalog, default=None
            All items, if `X` has items that the catalog of the recommender lacks: it takes the place of that catalog.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ItemAlignmentError
            If the catalog lacks items of the log.
        ValueError
            If a column is missing, has missing values, or values of the wrong kind. Then nothing is learned.
        """
        if catalog is not None and not isinstance(catalog, ItemCatalog):
            raise TypeError(f"catalog must be an ItemCatalog or None; got a {type(catalog).__name__}.")
        if not hasattr(self, "recommender_"):
            self._validate_params()
            self.recommender._validate_params()
            with new_state(self) as fresh:
                fresh._learn(X, catalog=catalog)
            return self
        with new_state(self, keep=True) as fresh:
            further = fresh._read_log(X, reset=False)
            warn_of_types(further.users, self._users_, "users")
            warn_of_types(further.items, self._items_, "items")
            if len(further.users):
                fresh._relearn(concatenate_logs(self._log_with_ids(), further), catalog or self._catalog_)
        return self

    def forget(self, X: Any = None, *, users: Any = None, items: Any = None) -> Self:
        """Forget users, items or interactions: the result is that of a fit to the rest of the log.

        The recommender must be one in closed form. The encoded items of the first fit are kept. A trained model cannot
        forget exactly: fit it again to the rest of the log.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns), default=None
            The interactions to forget, with the columns of the fit. All interactions of these pairs of a user and an
            item are forgotten.
        users : array-like of shape (n_users,), default=None
            The ids of the users to forget, with all of their interactions.
        items : array-like of shape (n_items,), default=None
            The ids of the items to forget, with all of their interactions. An item of the catalog remains as an item
            without users.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If not exactly one of `X`, `users` and `items` is given, if one of them is not in the log, or if no
            interaction would remain. Then nothing is forgotten.
        """
        check_is_fitted(self)
        given = [name for name, part in {"X": X, "users": users, "items": items}.items() if part is not None]
        if len(given) != 1:
            raise ValueError(f"forget takes one of X, users and items; got {' and '.join(given) or None}.")
        if not hasattr(self.recommender_, "forget"):
            parts = getattr(self.recommender_, "recommenders_", [self.recommender_])
            trained = [type(part).__name__ for part in parts if not hasattr(part, "forget")]
            name = trained[0] if trained else type(self.recommender_).__name__
            raise ValueError(f"{name} is trained and cannot forget: fit it again to the rest of the log.")
        if users is not None:
            is_forgotten = self._marks(self._log_.users, self._users_, users, "users")
        elif items is not None:
            is_forgotten = self._marks(self._log_.items, self._items_, items, "items")
        else:
            _refuse_ids(X)
            is_forgotten = self._marks_of_pairs(self._read_log(X, reset=False))
        if is_forgotten.all():
            raise ValueError("forget would leave no interaction.")
        with new_state(self, keep=True) as fresh:
            fresh._relearn(self._log_with_ids().take(np.flatnonzero(~is_forgotten)), self._catalog_)
        return self

    @staticmethod
    def _marks(positions: np.ndarray, vocabulary: Vocabulary, given: Any, name: str) -> np.ndarray:
        """Mark the interactions of given users or items."""
        ids = as_ids(as_list(given), name)
        found = vocabulary.positions(ids, name)
        is_known = found >= 0
        is_known[is_known] = np.isin(found[is_known], positions)
        if not is_known.all():
            unknown = ids[~is_known]
            raise ValueError(f"{name} holds {len(unknown)} ids without interactions: {first_few(unknown)}.")
        return np.isin(positions, found)

    def _marks_of_pairs(self, log: Log) -> np.ndarray:
        users, items = self._users_.positions(log.users), self._items_.positions(log.items)
        keys = self._log_.users.astype(np.int64) * len(self._items_) + self._log_.items
        wanted = np.where((users < 0) | (items < 0), -1, users * len(self._items_) + items)
        is_missing = ~np.isin(wanted, keys)
        if is_missing.any():
            first = np.flatnonzero(is_missing)[:1]
            raise ValueError(
                f"X holds {np.count_nonzero(is_missing)} interactions that are not in the log, such as user "
                f"{first_few(log.users[first])} with item {first_few(log.items[first])}."
            )
        return np.isin(keys, wanted)

    def _log_with_ids(self) -> Log:
        return self._log_._replace(users=self._users_.ids[self._log_.users], items=self._items_.ids[self._log_.items])

    def _relearn(self, log: Log, catalog: ItemCatalog | None) -> None:
        """Take a log in the place of the last one, and update the recommender where its items are the same."""
        _refuse_budget(self.recommender_)
        before, known_items, known_catalog = self.interactions_, self._items_, self._catalog_
        self._take_log(log, catalog)
        if not self._items_.equals(known_items) or (catalog is not known_catalog and catalog != known_catalog):
            self._fit_recommender()
            return
        self.recommender_ = copy(self.recommender_)
        if hasattr(self.recommender_, "_become"):  # in closed form, or around one
            self.recommender_._become(self.interactions_, **self.recommender_._about(self._users_.ids))
        elif hasattr(self.recommender_, "partial_fit") and not hasattr(self.recommender_, "forget"):
            self.recommender_.partial_fit(self._changed_rows(before))
        else:
            self._fit_recommender()

    def _take_log(self, log: Log, catalog: ItemCatalog | None) -> None:
        """Set what is computed from a log with ids."""
        users, rows = Vocabulary.of(log.users)
        items, columns = item_vocabulary(log.items, catalog)
        self._take_positions(users, items, log._replace(users=rows, items=columns), catalog)

    def _take_blocks(self, source: LogSource, catalog: ItemCatalog | None) -> None:
        """Set what is computed from a log that is read in blocks."""
        self._read_table(source.head(), reset=True)
        names = {"user": self._user_, "item": self._item_, "weight": self.weight, "timestamp": self.timestamp}
        users, items, log = read_big_log(source, **names, items_of=partial(item_vocabulary, catalog=catalog))
        refuse_empty(log, self.weight)
        self._take_positions(users, items, log, catalog)
        if log.times is None:  # the largest weight of a pair is all that later updates need
            del log, self._log_  # which have the memory of the matrix
            X = self.interactions_
            rows = np.repeat(np.arange(X.shape[0], dtype=np.int32), np.diff(X.indptr))
            self._log_ = Log(rows, X.indices, X.data, None)

    def _take_positions(self, users: Vocabulary, items: Vocabulary, log: Log, catalog: ItemCatalog | None) -> None:
        self._catalog_, self._users_, self._items_, self._log_ = catalog, users, items, log
        self.interactions_ = self._weigh(log, len(users))
        self._latest_times_, self._time_unit_ = None, None
        if log.times is not None:
            self._time_unit_ = log.times.unit
            self._latest_times_ = np.full(len(self._users_), log.times.values.min())
            np.maximum.at(self._latest_times_, log.users, log.times.values)

    def _fit_recommender(self) -> None:
        recommender = clone(self.recommender)
        if self._catalog_ is not recommender.catalog:
            recommender.set_params(catalog=self._catalog_)
        about = recommender._about(self._users_.ids)
        task = getattr(self, "_callback_fit_ctx", None)
        if task is None:  # in an update
            self.recommender_ = recommender.fit(self.interactions_, **about)
            return
        subtask = task.subcontext("fit-recommender")
        with subtask.propagate_callback_context(recommender):
            subtask.call_on_fit_task_begin(estimator=self)
            self.recommender_ = recommender.fit(self.interactions_, **about)
            subtask.call_on_fit_task_end(estimator=self)

    def _changed_rows(self, before: sparse.csr_array) -> sparse.csr_array:
        """Return the histories that are not among those before."""
        return self.interactions_[np.flatnonzero(find_rows(before, self.interactions_, with_values=False) < 0)]


def refuse_empty(log: Log, weight: str | int | None) -> None:
    if not len(log.users):
        raise ValueError(f"X has no interaction: all of its weights (weight={weight!r}) are 0.")


def _refuse_ids(X: Any) -> None:
    """Refuse ids in the place of interactions; strings can be the paths of logs."""
    given = X if isinstance(X, list | tuple | set | frozenset) else [X]
    are_single = all(isinstance(each, str | bytes | Real) and not os.path.exists(str(each)) for each in given)
    if are_single or len(getattr(X, "shape", (0, 0))) < 2:
        found = f"the value {X!r:.50}" if given is not X and are_single else f"a {type(X).__name__} of ids"
        raise ValueError(
            f"X must be a table of interactions with the columns of the fit, got {found}. forget(users=[...]) takes "
            "ids of users, forget(items=[...]) those of items."
        )


def _refuse_budget(recommender: BaseRecommender) -> None:
    """Refuse recommenders with a privacy budget, also inside others: a new fit would not be counted."""
    parts = [recommender, *recommender.get_params().values()]
    if any(getattr(part, "_has_budget", False) for part in parts):
        raise ValueError(
            f"partial_fit and forget of LogRecommender would fit the {type(recommender).__name__} again to all users, "
            "which its privacy budget does not count. Fit a new LogRecommender: the epsilon of both fits add up."
        )
