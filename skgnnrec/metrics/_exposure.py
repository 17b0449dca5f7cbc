"""Exposure of the items in recommendation lists, and gaps between groups."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions, validate_params

from skgnnrec._constraints import Interval
from skgnnrec._memory import check_memory
from skgnnrec.interactions import Vocabulary, as_ids
from skgnnrec.metrics._average import check_numbers, check_weights
from skgnnrec.metrics._lists import PADDING, check_recommended

BYTES_PER_ITEM = 40  # working memory

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
    """Compute the Gini index of the recommendation frequencies of the items.

    Let p_1 <= ... <= p_n be the share of each item in all recommendations, in ascending order. The Gini index is
    ``sum_j (2 j - n - 1) p_j / (n - 1)`` [1]_.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    n_items : int
        The number of items in the catalog, at least 1.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users. The list of a user with weight 2 counts twice.

    Returns
    -------
    gini : float
        A value between 0 (all items are recommended equally often) and 1 (only one item is recommended).

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if all lists are
        empty.

    See Also
    --------
    catalog_coverage : Compute the share of the catalog that is recommended.

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
    n_items = int(n_items)  # products of NumPy's narrow integers wrap
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
    """Compute the share of the users' attention that each item receives.

    An item at rank r of a list receives the attention ``1 / log2(r + 1)``, as in DCG [1]_. The exposure of an item is
    its attention in all lists, divided by the attention of all items.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    n_items : int
        The number of items in the catalog, at least 1.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users. The list of a user with weight 2 counts twice.
    discount : {"log2", "none"}, default="log2"
        The decrease of attention with the rank. With "none", all ranks receive the same attention.

    Returns
    -------
    exposure : ndarray of shape (n_items,)
        The exposure of each item, between 0 and 1. The sum is 1. To compare groups of items, pass the exposure to
        `group_gap`, or to ``MetricFrame`` of fairlearn.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if all lists are
        empty.

    See Also
    --------
    group_gap : Compare the means of groups.

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
    n_items = int(n_items)  # products of NumPy's narrow integers wrap
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
    """Compute the largest gap between the means of groups.

    The gap is the difference between the largest and the smallest mean, or the ratio of the smallest and the largest
    mean [1]_. Pass the values of a metric per user to compare groups of users, or `item_exposure` to compare groups of
    items.

    Parameters
    ----------
    values : array-like of shape (n,)
        One value per user or item, such as ``ndcg_at_k(..., average=False)``. Values of nan do not count.
    groups : array-like of shape (n,)
        The group of each user or item. Users or items without a group (None or nan) do not count.
    sample_weight : array-like of shape (n,) or None, default=None
        Non-negative weights in the means. If None, all weights are equal.
    method : {"difference", "ratio"}, default="difference"
        The gap to compute.

    Returns
    -------
    gap : float
        The difference, which is 0 for equal means, or the ratio, which is 1 for equal means. The ratio is nan if the
        largest mean is 0.

    Raises
    ------
    ValueError
        If a value is infinite, or if no group has a value with positive weight.

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
    numbers = check_numbers(values, "values", "one number per user or item, shape (n,)")
    if np.isinf(numbers).any():
        raise ValueError("values must hold finite numbers or nan; got infinity.")
    names = as_ids(groups, "groups", missing_ok=True)
    if len(numbers) != len(names):
        raise ValueError(f"values and groups must have the same length; got {len(numbers)} and {len(names)}.")
    weights = np.where(np.isnan(numbers), 0.0, check_weights(sample_weight, len(numbers)))
    codes, n_groups = _codes(names)
    is_grouped = codes >= 0
    totals = np.bincount(codes[is_grouped], weights=weights[is_grouped], minlength=n_groups)
    if not (totals > 0).any():
        raise ValueError("values must hold a number with positive weight in at least one group; got none.")
    with np.errstate(all="ignore"):
        weighted = np.nan_to_num(numbers) * weights
        sums = np.bincount(codes[is_grouped], weights=weighted[is_grouped], minlength=n_groups)
        means = sums[totals > 0] / totals[totals > 0]
        if method == "difference":
            return float(means.max() - means.min())
        return float(means.min() / means.max()) if means.max() else float("nan")


def _codes(names: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Return the number of the group of each name, -1 for missing names, and the number of groups."""
    is_missing = pd.isna(names)
    groups, codes = Vocabulary.of(names[~is_missing])
    found = np.full(len(names), -1)
    found[~is_missing] = codes
    return found, len(groups)


def _place_shares(lists: NDArray[np.int64], n_items: int, attention: Any, sample_weight: Any) -> NDArray[np.float64]:
    """Return the attention that each item receives, as a share of the attention of all items."""
    is_item = lists != PADDING
    check_memory(BYTES_PER_ITEM * n_items, f"The exposure of n_items={n_items} items", "Reduce n_items.")
    with np.errstate(under="ignore"):
        weights = check_weights(sample_weight, len(lists))[:, None] * attention  # (n_users, k)
        received = np.bincount(lists[is_item], weights=weights[is_item], minlength=n_items)
        if not received.any():
            raise ValueError("recommended must hold an item for at least one user of positive weight; got none.")
        shares: NDArray[np.float64] = received / received.sum()
    return shares
