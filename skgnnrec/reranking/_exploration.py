"""Lists that learn from rewards, and explore which items earn them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import as_ids, as_positions
from skgnnrec.ranking import to_unit_length
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import N_CANDIDATES, STRENGTH, BaseReranker
from skgnnrec.reranking._policies import EpsilonGreedy, Exploration, LinearBandit, ThompsonSampling
from skgnnrec.reranking._reranked import Candidates
from skgnnrec.reranking._vectors import vectors_of_users

__all__ = ["ExploringRecommender"]

N_COMPONENTS = 8  # of the vectors of items in the features of LinUCB
BLOCK_USERS = 256  # whose candidates are in memory at once


class ExploringRecommender(BaseReranker):
    r"""Recommend items that earn rewards, and explore which ones do (multi-armed bandits).

    A recommender learns from what users chose among the items that they saw. Items that it never shows receive no
    feedback. This re-ranker shows some of the other candidates as well, and learns from the rewards of its lists
    (`learn_rewards`), such as clicks.

    Each place of a list explores with the probability `exploration`. Other places receive the remaining candidate with
    the largest expected reward. With the policies "epsilon_greedy" and "thompson", the expected reward of candidate i
    is the mean of a beta distribution,

    .. math:: \mathrm{Beta}(k m_{ui} + s_i,\; k (1 - m_{ui}) + n_i - s_i), \qquad
        \mathrm{logit}\, m_{ui} = \mathrm{logit}\, \bar{r} + r_{ui} / 2,

    where :math:`n_i` is how often the item was shown, :math:`s_i` the sum of its rewards, :math:`r_{ui}` its score,
    standardised over the candidates of the user, :math:`\bar{r}` the mean reward, and k is `prior_weight`. An exploring
    place receives

    - "epsilon_greedy": one of the remaining candidates, all with the same probability;
    - "thompson": the candidate with the largest reward in a sample from these distributions [1]_. Candidates that may
      be the best are explored most;
    - "linucb": the candidate with the largest upper confidence bound
      :math:`x^T \theta + c \sqrt{x^T A^{-1} x}` [2]_, where c is `confidence`. Expected rewards are
      :math:`x^T \theta`, a ridge regression on features x of user and item: a constant, :math:`r_{ui}`, the vector of
      the item, and its product with the vector of the user. k I is the penalty, and A the Gram matrix of the features
      of all that was shown plus k I. What is learned about an item holds for similar items, too.

    Before any reward is known, places that do not explore have the order of the recommender.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted.
    policy : {"thompson", "epsilon_greedy", "linucb"}, default="thompson"
        The candidate that an exploring place receives, and the model of rewards.
    exploration : float, default=0.1
        The probability that a place explores, in [0, 1]. With 0, nothing is explored. With 1, the policy fills all
        places.
    prior_weight : float, default=10.0
        How often an item has to be shown until its rewards count as much as its relevance. Positive.
    confidence : float, default=1.0
        The width c of the confidence bound of "linucb", non-negative.
    n_candidates : int, default=100
        The number of candidates of each user. Places below them have the order of the recommender.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    random_state : int, RandomState instance or None, default=None
        The seed of the exploration. With None, each call explores anew, also for the same user. With a seed, a history
        has the same list until rewards are learned, and users with equal histories have equal lists: use it for tests.

    Attributes
    ----------
    n_shown_ : ndarray of shape (n_items,), float64
        How often each item was shown, in the rewards since the fit.
    total_reward_ : ndarray of shape (n_items,), float64
        The sum of the rewards of each item.
    recommender_ : BaseRecommender
        The fitted recommender.
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
    skgnnrec.online.ips_value : Estimates the value of a policy from the log of another one.
    skgnnrec.online.doubly_robust_value : The same with a model of the rewards.

    Notes
    -----
    `fit` starts without rewards; `partial_fit` and `forget` keep them, also those of a `LogRecommender` while the items
    are the same. Store the log of rewards to learn it again after a new fit.

    The vectors of "linucb" have eight dimensions. They are the leading principal components of the item vectors where
    the recommender has them, else the leading singular vectors of X. The vector of a user is the sum of those of the
    history, of length one.

    The scores in `recommend` and `decision_function` are those of the recommender. They therefore need not decrease
    along a list.

    References
    ----------
    .. [1] O. Chapelle and L. Li, "An empirical evaluation of Thompson sampling", NeurIPS 2011.
    .. [2] L. Li et al., "A contextual-bandit approach to personalized news article recommendation", WWW 2010.

    Examples
    --------
    The most popular item was shown to 40 users and earned nothing:

    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender
    >>> from skgnnrec.reranking import ExploringRecommender
    >>> X = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    >>> rec = ExploringRecommender(PopularityRecommender(), exploration=0.2, random_state=0).fit(X)
    >>> nobody = [[0, 0, 0]]
    >>> rec.recommend(nobody, 3)[0]
    array([[0, 1, 2]])
    >>> rec.learn_rewards(nobody * 40, [0] * 40, [0] * 40).recommend(nobody, 3)[0]
    array([[1, 2, 0]])
    >>> rec.propensities(nobody, [[1, 2, 0]]).round(2)
    array([[0.89, 0.87, 1.  ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "policy": [StrOptions({"thompson", "epsilon_greedy", "linucb"})],
        "exploration": STRENGTH,
        "prior_weight": [Interval(Real, 0, None, closed="neither")],
        "confidence": [Interval(Real, 0, None, closed="left")],
        "n_candidates": N_CANDIDATES,
        "random_state": ["random_state"],
    }

    n_shown_: np.ndarray
    total_reward_: np.ndarray

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        policy: Literal["thompson", "epsilon_greedy", "linucb"] = "thompson",
        exploration: float = 0.1,
        prior_weight: float = 10.0,
        confidence: float = 1.0,
        n_candidates: int = 100,
        n_recommendations: int = 10,
        random_state: Any = None,
    ) -> None:
        self.recommender = recommender
        self.policy = policy
        self.exploration = exploration
        self.prior_weight = prior_weight
        self.confidence = confidence
        self.n_candidates = n_candidates
        self.n_recommendations = n_recommendations
        self.random_state = random_state

    def learn_rewards(self, X: Any, items: Any, rewards: Any) -> Self:
        """Learn from the rewards of items that were shown.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_rows, n_items)
            The histories of the users when the items were shown, a row for each list.
        items : array-like of shape (n_rows,) or (n_rows, n)
            The items that were shown, by id where ids are known and by position elsewhere.
        rewards : array-like of shape (n_rows,) or (n_rows, n)
            The rewards in [0, 1], such as 1 for a click. NaN stands for an item that the user did not see, such as one
            at the end of a list: it is left out.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If an item was not in the fit, a reward is not in [0, 1], or the shapes do not match. Then nothing is
            learned.
        """
        check_is_fitted(self)
        X = self._check_histories(X)
        ids, shape = _flat(items, "items", X.shape[0])
        earned = _read_rewards(rewards, shape)
        rows = np.repeat(np.arange(X.shape[0]), shape[1] if len(shape) > 1 else 1)
        is_seen = ~np.isnan(earned)
        rows, earned = rows[is_seen], earned[is_seen]
        columns = self._columns(ids[is_seen], "items")
        with new_state(self, keep=True) as fresh:
            n_items = self.n_features_in_
            fresh.n_shown_ = self.n_shown_ + np.bincount(columns, minlength=n_items)
            fresh.total_reward_ = self.total_reward_ + np.bincount(columns, earned, minlength=n_items)
            fresh._n_updates_ = self._n_updates_ + 1
            if self._policy_ == "linucb" and len(rows):
                features = self._features(X, rows, columns)
                fresh._gram_ = self._gram_ + features.T @ features
                fresh._moments_ = self._moments_ + features.T @ earned
            fresh._take_order()
        return self

    def propensities(self, X: Any, items: Any, *, exclude_seen: bool = True) -> np.ndarray:
        """Return the probability with which each item of a list is shown at its place, given the items above it.

        Off-policy estimators need the propensities of the policy that made the lists, and those of the policy that is
        evaluated. Compute the former before the rewards of the lists are learned. Those of "thompson" are integrals,
        computed to about 0.001, and take far longer than the lists themselves.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users.
        items : array-like of shape (n_users,) or (n_users, n)
            The first item of each list, or lists of distinct items, best first, by id where ids are known and by
            position elsewhere. The lists need not be those of this recommender.
        exclude_seen : bool, default=True
            Whether items of the history are left out.

        Returns
        -------
        propensities : ndarray of the shape of `items`, float64
            The probabilities. They are 0 for items that are no candidates of the user, and for padding.

        Raises
        ------
        ValueError
            If no item was in the fit, lists are longer than `n_candidates`, or the shapes do not match.
        """
        X = self._check_histories(X)
        self._length_of_lists(None, "propensities", exclude_seen)
        ids, shape = _flat(items, "items", X.shape[0])
        n = shape[1] if len(shape) > 1 else 1
        if n > self.n_candidates:
            raise ValueError(
                f"items has lists of {n} items; places below n_candidates={self.n_candidates} do not vary."
            )
        if self._vocabulary_ is not None:
            columns = self._vocabulary_.positions(ids, missing_ok=True)
        else:
            columns = as_positions(ids, "items", "The recommender was fitted without ids of items.")
        is_known = (columns >= 0) & (columns < self.n_features_in_)
        if len(ids) and not is_known.any():
            self._columns(ids, "items")  # its error names them
        lists = np.where(is_known, columns, -2).reshape(X.shape[0], n)
        order, scorer = self._scorer_.order, self._scorer_.scorer  # type: ignore[attr-defined]
        return order.propensities(scorer, X, lists, X if exclude_seen else None).reshape(shape)

    def _features(self, X: sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the features of pairs of a user and an item; an item below the candidates has the lowest relevance."""
        order, scorer = self._scorer_.order, self._scorer_.scorer  # type: ignore[attr-defined]
        found = []
        for start in range(0, X.shape[0], BLOCK_USERS):
            block = X[start : start + BLOCK_USERS]
            candidates = order.candidates(scorer, block, block)
            here = np.flatnonzero((rows >= start) & (rows < start + BLOCK_USERS))
            users, items = rows[here] - start, columns[here, None]
            relevance = candidates.relevance[users]  # (n_shown, n_candidates)
            is_shown = candidates.columns[users] == items
            own = np.where(is_shown.any(axis=1), (relevance * is_shown).sum(axis=1), relevance.min(axis=1))
            found.append(order.features(block[users], Candidates(items, own[:, None]))[:, 0])
        return np.concatenate(found)

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        self._policy_ = self.policy
        random = self.random_state
        is_fixed = random is None or isinstance(random, Integral)
        self._seed_ = random if is_fixed else int(check_random_state(random).randint(np.iinfo(np.int32).max))
        self._n_updates_ = 0
        super()._learn(X, previous, **options)

    def _read_interactions(self, X: sparse.csr_array) -> None:
        if hasattr(self, "n_shown_"):
            return  # after an update: what was learned holds for the vectors of the fit
        self.n_shown_, self.total_reward_ = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        if self._policy_ != "linucb":
            return
        self._components_ = None
        if self.item_vectors_ is None:
            self._vectors_ = vectors_of_users(X, N_COMPONENTS)
        else:
            vectors = np.asarray(self.item_vectors_, dtype=np.float32)
            self._components_ = randomized_svd(vectors, min(N_COMPONENTS, *vectors.shape), random_state=0)[2].T
            self._vectors_ = to_unit_length(vectors @ self._components_)
        n_features = 2 + 2 * self._vectors_.shape[1]
        self._gram_, self._moments_ = np.zeros((n_features, n_features)), np.zeros(n_features)

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> Exploration:
        seed = None if self._seed_ is None else (int(self._seed_), self._n_updates_)
        settings: dict[str, Any] = {
            "exploration": float(self.exploration),
            "n_candidates": int(self.n_candidates),
            "prior_weight": float(self.prior_weight),
            "seed": seed,
        }
        if self._policy_ == "linucb":
            return self._linear(settings, columns, catalog)
        counts, sums = (np.append(of_items, 0.0)[columns] for of_items in (self.n_shown_, self.total_reward_))
        base = (self.total_reward_.sum() + 1) / (self.n_shown_.sum() + 2)
        kind = ThompsonSampling if self._policy_ == "thompson" else EpsilonGreedy
        return kind(**settings, counts=counts, sums=sums, base=base)

    def _linear(self, settings: dict[str, Any], columns: np.ndarray, catalog: ItemCatalog | None) -> LinearBandit:
        vectors = np.append(self._vectors_, np.zeros((1, self._vectors_.shape[1]), dtype=np.float32), axis=0)[columns]
        new = np.flatnonzero(columns < 0)
        if len(new) and catalog is not None and self._components_ is not None:
            of_new = self._vectors_of(catalog.take(new))
            if isinstance(of_new, list):  # of the recommenders in a blend, whose item vectors are the first ones
                of_new = next(own for own in of_new if own is not None)
            vectors[new] = to_unit_length(np.asarray(of_new, dtype=np.float32) @ self._components_)
        sums = (self._gram_, self._moments_)
        return LinearBandit.learned(settings, vectors, self._vectors_, sums, float(self.confidence))


def _flat(items: Any, name: str, n_rows: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the ids of one item or of a list of items for each row, and their shape."""
    shape: tuple[int, ...]
    if sparse.issparse(items):
        raise ValueError(f"{name} must be an array of items; got a sparse array.")
    if getattr(items, "ndim", 1) == 2:
        items = items.to_numpy() if hasattr(items, "to_numpy") else items
        flat, shape = items.ravel(), items.shape
    elif isinstance(items, list | tuple) and len(items) and all(isinstance(row, list | np.ndarray) for row in items):
        lengths = {len(row) for row in items}
        if len(lengths) > 1:
            raise ValueError(f"{name} must have lists of one length; got {min(lengths)} to {max(lengths)} items.")
        flat, shape = [item for row in items for item in row], (len(items), lengths.pop())
    else:
        flat, shape = items, ()
    ids = as_ids(flat, name, missing_ok=True)
    shape = shape or (len(ids),)
    if shape[0] != n_rows:
        raise ValueError(f"{name} must have a row for each of the {n_rows} rows of X; got {shape[0]}.")
    return ids, shape


def _read_rewards(rewards: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return rewards, flat, with NaN for items that were not seen."""
    try:
        earned = np.asarray(rewards, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"rewards must be numbers in [0, 1]; got {type(rewards).__name__} {rewards!r:.80}.") from error
    if earned.shape != shape:
        came = earned.shape if earned.ndim else f"{type(rewards).__name__} {rewards!r}"
        raise ValueError(f"rewards must have the shape of items, {shape}; got {came}.")
    known = earned[~np.isnan(earned)]
    if len(known) and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError(f"rewards must be numbers in [0, 1]; got values from {known.min()} to {known.max()}.")
    return earned.ravel()
