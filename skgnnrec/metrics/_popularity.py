"""Popularity of recommended items: novelty, popularity bias and serendipity."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.metrics._average import average_users, check_weights, weighted_mean
from skgnnrec.metrics._lists import PADDING, check_recommended, indicator, look_up
from skgnnrec.metrics._matrices import check_held_out, check_histories, check_one_row_each

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
    """Compute the novelty of recommendation lists: the mean self-information of the recommended items.

    The novelty of a list is the mean of ``-log2(n_users_with_item / n_users)`` over its items, in bits [1]_. Items
    without any user count as items of one user.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items)
        The interactions from which the popularity of the items is computed, usually those of the fit. Its users may
        differ from those of the lists.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    novelty : float or ndarray of shape (n_users,)
        A value between 0 (all users have the items) and ``log2(n_fitted_users)``. Users with an empty list do not count
        in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if all lists are
        empty.

    References
    ----------
    .. [1] T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010.

    Examples
    --------
    >>> from skgnnrec.metrics import novelty
    >>> novelty([[0, 1]], [[1, 1], [1, 0], [1, 0], [1, 0]])
    1.0
    """
    X = check_histories(interactions, "interactions")
    lists = check_recommended(recommended, X.shape[1], k)
    surprise = -np.log2(np.maximum(_popularity(X), 1 / X.shape[0])) + 0.0  # not -0.0
    return average_users(_mean_of_lists(lists, surprise), sample_weight, average, "a recommended item")


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def average_popularity(
    recommended: ArrayLike,
    interactions: Any,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the average popularity of the recommended items.

    The popularity of an item is ``n_users_with_item / n_users``. The value of a list is the mean over its items [1]_.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items)
        The interactions from which the popularity of the items is computed, usually those of the fit. Its users may
        differ from those of the lists.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    popularity : float or ndarray of shape (n_users,)
        A value between 0 (no user has the items) and 1 (all users have the items). Users with an empty list do not
        count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if all lists are
        empty.

    See Also
    --------
    popularity_lift : Compare the popularity of the lists with that of the histories.

    References
    ----------
    .. [1] H. Yin, B. Cui, J. Li, J. Yao and C. Chen, "Challenging the long tail recommendation", PVLDB 5(9), 2012.

    Examples
    --------
    >>> from skgnnrec.metrics import average_popularity
    >>> average_popularity([[0, 1]], [[1, 1], [1, 0], [1, 0], [1, 0]])
    0.625
    """
    popularity = _popularity(check_histories(interactions, "interactions"))
    lists = check_recommended(recommended, len(popularity), k)
    return average_users(_mean_of_lists(lists, popularity), sample_weight, average, "a recommended item")


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
    """Compute the popularity bias of recommendation lists relative to the histories of the users.

    The lift is ``(GAP_lists - GAP_histories) / GAP_histories``. The group average popularity (GAP) is the mean over the
    users of the mean popularity of their items [1]_. To compute the bias for a group of users, pass the rows of this
    group as `recommended` and `histories`, and the interactions of all users as `interactions`.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    histories : {array-like, sparse matrix} of shape (n_users, n_items)
        The histories of the users. Values > 0 are interactions.
    interactions : {array-like, sparse matrix} of shape (n_fitted_users, n_items) or None, default=None
        The interactions from which the popularity of the items is computed. If None, the histories are used.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in both means. If None, all users have the same weight.

    Returns
    -------
    lift : float
        A value of at least -1. It is 0 if lists and histories are equally popular, and 1 if the lists are twice as
        popular. Only users with a history and a recommended item count.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, if the mean has no
        users, or if `interactions` does not contain the items of the histories.

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
    chosen = check_histories(histories, "histories")
    fitted = chosen if interactions is None else check_histories(interactions, "interactions")
    popularity = _popularity(fitted)
    if len(popularity) != chosen.shape[1]:
        raise ValueError(
            "interactions and histories must have one column per item; got "
            f"{len(popularity)} and {chosen.shape[1]} columns."
        )
    lists = check_recommended(recommended, len(popularity), k)
    check_one_row_each(lists, chosen, "histories")
    of_lists = _mean_of_lists(lists, popularity)
    with np.errstate(invalid="ignore"):
        of_histories = (chosen > 0) @ popularity / np.diff(chosen.indptr)
    weights = check_weights(sample_weight, len(lists))
    both = ~np.isnan(of_lists) & ~np.isnan(of_histories) & (weights > 0)
    if not both.any():
        raise ValueError("At least one user of positive weight must have a history and a recommended item; got none.")
    gap_lists, gap_histories = (weighted_mean(means[both], weights[both]) for means in (of_lists, of_histories))
    if not gap_histories:
        raise ValueError("interactions must contain the items of the histories; got a mean popularity of 0.")
    return (gap_lists - gap_histories) / gap_histories


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
    """Compute the share of the recommended items that are unexpected hits.

    The serendipity of a user is ``n_unexpected_hits / k``. A hit is unexpected if it is not in the list of a baseline
    recommender, such as `PopularityRecommender`, for the same user [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    expected : array-like of int of shape (n_users, m)
        The lists of the baseline recommender, in the same form. All their items are expected.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    serendipity : float or ndarray of shape (n_users,)
        A value between 0 and the precision of the lists. It equals the precision if no hit is expected. Users without
        held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has no
        users.

    See Also
    --------
    precision_at_k : Compute the share of all hits, expected or not.

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
    baseline = check_recommended(expected, truth.shape[1], name="expected")
    if len(baseline) != len(lists):
        raise ValueError(f"expected and recommended must have one row per user; got {len(baseline)} and {len(lists)}.")
    is_hit, n_held_out = look_up(lists, truth)
    is_unexpected = is_hit & ~look_up(lists, indicator(baseline, truth.shape[1])).is_hit
    values = np.where(n_held_out > 0, is_unexpected.mean(axis=1), np.nan)
    return average_users(values, sample_weight, average, "held-out items")


def _mean_of_lists(lists: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the values of the items of each list, nan for empty lists."""
    is_item = lists != PADDING
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (values[lists] * is_item).sum(axis=1) / is_item.sum(axis=1)
    return means


def _popularity(X: sparse.csr_array) -> NDArray[np.float64]:
    """Return the share of the users of each item."""
    shares: NDArray[np.float64] = np.bincount(X.indices, minlength=X.shape[1]) / X.shape[0]
    return shares
