"""The part that all recommenders with data of users have in common: another recommender, and who the rows are."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context, clone
from sklearn.callback import with_callbacks
from sklearn.utils.metaestimators import available_if

from skgnnrec._fitted_state import new_state
from skgnnrec._memory import check_memory
from skgnnrec.interactions import check_interactions, describe_type, first_few, refuse_log, shape_of, warn_caller
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import QUERY_WEIGHT, Scorer
from skgnnrec.recommenders._updates import updated
from skgnnrec.recommenders._wrapping import WrappingRecommender

__all__ = ["UserDataRecommender"]


def _can(method: str) -> Any:
    """Return a check that the recommender has a method."""
    return lambda outer: hasattr(outer.recommender, method)


class UserDataRecommender(WrappingRecommender):
    """Base of recommenders that use data of users beside their histories.

    A concrete one reads the data of the users of the fit (`_read_users`), returns the data of other rows as columns
    beside their histories (`_beside`), and defines the scorer of both (`_around`).
    """

    _reads_users: ClassVar[bool] = True
    _kind_of_data: ClassVar[str]  # in explanations

    @abstractmethod
    def _read_users(self, X: sparse.csr_array, users: Any) -> None:
        """Read the data of the users of the fit, before the recommender is fitted."""

    @abstractmethod
    def _add_users(self, X: sparse.csr_array, users: Any) -> None:
        """Read the data of further users, the last rows of X."""

    @abstractmethod
    def _find_users(self, X: sparse.csr_array, users: Any) -> np.ndarray:
        """Return the places of users among those that were learned, none twice; -1 for others."""

    @abstractmethod
    def _keep_users(self, X: sparse.csr_array, kept: np.ndarray) -> None:
        """Keep the data of some users, with the histories X."""

    @abstractmethod
    def _learn_users(self, X: sparse.csr_array) -> None:
        """Learn from the data of the users, after the recommender was fitted."""

    @abstractmethod
    def _beside(self, users: Any, n_users: int, **options: Any) -> sparse.csr_array:
        """Return the data of users, (n_users, n_further_columns), float32."""

    @abstractmethod
    def _around(self, scorer: Scorer, columns: np.ndarray | None) -> Scorer:
        """Return the scorer of histories and data from the one of histories; `columns` are those of fitted items."""

    @abstractmethod
    def _knows_users(self) -> bool:
        """Return whether the data of users are found by id."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, users: Any = None) -> Self:
        """Learn from interactions and data of users.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions, one row per user: finite, non-negative, zero = not seen. The columns of a DataFrame are
            the item ids.
        y : Ignored
            Not used. Held-out interactions can be passed as y through any search without leaking into the fit.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, by id or by position. `UserContentRecommender` also takes their data. With None,
            row r is user r of the data in the constructor, which must then have as many users as `X` has rows.

        Returns
        -------
        self : object
            The fitted recommender.

        Raises
        ------
        ValueError
            If `users` does not have one entry for each row of `X`.
        """
        return self._fit(X, y, users=users)

    def _about(self, users: Any) -> dict[str, Any]:
        return {"users": users}

    def _learn(self, X: Any, previous: Any, users: Any = None, **options: Any) -> None:
        refuse_log(X)
        checked = check_interactions(X, estimator=self, reset=True)
        self._read_users(checked, users)
        fitted = clone(self.recommender)
        self.recommender_ = fitted.fit(X, **fitted._about(users))
        self._was_fitted_by_row_ = users is None
        self._take_recommender(checked)

    def _take_recommender(self, X: sparse.csr_array) -> None:
        """Learn from the data of the users; the fitted recommender has learned X."""
        self._learned_ = X
        self._take_items_of(self.recommender_)
        self._learn_users(X)
        inner = self.recommender_._scorer_
        self._scorer_ = self._around(inner, np.arange(self.n_features_in_))  # type: ignore[assignment]

    @available_if(_can("partial_fit"))
    def partial_fit(self, X: Any, y: Any = None, *, users: Any = None) -> Self:
        """Learn from the interactions and data of further users.

        If the recommender inside is in closed form, the result is that of a fit to all users together, with the encoded
        items and the encoder of profiles of the first fit. A trained recommender is trained for one epoch on the
        further users. If nothing is fitted, this is a fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of further users, with the columns of the fit. To replace the history of a user, `forget`
            the old one.
        y : Ignored
            Not used.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. They are required if the constructor has data of users.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those of the fit, `users` does not have one entry for each row, or a user
            of a graph of friends was learned before. Then nothing is learned.
        """
        if not hasattr(self, "recommender_"):
            return self.fit(X, users=users)
        further = self._check_histories(X)
        self._require_users(users, "partial_fit")
        with new_state(self, keep=True) as fresh:
            learned = sparse.csr_array(sparse.vstack([self._learned_, further], format="csr"))
            fresh._add_users(learned, users)
            fresh.recommender_ = copy(self.recommender_).partial_fit(X, **self.recommender_._about(users))
            fresh._was_fitted_by_row_ = self._was_fitted_by_row_ and users is None
            fresh._take_recommender(learned)
        return self

    @available_if(_can("forget"))
    def forget(self, X: Any, *, users: Any = None) -> Self:
        """Forget users: the result is that of a fit to the other users.

        The encoded items and the encoder of profiles of the first fit are kept. The graph of friends and the profiles
        in the constructor are parameters, which remain as they are.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of the users, as they were learned.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as they were learned. They are required if the constructor has data of users.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If a row was not learned with this user, or if no user would remain. Then nothing is forgotten.
        """
        rows = self._check_histories(X)
        self._require_users(users, "forget")
        with new_state(self, keep=True) as fresh:
            fresh.recommender_ = copy(self.recommender_).forget(X, **self.recommender_._about(users))
            found = self._find_users(rows, users)
            unknown = np.flatnonzero(found < 0)
            if len(unknown):
                raise ValueError(
                    f"X has {len(unknown)} rows that were not learned with these users: rows {first_few(unknown)}. "
                    "forget takes the rows and the users that were passed to fit or partial_fit."
                )
            kept = np.setdiff1d(np.arange(self._learned_.shape[0]), found)
            fresh._was_fitted_by_row_ = self._was_fitted_by_row_ and users is None
            fresh._keep_users(self._learned_[kept], kept)
            fresh._take_recommender(self._learned_[kept])
        return self

    def _become(self, X: sparse.csr_array, users: Any = None) -> None:
        """Replace the users that were learned by those of X, and read their data again."""
        with new_state(self, keep=True) as fresh:
            fresh.recommender_ = updated(self.recommender_, self.recommender, self._learned_, X, users)
            fresh._read_users(X, users)
            fresh._was_fitted_by_row_ = users is None
            fresh._take_recommender(X)

    def _require_users(self, users: Any, method: str) -> None:
        if users is None and self._knows_users():
            raise ValueError(f"users is required in {method}, the ids of the users of the rows of X; got None.")

    def _histories(self, X: Any, users: Any, **options: Any) -> sparse.csr_array:
        """Return histories with the data of their users in further columns."""
        X = self._check_histories(X)
        if users is None and self._knows_users() and all(option is None for option in options.values()):
            warn_caller(
                f"users is not given: {type(self).__name__} ranks for users of whom only the history is known. Pass "
                "their ids as users=, and to a LogRecommender as the keys of histories."
            )
        return self._with_data(X, users, **options)

    def _with_data(self, X: sparse.csr_array, users: Any, **options: Any) -> sparse.csr_array:
        return sparse.csr_array(sparse.hstack([X, self._further(users, X.shape[0], **options)], format="csr"))

    def _kinds_of_data(self) -> list[str]:
        return [*self.recommender_._kinds_of_data(), *[self._kind_of_data] * self._beside(None, 1).shape[1]]

    def _further(self, users: Any, n_users: int, **options: Any) -> sparse.csr_array:
        """Return all columns after those of the items, first those of a recommender inside."""
        parts = [self._beside(users, n_users, **options)]
        if isinstance(self.recommender_, UserDataRecommender):
            parts.insert(0, self.recommender_._further(users, n_users))
        return sparse.csr_array(sparse.hstack(parts, format="csr"))

    def _n_columns_inside(self) -> int:
        """Return how many columns the recommender inside reads: those of the items, and its own further ones."""
        return self.n_features_in_ + len(self.recommender_._kinds_of_data())

    def recommend(
        self,
        X: Any,
        n_recommendations: int | None = None,
        *,
        users: Any = None,
        candidates: Any = None,
        query: Any = None,
        query_weight: float = QUERY_WEIGHT,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to each user, whether or not the user was in the fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users. Users without history and data receive the popularity ranking.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. With None, only their histories count.
        candidates : ItemCatalog or array-like of shape (n_candidates,), default=None
            The items to rank, as in the `recommend` of other recommenders.
        query : str, array-like of shape (n_dimensions,), or list with one of them or None per user, default=None
            What the user is looking for, as in the `recommend` of other recommenders.
        query_weight : float, default=0.8
            The weight of the query, between -1 and 1.
        exclude_seen : bool, default=True
            Whether to leave out items of the user's history.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first, padded with -1 or None.
        scores : ndarray of shape (n_users, n_recommendations), float32
            The scores of the items, -inf for padding.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those of the fit, `users` does not have one entry for each row, or
            `candidates` names unknown items.

        Warns
        -----
        UserWarning
            If `users` is None, but there are data of users by id.
        """
        histories = self._histories(X, users)
        return self._recommend(histories, n_recommendations, candidates, query, query_weight, exclude_seen)

    def predict(self, X: Any, *, users: Any = None) -> np.ndarray:
        """Return the `n_recommendations` best items for each user, without items of the history.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. With None, only their histories count.

        Returns
        -------
        items : ndarray of shape (n_users, n_recommendations)
            Ids of the items where ids are known, else positions; best first, padded with -1 or None.
        """
        return self._recommend(self._histories(X, users), None, None, None, QUERY_WEIGHT, True)[0]

    def decision_function(self, X: Any, *, users: Any = None) -> np.ndarray:
        """Return the score of every item for each user.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. With None, only their histories count.

        Returns
        -------
        scores : ndarray of shape (n_users, n_items), float32
            The scores; items of the history are not masked.
        """
        histories = self._histories(X, users)
        check_memory(
            8 * histories.shape[0] * self.n_features_in_,
            f"decision_function for {histories.shape[0]} users and {self.n_features_in_} items",
            "Pass fewer users at a time, or call recommend, which holds the scores of one block of users.",
        )
        return self._scorer_.scores(histories)

    def transform(self, X: Any, *, users: Any = None) -> np.ndarray:
        """Return the embedding of each user by the recommender.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. With None, only their histories count.

        Returns
        -------
        embeddings : ndarray of shape (n_users, embedding_dim), float32
            The users in the space of `item_embedding_`.
        """
        return self._embed(self._histories(X, users))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, users: Any = None) -> float:
        """Return the mean NDCG@n_recommendations on held-out interactions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories that recommendations are made from.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions, as in the `score` of other recommenders; with None, a share of each row of `X`.
        sample_weight : array-like of shape (n_users,), default=None
            Weights of the users in the mean, non-negative.
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`.

        Returns
        -------
        score : float
            The mean over users with held-out interactions, between 0 and 1.

        Raises
        ------
        ValueError
            If no user has a held-out interaction, or it is not known which users the rows are.
        """
        ranking = self.rank_held_out(X, y, users=users)
        return float(ndcg_at_k(ranking.held_out, ranking.recommended, sample_weight=sample_weight))

    def rank_held_out(
        self,
        X: Any,
        y: Any = None,
        n_recommendations: int | None = None,
        *,
        candidates: Any = None,
        users: Any = None,
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
        users : array-like of shape (n_users,) or table with n_users rows, default=None
            The users of the rows, as in `fit`. With None, and after a fit without `users`, the rows are those of the
            fit, in their order.

        Returns
        -------
        ranking : HeldOutRanking
            Histories, held-out interactions, lists of positions, and the number of users of the fit of each item.

        Raises
        ------
        ValueError
            If the columns of `X` or `y` differ from those of the fit, `candidates` names unknown items, or it is not
            known which users the rows are.
        """
        X = self._check_histories(X)
        if users is None and self._knows_users():
            if not self._was_fitted_by_row_ or X.shape[0] != self._learned_.shape[0]:
                raise ValueError(
                    f"users is required to score {X.shape[0]} rows: the ids of their users. In a search, routing "
                    "passes them on: set_fit_request(users=True) and set_score_request(users=True)."
                )
            users = np.arange(X.shape[0])
        return self._rank_held_out(X, y, n_recommendations, candidates, self._further(users, X.shape[0]))


def check_users(users: Any, n_users: int) -> Any:
    """Refuse data of another number of users than there are rows."""
    shape = shape_of(users, "users")
    if shape[0] != n_users:
        raise ValueError(
            f"users must have an entry for each of the {n_users} rows of X; got a {type(users).__name__} of {shape[0]}."
        )
    return users


def warn_of_strangers(users: np.ndarray, known: np.ndarray | None, name: str) -> None:
    """Warn that none of the users of the fit is in the data of users, and show an id of each."""
    in_fit = f"The ids of the fit are of type {describe_type(users)}, such as {first_few(users[:1])}"
    there = "are positions" if known is None else f"of type {describe_type(known)}, such as {first_few(known[:1])}"
    warn_caller(f"{name} has none of the users of the fit. {in_fit}; those of {name} {there}.")
