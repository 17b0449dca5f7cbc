"""The contract of every recommender."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec._fitted_state import new_state
from skgnnrec._memory import check_memory
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.graph import count_users
from skgnnrec.interactions import (
    Vocabulary,
    as_ids,
    as_positions,
    binarize,
    check_interactions,
    column_vocabulary,
    first_few,
    hold_out_share,
    refuse_log,
    shape_of,
    weigh_by_rank,
)
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import QUERY_WEIGHT, ByRecency, Ranker, Scorer, SideBySide, WithFallback, rank_in_blocks
from skgnnrec.recommenders._arguments import (
    check_columns,
    is_list,
    one_per_row,
    refuse_catalog,
    refuse_other_candidates,
    refuse_table,
    select_columns,
    warn_of_ratings,
)
from skgnnrec.recommenders._data_of_users import DataOfUsers
from skgnnrec.recommenders._diagram import diagram
from skgnnrec.recommenders._item_vectors import ItemEncoder
from skgnnrec.recommenders._queries import steered

__all__ = ["BaseRecommender"]

SCORE_TEST_SIZE = 0.2  # of each row, hidden by score(X): fixed, with its seed, so that all candidates see one split
SCORE_SEED = 0


class BaseRecommender(
    DataOfUsers,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Base of all recommenders: a sample is a user, a feature is an item.

    A concrete recommender defines how it learns (`_fit_interactions`), how it scores the items of the fit (`_scorer`)
    and other items (`_new_item_scorer`), and the embedding of users (`_embed`). The names of all that it learns end
    with an underscore.
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_recommendations": [Interval(Integral, 1, None, closed="left")],
        "catalog": [ItemCatalog, None],
        "item_encoder": [HasMethods(["fit", "transform"]), None],
        "memory": [str, HasMethods(["cache"]), None],
    }

    _sk_visual_block_ = diagram
    _how_to_use_items: ClassVar[str] = "content_weight > 0"  # in a message
    _reads_order: ClassVar[bool] = False  # of the values of a row, and nothing else of them

    n_recommendations: int
    catalog: ItemCatalog | None
    item_vectors_: np.ndarray | None

    @abstractmethod
    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        """Learn from X and, where they are known, the unit vectors of items; `previous` is the old state."""

    @abstractmethod
    def _scorer(self) -> Scorer:
        """Return the scorer of the items of the fit."""

    @abstractmethod
    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        """Return the scorer of items of which only the unit vectors are known."""

    @abstractmethod
    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        """Return the embeddings of users."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions, one row per user: finite, non-negative, zero = not seen. The columns of a DataFrame are
            the item ids.
        y : Ignored
            Not used. Held-out interactions can be passed as y through any search without leaking into the fit.

        Returns
        -------
        self : object
            The fitted recommender.

        Warns
        -----
        UserWarning
            If y holds numbers that look like ratings, which belong into `X`.
        """
        return self._fit(X, y)

    def _fit(self, X: Any, y: Any, **options: Any) -> Self:
        """Learn from X, replace the state, and warn of ratings in the place of y."""
        task = self._init_callback_context(max_subtasks=self._max_epochs())
        task.call_on_fit_task_begin(estimator=self)
        with new_state(self) as fresh:
            fresh._learn(X, previous=self, **options)
            task.call_on_fit_task_end(estimator=fresh)
        if y is not None:
            n_rows, n_interactions = shape_of(X, "X")[0], int(self._item_counts_.sum())
            advice = "Put them into X as the values of interactions, or use GNNRatingRegressor."
            warn_of_ratings(y, n_rows, n_interactions, advice)
        return self

    def _validate_params(self) -> None:
        refuse_table(self)
        super()._validate_params()

    def _max_epochs(self) -> int:
        """Return how many epochs a fit reports to callbacks; 0 where there is no training."""
        return 0

    def _uses_items(self) -> bool:
        """Return whether item vectors are part of the fit, where there is a catalog."""
        return getattr(self, "content_weight", 0) > 0

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        X = check_interactions(X, estimator=self, reset=True)
        catalog = self._aligned_catalog(vocabulary, X.shape[1])
        self._vocabulary_ = catalog._vocabulary if vocabulary is None and catalog is not None else vocabulary
        self._item_counts_ = count_users(X)
        self._remember(X)
        rank_decay = getattr(self, "rank_decay", None)
        self._rank_decay_ = None if rank_decay is None else float(rank_decay)
        self._encoder_: ItemEncoder | None = None
        self.item_vectors_ = None
        if catalog is not None and self._uses_items():
            self._encoder_, self.item_vectors_ = ItemEncoder.fit_transform(
                getattr(self, "item_encoder", None), catalog, getattr(self, "memory", None), binarize(X)
            )
        self._fit_interactions(X, self.item_vectors_, previous, **options)
        self._scorer_ = self._with_fallback(self._scorer())

    def _remember(self, X: sparse.csr_array) -> None:
        """Keep what later updates need; nothing here."""

    def _with_fallback(self, scorer: Scorer) -> WithFallback:
        """Return a scorer that gives users without history the popularity ranking."""
        return WithFallback(self._by_recency(scorer), self._item_counts_.astype(np.float32))

    def _by_recency(self, scorer: Scorer) -> Scorer:
        return scorer if self._rank_decay_ is None else ByRecency(scorer, self._rank_decay_)

    def _weigh(self, X: sparse.csr_array) -> sparse.csr_array:
        """Return histories with the values that the scorer receives."""
        return X if self._rank_decay_ is None else weigh_by_rank(X, self._rank_decay_)

    @property
    def item_ids_(self) -> np.ndarray | None:
        """Return the item ids, None where items are known by position."""
        check_is_fitted(self)
        return None if self._vocabulary_ is None else self._vocabulary_.ids

    def recommend(
        self,
        X: Any,
        n_recommendations: int | None = None,
        *,
        candidates: Any = None,
        query: Any = None,
        query_weight: float = QUERY_WEIGHT,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to each user, whether or not the user was in the fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users. Users without history receive the popularity ranking.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        candidates : ItemCatalog or array-like of shape (n_candidates,), default=None
            The items to rank. None ranks every fitted item; an array names some of them, by id where ids are known and
            by position elsewhere; an `ItemCatalog` may hold items that were not in the fit, which are scored by their
            data.
        query : str, array-like of shape (n_dimensions,), or list with one of them or None per user, default=None
            What the user is looking for: a sentence, which `item_encoder` turns into a vector, or a vector in the space
            of the item vectors before they are centred. Users without history receive the results of a search.
        query_weight : float, default=0.8
            The weight w of the query, between -1 and 1. The scores are (1 - abs(w)) times those of the history plus w
            times the cosines with the query, both minus their mean and divided by their standard deviation over the
            items of the fit. With 1 the result is that of a search; below 0, items close to the query are moved down.
        exclude_seen : bool, default=True
            Whether to leave out items of the user's history.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first. Rows with fewer candidates are padded with
            -1, or with None where ids are no integers.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The scores of the items, -inf for padding.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those of the fit, `candidates` names unknown items, or there is a `query`
            but no item vectors.
        """
        return self._recommend(
            self._check_histories(X), n_recommendations, candidates, query, query_weight, exclude_seen
        )

    def _recommend(
        self, X: sparse.csr_array, n: int | None, candidates: Any, query: Any, query_weight: float, exclude_seen: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return lists for the rows of X, which may have further columns after those of the items."""
        n = self._length_of_lists(n, "recommend", exclude_seen)
        scorer, columns, vocabulary = self._candidates(candidates)
        seen = select_columns(X, columns) if exclude_seen else None
        constraints = {"query_weight": [Interval(Real, -1, 1, closed="both")]}
        validate_parameter_constraints(constraints, {"query_weight": query_weight}, "recommend")
        if query is not None:
            scorer, X = self._steered(X, scorer, columns, candidates, query, query_weight)
        found, scores = rank_in_blocks(scorer, X, n, seen)
        return (found if vocabulary is None else vocabulary.names(found)), scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the `n_recommendations` best items for each user, without items of the history.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first, padded with -1 or None.
        """
        return self.recommend(X)[0]

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the score of every item for each user.

        The result is dense, users × items: use it for small data. `recommend` ranks without it.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.

        Returns
        -------
        scores : ndarray of shape (n_users, n_items), float32
            The scores; items of the history are not masked.
        """
        X = self._check_histories(X)
        check_memory(
            8 * X.shape[0] * X.shape[1],  # two terms of scores
            f"decision_function for {X.shape[0]} users and {X.shape[1]} items",
            "Pass fewer users at a time, or call recommend, which holds the scores of one block of users.",
        )
        return self._scorer_.scores(X)

    def transform(self, X: Any) -> np.ndarray:
        """Return the embedding of each user.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.

        Returns
        -------
        embeddings : ndarray of shape (n_users, embedding_dim), float32
            The users in the space of `item_embedding_`.
        """
        return self._embed(self._weigh(self._check_histories(X)))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean NDCG@n_recommendations on held-out interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories that recommendations are made from.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions: values other than zero are relevant. An array of integers of shape (n_users,) or
            (n_users, 1) names one held-out item for each user instead, by its position (-1: none). With None, a seeded
            fifth of each row of `X` (at least one interaction, of rows with two or more) is hidden, and the rest is the
            history.
        sample_weight : array-like of shape (n_users,), default=None
            Weights of the users in the mean, non-negative.

        Returns
        -------
        score : float
            The mean over users with held-out interactions, between 0 and 1. Items of the history are never
            recommended, so an item in both `X` and `y` cannot be found.

        Raises
        ------
        ValueError
            If no user has a held-out interaction.
        """
        ranking = self.rank_held_out(X, y)
        return float(ndcg_at_k(ranking.held_out, ranking.recommended, sample_weight=sample_weight))

    def rank_held_out(
        self, X: Any, y: Any = None, n_recommendations: int | None = None, *, candidates: Any = None
    ) -> HeldOutRanking:
        """Return what `score` measures: the held-out interactions and the lists that should contain them.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories that recommendations are made from.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions, as in `score`; with None, a share of each row of `X`.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        candidates : array-like of shape (n_candidates,), default=None
            The fitted items to rank, as in `recommend`; None ranks all of them.

        Returns
        -------
        ranking : HeldOutRanking
            Histories, held-out interactions, lists of positions, and the number of users of the fit of each item. Users
            without held-out interactions are not ranked; their lists are empty.

        Raises
        ------
        ValueError
            If the columns of `X` or `y` differ from those of the fit, or `candidates` names unknown items.
        """
        return self._rank_held_out(self._check_histories(X), y, n_recommendations, candidates)

    def _rank_held_out(
        self, X: sparse.csr_array, y: Any, n: int | None, candidates: Any, beside: sparse.csr_array | None = None
    ) -> HeldOutRanking:
        """Return the ranking of held-out interactions; `beside` has further columns of the rows of X."""
        n = self._length_of_lists(n, "rank_held_out")
        if y is None:
            X, y = hold_out_share(X, SCORE_TEST_SIZE, SCORE_SEED)
        else:
            y = self._check_held_out(y, X.shape)
        refuse_catalog(candidates, "candidates", "rank_held_out")
        scorer, columns, _ = self._candidates(candidates)
        positions = np.full((X.shape[0], n), -1)
        asked = np.flatnonzero(np.diff(y.indptr))
        histories = X[asked] if beside is None else sparse.csr_array(sparse.hstack([X, beside], format="csr")[asked])
        best, _ = rank_in_blocks(scorer, histories, n, select_columns(histories, columns))
        positions[asked] = np.append(columns, -1)[best]
        return HeldOutRanking(X, y, positions, self._item_counts_)

    def similar_items(self, items: Any, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return similar items: the recommendations to a user who has only the given item.

        Parameters
        ----------
        items : array-like of shape (n_queries,)
            Fitted items, by id where ids are known and by position elsewhere.
        n : int, default=10
            Similar items per query.

        Returns
        -------
        items : ndarray of shape (n_queries, n)
            The most similar items, best first, without the query itself.
        scores : ndarray of shape (n_queries, n), float32
            Their scores.
        """
        check_is_fitted(self)
        constraint = {"n": self._parameter_constraints["n_recommendations"]}
        validate_parameter_constraints(constraint, {"n": n}, "similar_items")
        refuse_catalog(items, "items", "similar_items")
        columns = self._columns(items if is_list(items) else [items], "items")
        queries = sparse.csr_array(
            (np.ones(len(columns), dtype=np.float32), columns, np.arange(len(columns) + 1)),
            shape=(len(columns), self.n_features_in_),
        )
        found, scores = rank_in_blocks(self._scorer_, queries, int(n), queries)
        return (found if self._vocabulary_ is None else self._vocabulary_.names(found)), scores

    def ranker(self) -> Ranker:
        """Return a function that ranks the items for one user at a time, without the overhead of `recommend`.

        It takes positions of items and returns positions and scores, the same as those of `recommend`. It can be called
        from several threads, and a later fit does not change it.

        Returns
        -------
        ranker : Ranker
            A callable: ``ranker(positions, weights=None, n=10)``.
        """
        check_is_fitted(self)
        return Ranker(self._scorer_, self.n_features_in_)

    @property
    def _n_features_out(self) -> int:
        return int(self.item_embedding_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _length_of_lists(self, given: int | None, caller: str, exclude_seen: bool = True) -> int:
        """Return the number of recommendations; refuse other values than numbers and flags."""
        n = self.n_recommendations if given is None else given
        constraints = {
            "n_recommendations": self._parameter_constraints["n_recommendations"],
            "exclude_seen": ["boolean"],
        }
        validate_parameter_constraints(constraints, {"n_recommendations": n, "exclude_seen": exclude_seen}, caller)
        return int(n)  # products of NumPy's narrow integers wrap

    def _check_histories(self, X: Any) -> sparse.csr_array:
        check_is_fitted(self)
        vocabulary = column_vocabulary(X)
        X = check_interactions(X, estimator=self)
        check_columns(vocabulary, self._vocabulary_, "X")
        return X

    def _check_held_out(self, y: Any, shape: tuple[int, int]) -> sparse.csr_array:
        if not sparse.issparse(y) and shape[1] > 1 and shape_of(y, "y") in (shape[:1], (shape[0], 1)):
            return one_per_row(np.ravel(y), shape)
        vocabulary = column_vocabulary(y, "y")
        y = check_interactions(y, input_name="y")
        if y.shape != shape:
            raise ValueError(f"y has shape {y.shape}, X {shape}: both must have the same users and items.")
        check_columns(vocabulary, self._vocabulary_, "y")
        return y

    def _aligned_catalog(self, vocabulary: Vocabulary | None, n_items: int) -> ItemCatalog | None:
        """Return the catalog with one row for each column of X."""
        if self.catalog is None:
            if getattr(self, "item_encoder", None) is not None:
                raise ValueError("item_encoder requires catalog=ItemCatalog(...).")
            return None
        if vocabulary is not None and self.catalog.ids is not None:
            return self.catalog.align(vocabulary)
        if self.catalog.n_items != n_items:
            raise ItemAlignmentError(f"X has {n_items} columns, the catalog {self.catalog.n_items} items.")
        return self.catalog

    def _columns(self, items: Any, name: str) -> np.ndarray:
        """Return the columns of fitted items, by id or by position."""
        items = as_ids(items, name)
        if self._vocabulary_ is not None:
            kind, columns = "ids", self._vocabulary_.positions(items, name)
        else:
            kind = "positions"
            positions = as_positions(items, name, "The recommender was fitted without ids of items.")
            columns = np.where((positions >= 0) & (positions < self.n_features_in_), positions, -1).astype(np.int64)
        if (columns < 0).any():
            unknown = items[columns < 0]
            hint = " Candidates that were not in the fit are passed as an ItemCatalog." if name == "candidates" else ""
            raise ValueError(
                f"{name} holds {len(unknown)} {kind} that the recommender was not fitted with: {first_few(unknown)}."
                f"{hint}"
            )
        return columns

    def _candidates(self, candidates: Any) -> tuple[Scorer, np.ndarray, Vocabulary | None]:
        """Return the scorer of candidates, their columns in X (-1 for new items) and their ids."""
        if candidates is None:
            return self._scorer_, np.arange(self.n_features_in_), self._vocabulary_
        if isinstance(candidates, ItemCatalog):
            return self._catalog_candidates(candidates)
        refuse_other_candidates(candidates)
        columns = self._columns(candidates, "candidates")
        if len(np.unique(columns)) < len(columns):
            raise ValueError("candidates names an item twice.")
        vocabulary = Vocabulary(columns) if self._vocabulary_ is None else self._vocabulary_.take(columns)
        return self._scorer_.take(columns), columns, vocabulary

    def _catalog_candidates(self, catalog: ItemCatalog) -> tuple[Scorer, np.ndarray, Vocabulary | None]:
        """Return a scorer of the items of a catalog: fitted items, recognised by id, as such, others by their data."""
        if self._vocabulary_ is not None and catalog._vocabulary is not None:
            columns = self._vocabulary_.positions(catalog._vocabulary.ids)
        else:
            columns = np.full(catalog.n_items, -1)
        known, new = np.flatnonzero(columns >= 0), np.flatnonzero(columns < 0)
        parts: list[tuple[Scorer, np.ndarray]] = [(self._scorer_.take(columns[known]), known)]
        if len(new):
            parts.append((self._by_recency(self._new_item_scorer(self._vectors_of(catalog.take(new)))), new))
        return SideBySide(tuple(parts)), columns, catalog._vocabulary

    def _steered(
        self, X: sparse.csr_array, scorer: Scorer, columns: np.ndarray, candidates: Any, query: Any, weight: float
    ) -> tuple[Scorer, sparse.csr_array]:
        """Return the scorer of candidates for histories with queries, and these histories."""
        return steered(self, X, scorer, columns, candidates, query, weight)

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        """Return the part of the contributions of each entry of X to fitted items that content makes, of warm items."""
        return np.zeros(X.nnz)

    def _vectors_of(self, catalog: ItemCatalog) -> np.ndarray:
        if self._encoder_ is None:
            raise ValueError(
                f"candidates holds {catalog.n_items} new items, but {type(self).__name__} was fitted without item "
                f"vectors: it needs catalog=ItemCatalog(...) and {self._how_to_use_items}."
            )
        return self._encoder_.transform(catalog)
