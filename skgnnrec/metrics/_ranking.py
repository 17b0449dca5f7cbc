"""Ranking metrics: NDCG, recall, precision, hit rate, MRR and MAP."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.metrics._average import check_weights, weighted_mean
from skgnnrec.metrics._lists import Hits, find_hits

_PARAMETER_CONSTRAINTS = {
    "y_true": ["array-like", "sparse matrix"],
    "recommended": ["array-like"],
    "k": [Interval(Integral, 1, None, closed="left"), None],
    "sample_weight": ["array-like", None],
    "average": ["boolean"],
}


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def ndcg_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the normalized discounted cumulative gain (NDCG) of recommendation lists.

    A hit at rank r adds ``1 / log2(r + 1)`` to the gain. The gain is divided by the gain of an ideal list, which has
    hits at the ranks 1 to ``min(n_held_out, k)`` [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    ndcg : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM Transactions
       on Information Systems 20(4), 2002.

    Examples
    --------
    >>> from skgnnrec.metrics import ndcg_at_k
    >>> round(ndcg_at_k([[1, 0, 1, 0]], [[1, 0, 2]]), 4)
    0.6934
    """
    return _evaluate(["ndcg"], y_true, recommended, k, sample_weight, average)["ndcg"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def recall_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the recall of recommendation lists: the share of the held-out items that are recommended.

    The recall of a user is ``n_hits / n_held_out`` [1]_. It is below 1 if the user has more than k held-out items.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    recall : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval", chapter 8,
       Cambridge University Press, 2008.

    Examples
    --------
    >>> from skgnnrec.metrics import recall_at_k
    >>> recall_at_k([[1, 0, 1, 0]], [[1, 0, 3]])
    0.5
    """
    return _evaluate(["recall"], y_true, recommended, k, sample_weight, average)["recall"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def precision_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the precision of recommendation lists: the share of the recommended items that are held out.

    The precision of a user is ``n_hits / k`` [1]_. Padding counts as an item without a hit.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    precision : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval", chapter 8,
       Cambridge University Press, 2008.

    Examples
    --------
    >>> from skgnnrec.metrics import precision_at_k
    >>> precision_at_k([[1, 0, 1, 0]], [[1, 0, 3, -1]])
    0.25
    """
    return _evaluate(["precision"], y_true, recommended, k, sample_weight, average)["precision"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def hit_rate_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the hit rate of recommendation lists: the share of the users with at least one hit.

    The value of a user is ``1 if n_hits > 0 else 0`` [1]_. It equals the recall if each user has one held-out item.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    hit_rate : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] M. Deshpande and G. Karypis, "Item-based top-N recommendation algorithms", ACM Transactions on
       Information Systems 22(1), 2004.

    Examples
    --------
    >>> from skgnnrec.metrics import hit_rate_at_k
    >>> hit_rate_at_k([[1, 0, 1, 0], [0, 1, 0, 0]], [[1, 0], [0, 2]])
    0.5
    """
    return _evaluate(["hit_rate"], y_true, recommended, k, sample_weight, average)["hit_rate"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def mrr_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the mean reciprocal rank (MRR) of the first hits of recommendation lists.

    The value of a user is ``1 / rank of the first hit``, or 0 without a hit [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    mrr : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] E. M. Voorhees, "The TREC-8 question answering track report", Proceedings of TREC-8, 1999.

    Examples
    --------
    >>> from skgnnrec.metrics import mrr_at_k
    >>> mrr_at_k([[1, 0, 1, 0], [0, 1, 0, 0]], [[1, 0], [1, 2]])
    0.75
    """
    return _evaluate(["mrr"], y_true, recommended, k, sample_weight, average)["mrr"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def map_at_k(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Compute the mean average precision (MAP) of recommendation lists.

    The value of a user is the sum of ``n_hits up to rank r / r`` over the ranks r of the hits, divided by
    ``min(n_held_out, k)`` [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    map : float or ndarray of shape (n_users,)
        A value between 0 and 1. Users without held-out items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    References
    ----------
    .. [1] C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval", chapter 8,
       Cambridge University Press, 2008.

    Examples
    --------
    >>> from skgnnrec.metrics import map_at_k
    >>> map_at_k([[1, 0, 1, 0]], [[1, 0, 3]])
    0.25
    """
    return _evaluate(["map"], y_true, recommended, k, sample_weight, average)["map"]


@validate_params(_PARAMETER_CONSTRAINTS, prefer_skip_nested_validation=True)
def ranking_metrics(
    y_true: Any,
    recommended: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> dict[str, Any]:
    """Compute all ranking metrics of recommendation lists at once.

    The metrics are NDCG, recall, precision, hit rate, MRR and MAP. The hits are computed only once.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        The held-out interactions. Values > 0 mark the relevant items. Duplicate entries of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions (columns of `y_true`). Shorter lists are padded
        with -1 at the end.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    metrics : dict of str to float, or of str to ndarray of shape (n_users,)
        The metrics by name: "ndcg", "recall", "precision", "hit_rate", "mrr" and "map". The values are those of the
        functions of the metrics.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, or if the mean has
        no users.

    See Also
    --------
    ndcg_at_k : Compute NDCG only.

    Examples
    --------
    >>> from skgnnrec.metrics import ranking_metrics
    >>> metrics = ranking_metrics([[1, 0, 1, 0], [0, 1, 0, 0]], [[0, 1], [3, 2]])
    >>> {name: round(value, 3) for name, value in metrics.items()}
    {'ndcg': 0.307, 'recall': 0.25, 'precision': 0.25, 'hit_rate': 0.5, 'mrr': 0.5, 'map': 0.25}
    """
    return _evaluate(list(_FORMULAS), y_true, recommended, k, sample_weight, average)


# Users without held-out items get nan, as 0 / 0.


def _ndcg(hits: Hits) -> NDArray[np.float64]:
    k = hits.is_hit.shape[1]
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0, np.cumsum(discount))[np.minimum(hits.n_held_out, k)]
    return (hits.is_hit @ discount) / ideal


def _recall(hits: Hits) -> NDArray[np.float64]:
    return hits.is_hit.sum(axis=1) / hits.n_held_out


def _precision(hits: Hits) -> NDArray[np.float64]:
    return _where_held_out(hits, hits.is_hit.mean(axis=1))


def _hit_rate(hits: Hits) -> NDArray[np.float64]:
    return _where_held_out(hits, _has_hit(hits))


def _mrr(hits: Hits) -> NDArray[np.float64]:
    first_rank = 1 + np.argmax(hits.is_hit, axis=1)
    return _where_held_out(hits, _has_hit(hits) / first_rank)


def _map(hits: Hits) -> NDArray[np.float64]:
    k = hits.is_hit.shape[1]
    precision_at_rank = np.cumsum(hits.is_hit, axis=1) / np.arange(1, k + 1)  # (n_users, k)
    return (precision_at_rank * hits.is_hit).sum(axis=1) / np.minimum(hits.n_held_out, k)


_FORMULAS: dict[str, Callable[[Hits], NDArray[np.float64]]] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "precision": _precision,
    "hit_rate": _hit_rate,
    "mrr": _mrr,
    "map": _map,
}


def _has_hit(hits: Hits) -> NDArray[np.bool_]:
    return np.logical_or.reduce(hits.is_hit, axis=1)


def _where_held_out(hits: Hits, values: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(hits.n_held_out > 0, values, np.nan)


def _evaluate(
    names: list[str],
    y_true: Any,
    recommended: ArrayLike,
    k: int | None,
    sample_weight: ArrayLike | None,
    average: bool,
) -> dict[str, Any]:
    hits = find_hits(y_true, recommended, k)
    weights = check_weights(sample_weight, len(hits.n_held_out))
    with np.errstate(invalid="ignore"):
        per_user = {name: _FORMULAS[name](hits) for name in names}
    if not average:
        return per_user
    counted = hits.n_held_out > 0
    _check_any_counted(counted, weights)
    return {name: weighted_mean(values[counted], weights[counted]) for name, values in per_user.items()}


def _check_any_counted(counted: NDArray[np.bool_], weights: NDArray[np.float64]) -> None:
    if not counted.any():
        raise ValueError(
            "y_true must have a value > 0 for at least one user, otherwise there is nothing to find; got none in "
            f"{len(counted)} rows. With average=False, the value of such users is nan."
        )
    if not (weights[counted] > 0).any():
        raise ValueError(
            "sample_weight must be > 0 for at least one user with held-out items; got 0 for all these users."
        )
