"""Recommenders that learn from statistics with noise."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.exceptions import PrivacyBudgetError
from skgnnrec.graph import Statistics
from skgnnrec.interactions import Vocabulary, check_interactions, column_vocabulary, refuse_log
from skgnnrec.privacy._gaussian import distance_of, epsilon_of
from skgnnrec.privacy._noise import IntegerNoise
from skgnnrec.privacy._sums import Bound, BoundedSums
from skgnnrec.recommenders import BaseRecommender, WrappingRecommender

__all__ = ["PrivateRecommender", "exponent_of_sums"]

ROUNDING = 1e-9  # of sums of squared distances, relative


def exponent_of_sums(recommender: Any) -> float | None:
    """Return the user exponent of the co-occurrences that a recommender needs, None where item counts suffice."""
    if not hasattr(recommender, "_exponent_of_sums"):
        raise ValueError(
            "recommender must be a RidgeRecommender, GraphFilterRecommender, ContentRecommender or "
            f"PopularityRecommender, whose fits are computed from sums over users; got a {type(recommender).__name__}."
        )
    recommender._validate_params()
    return recommender._exponent_of_sums()


class PrivateRecommender(WrappingRecommender):
    r"""Fit a recommender with differential privacy: its fitted state tells little about any single user.

    The fit of the recommender is a function of three sums over users: the co-occurrences of items, the number of users
    of each item, and the number of users. Each user contributes at most `max_items` items, and a part of length
    `max_norm` or less to the co-occurrences. Gaussian noise is added to the sums. Whatever is computed from them, the
    fitted recommender with all its lists, is :math:`(\varepsilon, \delta)`-differentially private [1]_: for all data
    sets :math:`X` and :math:`X'` that differ by the presence of one user with the whole history, and all sets S of
    fitted states,

    .. math:: P(\text{fit}(X) \in S) \le e^{\varepsilon} \, P(\text{fit}(X') \in S) + \delta.

    The noise has the smallest scale with this property [2]_. It is a rounded Gaussian variable that is added to
    integers, so that the last digits of floating-point numbers reveal nothing [3]_. The eigenvalues of the noise are
    removed from the co-occurrences, and the others are shrunk, which also makes them positive semidefinite.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender or PopularityRecommender
        The recommender. A clone of it is fitted to the sums with noise. It must use X as binary, and no order.
    epsilon : float, default=1.0
        The budget ε for the fit and all updates together. Positive; smaller values protect users more.
    delta : float, default=1e-6
        The probability δ, between 0 and 1. It should be far below one over the number of users.
    max_items : int, default=50
        The number of items that count of a history in the fit. Of a longer history, a pseudo-random part counts.
    max_norm : float, default=1.0
        The largest length of what a user contributes to the co-occurrences. For a user with d items and the user
        exponent a of the recommender, the length is :math:`d^{-a} \sqrt{d (d + 1) / 2}`; longer contributions are
        scaled down. Positive. With a = 0, the default bounds the weight of users with 14 items and more; with a = 1, no
        contribution is longer than 1.
    n_updates : int, default=0
        The number of calls of `partial_fit` and `forget` after the fit that the budget has to suffice for. The fit and
        each update receive the same part.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    random_state : int, RandomState instance or None, default=None
        None takes the noise from the cryptographically secure generator of the operating system. Everybody who knows
        a seed can subtract the noise: pass one in tests only.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender. It keeps no histories.
    epsilon_spent_ : float
        The ε of the fit and the updates so far, for `delta`.
    n_releases_ : int
        The number of sums that were published: one for the fit, and one for each update.
    noise_std_ : float
        The standard deviation of the noise in each co-occurrence; 0 where the recommender does not use them.
    item_count_noise_std_ : float
        The standard deviation of the noise in the number of users of each item.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings of the recommender.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors, where they are used.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    federated_fit : Fits a recommender to data that stay where they are.
    membership_attack : Measures what a fitted recommender reveals.

    Notes
    -----
    The columns of X, the catalog and the parameters are taken as public: they must not depend on who is in the data.
    Settings that are chosen on the same data, and fits of clones, as in a search, reveal more than `epsilon_spent_`
    says. Nothing is chosen on the interactions of users: with "auto", the `popularity_weight` is 0 in a
    `RidgeRecommender` and 20 in a `GraphFilterRecommender`. A recommendation to a user is computed from the user's own
    history, which is not protected from that user. Recommenders around a private one are not private: a
    `LogRecommender` keeps the histories of its users, and a `BlendedRecommender` counts them.

    The sums of a further batch and those of forgotten users are published with new noise. An update therefore adds
    noise: for a user who takes part in all of them, the releases compose, and `epsilon_spent_` is exact for that case.
    An update beyond the budget is refused. `forget` cannot find out whether rows were learned.

    Noise leaves no co-occurrence at zero. A fit that uses them needs 48 · n_items² bytes, and its time grows with
    n_items³, also of a `GraphFilterRecommender`: leave out items that few users have.

    The guarantee assumes noise that is exactly Gaussian. Its variates are computed in float64 from 64 random bits, so
    that the tails end at 9.4 standard deviations, which changes δ by less than :math:`10^{-19}` for each entry.

    References
    ----------
    .. [1] C. Dwork, A. Roth, "The algorithmic foundations of differential privacy", Foundations and Trends in
           Theoretical Computer Science 9(3-4), 2014.
    .. [2] B. Balle, Y.-X. Wang, "Improving the Gaussian mechanism for differential privacy: analytical calibration and
           optimal denoising", ICML 2018.
    .. [3] I. Mironov, "On significance of the least significant bits for differential privacy", CCS 2012.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.privacy import PrivateRecommender
    >>> X = make_interactions(5000, 50, n_interactions=0.1, random_state=0).interactions
    >>> rec = PrivateRecommender(RidgeRecommender(user_exponent=1.0), epsilon=1.0, delta=1e-6).fit(X)
    >>> round(rec.epsilon_spent_, 6)
    1.0
    >>> rec.predict(X[:2]).shape
    (2, 10)
    """

    _parameter_constraints: ClassVar[dict] = {
        **WrappingRecommender._parameter_constraints,
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "max_items": [Interval(Integral, 1, None, closed="left")],
        "max_norm": [Interval(Real, 0, None, closed="neither")],
        "n_updates": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    _has_budget: ClassVar[bool] = True  # who fits again must know

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        epsilon: float = 1.0,
        delta: float = 1e-6,
        max_items: int = 50,
        max_norm: float = 1.0,
        n_updates: int = 0,
        n_recommendations: int = 10,
        random_state: Any = None,
    ) -> None:
        self.recommender = recommender
        self.epsilon = epsilon
        self.delta = delta
        self.max_items = max_items
        self.max_norm = max_norm
        self.n_updates = n_updates
        self.n_recommendations = n_recommendations
        self.random_state = random_state

    @property
    def epsilon_spent_(self) -> float:
        """Return the ε of the fit and the updates so far."""
        check_is_fitted(self)
        return epsilon_of(float(np.sqrt(self._spent_)), float(self.delta))

    @property
    def noise_std_(self) -> float:
        """Return the standard deviation of the noise in each co-occurrence."""
        check_is_fitted(self)
        return self._scales_[0] * float(np.sqrt(self.n_releases_))

    @property
    def item_count_noise_std_(self) -> float:
        """Return the standard deviation of the noise in the number of users of each item."""
        check_is_fitted(self)
        return self._scales_[1] * float(np.sqrt(self.n_releases_))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from further users: their sums are added, with noise of their own.

        If the recommender is not fitted, it is fitted.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of further users, with the columns of the fit.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        PrivacyBudgetError
            If the budget is spent. Then nothing is learned.
        ValueError
            If the columns of `X` differ from those of the fit.
        """
        return self.fit(X) if not hasattr(self, "recommender_") else self._change(X, 1, "partial_fit")

    def forget(self, X: Any) -> Self:
        """Forget users: their sums are subtracted, with noise of their own.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of the users, as they were learned. Only the sums were kept: rows that were not learned
            cannot be recognised.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        PrivacyBudgetError
            If the budget is spent. Then nothing is forgotten.
        ValueError
            If the columns of `X` differ from those of the fit.
        """
        check_is_fitted(self)
        return self._change(X, -1, "forget")

    def _validate_params(self) -> None:
        super(BaseRecommender, self)._validate_params()
        exponent_of_sums(self.recommender)

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        rows = check_interactions(X, estimator=self, reset=True)
        bound = Bound(int(self.max_items), float(self.max_norm), exponent_of_sums(self.recommender))
        distance = distance_of(float(self.epsilon), float(self.delta)) / np.sqrt(1 + self.n_updates)
        self._bound_, self._scales_, self._distance_ = bound, bound.scales(distance), float(distance)
        self._spent_, self.n_releases_ = self._distance_**2, 1
        self._solve(self._release(rows), vocabulary)

    def _release(self, X: sparse.csr_array) -> BoundedSums:
        """Return the sums of rows with noise: all that is kept of them."""
        return BoundedSums.accumulate(X, self._bound_).with_noise(self._scales_, IntegerNoise(self._source()))

    def _source(self) -> Any:
        """Return the seed of the noise of this release, None for that of the system."""
        seed = self.random_state
        return (int(seed) + self.n_releases_ - 1) % 2**32 if isinstance(seed, Integral) else seed

    def _change(self, X: Any, sign: int, caller: str) -> Self:
        rows = self._check_histories(X)
        spent, budget = self._spent_ + self._distance_**2, distance_of(float(self.epsilon), float(self.delta)) ** 2
        if spent > budget * (1 + ROUNDING):
            needed = epsilon_of(float(np.sqrt(spent)), float(self.delta))
            raise PrivacyBudgetError(
                f"{caller} would need epsilon={needed:.4g} for all releases, the budget is epsilon={self.epsilon}, of "
                f"which {self.epsilon_spent_:.4g} are spent: fit with n_updates above {self.n_updates}."
            )
        with new_state(self, keep=True) as fresh:
            fresh._spent_, fresh.n_releases_ = spent, self.n_releases_ + 1
            fresh._solve(self._sums_.combine(fresh._release(rows), sign), self._vocabulary_)
        return self

    def _solve(self, sums: BoundedSums, vocabulary: Vocabulary | None) -> None:
        """Fit the recommender to sums with noise."""
        self._sums_ = sums
        fitted: Any = clone(self.recommender)
        self.recommender_ = fitted._fit_statistics(self._statistics(), vocabulary)
        self._take_items_of(fitted)
        self._scorer_ = fitted._scorer_

    def _statistics(self) -> Statistics:
        std = self._scales_[0] * float(np.sqrt(self.n_releases_))
        return self._sums_.statistics(self._bound_.user_exponent, std)
