"""Federated fits: data stay in silos, and a server receives sums over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec._memory import check_memory
from skgnnrec.graph import Statistics
from skgnnrec.interactions import Vocabulary, as_ids, binarize, check_interactions, column_vocabulary, refuse_log
from skgnnrec.privacy._private import exponent_of_sums
from skgnnrec.privacy._secure_sum import integers_of, run_in_process
from skgnnrec.recommenders import BaseRecommender, GNNRecommender

__all__ = ["federated_average", "federated_fit", "fit_statistics", "silo_statistics"]


def silo_statistics(recommender: BaseRecommender, X: Any) -> np.ndarray:
    """Compute the sums over users that a recommender is fitted to, as a vector of integers.

    The vectors of several silos add up to that of all users together. `SecureSumSilo` takes it.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender or PopularityRecommender
        The recommender. It must use X as binary, and no order.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions of the users of the silo. All silos have the same columns.

    Returns
    -------
    statistics : ndarray of shape (n_values,), int64
        The upper triangle of the co-occurrences, row by row, where the recommender uses them; the number of users of
        each item; the number of users. Co-occurrences with weights of users are multiples of :math:`2^{-32}`.

    Raises
    ------
    ValueError
        If the recommender is not computed from such sums.

    See Also
    --------
    fit_statistics : Fits the recommender to the sum of such vectors.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.privacy import silo_statistics
    >>> silo_statistics(RidgeRecommender(), [[1, 1, 0], [0, 1, 0]])
    array([1, 1, 0, 2, 0, 0, 1, 2, 0, 2])
    """
    exponent = _checked_exponent(recommender)
    refuse_log(X)
    rows = binarize(check_interactions(X))
    n_items = rows.shape[1]
    if exponent is None:
        counts, upper = np.bincount(rows.indices, minlength=n_items), np.zeros(0, dtype=np.int64)
    else:
        check_memory(24 * n_items**2, f"Statistics of {n_items} items", "Pass a PopularityRecommender or fewer items.")
        statistics = Statistics.accumulate(rows, exponent)
        counts = statistics.item_counts
        upper = statistics.cooccurrence.toarray()[np.triu_indices(n_items)]
    return np.concatenate([upper, counts, [rows.shape[0]]]).astype(np.int64)


def fit_statistics(recommender: BaseRecommender, statistics: Any, *, item_ids: Any = None) -> BaseRecommender:
    """Fit a recommender to the sums over the users of all silos.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender or PopularityRecommender
        The recommender. It is not changed.
    statistics : array-like of int, shape (n_values,)
        The sum of the vectors that `silo_statistics` computes.
    item_ids : array-like of shape (n_items,), default=None
        The ids of the columns; None takes those of the catalog, where it has any.

    Returns
    -------
    fitted : BaseRecommender
        A fitted clone. It gives the scores of a fit to all users together, where the parameters are numbers:
        a `popularity_weight` of "auto" cannot be chosen without interactions. The spectral part of a
        `GraphFilterRecommender` is computed exactly, and by a randomised method in a fit to interactions. It keeps no
        histories, so that it has no updates: add the statistics of further users to the sum, and fit again.

    Raises
    ------
    ValueError
        If the length of `statistics` is not that of any number of items, or values are negative.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.privacy import fit_statistics, silo_statistics
    >>> silos = [np.eye(4)[[0, 1]] + np.eye(4)[[1, 2]], np.ones((3, 4))]
    >>> rec = RidgeRecommender(n_recommendations=1)
    >>> total = sum(silo_statistics(rec, X) for X in silos)
    >>> fitted = fit_statistics(rec, total)
    >>> bool(np.allclose(fitted.weights_, rec.fit(np.vstack(silos)).weights_))
    True
    """
    exponent = _checked_exponent(recommender)
    values = integers_of(statistics, "statistics")
    if (values < 0).any():
        raise ValueError(f"statistics must be a vector of non-negative integers, got {statistics!r:.100}.")
    n_items = _number_of_items(len(values), exponent)
    cooccurrence = sparse.csr_array((n_items, n_items), dtype=np.float64)
    if exponent is not None:
        dense = np.zeros((n_items, n_items), dtype=np.int64)
        dense[np.triu_indices(n_items)] = values[: -n_items - 1]
        cooccurrence = sparse.csr_array(dense + np.triu(dense, 1).T)
    sums = Statistics(cooccurrence, values[-n_items - 1 : -1], int(values[-1]), float(exponent or 0))
    vocabulary = None if item_ids is None else Vocabulary(as_ids(item_ids, "item_ids"), "item_ids")
    if vocabulary is not None and len(vocabulary) != n_items:
        raise ValueError(f"item_ids must name {n_items} items, as statistics do; got {len(vocabulary)} ids.")
    return _fitted(recommender, sums, vocabulary)


def federated_fit(
    recommender: BaseRecommender, silos: Sequence[Any], *, threshold: int | None = None, dropped: Iterable[int] = ()
) -> BaseRecommender:
    """Fit a recommender to the data of several silos by a secure sum, all in this process.

    The result is that of a fit to the users of all silos together. The function runs every step of `SecureSumSilo` and
    `SecureSumServer`, to try a federation out before there is a network. The server's part sees nothing but masked
    vectors and their sum.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender or PopularityRecommender
        The recommender. It is not changed.
    silos : sequence of {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions of each silo, with the same columns; two silos or more.
    threshold : int, default=None
        The number of silos that have to stay until the end; None takes more than half, at least two.
    dropped : iterable of int, default=()
        The places of silos that drop out after they have shared their keys. Their users are not part of the result.

    Returns
    -------
    fitted : BaseRecommender
        A fitted clone, as `fit_statistics` returns it.

    Raises
    ------
    ValueError
        If the silos have different columns, or fewer than `threshold` silos stay.
    ImportError
        If the package `cryptography` is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.privacy import federated_fit
    >>> X = make_interactions(300, 20, n_interactions=0.2, random_state=0).interactions
    >>> fitted = federated_fit(RidgeRecommender(), [X[:100], X[100:150], X[150:]])
    >>> bool(np.allclose(fitted.weights_, RidgeRecommender().fit(X).weights_))
    True
    """
    _checked_exponent(recommender)
    if isinstance(silos, str | bytes) or not isinstance(silos, Sequence) or len(silos) < 2:
        raise ValueError(f"silos must be a list of two or more matrices, got {silos!r:.100}.")
    threshold = max(2, len(silos) // 2 + 1) if threshold is None else threshold
    if isinstance(dropped, str | bytes) or not isinstance(dropped, Iterable):
        raise ValueError(f"dropped must hold places of silos, got {dropped!r:.100}.")
    lost = list(dropped)
    if not all(isinstance(place, int | np.integer) and 0 <= place < len(silos) for place in lost):
        raise ValueError(f"dropped must hold places of silos from 0 to {len(silos) - 1}, got {dropped!r:.99}: {lost}.")
    vocabularies = [column_vocabulary(X, f"silos[{place}]") for place, X in enumerate(silos)]
    first = vocabularies[0]
    for place, (X, vocabulary) in enumerate(zip(silos, vocabularies, strict=True)):
        same = vocabulary.equals(first) if vocabulary is not None and first is not None else vocabulary is first
        if not same or check_interactions(X, input_name=f"silos[{place}]").shape[1] != np.shape(silos[0])[1]:
            raise ValueError(f"silos[{place}] must have the columns of silos[0].")
    total = run_in_process(
        lambda place: silo_statistics(recommender, silos[place]), len(silos), threshold, {int(place) for place in lost}
    )
    return fit_statistics(recommender, total, item_ids=None if first is None else first.ids)


def federated_average(recommenders: Sequence[GNNRecommender], weights: Any = None) -> GNNRecommender:
    r"""Average the parameters of trained recommenders, the step of a server in federated averaging.

    In each round, every silo continues the training from the average of the last round with its own users, with
    ``warm_start=True`` and a small `max_iter`, and the server averages the results [1]_. The average
    :math:`\sum_k w_k \theta_k / \sum_k w_k` is only useful if all silos start from the same parameters.

    Parameters
    ----------
    recommenders : sequence of GNNRecommender
        Recommenders that were trained with the same parameters, for the same items. They must have ``conv=None``: with
        a convolution, embeddings also depend on the graph of all users, which no silo has.
    weights : array-like of float, shape (n_recommenders,), default=None
        The weights, non-negative; usually the number of users of each silo. None weighs the recommenders equally.

    Returns
    -------
    average : GNNRecommender
        A recommender with the averages of the parameters, and the sums of the item counts.

    Raises
    ------
    ValueError
        If a recommender has a convolution, or has other parameters or items than the first one.

    Notes
    -----
    Trained parameters reveal more about users than sums do; the average of a few silos protects them little.

    References
    ----------
    .. [1] B. McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017.

    Examples
    --------
    >>> from skgnnrec import GNNRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.privacy import federated_average
    >>> X = make_interactions(200, 30, n_interactions=0.2, random_state=0).interactions
    >>> start = GNNRecommender(8, max_iter=1, warm_start=True, early_stopping=False, device="cpu").fit(X[:50])
    >>> from copy import copy
    >>> trained = [copy(start).fit(part) for part in (X[:100], X[100:])]
    >>> federated_average(trained, weights=[100, 100]).predict(X[:1]).shape
    (1, 10)
    """
    if isinstance(recommenders, str | bytes) or not isinstance(recommenders, Sequence) or not len(recommenders):
        kind = type(recommenders).__name__
        raise ValueError(f"recommenders must be a list of fitted GNNRecommenders, got {recommenders!r:.100}, a {kind}.")
    for place, each in enumerate(recommenders):
        if not isinstance(each, GNNRecommender) or not hasattr(each, "_parameters_") or each.conv is not None:
            kind = type(each).__name__
            raise ValueError(
                f"recommenders[{place}] must be a fitted GNNRecommender with conv=None, got {each!r:.100}, a {kind}."
            )
    first = recommenders[0]
    shapes = [{name: value.shape for name, value in each._parameters_.items()} for each in recommenders]
    for place, each in enumerate(recommenders):
        own, ids = each._vocabulary_, first._vocabulary_
        same_ids = own.equals(ids) if own is not None and ids is not None else own is ids
        if shapes[place] != shapes[0] or not same_ids or each.n_features_in_ != first.n_features_in_:
            raise ValueError(f"recommenders[{place}] must have the parameters and the items of recommenders[0].")
    return first._average(recommenders, _checked_weights(weights, len(recommenders)))


def _checked_weights(weights: Any, n: int) -> np.ndarray:
    try:
        shares = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        shares = np.zeros(0)
    if shares.shape != (n,) or not np.isfinite(shares).all() or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(f"weights must be {n} non-negative numbers with a positive sum, got {weights!r:.100}.")
    return shares / shares.sum()


def _checked_exponent(recommender: Any) -> float | None:
    if not isinstance(recommender, BaseRecommender):
        raise ValueError(f"recommender must be a recommender, got {recommender!r:.100}.")
    return exponent_of_sums(recommender)


def _fitted(recommender: Any, statistics: Statistics, vocabulary: Vocabulary | None) -> BaseRecommender:
    return clone(recommender)._fit_statistics(statistics, vocabulary)


def _number_of_items(length: int, exponent: float | None) -> int:
    """Return the number of items of a vector of statistics."""
    n_items = length - 1 if exponent is None else round((-3 + np.sqrt(9 + 8 * max(length - 1, 0))) / 2)
    if n_items < 1 or length != n_items + 1 + (0 if exponent is None else n_items * (n_items + 1) // 2):
        raise ValueError(
            f"statistics must have the length for a number of items, as from silo_statistics; got {length}."
        )
    return n_items
