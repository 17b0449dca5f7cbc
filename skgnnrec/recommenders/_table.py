"""Recommenders for logs: one row an interaction, users and items by id."""

import warnings
from datetime import timedelta
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skgnnrec._holdout import row_of_each
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import EmptyHistoryWarning
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import BLOCK_BYTES
from skgnnrec.recommenders._base import SCORE_SEED, SCORE_TEST_SIZE, BaseRecommender, _name, refuse_catalog
from skgnnrec.recommenders._events import (
    Events,
    as_times,
    as_weights,
    check_table,
    factorize,
    hide_share,
    id_index,
    item_index,
    matrix_of_keys,
    positions_of,
    read_column,
    warn_of_types,
    weigh,
)

__all__ = ["TableRecommender"]


class TableRecommender(CallbackSupportMixin, BaseEstimator):
    """Recommend from a log: a sample is an interaction, users and items go by their ids.

    The log becomes the users × items matrix that `recommender` learns from. scikit-learn's own splitters then say
    what is held out: `KFold` interactions, `GroupKFold` with the users or the items as groups those,
    `TimeSeriesSplit` on a log sorted by time the future.

    The value of an interaction is its weight times its recency, the latter ``rank_decay ** r`` with r the number of
    later distinct times of that user, and ``0.5 ** (age / half_life)`` with the age counted back from that user's
    last interaction; both where both are set. Where a user has an item several times, the interaction of the largest
    value counts. (For sums, group the log by user and item first.)

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender, with its `items`, where there are any: the catalog's items then are the columns of the
        matrix, those that nobody has touched included. A catalog without ids knows its items by position: 0, 1, ...
    user : str or int, default=0
        The column of the users: a name in a DataFrame, or a position.
    item : str or int, default=1
        The column of the items.
    weight : str or int, default=None
        The column of the weights, finite and non-negative; rows of weight 0 are no interactions. None: all weigh 1.
    timestamp : str or int, default=None
        The column of the times, datetimes or numbers; recency needs it. For users that were not in the fit, `score`
        holds out their latest interactions by it.
    rank_decay : float, default=1.0
        Factor per later distinct time of the user, in (0, 1]; 1 is no decay.
    half_life : float, timedelta or str, default=None
        The age at which an interaction counts half: a number in the unit of numeric times, in seconds where times
        are datetimes; or anything `pandas.Timedelta` takes, such as "30D", for datetimes. None is no decay.
    unknown_users : {"popular", "skip", "error"}, default="popular"
        What users without a history get:

        - "popular": the items that most users have, scored by how many;
        - "skip": no recommendation, nan from `predict`, and no part in `score`;
        - "error": a `ValueError` that names them.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    user_ids_ : ndarray of shape (n_users,)
        The users, sorted.
    item_ids_ : ndarray of shape (n_items,)
        The items: the catalog's, else those of the log, sorted.
    interactions_ : csr_array of shape (n_users, n_items), float32
        The histories, weighted.
    n_features_in_ : int
        The number of columns of the log.
    feature_names_in_ : ndarray of shape (n_columns,)
        The names of the columns of the log, where all are strings.

    See Also
    --------
    skgnnrec.model_selection.split_interactions : Holds out interactions of a matrix.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec import GraphFilterRecommender, TableRecommender
    >>> log = pd.DataFrame(
    ...     [("ann", "mug", 1), ("ann", "pot", 2), ("bob", "mug", 1), ("bob", "pot", 5), ("cy", "mug", 3)],
    ...     columns=["user", "item", "day"],
    ... )
    >>> rec = TableRecommender(GraphFilterRecommender(), user="user", item="item", timestamp="day", rank_decay=0.8)
    >>> rec.fit(log).recommend(["cy", "dan"], 1)[0]  # nobody knows dan
    array([['pot'],
           ['mug']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommender": [BaseRecommender],
        "user": [str, Interval(Integral, 0, None, closed="left")],
        "item": [str, Interval(Integral, 0, None, closed="left")],
        "weight": [str, Interval(Integral, 0, None, closed="left"), None],
        "timestamp": [str, Interval(Integral, 0, None, closed="left"), None],
        "rank_decay": [Interval(Real, 0, 1, closed="right")],
        # np.timedelta64 counts as a number, which an interval cannot compare: it stands before it.
        "half_life": [timedelta, np.timedelta64, str, Interval(Real, 0, None, closed="neither"), None],
        "unknown_users": [StrOptions({"popular", "skip", "error"})],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        user: str | int = 0,
        item: str | int = 1,
        weight: str | int | None = None,
        timestamp: str | int | None = None,
        rank_decay: float = 1.0,
        half_life: Any = None,
        unknown_users: str = "popular",
    ) -> None:
        self.recommender = recommender
        self.user = user
        self.item = item
        self.weight = weight
        self.timestamp = timestamp
        self.rank_decay = rank_decay
        self.half_life = half_life
        self.unknown_users = unknown_users

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None) -> "TableRecommender":
        """Learn from a log.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The interactions.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The fitted recommender.

        Raises
        ------
        ItemAlignmentError
            If the catalog lacks items of the log.
        ValueError
            If a column is not there, lacks values, or holds what it must not.
        """
        self.recommender._validate_params()  # before its parameters are read here
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self)
        if self.timestamp is None and (self.rank_decay < 1 or self.half_life is not None):
            raise ValueError("rank_decay and half_life need the column of the times: timestamp=...")
        log = self._read_log(X, reset=True)
        if not len(log.users):
            raise ValueError(f"X has no interaction: all of its weights (weight={self.weight!r}) are 0.")
        users, self.user_ids_ = factorize(log.users, "user")
        self._users = id_index(self.user_ids_)
        self._items = item_index(log.items, self.recommender.items)
        self.item_ids_ = self._items.to_numpy()
        log = log._replace(users=users, items=positions_of(log.items, self._items))
        self.interactions_ = self._weigh(log, len(self.user_ids_))
        self.recommender_ = clone(self.recommender).fit(self.interactions_)
        task.call_on_fit_task_end(estimator=self)
        return self

    def recommend(
        self,
        users: Any = None,
        n_recommendations: int | None = None,
        *,
        items: Any = None,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to users, by id.

        Parameters
        ----------
        users : array-like of shape (n_users,), default=None
            Ids of the users; one that was not in the fit is treated as `unknown_users` says. None takes all users
            of the fit, in the order of `user_ids_`.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        items : ItemCatalog or array-like of shape (n_candidates,), default=None
            The candidates: None ranks every item, an array names some of them by id, an `ItemCatalog` may hold new
            ones.
        exclude_seen : bool, default=True
            Whether items of a user's history are left out.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items, best first. A row with fewer candidates ends in -1, or None where ids are not integers.
        scores : ndarray of shape (n_users, n_recommendations), float32
            Their scores, -inf where there is no item.

        Raises
        ------
        ValueError
            If `items` names unknown items, or a user is unknown and `unknown_users` is "error".
        """
        check_is_fitted(self)
        user_ids = self.user_ids_ if users is None else np.atleast_1d(np.asarray(users))
        if user_ids.ndim != 1:
            raise ValueError(f"users must be a list of ids, got an array of shape {user_ids.shape}.")
        rows = positions_of(user_ids, self._users)
        if (rows < 0).all():
            warn_of_types(user_ids, self.user_ids_)
        histories = self._histories(rows)
        return self._recommend(histories, user_ids, n_recommendations, items, exclude_seen)

    def predict(self, X: Any) -> np.ndarray:
        """Return the score of pairs of a user and an item.

        Scores rank the items of one user; those of different users need not be comparable. Pairs that were in the
        fit are scored like others. Memory is bounded, whatever the number of users.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_pairs, n_columns)
            The pairs. Of a DataFrame only the columns of the users and the items are used, where they go by name.

        Returns
        -------
        scores : ndarray of shape (n_pairs,), float32
            The scores; nan where the item was neither in the fit nor in the catalog.
        """
        check_is_fitted(self)
        frame = check_table(self, X, reset=False)
        users, user_ids = factorize(self._ids(frame, "user"), "user")
        items = positions_of(self._ids(frame, "item"), self._items)
        histories = self._histories(positions_of(user_ids, self._users))
        scores = np.full(len(users), np.nan, dtype=np.float32)
        _score_pairs(self.recommender_, histories, self._answered(histories, user_ids), users, items, out=scores)
        return scores

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean NDCG@n_recommendations on held-out interactions.

        Each user's history ranks every item of the fit and of the catalog, items of the history left out. Rows of `X`
        whose user and item were together in the fit are not counted: they cannot be hit. Of users that were not in
        the fit a fifth of the items in `X` (at least one) is held out, the latest ones where there is `timestamp` and
        a seeded choice elsewhere, and the others are the history. If they have but one, it is held out and
        `unknown_users` says what is recommended. Held-out items that are neither in the fit nor in the catalog are
        misses.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The held-out interactions, with the columns of the fit.
        y : Ignored
            Not used.

        Returns
        -------
        score : float
            The mean over users with held-out interactions, between 0 and 1; nan where there are none.

        Warns
        -----
        EmptyHistoryWarning
            If there is nothing to score, or no item held out that could be recommended.
        """
        ranking = self.rank_held_out(X)
        return float(ndcg_at_k(*ranking[1:3])) if len(ranking.recommended) else float("nan")

    def rank_held_out(
        self, X: Any, y: Any = None, n_recommendations: int | None = None, *, items: Any = None
    ) -> HeldOutRanking:
        """Return what `score` measures: the held-out interactions, and the lists that should hold them.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The held-out interactions, with the columns of the fit.
        y : Ignored
            Not used.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        items : array-like of shape (n_candidates,), default=None
            The candidates, by id; None ranks every item.

        Returns
        -------
        ranking : HeldOutRanking
            One row for each user who counts; held-out items that the recommender does not know are further columns.

        Warns
        -----
        EmptyHistoryWarning
            If there is nothing to score, or no item held out that could be recommended.
        """
        check_is_fitted(self)
        histories, held_out, user_ids = self._split(self._read_log(X, reset=False))
        counted = np.diff(held_out.indptr) > 0
        if self.unknown_users == "skip":
            counted &= np.diff(histories.indptr) > 0
        rows = np.flatnonzero(counted)
        histories, held_out = histories[rows], held_out[rows]
        problem = None
        if not len(rows):
            problem = (
                "Nothing to score: X holds no interaction that was not in the fit, or none of a user with a history."
            )
        elif held_out.indices.min() >= len(self.item_ids_):
            problem = (
                "All held-out items are new to the recommender, so that the score is 0: "
                "cold items need a recommender with items=ItemCatalog(...)."
            )
        if problem is not None:
            warnings.warn(problem, EmptyHistoryWarning, stacklevel=2)
        refuse_catalog(items, "rank_held_out")
        found, scores = self._recommend(histories, user_ids[rows], n_recommendations, items)
        positions = positions_of(found.ravel(), self._items).reshape(found.shape)
        histories.resize(held_out.shape)
        counts = np.bincount(self.interactions_.indices, minlength=len(self.item_ids_))
        return HeldOutRanking(histories, held_out, np.where(np.isneginf(scores), -1, positions), counts, user_ids[rows])

    def similar_items(self, items: Any, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return what goes with items: the recommendations to a user who has that one item.

        Parameters
        ----------
        items : array-like of shape (n_queries,)
            Ids of items.
        n : int, default=10
            Similar items per query.

        Returns
        -------
        items : ndarray of shape (n_queries, n)
            Ids of the most similar items, best first, without the query itself.
        scores : ndarray of shape (n_queries, n), float32
            Their scores.
        """
        check_is_fitted(self)
        if self.recommender_.item_ids_ is not None:
            return self.recommender_.similar_items(items, n)
        found, scores = self.recommender_.similar_items(self._columns(items), n)
        return _name(found, self.item_ids_), scores

    def _read_log(self, X: Any, reset: bool) -> Events:
        """Return the interactions of positive weight, users and items as ids."""
        frame = check_table(self, X, reset)
        events = Events(
            self._ids(frame, "user"),
            self._ids(frame, "item"),
            np.ones(len(frame)) if self.weight is None else as_weights(read_column(frame, self.weight, "weight")),
            None if self.timestamp is None else as_times(read_column(frame, self.timestamp, "timestamp")),
        )
        return events if events.weights.all() else events.take(events.weights > 0)

    def _ids(self, frame: pd.DataFrame, role: str) -> np.ndarray:
        return read_column(frame, getattr(self, role), role).to_numpy()

    def _columns(self, items: Any) -> np.ndarray:
        items = np.atleast_1d(np.asarray(items))
        columns = positions_of(items, self._items)
        if (columns < 0).any():
            unknown = items[columns < 0]
            raise ValueError(f"items holds {len(unknown)} ids that were not in the fit: {unknown[:5].tolist()}.")
        return columns

    def _weigh(self, events: Events, n_users: int) -> sparse.csr_array:
        return weigh(events, (n_users, len(self._items)), self.rank_decay, self.half_life)

    def _histories(self, rows: np.ndarray) -> sparse.csr_array:
        """Return the histories of users of the fit; -1 stands for one without."""
        known = rows >= 0
        taken = self.interactions_[rows[known]]
        counts = np.zeros(len(rows) + 1, dtype=taken.indptr.dtype)
        counts[1:][known] = np.diff(taken.indptr)
        return sparse.csr_array((taken.data, taken.indices, np.cumsum(counts)), shape=(len(rows), taken.shape[1]))

    def _answered(self, histories: sparse.csr_array, user_ids: np.ndarray) -> np.ndarray:
        """Return the rows that get recommendations."""
        is_empty = np.diff(histories.indptr) == 0
        if is_empty.any() and self.unknown_users == "error":
            unknown = user_ids[is_empty]
            raise ValueError(
                f"{len(unknown)} users are unknown, they were not in the fit: {unknown[:5].tolist()}. "
                "unknown_users='popular' recommends what is popular to them, 'skip' nothing."
            )
        # To who has no history, every recommender gives what most users have.
        return np.arange(len(is_empty)) if self.unknown_users == "popular" else np.flatnonzero(~is_empty)

    def _recommend(
        self,
        histories: sparse.csr_array,
        user_ids: np.ndarray,
        n_recommendations: int | None = None,
        items: Any = None,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        n = self.recommender_._length_of_lists(n_recommendations, "recommend")
        is_catalog = isinstance(items, ItemCatalog)
        if is_catalog and self.recommender.items is None:
            raise ValueError("items is an ItemCatalog, but the recommender has none: pass items= to its constructor.")
        by_position = self.recommender_.item_ids_ is None and not is_catalog
        candidates = self._columns(items) if by_position and items is not None else items
        found = _name(np.full((len(user_ids), n), -1), items.ids if is_catalog else self.item_ids_)
        scores = np.full(found.shape, -np.inf, dtype=np.float32)
        rows = self._answered(histories, user_ids)
        if len(rows):
            best, scores[rows] = self.recommender_.recommend(
                histories[rows], n, items=candidates, exclude_seen=exclude_seen
            )
            found[rows] = _name(best, self.item_ids_) if by_position else best
        return found, scores

    def _split(self, log: Events) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
        """Return histories, held-out interactions (new items as further columns) and the ids of the users."""
        n_items = len(self._items)
        users, user_ids = factorize(log.users, "user")
        items = positions_of(log.items, self._items)
        new_items, new_ids = factorize(log.items[items < 0], "item")
        items[items < 0] = n_items + new_items
        events = log._replace(users=users, items=items)
        shape = (len(user_ids), n_items + len(new_ids))
        keys = users * shape[1] + items
        rows = positions_of(user_ids, self._users)
        histories = self._histories(rows)
        is_held_out = ~np.isin(keys, row_of_each(histories) * shape[1] + histories.indices)
        is_new = rows[users] < 0
        if is_new.any():
            is_held_out[is_new] = hide_share(events.take(is_new), shape, SCORE_TEST_SIZE, SCORE_SEED)
            known_items = events.take(is_new & ~is_held_out & (items < n_items))
            histories = sparse.csr_array(histories + self._weigh(known_items, len(user_ids)))
        held_out = np.unique(keys[is_held_out])
        return histories, matrix_of_keys(held_out, np.ones(len(held_out)), shape), user_ids


def _score_pairs(
    recommender: BaseRecommender,
    histories: sparse.csr_array,
    rows: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    *,
    out: np.ndarray,
) -> None:
    """Score the pairs of the users at `rows`, a block of users at a time."""
    place = np.full(histories.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    pairs = np.flatnonzero((place[users] >= 0) & (items >= 0))
    pairs = pairs[np.argsort(place[users[pairs]], kind="stable")]
    block = max(1, BLOCK_BYTES // (4 * histories.shape[1]))
    ends = np.searchsorted(place[users[pairs]], np.arange(0, len(rows) + block, block))
    for k, start in enumerate(range(0, len(rows), block)):
        inside = pairs[ends[k] : ends[k + 1]]
        scores = recommender.decision_function(histories[rows[start : start + block]])
        out[inside] = scores[place[users[inside]] - start, items[inside]]
