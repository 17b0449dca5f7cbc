"""Area under the ROC curve, from recommendation lists."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.metrics._average import average_users
from skgnnrec.metrics._lists import PADDING, check_recommended, look_up, pair_keys
from skgnnrec.metrics._matrices import check_held_out, check_one_row_each


@validate_params(
    {
        "y_true": ["array-like", "sparse matrix"],
        "recommended": ["array-like"],
        "k": [Interval(Integral, 1, None, closed="left"), None],
        "seen": ["array-like", "sparse matrix", None],
        "sample_weight": ["array-like", None],
        "average": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def auc_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    seen: Any = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the area under the ROC curve (AUC) of recommendation lists.

    The AUC of a user is the share of correctly ordered pairs of a held-out item and another item:
    ``(n_correct + n_tied / 2) / (n_held_out * n_others)`` [1]_. An item of the list is ranked before all items outside
    of the list, which are tied with each other. The result is exact if the lists contain the whole catalog. For shorter
    lists, it is the expected AUC when the remaining items follow in random order.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    seen : {array-like, sparse matrix} of shape (n_users, n_items) or None, default=None
        The histories of the users. Their items are left out of the pairs, except for held-out items. Pass the histories
        if the lists do not recommend items of the history.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    auc : float or ndarray of shape (n_users,)
        A value between 0 and 1; random lists have 0.5. Users without any pair of items do not count in the mean; their
        own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian personalized ranking
       from implicit feedback", UAI 2009.

    Examples
    --------
    >>> from skgnnrec.metrics import auc_at_k
    >>> auc_at_k([[1, 0, 1, 0]], [[0, 1, 2, 3]])
    0.75
    >>> auc_at_k([[1, 0, 1, 0]], [[0, 1]])
    0.625
    """
    truth = check_held_out(y_true)
    lists = check_recommended(recommended, truth.shape[1], k)
    check_one_row_each(lists, truth, "y_true")
    is_hit, n_held_out = look_up(lists, truth)
    is_other, n_others = (lists != PADDING) & ~is_hit, truth.shape[1] - n_held_out
    if seen is not None:
        histories = check_held_out(seen, "seen")
        if histories.shape != truth.shape:
            raise ValueError(f"seen must have the shape of y_true, {truth.shape}; got {histories.shape}.")
        is_other &= ~look_up(lists, histories).is_hit
        n_others = n_others - _count_only_in(histories, truth)
    n_others_before = np.cumsum(is_other, axis=1)
    n_correct = (is_hit * (n_others[:, None] - n_others_before)).sum(axis=1)
    n_tied = (n_held_out - is_hit.sum(axis=1)) * (n_others - is_other.sum(axis=1))
    with np.errstate(invalid="ignore"):  # users without pairs get nan, as 0 / 0
        values = (n_correct + n_tied / 2) / (n_held_out * n_others)
    if average and not n_held_out.any():
        raise ValueError(
            "y_true must have a value > 0 for at least one user, otherwise there is nothing to find; got none in "
            f"{len(lists)} rows. With average=False, the value of such users is nan."
        )
    needed = "held-out items and others to compare them with (sample_weight must be > 0 for at least one user)"
    return average_users(values, sample_weight, average, needed)


def _count_only_in(matrix: Any, other: Any) -> NDArray[np.int64]:
    """Return the number of items in each row of `matrix` that are not in the same row of `other`."""
    keys = pair_keys(matrix)[0]
    alone = keys[~np.isin(keys, pair_keys(other)[0])]
    counts: NDArray[np.int64] = np.bincount(alone // max(1, matrix.shape[1]), minlength=matrix.shape[0])
    return counts
