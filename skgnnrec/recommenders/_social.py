"""Recommendations from the history of a user and the histories of friends."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec._constraints import Interval
from skgnnrec.interactions import Vocabulary, as_ids, find_rows, first_few, joined_ids, row_keys
from skgnnrec.ranking import QUERY_WEIGHT, Scorer, Smoothed
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._friends import (
    check_number_of_users,
    read_friends,
    read_lists_of_friends,
    smooth_histories,
    to_shares,
)
from skgnnrec.recommenders._user_data import UserDataRecommender, check_users, warn_of_strangers

__all__ = ["SocialRecommender"]


class SocialRecommender(UserDataRecommender):
    r"""Recommend from the history of a user and the mean history of the user's friends.

    With the histories X of the fit and the graph of friends F, whose rows are divided by their sums, the histories are
    replaced by

    .. math:: Z_0 = X, \qquad Z_k = X + \gamma F Z_{k-1}

    after K steps. The recommender learns from the histories X, and scores the smoothed histories :math:`Z_K`.
    Recommenders whose user embedding is a sum over the history, as `RidgeRecommender`, `GraphFilterRecommender` and
    `GNNRecommender`, thereby smooth the embeddings of users. Users without history receive recommendations from the
    histories of their friends.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted.
    friends : sparse matrix (n_members, n_members) or {array-like, DataFrame} (n_pairs, 2), default=None
        The friends of users: either a matrix whose entry (u, v) is the weight of user v for user u, where users are
        known by position, or pairs (u, v) of ids, with weight 1 each. Weights are non-negative. The relation need not
        be symmetric: u may trust v, and v not u. The diagonal does not count. Users of the graph need not be users of
        the fit. None knows no friends, except those that are passed to `recommend`.
    friend_weight : float, default=0.125
        The weight γ of the mean history of the friends, non-negative.
    n_steps : int, default=1
        The number K of steps. With 2, the friends of friends count with γ². The smoothed histories of all users of the
        fit are kept, which become less sparse with each step after the first.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    friend_histories_ : csr_array of shape (n_users, n_items), float32
        The histories of the users of the fit after K - 1 steps.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings of the recommender.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the recommender.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    UserContentRecommender : Uses the profiles of users.
    LogRecommender : Passes the ids of its users on; `friends` are then pairs of these ids.

    Notes
    -----
    The rows of X are users, but a matrix has no ids for its rows. All methods therefore take ``users=``, the user of
    each row: an id of the pairs, or a row of the matrix `friends`. `fit` without it takes row r for user r. Users are
    an array with one entry for each row, so that cross-validation and searches split them with X and leave `friends`
    whole, if metadata routing is enabled::

        sklearn.set_config(enable_metadata_routing=True)
        rec = SocialRecommender(RidgeRecommender(), friends)
        rec.set_fit_request(users=True).set_score_request(users=True)
        GridSearchCV(rec, {"friend_weight": [0, 0.1, 0.3]}, cv=5).fit(X, users=np.arange(X.shape[0]))

    With ``cv=SameUsers()``, the rows of all methods are those of the fit, and `users` can be omitted. In a
    `LogRecommender`, no routing is necessary.

    The items of friends have smaller values than those of the user. Recommenders that read the order of the values, as
    `RidgeRecommender` with `rank_decay`, take them for older ones.

    Only friends who were in the fit and have a history count. `ranker` and `similar_items` know the history alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender, SocialRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    >>> friends = [(3, 2)]
    >>> rec = SocialRecommender(RidgeRecommender(), friends, n_recommendations=2).fit(X, users=[0, 1, 2, 3])
    >>> rec.predict(X[3:], users=[3])  # what the friend has
    array([[2, 3]])
    >>> rec.recommend([[0, 0, 0, 0]], friends=[[0]])[0]  # a new user, whose friend is user 0
    array([[0, 1]])
    """

    _kind_of_data: ClassVar[str] = "friends"
    _parameter_constraints: ClassVar[dict] = {
        **UserDataRecommender._parameter_constraints,
        "friends": ["sparse matrix", "array-like", None],
        "friend_weight": [Interval(Real, 0, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        friends: Any = None,
        *,
        friend_weight: float = 0.125,
        n_steps: int = 1,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.friends = friends
        self.friend_weight = friend_weight
        self.n_steps = n_steps
        self.n_recommendations = n_recommendations

    def _knows_users(self) -> bool:
        return self.friends is not None

    def _read_users(self, X: sparse.csr_array, users: Any) -> None:
        n_users = X.shape[0]
        self._members_, graph = Vocabulary(np.zeros(0, dtype=np.int64)), sparse.csr_array((0, 0), dtype=np.float32)
        if self.friends is not None:
            self._members_, graph = read_friends(self.friends)
        if users is not None:
            self._users_ = Vocabulary(check_users(users, n_users), "users")
        elif self.friends is None or sparse.issparse(self.friends):
            if self.friends is not None:
                check_number_of_users(len(self._members_), n_users, "friends")
            self._users_ = Vocabulary(np.arange(n_users))
        else:
            raise ValueError("users is required, because friends names users by id: the ids of the rows of X.")
        self._has_history_ = np.diff(X.indptr) > 0
        place = self._users_.positions(self._members_.ids)  # in the fit, of each user of the graph
        rows = np.flatnonzero(place >= 0)
        if self.friends is not None and not len(rows):
            warn_of_strangers(self._users_.ids, self._members_.ids, "friends")
        entries = (np.ones(len(rows), dtype=np.float32), (rows, place[rows]))
        chosen = sparse.csr_array(entries, shape=(len(self._members_), n_users))
        self._shares_ = self._to_shares(sparse.csr_array(graph @ chosen))  # (n_members, n_users)

    def _add_users(self, X: sparse.csr_array, users: Any) -> None:
        known = self._users_.ids
        n_further = X.shape[0] - len(known)
        if users is not None:
            further = as_ids(check_users(users, n_further), "users")
        elif self._was_fitted_by_row_:
            further = 1 + known.max(initial=-1) + np.arange(n_further)
        else:
            raise ValueError("users is required, because fit named its users: the ids of the rows of X.")
        repeated = further[self._users_.positions(further, "users") >= 0]
        if len(repeated):
            raise ValueError(
                f"users holds {len(repeated)} users that were learned before: {first_few(repeated)}. forget them first."
            )
        self._read_users(X, joined_ids(known, further))

    def _find_users(self, X: sparse.csr_array, users: Any) -> np.ndarray:
        if users is None:
            return find_rows(self._learned_, X, with_values=False)
        found = self._users_.positions(as_ids(check_users(users, X.shape[0]), "users"))
        is_known = found >= 0
        histories = row_keys(self._learned_, with_values=False)[found[is_known]]
        is_known[is_known] = histories == row_keys(X[is_known], with_values=False)
        is_first = np.zeros(len(found), dtype=bool)
        is_first[np.unique(found, return_index=True)[1]] = True
        return np.where(is_known & is_first, found, -1)

    def _keep_users(self, X: sparse.csr_array, kept: np.ndarray) -> None:
        self._read_users(X, self._users_.ids[kept])

    def _to_shares(self, graph: sparse.csr_array) -> sparse.csr_array:
        return to_shares(graph, self._has_history_, float(self.friend_weight))

    def _learn_users(self, X: sparse.csr_array) -> None:
        place = self._members_.positions(self._users_.ids)  # in the graph, of each user of the fit
        self.friend_histories_ = smooth_histories(X, _take_rows(self._shares_, place), int(self.n_steps) - 1)

    def _beside(self, users: Any, n_users: int, **options: Any) -> sparse.csr_array:
        friends = options.get("friends")
        if friends is not None:
            return self._to_shares(read_lists_of_friends(friends, n_users, self._users_))
        if users is None:
            return sparse.csr_array((n_users, len(self._users_)), dtype=np.float32)
        return _take_rows(self._shares_, self._members_.positions(as_ids(check_users(users, n_users), "users")))

    def _around(self, scorer: Scorer, columns: np.ndarray | None) -> Scorer:
        histories = self.friend_histories_.copy()
        histories.resize((histories.shape[0], self._n_columns_inside()))
        return Smoothed(scorer, histories)

    def recommend(
        self,
        X: Any,
        n_recommendations: int | None = None,
        *,
        users: Any = None,
        friends: Any = None,
        candidates: Any = None,
        query: Any = None,
        query_weight: float = QUERY_WEIGHT,
        exclude_seen: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Recommend the best items to each user, whether or not the user was in the fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users. Users without history and friends receive the popularity ranking.
        n_recommendations : int, default=None
            Items per user; None takes the parameter of the recommender.
        users : array-like of shape (n_users,), default=None
            The users of the rows, as in `fit`, also users of the graph who were not in the fit. With None, their
            friends are not known.
        friends : list of n_users lists, or sparse matrix of shape (n_users, n_users_of_fit), default=None
            The friends of the users of the rows, in the place of those of the graph: the ids of users of the fit, or
            weights of all users of the fit, in the order of the rows of `fit`.
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
            If the columns of `X` differ from those of the fit, `users` or `friends` does not have one entry for each
            row, or `candidates` names unknown items.

        Warns
        -----
        UserWarning
            If `users` and `friends` are None, but the recommender has a graph of friends.
        """
        histories = self._histories(X, users, friends=friends)
        return self._recommend(histories, n_recommendations, candidates, query, query_weight, exclude_seen)

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        return self._around(self.recommender_._by_recency(self.recommender_._new_item_scorer(vectors)), None)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        smoothed = self._scorer_.smooth(X)  # type: ignore[attr-defined]
        return self.recommender_._embed(self.recommender_._weigh(smoothed))


def _take_rows(X: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return rows of X, and empty ones for -1."""
    taken, lengths = X[rows[rows >= 0]], np.zeros(len(rows), dtype=np.int64)
    lengths[rows >= 0] = np.diff(taken.indptr)
    return sparse.csr_array(
        (taken.data, taken.indices, np.append(0, np.cumsum(lengths))), shape=(len(rows), X.shape[1])
    )
