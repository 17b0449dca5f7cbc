"""How far recommendations go beyond what is popular."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils._param_validation import Interval, validate_params

from skgnnrec._validation import check_interactions
from skgnnrec.metrics._average import average_listed, check_weights
from skgnnrec.metrics._hits import (
    PADDING,
    check_held_out,
    check_one_row_each,
    check_recommended,
    indicator,
    look_up,
)

_CONSTRAINTS = {
    "recommended": ["array-like"],
    "interactions": ["array-like", "sparse matrix"],
    "k": [Interval(Integral, 1, None, closed="left"), None],
    "sample_weight": ["array-like", None],
    "average": ["boolean"],
}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def novelty(
    recommended: ArrayLike,
    interactions: Any,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Mean self-information of the recommended items: how unlikely it is that someone knows them.

    The mean of ``-log2(n_users_with_item / n_users)`` over a list, in bits [1]_. An item that nobody has counts as if
    one user had it.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items)
        The interactions that popularity is counted in, usually those of the fit; its users need not be those of
        the lists.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    novelty : float or ndarray of shape (n_users,)
        Between 0 (everybody has the items) and ``log2(n_fitted_users)``. The mean is over users with a recommended
        item; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        nothing is recommended.

    References
    ----------
    .. [1] T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010.

    Examples
    --------
    >>> from skgnnrec.metrics import novelty
    >>> novelty([[0, 1]], [[1, 1], [1, 0], [1, 0], [1, 0]])
    1.0
    """
    X = check_interactions(interactions, input_name="interactions")
    lists = check_recommended(recommended, X.shape[1], k)
    surprise = -np.log2(np.maximum(_popularity(X), 1 / X.shape[0])) + 0.0  # not -0.0
    return average_listed(mean_of_lists(lists, surprise), sample_weight, average, "a recommended item")


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def average_popularity(
    recommended: ArrayLike,
    interactions: Any,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Mean popularity of the recommended items, as shares of the users who have them.

    The mean of ``n_users_with_item / n_users`` over a list: average recommendation popularity [1]_.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items)
        The interactions that popularity is counted in, usually those of the fit; its users need not be those of
        the lists.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    popularity : float or ndarray of shape (n_users,)
        Between 0 (nobody has the items) and 1 (everybody does). The mean is over users with a recommended item; one
        value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        nothing is recommended.

    See Also
    --------
    popularity_lift : Compares it with what the users chose themselves.

    References
    ----------
    .. [1] H. Yin, B. Cui, J. Li, J. Yao and C. Chen, "Challenging the long tail recommendation", PVLDB 5(9), 2012.

    Examples
    --------
    >>> from skgnnrec.metrics import average_popularity
    >>> average_popularity([[0, 1]], [[1, 1], [1, 0], [1, 0], [1, 0]])
    0.625
    """
    popularity = _popularity(check_interactions(interactions, input_name="interactions"))
    lists = check_recommended(recommended, len(popularity), k)
    return average_listed(mean_of_lists(lists, popularity), sample_weight, average, "a recommended item")


@validate_params(
    {
        **{name: _CONSTRAINTS[name] for name in ("recommended", "k", "sample_weight")},
        "histories": ["array-like", "sparse matrix"],
        "interactions": ["array-like", "sparse matrix", None],
    },
    prefer_skip_nested_validation=True,
)
def popularity_lift(
    recommended: ArrayLike,
    histories: Any,
    *,
    interactions: Any = None,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Popularity bias: how much more popular the recommended items are than those the users chose.

    ``(GAP_lists - GAP_histories) / GAP_histories``, where the group average popularity GAP is the mean over the users
    of the mean popularity of their items [1]_. For the bias towards one group of users, pass the rows of that group and
    all users' interactions.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    histories : {array-like, sparse matrix} of shape (n_users, n_items)
        What the same users chose themselves; values > 0 are interactions.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items) or None, default=None
        The interactions that popularity is counted in. None takes the histories.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in both means.

    Returns
    -------
    lift : float
        At least -1; 0 where lists and histories are equally popular, 1 where the lists are twice as popular. Only
        users with a history and a recommended item count.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, if there is no
        user to count, or if the items of the histories are not in `interactions`.

    References
    ----------
    .. [1] H. Abdollahpouri, M. Mansoury, R. Burke and B. Mobasher, "The unfairness of popularity bias in
       recommendation", RMSE workshop at RecSys 2019.

    Examples
    --------
    >>> from skgnnrec.metrics import popularity_lift
    >>> popularity_lift([[0], [0]], [[0, 1], [0, 1]], interactions=[[1, 1], [1, 0]])
    1.0
    """
    chosen = check_interactions(histories, input_name="histories")
    fitted = chosen if interactions is None else check_interactions(interactions, input_name="interactions")
    popularity = _popularity(fitted)
    if len(popularity) != chosen.shape[1]:
        raise ValueError(f"interactions has {len(popularity)} columns, histories {chosen.shape[1]}.")
    lists = check_recommended(recommended, len(popularity), k)
    check_one_row_each(lists, chosen, "histories")
    of_lists = mean_of_lists(lists, popularity)
    with np.errstate(invalid="ignore"):
        of_histories = (chosen > 0) @ popularity / np.diff(chosen.indptr)
    weights = check_weights(sample_weight, len(lists))
    both = ~np.isnan(of_lists) & ~np.isnan(of_histories) & (weights > 0)
    if not both.any():
        raise ValueError("At least one user of positive weight must have a history and a recommended item; got none.")
    gap_lists, gap_histories = (np.average(mean[both], weights=weights[both]) for mean in (of_lists, of_histories))
    if not gap_histories:
        raise ValueError("interactions must hold the items of the histories; got a mean popularity of 0.")
    return float((gap_lists - gap_histories) / gap_histories)


@validate_params(
    {
        **{name: _CONSTRAINTS[name] for name in ("recommended", "k", "sample_weight", "average")},
        "y_true": ["array-like", "sparse matrix"],
        "expected": ["array-like"],
    },
    prefer_skip_nested_validation=True,
)
def serendipity(
    y_true: Any,
    recommended: ArrayLike,
    expected: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Share of the first k places that hold a held-out item which a primitive recommender would not have found.

    ``n_unexpected_hits / k``, where a hit is unexpected if it is not in the list of a primitive recommender, such as
    `PopularityRecommender`, for the same user [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    expected : array-like of int of shape (n_users, m)
        The lists of the primitive recommender, all of which are expected; in the same form.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    serendipity : float or ndarray of shape (n_users,)
        Between 0 and the precision of the lists, which it equals where no hit was expected. The mean is over users
        with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` or `expected` is not a list of distinct positions per user, padded at the end, if `k` > n, or
        if there is no user to take the mean over.

    See Also
    --------
    precision_at_k : The same, expected hits included.

    References
    ----------
    .. [1] M. Ge, C. Delgado-Battenfeld and D. Jannach, "Beyond accuracy: evaluating recommender systems by
       coverage and serendipity", RecSys 2010.

    Examples
    --------
    >>> from skgnnrec.metrics import serendipity
    >>> serendipity([[1, 0, 1, 0]], [[0, 2, 1, 3]], expected=[[0, 1]])
    0.25
    """
    truth = check_held_out(y_true)
    lists = check_recommended(recommended, truth.shape[1], k)
    check_one_row_each(lists, truth, "y_true")
    known = check_recommended(expected, truth.shape[1], None, name="expected")
    if len(known) != len(lists):
        raise ValueError(f"expected and recommended must have one row per user; got {len(known)} and {len(lists)}.")
    is_hit, n_held_out = look_up(lists, truth)
    unexpected = is_hit & ~look_up(lists, indicator(known, truth.shape[1])).is_hit
    values = np.where(n_held_out > 0, unexpected.mean(axis=1), np.nan)
    return average_listed(values, sample_weight, average, "held-out items")


def mean_of_lists(lists: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the items' values over each list, nan where it is empty."""
    listed = lists != PADDING
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (values[lists] * listed).sum(axis=1) / listed.sum(axis=1)
    return means


def _popularity(X: sparse.csr_array) -> NDArray[np.float64]:
    """Return the share of the users who have each item."""
    shares: NDArray[np.float64] = np.bincount(X.indices, minlength=X.shape[1]) / X.shape[0]
    return shares
