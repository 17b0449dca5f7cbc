"""Recommendations from the history of a user and the profile of the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import as_ids, binarize, row_keys, shape_of
from skgnnrec.ranking import Constant, DenseWeights, Profiled, Scorer, Sum
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._friends import check_number_of_users
from skgnnrec.recommenders._item_vectors import ItemEncoder
from skgnnrec.recommenders._profile_regression import can_take_profiles, profile_weights, take_profiles
from skgnnrec.recommenders._user_data import UserDataRecommender, check_users, warn_of_strangers

__all__ = ["UserContentRecommender"]

SAME_PROFILE = 1e-6  # squared distance of vectors of length one: rounding errors are smaller


class UserContentRecommender(UserDataRecommender):
    r"""Recommend from the history of a user and the profile of the user: texts, categories, numbers or vectors.

    `user_encoder` turns the profiles into vectors, which are centred and scaled to length one: the rows of U. For users
    without history, the items are regressed on the profiles. With the share :math:`\mu` of the users who have each
    item, the number n of users and the ridge :math:`\alpha`, the scores of a profile u are

    .. math:: n \left( \mu + u \, (U^T U + \alpha I)^{-1} U^T (X - 1 \mu^T) \right),

    which are the item counts of the popularity ranking where there is no profile.

    For users with a history, and if the recommender is a `RidgeRecommender`, the profiles are further input columns of
    its regression: each item is predicted from all other items and the profile, by

    .. math:: \min_{B, A} \lVert X - X B - \gamma U A \rVert^2 + \lambda \lVert B \rVert^2 + \lambda \lVert A \rVert^2,
              \qquad B_{jj} = 0.

    The solution is a closed form, which is computed from the inverse that the `RidgeRecommender` computes anyway. Data
    of items are further rows of the same regression [1]_.
    Other recommenders score histories without profiles.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted.
    profiles : ItemCatalog, default=None
        The profiles, with one row for each user, and with the ids of the users where these are known by id. Users
        without a row are users without profile. With None, the profiles are passed to the methods as ``users=``.
    user_encoder : transformer, default=None
        Turns the data of the profiles into vectors, as the item encoder of a recommender does. It is fitted to the
        users of the fit. None takes the data as vectors.
    profile_weight : float, default=1.0
        The weight γ of the profiles of users with a history, non-negative.
    profile_alpha : {"auto"} or float, default="auto"
        The ridge α of the regression on profiles alone, > 0: a property that fewer than about α users share counts for
        little. With "auto", it is the one of 1, 3, 10, ..., 1000 and infinity with the smallest squared error if each
        user of the fit is left out in turn, which has a closed form; infinity if profiles reduce this error by less
        than twice its standard error. With infinity, the profiles are not used: users without history receive the
        popularity ranking.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    profile_weights_ : ndarray of shape (n_dimensions, n_items), float32, or None
        The weights γA of the profiles of users with a history; None if the recommender is no `RidgeRecommender`, or
        the profiles predict nothing.
    profile_alpha_ : float
        The ridge of the regression on profiles alone.
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
    SocialRecommender : Uses the histories of friends.
    LogRecommender : Passes the ids of its users on; the ids of `profiles` are then those of the log.

    Notes
    -----
    The argument ``users=`` of all methods says who the users of the rows are. If there are `profiles`, it holds ids of
    users, or positions if `profiles` has no ids. A table of data with one row for each row of X takes the place of
    these profiles, also for new users. Arrays, lists and DataFrames are split by cross-validation like the rows of X,
    if metadata routing is enabled and requested with ``set_fit_request(users=True)`` and
    ``set_score_request(users=True)``. An `ItemCatalog` is never split.

    A `RidgeRecommender` with ``order_weight > 0`` counts as another recommender. `transform` returns the embedding of
    the history. `ranker` and `similar_items` know the history alone. New items, passed as candidates, have the profile
    weights of their nearest items by content.

    References
    ----------
    .. [1] O. Jeunen, J. Van Balen, B. Goethals, "Closed-form models for collaborative filtering with
           side-information", RecSys 2020, for side-information of items.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from skgnnrec import ItemCatalog, RidgeRecommender, UserContentRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    >>> people = pd.DataFrame({"job": ["cook", "cook", "gardener", "gardener"]})
    >>> rec = UserContentRecommender(RidgeRecommender(), ItemCatalog(people), user_encoder=OneHotEncoder())
    >>> new = pd.DataFrame({"job": ["gardener", "cook"]})
    >>> rec.fit(X).recommend(np.zeros((2, 4)), 2, users=new)[0]
    array([[3, 2],
           [0, 1]])
    """

    _kind_of_data: ClassVar[str] = "profile"
    _parameter_constraints: ClassVar[dict] = {
        **UserDataRecommender._parameter_constraints,
        "profiles": [ItemCatalog, None],
        "user_encoder": [HasMethods(["fit", "transform"]), None],
        "profile_weight": [Interval(Real, 0, None, closed="left")],
        "profile_alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        profiles: ItemCatalog | None = None,
        *,
        user_encoder: Any = None,
        profile_weight: float = 1.0,
        profile_alpha: Literal["auto"] | float = "auto",
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.profiles = profiles
        self.user_encoder = user_encoder
        self.profile_weight = profile_weight
        self.profile_alpha = profile_alpha
        self.n_recommendations = n_recommendations

    def _knows_users(self) -> bool:
        return self.profiles is not None

    def _read_users(self, X: sparse.csr_array, users: Any) -> None:
        self._user_encoder_: ItemEncoder | None = None
        self._n_profiles_ = 0  # of the constructor; the vectors after them are those of data in the place of ids
        self._vectors_ = np.zeros((0, 0), dtype=np.float32)
        profiles, rows = self._profiles_of_fit(users, X.shape[0])
        self._places_ = np.full(len(rows), -1)  # of the users of the fit among the vectors
        is_known = np.flatnonzero(rows >= 0)
        if profiles is None or not len(is_known):
            return
        self._places_, is_given = rows, profiles is self.profiles
        with _naming("profiles" if is_given else "users"):
            chosen, histories = profiles.take(rows[is_known]), binarize(X[is_known])
            self._user_encoder_, self._vectors_ = ItemEncoder.fit_transform(
                self.user_encoder, chosen, None, histories.T
            )
            if is_given:
                vectors, self._n_profiles_ = self._user_encoder_.transform(profiles, "profiles"), profiles.n_items
                vectors[rows[is_known]] = self._vectors_  # `transform` may round in another way than `fit_transform`
                self._vectors_ = vectors

    def _add_users(self, X: sparse.csr_array, users: Any) -> None:
        n_further = X.shape[0] - len(self._places_)
        if users is not None and self._n_profiles_ and self._data_of(users, n_further) is None:
            places = self._place_of(users)
        else:
            places = len(self._vectors_) + np.arange(n_further)
            self._vectors_ = np.concatenate([self._vectors_, self._beside(users, n_further).toarray()])
        self._places_ = np.concatenate([self._places_, places])

    def _find_users(self, X: sparse.csr_array, users: Any) -> np.ndarray:
        """Return users with the same history and the same profile."""
        keys, wanted = (row_keys(part, with_values=False) for part in (self._learned_, X))
        vectors, own = self._beside(users, X.shape[0]).toarray(), self._vectors_of_users()
        order, found = np.argsort(keys, kind="stable"), np.full(len(wanted), -1)
        is_free = np.ones(len(keys), dtype=bool)
        ends = [np.searchsorted(keys[order], wanted, side=side) for side in ("left", "right")]
        for row, (start, end) in enumerate(zip(*ends, strict=True)):
            places = order[start:end][is_free[order[start:end]]]
            distances = np.square(own[places] - vectors[row]).sum(axis=1)
            if len(places) and distances.min() <= SAME_PROFILE:
                found[row] = places[distances.argmin()]
                is_free[found[row]] = False
        return found

    def _keep_users(self, X: sparse.csr_array, kept: np.ndarray) -> None:
        places, n = self._places_[kept], self._n_profiles_
        is_data = places >= n
        self._vectors_ = np.concatenate([self._vectors_[:n], self._vectors_[places[is_data]]])
        places[is_data] = n + np.arange(np.count_nonzero(is_data))
        self._places_ = places

    def _vectors_of_users(self) -> np.ndarray:
        """Return the vectors of the profiles of the users of the fit, (n_users, n_dimensions)."""
        vectors = np.zeros((len(self._places_), self._vectors_.shape[1]), dtype=np.float32)
        vectors[self._places_ >= 0] = self._vectors_[self._places_[self._places_ >= 0]]
        return vectors

    def _place_of(self, users: Any) -> np.ndarray:
        assert self.profiles is not None
        return self.profiles.positions(as_ids(users, "users"))

    def _profiles_of_fit(self, users: Any, n_users: int) -> tuple[ItemCatalog | None, np.ndarray]:
        """Return a catalog, and the place in it of each user of the fit, -1 without profile."""
        data = None if users is None else self._data_of(users, n_users)
        if data is not None:
            return data, np.arange(n_users)
        if self.profiles is None:
            return None, np.full(n_users, -1)
        if users is not None:
            ids = as_ids(users, "users")
            places = self.profiles.positions(ids)
            if (places < 0).all():
                warn_of_strangers(ids, self.profiles.ids, "profiles")
            return self.profiles, places
        check_number_of_users(self.profiles.n_items, n_users, "profiles")
        return self.profiles, np.arange(n_users)

    def _data_of(self, users: Any, n_users: int) -> ItemCatalog | None:
        """Return the data of users as a catalog, None where they are ids of profiles."""
        data = users
        if not isinstance(users, ItemCatalog):
            if self.profiles is not None and len(shape_of(check_users(users, n_users), "users")) == 1:
                return None
            data = ItemCatalog(users)
        if data.n_items != n_users:
            raise ValueError(f"users must have an entry for each of the {n_users} rows of X; got {data!r}.")
        return data

    def _learn_users(self, X: sparse.csr_array) -> None:
        profiles, self.profile_weights_ = self._vectors_of_users(), None
        alpha = None if isinstance(self.profile_alpha, str) else float(self.profile_alpha)
        self._weights_alone_, self.profile_alpha_ = profile_weights(X, profiles, alpha)
        is_used = profiles.shape[1] > 0 and np.isfinite(self.profile_alpha_) and self.profile_weight > 0
        if is_used and can_take_profiles(self.recommender_):
            self.profile_weights_ = take_profiles(self.recommender_, X, profiles, float(self.profile_weight))

    def _beside(self, users: Any, n_users: int, **options: Any) -> sparse.csr_array:
        vectors = np.zeros((n_users, self._vectors_.shape[1]), dtype=np.float32)
        data = None if users is None else self._data_of(users, n_users)
        if data is not None:
            if self._user_encoder_ is None:
                raise ValueError("users holds data of users, but the fit had no profiles: pass users= to fit.")
            with _naming("users"):
                vectors = self._user_encoder_.transform(data, "users")
        elif users is not None and self._n_profiles_:
            place = self._place_of(users)
            vectors[place >= 0] = self._vectors_[place[place >= 0]]
        return sparse.csr_array(vectors)

    def _around(self, scorer: Scorer, columns: np.ndarray | None) -> Scorer:
        return self._profiled(scorer, self._item_counts_, self._weights_alone_, self.profile_weights_)

    def _profiled(self, scorer: Scorer, counts: np.ndarray, alone: np.ndarray, beside: np.ndarray | None) -> Scorer:
        popular = Constant(counts.astype(np.float32))
        by_profile = Sum((popular, DenseWeights(np.ascontiguousarray(alone))))
        added = None if beside is None else DenseWeights(np.ascontiguousarray(beside))
        return Profiled(scorer, self._n_columns_inside(), added, by_profile)

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        inner = self.recommender_
        scorer = inner._by_recency(inner._new_item_scorer(vectors))
        by_content = getattr(inner, "_by_content_", None)
        shares = sparse.csr_array((self.n_features_in_, scorer.n_columns), dtype=np.float32)
        if by_content is not None:
            shares = by_content.of_new(vectors)[0]
        beside = None if self.profile_weights_ is None else self.profile_weights_ @ shares
        return self._profiled(scorer, self._item_counts_ @ shares, self._weights_alone_ @ shares, beside)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        histories = X[:, : self._n_columns_inside()]
        return self.recommender_._embed(self.recommender_._weigh(histories))


@contextmanager
def _naming(argument: str) -> Iterator[None]:
    """Let errors of the encoding of items name the argument with the data of users."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError or not re.search("catalog|item", str(error)):
            raise
        text = str(error).replace("item_encoder", "user_encoder").replace("the catalog", "catalog")
        raise ValueError(text.replace("catalog", argument).replace("items", "users")) from error
