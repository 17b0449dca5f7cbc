"""How attention is spread over the items of the catalog, and gaps between groups."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_consistent_length

from skgnnrec.metrics._average import check_weights
from skgnnrec.metrics._hits import PADDING, check_recommended

_CONSTRAINTS = {
    "recommended": ["array-like"],
    "n_items": [Interval(Integral, 1, None, closed="left")],
    "k": [Interval(Integral, 1, None, closed="left"), None],
    "sample_weight": ["array-like", None],
}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def gini_index(
    recommended: ArrayLike, *, n_items: int, k: int | None = None, sample_weight: ArrayLike | None = None
) -> float:
    """Inequality of how often the items of the catalog are recommended.

    With the items sorted by how often they are recommended, p_1 <= ... <= p_n as shares of all places,
    ``sum_j (2 j - n - 1) p_j / (n - 1)`` [1]_.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    n_items : int
        Number of items in the catalog, at least 1.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users: the lists of a user of weight 2 count twice.

    Returns
    -------
    gini : float
        Between 0 (all items are recommended equally often) and 1 (only one is).

    Raises
    ------
    ValueError
        If `recommended` holds positions outside the catalog, an item twice in a row or padding before an
        item, if `k` is larger than n, or if nothing is recommended.

    See Also
    --------
    catalog_coverage : Share of the catalog that is recommended at all.

    References
    ----------
    .. [1] A. Gunawardana and G. Shani, "Evaluating recommender systems", in: Recommender Systems Handbook,
       Springer, 2015.

    Examples
    --------
    >>> from skgnnrec.metrics import gini_index
    >>> gini_index([[0, 1], [1, 0]], n_items=2)
    0.0
    >>> round(gini_index([[0, 1], [0, 2]], n_items=4), 3)
    0.5
    """
    lists = check_recommended(recommended, n_items, k)
    shares = np.sort(_place_shares(lists, n_items, np.ones(lists.shape[1]), sample_weight))
    ranks = np.arange(1, n_items + 1)
    return float(np.clip((2 * ranks - n_items - 1) @ shares / max(1, n_items - 1), 0, 1))


@validate_params(
    {**_CONSTRAINTS, "discount": [StrOptions({"log2", "none"})]},
    prefer_skip_nested_validation=True,
)
def item_exposure(
    recommended: ArrayLike,
    *,
    n_items: int,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    discount: str = "log2",
) -> NDArray[np.float64]:
    """Share of the users' attention that each item of the catalog gets.

    A place at rank r attracts ``1 / log2(r + 1)`` of attention, as in DCG [1]_; an item's exposure is what its places
    in all lists attract, divided by the sum over all items.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    n_items : int
        Number of items in the catalog, at least 1.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users: the list of a user of weight 2 counts twice.
    discount : {"log2", "none"}, default="log2"
        How attention falls with the rank; with "none" all places attract the same.

    Returns
    -------
    exposure : ndarray of shape (n_items,)
        Between 0 and 1; the sum is 1. Summed over a producer's items, or averaged over a group of items, it says what
        that producer or group gets: pass it to `group_gap`, or to fairlearn's ``MetricFrame``.

    Raises
    ------
    ValueError
        If `recommended` holds positions outside the catalog, an item twice in a row or padding before an
        item, if `k` is larger than n, or if nothing is recommended.

    See Also
    --------
    group_gap : Compares groups of items or of users.

    References
    ----------
    .. [1] A. Singh and T. Joachims, "Fairness of exposure in rankings", KDD 2018.

    Examples
    --------
    >>> from skgnnrec.metrics import item_exposure
    >>> item_exposure([[0, 1], [1, 0]], n_items=3)
    array([0.5, 0.5, 0. ])
    >>> item_exposure([[0, 1], [0, 1]], n_items=3).round(3)
    array([0.613, 0.387, 0.   ])
    """
    lists = check_recommended(recommended, n_items, k)
    ranks = np.arange(1, lists.shape[1] + 1)
    attention = 1 / np.log2(ranks + 1) if discount == "log2" else np.ones(len(ranks))
    return _place_shares(lists, n_items, attention, sample_weight)


@validate_params(
    {
        "values": ["array-like"],
        "groups": ["array-like"],
        "sample_weight": ["array-like", None],
        "method": [StrOptions({"difference", "ratio"})],
    },
    prefer_skip_nested_validation=True,
)
def group_gap(
    values: ArrayLike, groups: ArrayLike, *, sample_weight: ArrayLike | None = None, method: str = "difference"
) -> float:
    """Largest gap between the means of groups.

    The largest mean of a group minus the smallest, or the smallest divided by the largest [1]_. With a metric's values
    per user it compares groups of users; with `item_exposure` groups of items.

    Parameters
    ----------
    values : array-like of shape (n,)
        One value per user or per item, such as ``ndcg_at_k(..., average=False)``. Those that are nan do not count.
    groups : array-like of shape (n,)
        The group of each. Those of a missing group do not count.
    sample_weight : array-like of shape (n,) or None, default=None
        Weights >= 0 in the means.
    method : {"difference", "ratio"}, default="difference"
        What to return.

    Returns
    -------
    gap : float
        The difference, at least 0, which is equality; or the ratio, at most 1, which is equality (nan where the
        largest mean is 0).

    Raises
    ------
    ValueError
        If no group has a value of positive weight.

    References
    ----------
    .. [1] H. Weerts et al., "Fairlearn: assessing and improving fairness of AI systems", Journal of Machine Learning
       Research 24, 2023: ``MetricFrame.difference()`` and ``MetricFrame.ratio()``.

    Examples
    --------
    >>> from skgnnrec.metrics import group_gap
    >>> group_gap([0.5, 0.75, 0.25], ["new", "old", "new"])
    0.375
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"values must hold one number per user or item, shape (n,); got shape {numbers.shape}.")
    check_consistent_length(numbers, groups)
    weights = check_weights(sample_weight, len(numbers))
    weights = np.where(np.isnan(numbers), 0.0, weights)
    codes, found = pd.factorize(np.asarray(groups, dtype=object))
    is_grouped = codes >= 0
    totals = np.bincount(codes[is_grouped], weights=weights[is_grouped], minlength=len(found))
    weighed = np.nan_to_num(numbers) * weights
    sums = np.bincount(codes[is_grouped], weights=weighed[is_grouped], minlength=len(found))
    if not (totals > 0).any():
        raise ValueError("values must hold a number of positive weight in at least one group; got none.")
    means = sums[totals > 0] / totals[totals > 0]
    if method == "difference":
        return float(means.max() - means.min())
    return float(means.min() / means.max()) if means.max() else float("nan")


def _place_shares(lists: NDArray[np.int64], n_items: int, attention: Any, sample_weight: Any) -> NDArray[np.float64]:
    """Return what the places of each item attract, as a share of all."""
    weights = check_weights(sample_weight, len(lists))[:, None] * attention  # (n_users, k)
    listed = lists != PADDING
    attracted = np.bincount(lists[listed], weights=weights[listed], minlength=n_items)
    if not attracted.any():
        raise ValueError("recommended must hold an item for at least one user of positive weight; got none.")
    shares: NDArray[np.float64] = attracted / attracted.sum()
    return shares
