"""Ranking metrics: pure formulas on hits, and the public functions around them."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, validate_params

from skgnnrec.metrics._average import check_weights
from skgnnrec.metrics._hits import Hits, find_hits

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
    """Normalized discounted cumulative gain of the first k items.

    A hit at rank r gains ``1 / log2(r + 1)``; the sum is divided by the best that was possible, hits at the
    ranks 1 to ``min(n_held_out, k)`` [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    ndcg : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """Share of the held-out items that stand among the first k.

    ``n_hits / n_held_out`` [1]_. A user with more than k held-out items cannot reach 1.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    recall : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """Share of the first k places that hold a held-out item.

    ``n_hits / k`` [1]_, for short lists too: a place left empty is a place without a hit.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    precision : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """Share of the users who find at least one held-out item among the first k.

    One user's value is ``1 if n_hits > 0 else 0`` [1]_. With one held-out item each it equals recall.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    hit_rate : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """Mean reciprocal rank of the first hit among the first k items.

    One user's value is ``1 / rank of the first hit``, and 0 without a hit [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    mrr : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """Mean average precision of the first k items.

    One user's value is the sum of ``n_hits up to rank r / r`` over the ranks r of the hits, divided by
    ``min(n_held_out, k)`` [1]_.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    map : float or ndarray of shape (n_users,)
        Between 0 and 1. The mean is over users with held-out items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

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
    """All ranking metrics of one set of lists, from one look-up of the hits.

    The names are those of the functions without ``_at_k``: ndcg, recall, precision, hit_rate, mrr and map.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant, duplicates of a sparse matrix are summed.
    recommended : array-like of int of shape (n_users, n)
        Item positions (columns of `y_true`), best first; shorter lists are padded with -1 at the end.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    metrics : dict of str to float, or of str to ndarray of shape (n_users,)
        Each metric by name, as its function returns it.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, or if
        there is no user to take the mean over.

    See Also
    --------
    ndcg_at_k : Normalized discounted cumulative gain alone.

    Examples
    --------
    >>> from skgnnrec.metrics import ranking_metrics
    >>> metrics = ranking_metrics([[1, 0, 1, 0], [0, 1, 0, 0]], [[0, 1], [3, 2]])
    >>> {name: round(value, 3) for name, value in metrics.items()}
    {'ndcg': 0.307, 'recall': 0.25, 'precision': 0.25, 'hit_rate': 0.5, 'mrr': 0.5, 'map': 0.25}
    """
    return _evaluate(list(_FORMULAS), y_true, recommended, k, sample_weight, average)


# The formulas divide by the number of held-out items: 0 / 0 is the nan of a user who has none.


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
    """Compute the named metrics from one look-up of hits."""
    hits = find_hits(y_true, recommended, k)
    weights = check_weights(sample_weight, len(hits.n_held_out))
    with np.errstate(invalid="ignore"):
        per_user = {name: _FORMULAS[name](hits) for name in names}
    if not average:
        return per_user
    counted = hits.n_held_out > 0
    _check_any_counted(counted, weights)
    return {name: float(np.average(values[counted], weights=weights[counted])) for name, values in per_user.items()}


def _check_any_counted(counted: NDArray[np.bool_], weights: NDArray[np.float64]) -> None:
    if not counted.any():
        raise ValueError(
            f"y_true must hold a value > 0 for at least one user, or there is nothing to find; got none in "
            f"{len(counted)} rows. With average=False such users get nan."
        )
    if not (weights[counted] > 0).any():
        raise ValueError("sample_weight must be > 0 for at least one user with held-out items; got 0 for all of them.")
