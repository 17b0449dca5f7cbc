"""Report of the accuracy for groups of users and of the exposure of groups of items, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.interactions import Vocabulary, as_ids, first_few, row_of_each
from skgnnrec.metrics import HeldOutRanking, ndcg_at_k
from skgnnrec.ranking import fitted_recommender, rank_held_out

__all__ = ["fairness_report"]

COLUMNS = ["side", "group", "size", "measure", "value", "low", "high"]


@validate_params(
    {
        "k": [Interval(Integral, 1, None, closed="left")],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def fairness_report(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    user_groups: Any = None,
    item_groups: Any = None,
    k: int = 10,
    n_resamples: int = 999,
    confidence_level: float = 0.95,
    random_state: Any = 0,
) -> pd.DataFrame:
    r"""Compare what groups of users and of items receive from a recommender.

    For each group of users, the report has the mean NDCG@k, the gap between this mean and the mean of all users, and
    the popularity lift: the mean number of users of the recommended items, relative to that of the items in the
    histories, minus 1. For each group of items, it has the exposure, which is the share of the group in the attention
    of all lists, where place r receives :math:`1 / \log_2(1 + r)`; the merit, which is the share of the group in the
    held-out interactions; and the ratio of both [1]_. Each value has a percentile bootstrap interval over the users.

    Parameters
    ----------
    estimator : BaseRecommender or LogRecommender
        A fitted recommender. Fitted searches and pipelines are accepted.
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The histories. For a `LogRecommender`, the log of the held-out interactions, as in its method `score`.
    y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
        The held-out interactions, as in the method `score`.
    user_groups : array-like of shape (n_users,) or mapping, default=None
        The group of each row of X; for a `LogRecommender` a mapping or Series from the ids of users to groups.
    item_groups : array-like of shape (n_items,), mapping or Series, default=None
        The group of each item in the order of the fit, or a mapping from the ids of items.
    k : int, default=10
        The length of the lists.
    n_resamples : int, default=999
        The number of bootstrap samples.
    confidence_level : float, default=0.95
        The level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seeds the bootstrap.

    Returns
    -------
    report : DataFrame
        One row for each group and measure, with the columns ``side`` ("users" or "items"), ``group``, ``size`` (users
        with held-out interactions, or items), ``measure`` ("ndcg", "ndcg gap", "popularity lift", "exposure", "merit",
        "exposure / merit"), ``value``, ``low`` and ``high``.

    Raises
    ------
    ValueError
        If there are no groups, or their number differs from the number of users or items.

    See Also
    --------
    skgnnrec.metrics.group_gap : The gap between groups in one metric.
    skgnnrec.reranking.FairRecommender : Guarantees a share of the places to groups of items.

    References
    ----------
    .. [1] A. Singh and T. Joachims, "Fairness of exposure in rankings", KDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.inspection import fairness_report
    >>> X = np.kron(np.eye(2), np.ones((6, 4)))
    >>> rec = RidgeRecommender().fit(X)
    >>> report = fairness_report(rec, X, user_groups=["a"] * 6 + ["b"] * 6, k=1, n_resamples=99)
    >>> report.loc[report["measure"] == "ndcg", ["group", "size", "value"]]
      group  size  value
    0     a     6    1.0
    3     b     6    1.0
    """
    if user_groups is None and item_groups is None:
        raise ValueError("user_groups and item_groups are both None: pass one of them or both.")
    ranking = rank_held_out(estimator, X, y, k)
    rows = np.flatnonzero(np.diff(ranking.held_out.indptr))
    if not len(rows):
        raise ValueError("X and y have no held-out interactions to evaluate.")
    weights = _bootstrap_weights(len(rows), int(n_resamples), random_state)
    parts = []
    if user_groups is not None:
        users = np.arange(ranking.held_out.shape[0]) if ranking.users is None else ranking.users
        names, codes = _codes(user_groups, users, "user_groups", "users")
        parts += _of_users(ranking, rows, names, codes[rows], weights)
    if item_groups is not None:
        ids, n_items = fitted_recommender(estimator, X)[0].item_ids_, len(ranking.item_counts)
        names, codes = _codes(item_groups, np.arange(n_items) if ids is None else ids, "item_groups", "items")
        parts += _of_items(ranking, rows, names, codes, weights)
    found = [
        (side, group, size, measure, values[0], *_interval(values[1:], confidence_level))
        for side, group, size, measure, values in parts
    ]
    return pd.DataFrame(found, columns=COLUMNS)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return the percentiles of samples; samples without users of the group do not count."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _bootstrap_weights(n_users: int, n_resamples: int, random_state: Any) -> np.ndarray:
    """Return how often each user is drawn, (1 + n_resamples, n_users); the first row is the data themselves."""
    draws = check_random_state(random_state).multinomial(n_users, np.full(n_users, 1 / n_users), n_resamples)
    return np.vstack([np.ones((1, n_users)), draws])


def _codes(groups: Any, ids: np.ndarray, name: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of groups, and the number of the group of each user or item."""
    if isinstance(groups, Mapping | pd.Series) and not (isinstance(groups, pd.Series) and len(groups) == len(ids)):
        known = dict(groups)
        missing = [each for each in ids.tolist() if each not in known]
        if missing:
            raise ValueError(
                f"{name} lacks {len(missing)} of {len(ids)} {what}: {first_few(np.array(missing[:3], dtype=object))}; "
                f"got a {type(groups).__name__} with {len(known)}."
            )
        groups = [known[each] for each in ids.tolist()]
    labels = as_ids(groups, name)
    if len(labels) != len(ids):
        raise ValueError(f"{name} has {len(labels)} entries for {len(ids)} {what}; got a {type(groups).__name__}.")
    vocabulary, codes = Vocabulary.of(labels)
    return vocabulary.ids, codes


def _ratio(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.divide(values, of, out=np.full(len(values), np.nan), where=of > 0)


def _of_users(
    ranking: HeldOutRanking, rows: np.ndarray, names: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> list:
    """Return the measures of groups of users, each with its values in all samples."""
    ndcg = ndcg_at_k(ranking.held_out, ranking.recommended, average=False)[rows]
    counts = np.append(ranking.item_counts, np.zeros(ranking.held_out.shape[1] - len(ranking.item_counts)))
    lists = ranking.recommended[rows]
    of_lists = np.append(counts, 0)[lists].sum(axis=1) / np.maximum((lists >= 0).sum(axis=1), 1)
    histories = ranking.histories[rows]
    of_histories = (histories > 0) @ counts / np.maximum(np.diff(histories.indptr), 1)
    everyone = weights @ ndcg / weights.sum(axis=1)
    parts = []
    for code, name in enumerate(names.tolist()):
        inside = weights * (codes == code)
        size, n_drawn = int((codes == code).sum()), inside.sum(axis=1)
        mean = _ratio(inside @ ndcg, n_drawn)
        lift = _ratio(inside @ of_lists, inside @ of_histories) - 1
        for measure, values in (("ndcg", mean), ("ndcg gap", mean - everyone), ("popularity lift", lift)):
            parts.append(("users", name, size, measure, values))
    return parts


def _of_items(
    ranking: HeldOutRanking, rows: np.ndarray, names: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> list:
    """Return the measures of groups of items, each with its values in all samples."""
    lists, held_out = ranking.recommended[rows], ranking.held_out[rows]
    attention = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    # Padding, and held-out items outside the fit, belong to no group.
    of_columns = np.append(codes, np.full(held_out.shape[1] - len(codes) + 1, -1))
    exposures = [((of_columns[lists] == code) * attention).sum(axis=1) for code in range(len(names))]
    entries = of_columns[held_out.indices]
    merits = [np.bincount(row_of_each(held_out)[entries == code], minlength=len(rows)) for code in range(len(names))]
    all_exposure, all_merit = (weights @ np.sum(each, axis=0) for each in (exposures, merits))
    parts = []
    for code, name in enumerate(names.tolist()):
        exposure, merit = _ratio(weights @ exposures[code], all_exposure), _ratio(weights @ merits[code], all_merit)
        measures = {"exposure": exposure, "merit": merit, "exposure / merit": _ratio(exposure, merit)}
        parts += [("items", name, int((codes == code).sum()), measure, values) for measure, values in measures.items()]
    return parts
