"""Recommenders for logs: one interaction a row, users and items by id."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import (
    SPAN,
    Log,
    LogSource,
    Table,
    Vocabulary,
    as_ids,
    columns_of_pairs,
    first_few,
    hide_share,
    matrix_of_pairs,
    open_log,
    read_log,
    read_table,
    row_of_each,
    shape_of,
    warn_of_types,
    weigh,
)
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import QUERY_WEIGHT
from skgnnrec.recommenders._arguments import as_list, refuse_catalog, warn_of_ratings
from skgnnrec.recommenders._base import SCORE_SEED, SCORE_TEST_SIZE, BaseRecommender
from skgnnrec.recommenders._histories import (
    baskets_of,
    check_users,
    drop_unknown_items,
    matrix_of_baskets,
    read_users,
    take_histories,
    warn_of_early,
    warn_of_nothing_to_score,
)
from skgnnrec.recommenders._log_updates import LogUpdates, refuse_empty
from skgnnrec.recommenders._pairs import score_pairs
from skgnnrec.recommenders._queries import query_of_rows
from skgnnrec.recommenders._user_ranker import UserRanker

__all__ = ["LogRecommender"]

ORDER_DECAY = 0.9  # of the values from which an order is read


class LogRecommender(CallbackSupportMixin, LogUpdates):
    """Recommend from a log: a sample is an interaction, users and items are given by id.

    The log is turned into the users × items matrix that `recommender` learns from. The splitters of scikit-learn then
    choose what is held out. `KFold` holds out interactions. `GroupKFold` holds out users or items, whichever are given
    as groups. `TimeSeriesSplit` holds out the latest interactions of a log that is sorted by time.

    The value of an interaction is its weight times its recency. Recency is ``rank_decay ** r``, where r is the number
    of later distinct times of the same user, times ``0.5 ** (age / half_life)``, where the age is counted back from the
    last interaction of the user. If a user has an item several times, the interaction with the largest value counts.
    (For sums, group the log by user and item first.)

    A `SequenceRecommender`, also inside another recommender, reads only the order of the values: with `timestamp`, it
    is that of the times, whatever the weights and the recency are. In lists of `histories`, later items are later
    interactions.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. Where it has a `catalog`, the columns of the matrix are the items of the catalog, including
        items without interactions. In a catalog without ids, items are known by position: 0, 1, ... A
        `SocialRecommender` or `UserContentRecommender` finds the friends and profiles of users by the ids of the log.
    user : str or int, default=None
        The column of the users: a name in a table, or a position. With None, it is the first of the two columns that
        are neither `weight` nor `timestamp`; a table with more columns requires `user` and `item`.
    item : str or int, default=None
        The column of the items. With None, it is the second of these two columns.
    weight : str or int, default=None
        The column of the weights, finite and non-negative; rows of weight 0 are no interactions. With None all
        interactions have weight 1.
    timestamp : str or int, default=None
        The column of the times, datetimes or numbers. Recency needs it. Where it is given, `score` holds out the latest
        interactions of users who were not in the fit.
    rank_decay : float, default=1.0
        Factor per later distinct time of the user, in (0, 1]; with 1 there is no decay.
    half_life : float, timedelta or str, default=None
        The age at which an interaction counts half. A number is in the unit of numeric times, and in seconds where
        times are datetimes; for datetimes it can be anything that `pandas.Timedelta` takes, such as "30D". With None
        there is no decay.
    unknown_users : {"popular", "skip", "error"}, default="popular"
        How users without a history are treated:

        - "popular": they receive the popularity ranking;
        - "skip": they receive no recommendation, nan from `predict`, and do not count in `score`;
        - "error": a `ValueError` names them.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    user_ids_ : ndarray of shape (n_users,)
        The users, sorted.
    item_ids_ : ndarray of shape (n_items,)
        The items: those of the catalog where there is one, else those of the log, sorted.
    interactions_ : csr_array of shape (n_users, n_items), float32
        The histories, weighted.
    n_features_in_ : int
        The number of columns of the log.
    feature_names_in_ : ndarray of shape (n_columns,)
        The names of the columns of the log, where all are strings.

    See Also
    --------
    skgnnrec.model_selection.RollingWindows : Holds out windows of time of a log.

    Examples
    --------
    >>> import pandas as pd
    >>> from skgnnrec import GraphFilterRecommender, LogRecommender
    >>> log = pd.DataFrame(
    ...     [("ann", "mug", 1), ("ann", "pot", 2), ("bob", "mug", 1), ("bob", "pot", 5), ("cy", "mug", 3)],
    ...     columns=["user", "item", "day"],
    ... )
    >>> rec = LogRecommender(GraphFilterRecommender(), user="user", item="item", timestamp="day", rank_decay=0.8)
    >>> rec.fit(log).recommend(["cy", "dan"], 1)[0]  # dan is unknown
    array([['pot'],
           ['mug']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommender": [BaseRecommender],
        "user": [str, Interval(Integral, 0, None, closed="left"), None],
        "item": [str, Interval(Integral, 0, None, closed="left"), None],
        "weight": [str, Interval(Integral, 0, None, closed="left"), None],
        "timestamp": [str, Interval(Integral, 0, None, closed="left"), None],
        "rank_decay": [Interval(Real, 0, 1, closed="right")],
        "half_life": SPAN,
        "unknown_users": [StrOptions({"popular", "skip", "error"})],
    }

    _user_: str | int
    _item_: str | int

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        user: str | int | None = None,
        item: str | int | None = None,
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
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from a log.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The interactions: a table of pandas, polars or pyarrow, a dict of columns, an array or a list of rows. A
            log that is larger than memory is given as a path, a list of paths, or a dataset or reader of pyarrow, and
            is read in blocks. Files end in .parquet, .csv, .arrow or .feather. Of a folder, all files are read.
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
            If a column is missing, has missing values, or values of the wrong kind.

        Warns
        -----
        UserWarning
            If y holds numbers that look like ratings, which belong into a column of `X`.
        """
        self.recommender._validate_params()  # before its parameters are read here
        task = self._init_callback_context(max_subtasks=1)
        task.call_on_fit_task_begin(estimator=self)
        source = open_log(X, "X")
        with new_state(self) as fresh:
            fresh._learn(X if source is None else source)
            task.call_on_fit_task_end(estimator=fresh)
        if y is not None and source is None:
            advice = "Put them into a column of X that weight=... names, or use GNNRatingRegressor."
            warn_of_ratings(y, shape_of(X, "X")[0], None, advice)
        return self

    def _learn(self, X: Any, catalog: ItemCatalog | None = None) -> None:
        if self.timestamp is None and (self.rank_decay < 1 or self.half_life is not None):
            raise ValueError(
                "rank_decay and half_life need the column of the times, timestamp=...; got timestamp=None."
            )
        catalog = self.recommender.catalog if catalog is None else catalog
        source = X if isinstance(X, LogSource) else open_log(X, "X")
        if source is None:
            log = self._read_log(X, reset=True)
            refuse_empty(log, self.weight)
            self._take_log(log, catalog)
        else:
            self._take_blocks(source, catalog)
        self._fit_recommender()

    @property
    def user_ids_(self) -> np.ndarray:
        """Return the ids of the users of the fit."""
        check_is_fitted(self)
        return self._users_.ids

    @property
    def item_ids_(self) -> np.ndarray:
        """Return the ids of the items."""
        check_is_fitted(self)
        return self._items_.ids

    def recommend(
        self,
        users: Any = None,
        n_recommendations: int | None = None,
        *,
        histories: Any = None,
        candidates: Any = None,
        query: Any = None,
        query_weight: float = QUERY_WEIGHT,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to users of the fit, by id, or to users whose histories are given.

        Parameters
        ----------
        users : array-like of shape (n_users,), default=None
            Ids of the users; `unknown_users` defines what users outside the fit receive. With None, and without
            `histories`, all users of the fit receive recommendations, in the order of `user_ids_`.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        histories : list, mapping or table, default=None
            The histories of users, whether or not they were in the fit. They replace the histories of the fit:

            - a list of baskets, each a list of item ids: one row of results for each basket;
            - a mapping from user ids to baskets: one row for each user, in the order of the mapping;
            - a log with the columns of the fit: one row for each user of the log, sorted by id. Weights and recency
              count as in the fit.

            Items that were not in the fit are left out with a warning.
        candidates : ItemCatalog or array-like of shape (n_candidates,), default=None
            The items to rank: None ranks every item, an array names some of them by id, an `ItemCatalog` may hold new
            items.
        query : str, array-like of shape (n_dimensions,), or list with one of them or None per user, default=None
            What the user is looking for, as in the `recommend` of the recommender. With "popular", users without
            history receive the results of a search.
        query_weight : float, default=0.8
            The weight of the query, between -1 and 1.
        exclude_seen : bool, default=True
            Whether to leave out items of the user's history.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items, best first. Rows with fewer candidates are padded with -1, or with None where ids are no
            integers.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The scores of the items, -inf for padding.

        Raises
        ------
        ValueError
            If `candidates` names unknown items, `users` holds ids of items, `users` and `histories` are both given, or
            a user is unknown and `unknown_users` is "error".

        Examples
        --------
        >>> import pandas as pd
        >>> from skgnnrec import GraphFilterRecommender, LogRecommender
        >>> log = pd.DataFrame(
        ...     [("ann", "mug"), ("ann", "pot"), ("bob", "mug"), ("bob", "pot"), ("cy", "cup"), ("cy", "tea")],
        ...     columns=["user", "item"],
        ... )
        >>> rec = LogRecommender(GraphFilterRecommender()).fit(log)
        >>> rec.recommend(histories=[["mug"], ["tea"]], n_recommendations=1)[0]
        array([['pot'],
               ['cup']], dtype=object)
        """
        check_is_fitted(self)
        if users is not None and histories is not None:
            raise ValueError("users and histories are both given: pass one of them.")
        X, user_ids = self._read_users(users) if histories is None else self._read_histories(histories)
        are_named = not isinstance(histories, list | tuple)
        return self._recommend(X, user_ids, n_recommendations, candidates, exclude_seen, query, query_weight, are_named)

    def predict(self, X: Any) -> np.ndarray:
        """Return the score of pairs of a user and an item.

        Scores rank the items of one user; those of different users need not be comparable. Pairs of the fit are scored
        like others. Users outside the fit have no history here: their pairs receive the popularity scores, and
        ``recommend(histories=...)`` takes their histories. Memory is bounded for any number of users.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_pairs, n_columns)
            The pairs. Where `user` and `item` are names, only these columns are needed.

        Returns
        -------
        scores : ndarray of shape (n_pairs,), float32
            The scores; nan where the item was neither in the fit nor in the catalog.
        """
        check_is_fitted(self)
        table = self._read_table(X, reset=False)
        asked, users = Vocabulary.of(table.ids(self._user_, "user"))
        items = self._items_.positions(table.ids(self._item_, "item"))
        histories = self._histories(self._users_.positions(asked.ids))
        scores = np.full(len(users), np.nan, dtype=np.float32)
        rows = self._answered(histories, asked.ids)
        score_pairs(self.recommender_, histories, asked.ids, rows, users, items, out=scores)
        return scores

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean NDCG@n_recommendations on held-out interactions.

        The history of each user ranks every item of the fit and of the catalog, without items of the history. Rows of
        `X` whose user and item were together in the fit do not count: they cannot be found. Of users who were not in
        the fit, a fifth of the items in `X` (at least one) is held out, and the others are the history: the latest
        items are held out where there is `timestamp`, a seeded choice elsewhere. If such a user has only one item, it
        is held out, and `unknown_users` defines the recommendations. Held-out items that are neither in the fit nor in
        the catalog are never found.

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
            If there is nothing to score, or no held-out item that can be recommended.
        LeakageWarning
            If held-out interactions are earlier than interactions of the same user in the fit: a `KFold` over a log
            learns from the future of what it scores. `TimeSeriesSplit` and `RollingWindows` do not.
        """
        ranking = self.rank_held_out(X)
        return float(ndcg_at_k(*ranking[1:3])) if len(ranking.recommended) else float("nan")

    def rank_held_out(
        self, X: Any, y: Any = None, n_recommendations: int | None = None, *, candidates: Any = None
    ) -> HeldOutRanking:
        """Return what `score` measures: the held-out interactions and the lists that should contain them.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_interactions, n_columns)
            The held-out interactions, with the columns of the fit.
        y : Ignored
            Not used.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        candidates : array-like of shape (n_candidates,), default=None
            The items to rank, by id; None ranks every item.

        Returns
        -------
        ranking : HeldOutRanking
            One row for each user who counts. Held-out items that the recommender does not know are further columns.

        Warns
        -----
        EmptyHistoryWarning
            If there is nothing to score, or no held-out item that can be recommended.
        LeakageWarning
            If held-out interactions are earlier than interactions of the same user in the fit.
        """
        check_is_fitted(self)
        histories, held_out, user_ids = self._split(self._read_log(X, reset=False))
        counted = np.diff(held_out.indptr) > 0
        if self.unknown_users == "skip":
            counted &= np.diff(histories.indptr) > 0
        rows = np.flatnonzero(counted)
        histories, held_out = histories[rows], held_out[rows]
        warn_of_nothing_to_score(held_out, len(self._items_))
        refuse_catalog(candidates, "candidates", "rank_held_out")
        found, scores = self._recommend(histories, user_ids[rows], n_recommendations, candidates)
        positions = self._items_.positions(found.ravel(), missing_ok=True).reshape(found.shape)
        histories.resize(held_out.shape)
        counts = np.bincount(self.interactions_.indices, minlength=len(self._items_))
        return HeldOutRanking(histories, held_out, np.where(np.isneginf(scores), -1, positions), counts, user_ids[rows])

    def similar_items(self, items: Any, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return similar items: the recommendations to a user who has only the given item.

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
        found, scores = self.recommender_.similar_items(self._columns(items, "items"), n)
        return self._items_.names(found), scores

    def ranker(self) -> UserRanker:
        """Return a function that ranks the items for one user at a time, without the overhead of `recommend`.

        Returns
        -------
        ranker : UserRanker
            A callable, ``ranker(user, n=10)``, with the method ``ranker.history(items, weights=None, n=10)``.
        """
        check_is_fitted(self)
        rank = self.recommender_.ranker()
        return UserRanker(rank, self._users_, self._items_, self.interactions_, self.unknown_users)

    def _read_table(self, X: Any, reset: bool, name: str = "X") -> Table:
        by_name = not reset and isinstance(self._user_, str) and isinstance(self._item_, str)
        source = open_log(X, name)
        if source is not None:
            X = source.table((self._user_, self._item_, self.weight, self.timestamp) if by_name else None)
        table = read_table(X, estimator=self, reset=reset, by_name=by_name, input_name=name)
        if reset:
            self._user_, self._item_ = columns_of_pairs(
                table, self.user, self.item, {"weight": self.weight, "timestamp": self.timestamp}
            )
        return table

    def _read_log(self, X: Any, reset: bool, name: str = "X") -> Log:
        """Return the interactions of positive weight, users and items as ids."""
        table = self._read_table(X, reset, name)
        return read_log(table, user=self._user_, item=self._item_, weight=self.weight, timestamp=self.timestamp)

    def _read_users(self, users: Any, name: str = "users") -> tuple[sparse.csr_array, np.ndarray]:
        """Return the histories of users of the fit, None for all of them, and their ids."""
        user_ids = self._users_.ids if users is None else read_users(users, name)
        rows = self._users_.positions(user_ids, name)
        if (rows < 0).all():
            check_users(user_ids, self._items_, name)
            warn_of_types(user_ids, self._users_)
        return self._histories(rows), user_ids

    def _read_users_or_histories(self, X: Any) -> tuple[sparse.csr_array, np.ndarray, bool]:
        """Return histories, the ids of their users, and whether these are ids of a log."""
        are_baskets = isinstance(X, list) and len(X) > 0 and all(isinstance(each, list | set) for each in X)
        if are_baskets or isinstance(X, Mapping) or len(getattr(X, "shape", ())) > 1:
            return *self._read_histories(X), not are_baskets
        return *self._read_users(X, "X"), True

    def _read_histories(self, histories: Any) -> tuple[sparse.csr_array, np.ndarray]:
        """Return given histories as a matrix, with the ids of their users."""
        is_columns = isinstance(histories, Mapping) and {self._user_, self._item_} <= set(histories)
        baskets = None if is_columns else baskets_of(histories)
        if baskets is not None:
            user_ids, lists = baskets
            return matrix_of_baskets(lists, self._items_, in_order=self.recommender_._reads_order), user_ids
        log = self._read_log(histories, reset=False, name="histories")
        asked, users = Vocabulary.of(log.users)
        items = self._items_.positions(log.items)
        known = drop_unknown_items(items, log.items, self._items_)
        return self._weigh(log._replace(users=users, items=items).take(known), len(asked)), asked.ids

    def _columns(self, items: Any, name: str) -> np.ndarray:
        ids = as_ids(as_list(items), name)
        columns = self._items_.positions(ids, name)
        if (columns < 0).any():
            unknown = ids[columns < 0]
            raise ValueError(f"{name} holds {len(unknown)} ids that were not in the fit: {first_few(unknown)}.")
        return columns

    def _weigh(self, log: Log, n_users: int) -> sparse.csr_array:
        shape = (n_users, len(self._items_))
        if self.recommender._reads_order and log.times is not None:  # nothing else may change the order
            decay = self.rank_decay if self.rank_decay < 1 else ORDER_DECAY
            return weigh(log._replace(weights=np.ones(len(log.users))), shape, decay, None)
        return weigh(log, shape, self.rank_decay, self.half_life)

    def _histories(self, rows: np.ndarray) -> sparse.csr_array:
        """Return the histories of users of the fit; -1 stands for a user without history."""
        return take_histories(self.interactions_, rows)

    def _answered(self, histories: sparse.csr_array, user_ids: np.ndarray) -> np.ndarray:
        """Return the rows that receive recommendations."""
        is_empty = np.diff(histories.indptr) == 0
        if is_empty.any() and self.unknown_users == "error":
            unknown = user_ids[is_empty]
            raise ValueError(
                f"{len(unknown)} users are unknown, they were not in the fit: {first_few(unknown)}. "
                "unknown_users='popular' recommends popular items to them, 'skip' nothing."
            )
        # Every recommender gives users without history the popularity ranking.
        return np.arange(len(is_empty)) if self.unknown_users == "popular" else np.flatnonzero(~is_empty)

    def _recommend(
        self,
        histories: sparse.csr_array,
        user_ids: np.ndarray,
        n_recommendations: int | None = None,
        candidates: Any = None,
        exclude_seen: bool = True,
        query: Any = None,
        query_weight: float = QUERY_WEIGHT,
        are_named: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        n = self.recommender_._length_of_lists(n_recommendations, "recommend", exclude_seen)
        is_catalog = isinstance(candidates, ItemCatalog)
        if is_catalog and self._catalog_ is None:
            raise ValueError(
                "candidates is an ItemCatalog, but the recommender has none: pass catalog= to its constructor."
            )
        vocabulary = candidates._vocabulary if is_catalog else self._items_
        by_position = self.recommender_.item_ids_ is None and not is_catalog
        if by_position and candidates is not None:
            candidates = self._columns(candidates, "candidates")
        nothing = np.full((len(user_ids), n), -1)
        found = nothing if vocabulary is None else vocabulary.names(nothing)
        scores = np.full(found.shape, -np.inf, dtype=np.float32)
        rows = self._answered(histories, user_ids)
        if len(rows):
            best, scores[rows] = self.recommender_.recommend(
                histories[rows],
                n,
                candidates=candidates,
                query=query_of_rows(query, rows, len(user_ids)),
                query_weight=query_weight,
                exclude_seen=exclude_seen,
                **(self.recommender_._about(user_ids[rows]) if are_named else {}),
            )
            found[rows] = self._items_.names(best) if by_position else best
        return found, scores

    def _split(self, log: Log) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
        """Return histories, held-out interactions (new items as further columns) and the ids of the users."""
        n_items = len(self._items_)
        asked, users = Vocabulary.of(log.users)
        items = self._items_.positions(log.items)
        new, places = Vocabulary.of(log.items[items < 0])
        items[items < 0] = n_items + places
        log = log._replace(users=users, items=items)
        shape = (len(asked), n_items + len(new))
        keys = users * shape[1] + items
        rows = self._users_.positions(asked.ids)
        histories = self._histories(rows)
        is_held_out = ~np.isin(keys, row_of_each(histories) * shape[1] + histories.indices)
        if self._latest_times_ is not None and log.times is not None and log.times.unit == self._time_unit_:
            is_old = is_held_out & (rows[users] >= 0)
            is_early = log.times.values[is_old] < self._latest_times_[rows[users][is_old]]
            warn_of_early(int(is_early.sum()), int(is_held_out.sum()))
        is_new = rows[users] < 0
        if is_new.any():
            is_held_out[is_new] = hide_share(log.take(np.flatnonzero(is_new)), shape, SCORE_TEST_SIZE, SCORE_SEED)
            known_items = log.take(np.flatnonzero(is_new & ~is_held_out & (items < n_items)))
            histories = sparse.csr_array(histories + self._weigh(known_items, len(asked)))
        held_out = np.unique(keys[is_held_out])
        return histories, matrix_of_pairs(held_out, np.ones(len(held_out)), shape), asked.ids
