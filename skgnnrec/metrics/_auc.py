"""Area under the ROC curve, from recommendation lists."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, validate_params

from skgnnrec.metrics._average import average_listed
from skgnnrec.metrics._hits import PADDING, check_held_out, check_one_row_each, check_recommended, list_keys, look_up


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
    """Area under the ROC curve: the share of pairs of a held-out and another item that stand in the right order.

    ``(n_right + n_tied / 2) / (n_held_out * n_others)`` over the pairs of one user [1]_. An item of the list stands
    before all items outside it, which are tied with each other. A list of the whole catalog therefore gives the
    exact area, a short list one in which what it leaves out is ordered at random.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    seen : {array-like, sparse matrix} of shape (n_users, n_items) or None, default=None
        The histories, whose items are neither right nor wrong: pass them where the lists leave them out. An item
        that is held out as well counts as held out.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    auc : float or ndarray of shape (n_users,)
        Between 0 and 1; 0.5 is what chance reaches. The mean is over users with held-out items and others to
        compare them with; one value per user is nan for the rest.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    n_before = np.cumsum(is_other, axis=1)  # of the others, up to each place of the list
    n_right = (is_hit * (n_others[:, None] - n_before)).sum(axis=1)
    n_tied = (n_held_out - is_hit.sum(axis=1)) * (n_others - is_other.sum(axis=1))
    with np.errstate(invalid="ignore"):  # 0 / 0 is the nan of a user without pairs
        values = (n_right + n_tied / 2) / (n_held_out * n_others)
    if average and not n_held_out.any():
        raise ValueError(
            f"y_true must hold a value > 0 for at least one user, or there is nothing to find; got none in "
            f"{len(lists)} rows. With average=False such users get nan."
        )
    needed = "held-out items and others to compare them with (sample_weight must be > 0 for at least one user)"
    return average_listed(values, sample_weight, average, needed)


def _count_only_in(matrix: Any, other: Any) -> NDArray[np.int64]:
    """Return how many items each row of `matrix` holds that the same row of `other` does not."""
    keys = list_keys(matrix)[0]
    alone = keys[~np.isin(keys, list_keys(other)[0])]
    counts: NDArray[np.int64] = np.bincount(alone // max(1, matrix.shape[1]), minlength=matrix.shape[0])
    return counts
