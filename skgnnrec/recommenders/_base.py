"""The contract that every recommender keeps."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import HasMethods, Interval, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skgnnrec._holdout import hold_out_share
from skgnnrec._validation import check_interactions, column_ids
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import Exact, rank_in_blocks
from skgnnrec.recommenders._item_vectors import ItemVectors

__all__ = ["BaseRecommender", "Scorer"]

Scorer = Callable[[sparse.csr_array], np.ndarray]

SCORE_TEST_SIZE = 0.2  # of each row, hidden by score(X): fixed, with its seed, so that candidates see one split
SCORE_SEED = 0


class BaseRecommender(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """Base of all recommenders: a sample is a user, a feature is an item.

    A concrete recommender says how it learns (`_fit_interactions`), how it scores the items it was fitted with
    (`_item_scorer`) and items it was not (`_new_item_scorer`), and where users stand in its space (`_embed`).
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_recommendations": [Interval(Integral, 1, None, closed="left")],
        "items": [ItemCatalog, None],
        "item_encoder": [HasMethods(["fit", "transform"]), None],
        "memory": [str, HasMethods(["cache"]), None],
    }

    _how_to_read_items: ClassVar[str] = "text_weight > 0"

    n_recommendations: int
    items: ItemCatalog | None

    @abstractmethod
    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None) -> None:
        """Learn from which cells are filled (X is binary) and, where items are known, their unit vectors."""

    @abstractmethod
    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        """Return a function from histories to a new float32 array of scores of fitted items (None: all)."""

    @abstractmethod
    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        """Return a function from histories to a new float32 array of scores of items known by vectors only."""

    @abstractmethod
    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        """Return the users' embeddings."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "BaseRecommender":
        """Learn from interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions, one row per user: finite, non-negative, zero = not seen. The columns of a DataFrame
            are the item ids.
        y : Ignored
            Not used. Held-out interactions may ride along as y through any search without leaking into the fit.

        Returns
        -------
        self : object
            The fitted recommender.
        """
        task = self._init_callback_context(max_subtasks=self._max_epochs())
        task.call_on_fit_task_begin(estimator=self)
        filled, vectors = self._read_interactions(X)
        self._fit_interactions(filled, vectors)
        task.call_on_fit_task_end(estimator=self)
        return self

    def _max_epochs(self) -> int:
        """Return how many epochs a fit reports to callbacks; 0 where there is no training."""
        return 0

    def _reads_items(self) -> bool:
        """Return whether item vectors enter the fit, where there is a catalog."""
        return getattr(self, "text_weight", 0) > 0

    def _read_interactions(self, X: Any) -> tuple[sparse.csr_array, np.ndarray | None]:
        """Return which cells are filled and the item vectors, and keep what is known of the items."""
        ids = column_ids(X)
        X = check_interactions(X, estimator=self, reset=True)
        catalog = self._aligned_catalog(ids, X.shape[1])
        self.item_ids_ = ids if ids is not None else (catalog.ids if catalog is not None else None)
        self._fitted_ids = None if self.item_ids_ is None else ItemCatalog(self.item_ids_, ids=self.item_ids_)
        self._item_vectors = None
        vectors, filled = None, fill(X)
        if catalog is not None and self._reads_items():
            self._item_vectors = ItemVectors(self.item_encoder, self.memory)
            vectors = self._item_vectors.fit_transform(catalog, filled)
        self._popularity = count_users(X)
        return filled, vectors

    def recommend(
        self,
        X: Any,
        n_recommendations: int | None = None,
        *,
        items: Any = None,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to each user, seen before or new.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The users' histories; a row need not have been in the fit. An empty row gets what most users have.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        items : ItemCatalog or array-like of shape (n_candidates,), default=None
            The candidates. None ranks every fitted item; an array names some of them, by id where ids are known and
            by position elsewhere; an `ItemCatalog` may hold items the recommender has never seen, which are scored
            by their data.
        exclude_seen : bool, default=True
            Whether items of a user's history are left out.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first. A row with fewer candidates ends in
            -1, or None where ids are not integers.
        scores : ndarray of shape (n_users, n_recommendations), float32
            Their scores, -inf where there is no item.

        Raises
        ------
        ValueError
            If `X` has other columns than in the fit, or `items` names unknown items.
        """
        X = self._check_histories(X)
        n = self._length_of_lists(n_recommendations, "recommend")
        score, columns, ids = self._candidates(items)
        seen = _select_columns(X, columns) if exclude_seen else None
        positions, scores = rank_in_blocks(score, X, n, n_columns=len(columns), seen=seen)
        return _name(positions, ids), scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the `n_recommendations` best items for each user, items of the history left out.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The users' histories.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first, padded with -1 or None.
        """
        return self.recommend(X)[0]

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the score of every item for each user.

        The result is dense, users × items: for small data and for scorers. `recommend` ranks without it.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The users' histories.

        Returns
        -------
        scores : ndarray of shape (n_users, n_items), float32
            The scores; items of the history are not masked.
        """
        X = self._check_histories(X)
        return self._scorer(None)(X)

    def transform(self, X: Any) -> np.ndarray:
        """Return the embedding of each user.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The users' histories.

        Returns
        -------
        embeddings : ndarray of shape (n_users, embedding_dim), float32
            The users in the space of `item_embedding_`.
        """
        return self._embed(self._check_histories(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean NDCG@n_recommendations on held-out interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories that recommendations are made from.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions: relevant is what is not zero. An array of integers of shape (n_users,) or
            (n_users, 1) names one held-out item for each user instead, by its position (-1: none). With None, a
            seeded fifth of each row of `X` (at least one interaction, rows of two or more) is hidden and the rest is
            the history.
        sample_weight : array-like of shape (n_users,), default=None
            Weights of the users in the mean, non-negative.

        Returns
        -------
        score : float
            The mean over users with held-out interactions, between 0 and 1. Items of the history are never
            recommended, so an item that is in both `X` and `y` cannot be hit.

        Raises
        ------
        ValueError
            If nobody has a held-out interaction.
        """
        ranking = self.rank_held_out(X, y)
        return float(ndcg_at_k(ranking.held_out, ranking.recommended, sample_weight=sample_weight))

    def rank_held_out(
        self, X: Any, y: Any = None, n_recommendations: int | None = None, *, items: Any = None
    ) -> HeldOutRanking:
        """Return what `score` measures: the held-out interactions, and the lists that should hold them.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories that recommendations are made from.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions, as in `score`; with None, a share of each row of `X`.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        items : array-like of shape (n_candidates,), default=None
            The candidates, fitted items as in `recommend`; None ranks every fitted item.

        Returns
        -------
        ranking : HeldOutRanking
            Histories, held-out interactions, lists of positions, and how many users of the fit have each item: what
            scorers read, and all metrics can be computed from. Users with nothing held out are not ranked, their lists
            are empty.

        Raises
        ------
        ValueError
            If `X` or `y` has other columns than in the fit, or `items` names unknown items.
        """
        X = self._check_histories(X)
        n = self._length_of_lists(n_recommendations, "rank_held_out")
        if y is None:
            X, y = hold_out_share(X, SCORE_TEST_SIZE, SCORE_SEED)
        else:
            y = self._check_held_out(y, X.shape)
        refuse_catalog(items, "rank_held_out")
        score, columns, _ = self._candidates(items)
        positions = np.full((X.shape[0], n), -1)
        asked = np.flatnonzero(np.diff(y.indptr))
        histories = X[asked]
        seen = _select_columns(histories, columns)
        best, _ = rank_in_blocks(score, histories, n, n_columns=len(columns), seen=seen)
        positions[asked] = np.append(columns, -1)[best]
        return HeldOutRanking(X, y, positions, self._popularity)

    def similar_items(self, items: Any, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return what goes with items: the recommendations to a user who has that one item.

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
        refuse_catalog(items, "similar_items")
        columns = self._columns(np.atleast_1d(np.asarray(items)))
        queries = sparse.csr_array(
            (np.ones(len(columns), dtype=np.float32), columns, np.arange(len(columns) + 1)),
            shape=(len(columns), self.n_features_in_),
        )
        positions, scores = rank_in_blocks(self._scorer(None), queries, n, n_columns=self.n_features_in_, seen=queries)
        return _name(positions, self.item_ids_), scores

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

    def _length_of_lists(self, given: int | None, caller: str) -> int:
        n = self.n_recommendations if given is None else given
        constraint = {"n_recommendations": self._parameter_constraints["n_recommendations"]}
        validate_parameter_constraints(constraint, {"n_recommendations": n}, caller)
        return n

    def _check_histories(self, X: Any) -> sparse.csr_array:
        check_is_fitted(self)
        ids = column_ids(X)
        X = check_interactions(X, estimator=self)
        # scikit-learn compares names that are strings; item ids of other types are compared here.
        self._check_order(ids, "X")
        return X

    def _check_held_out(self, y: Any, shape: tuple[int, int]) -> sparse.csr_array:
        if not sparse.issparse(y) and shape[1] > 1 and np.shape(y) in (shape[:1], (shape[0], 1)):
            return _one_per_row(np.ravel(y), shape)
        ids = column_ids(y)
        y = check_interactions(y, input_name="y")
        if y.shape != shape:
            raise ValueError(f"y has shape {y.shape}, X {shape}: held-out interactions stand in the same cells.")
        self._check_order(ids, "y")
        return y

    def _check_order(self, ids: np.ndarray | None, input_name: str) -> None:
        if ids is not None and self.item_ids_ is not None and list(ids) != list(self.item_ids_):
            raise ValueError(
                f"The columns of {input_name} must be the items of the fit, in that order: {input_name} starts with "
                f"{list(ids[:3])}, the fit with {list(self.item_ids_[:3])}. "
                f"{input_name}.reindex(columns=recommender.item_ids_, fill_value=0) aligns them."
            )

    def _aligned_catalog(self, ids: np.ndarray | None, n_items: int) -> ItemCatalog | None:
        """Return the catalog with one row for each column of X."""
        if self.items is None:
            if getattr(self, "item_encoder", None) is not None:
                raise ValueError("item_encoder has nothing to encode without items=ItemCatalog(...).")
            return None
        if ids is not None and self.items.ids is not None:
            return self.items.align(ids)
        if self.items.n_items != n_items:
            raise ItemAlignmentError(f"X has {n_items} columns, the catalog {self.items.n_items} items.")
        return self.items

    def _columns(self, items: np.ndarray) -> np.ndarray:
        """Return the columns of fitted items, by id or by position."""
        if self._fitted_ids is not None:
            columns = self._fitted_ids.positions(items)
        elif items.dtype.kind in "iu":
            columns = np.where((items >= 0) & (items < self.n_features_in_), items, -1)
        else:
            raise ValueError(f"items must be positions (integers) where no ids are known, got dtype {items.dtype}.")
        if (columns < 0).any():
            unknown = items[columns < 0]
            kind = "positions" if self._fitted_ids is None else "ids"
            raise ValueError(
                f"items holds {len(unknown)} {kind} that the recommender was not fitted with: {unknown[:5].tolist()}. "
                "The candidates of recommend may be new, as an ItemCatalog."
            )
        return columns

    def _candidates(self, items: Any) -> tuple[Scorer, np.ndarray, np.ndarray | None]:
        """Return how candidates are scored, their columns in X (-1 for a new item) and their ids."""
        if items is None:
            return self._scorer(None), np.arange(self.n_features_in_), self.item_ids_
        if isinstance(items, ItemCatalog):
            return self._catalog_candidates(items)
        items = np.asarray(items)
        if items.ndim != 1:
            raise ValueError(f"items must be an ItemCatalog or have one dimension, got shape {items.shape}.")
        columns = self._columns(items)
        if len(np.unique(columns)) < len(columns):
            raise ValueError("items names a candidate twice.")
        return self._scorer(columns), columns, columns if self.item_ids_ is None else self.item_ids_[columns]

    def _scorer(self, columns: np.ndarray | None) -> Scorer:
        """Return a function that scores fitted items; who has no history gets what most users have."""
        popularity = self._popularity[slice(None) if columns is None else columns]
        return ScorerOrPopularity(self._item_scorer(columns), popularity)

    def _catalog_candidates(self, catalog: ItemCatalog) -> tuple[Scorer, np.ndarray, np.ndarray | None]:
        """Score a catalog's items: those of the fit, recognised by id, as such, the others by their data."""
        if self._fitted_ids is not None and catalog.ids is not None:
            columns = self._fitted_ids.positions(catalog.ids)
        else:
            columns = np.full(catalog.n_items, -1)
        known, new = np.flatnonzero(columns >= 0), np.flatnonzero(columns < 0)
        score_known = self._scorer(columns[known])
        score_new = self._new_item_scorer(self._vectors_of(catalog.take(new))) if len(new) else None

        def score(X: sparse.csr_array) -> np.ndarray:
            scores = np.empty((X.shape[0], len(columns)), dtype=np.float32)
            scores[:, known] = score_known(X)
            if score_new is not None:
                scores[:, new] = score_new(X)
            return scores

        return score, columns, catalog.ids

    def _vectors_of(self, catalog: ItemCatalog) -> np.ndarray:
        if self._item_vectors is None:
            raise ValueError(
                f"items holds {catalog.n_items} new items, but {type(self).__name__} was fitted without item vectors: "
                f"it needs items=ItemCatalog(...) and {self._how_to_read_items}."
            )
        return self._item_vectors.transform(catalog)


class ScorerOrPopularity:
    """Score histories; who has none gets what most users have."""

    def __init__(self, score: Scorer, popularity: np.ndarray) -> None:
        self._score, self._popularity = score, popularity
        self._rough_score = getattr(score, "rough", None)
        self.rough = None if self._rough_score is None else self._rough

    def __call__(self, X: sparse.csr_array) -> np.ndarray:
        scores = self._score(X)
        scores[np.diff(X.indptr) == 0] = self._popularity
        return scores

    def _rough(self, X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, Exact]:
        assert self._rough_score is not None
        scores, error, exact_score = self._rough_score(X)
        is_empty = np.diff(X.indptr) == 0
        scores[is_empty], error[is_empty] = self._popularity, 0

        def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            return np.where(is_empty[rows], self._popularity[columns], exact_score(rows, columns))

        return scores, error, exact


def count_users(X: sparse.csr_array) -> np.ndarray:
    """Return the number of users of each item, float32."""
    return np.bincount(X.indices, minlength=X.shape[1]).astype(np.float32)


def fill(X: sparse.csr_array) -> sparse.csr_array:
    """Return X with ones: what counts more or less is the history being answered, see the notes of the recommenders."""
    return sparse.csr_array((np.ones_like(X.data), X.indices, X.indptr), shape=X.shape)


def refuse_catalog(items: Any, caller: str) -> None:
    """Refuse candidates that may be new, where only fitted items make sense."""
    if isinstance(items, ItemCatalog):
        raise ValueError(f"items must name fitted items, got an ItemCatalog: {caller} knows no new items.")


def _select_columns(X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
    """Return the columns of X, in that order; -1 stands for a column without entries."""
    if len(columns) == X.shape[1] and (columns == np.arange(X.shape[1])).all():
        return X
    place = np.full(X.shape[1], -1, dtype=np.int64)
    place[columns[columns >= 0]] = np.flatnonzero(columns >= 0)
    kept = place[X.indices] >= 0
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return sparse.csr_array((X.data[kept], (rows[kept], place[X.indices[kept]])), shape=(X.shape[0], len(columns)))


def _one_per_row(columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a matrix with one entry in each row, none where the column is -1."""
    if columns.dtype.kind not in "iu" or (columns < -1).any() or (columns >= shape[1]).any():
        raise ValueError(
            f"y with one entry for each user must hold positions of items, integers from 0 to {shape[1] - 1} or -1 for "
            f"none; got {columns[:5].tolist()}... of dtype {columns.dtype}."
        )
    rows = np.flatnonzero(columns >= 0)
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns[rows])), shape=shape)


def _name(positions: np.ndarray, ids: np.ndarray | None) -> np.ndarray:
    """Return the ids at positions; -1 stays -1 for integer ids and becomes None for others."""
    if ids is None:
        return positions
    are_integers = ids.dtype.kind in "iu"
    # Unsigned ids need a type that has a -1: int64, or objects where they do not fit.
    dtype = np.int64 if are_integers and np.can_cast(ids.dtype, np.int64) else object
    return np.append(ids.astype(dtype), np.array([-1 if are_integers else None], dtype=dtype))[positions]
