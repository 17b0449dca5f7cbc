"""Off-policy evaluation: estimate the value of a target policy from the log of another policy.

Each estimate is a mean, or a ratio of means, of weighted rewards. The standard error follows from the influence of each
row on the estimate.
"""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.online._columns import read_numbers, user_codes

_LOG = {
    "rewards": ["array-like"],
    "propensities": ["array-like"],
    "target_propensities": ["array-like"],
    "groups": ["array-like", None],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
}


class PolicyValue(NamedTuple):
    """Result of an off-policy estimate of the mean reward of a policy.

    Parameters
    ----------
    value : float
        The estimated mean reward, in the unit of the rewards.
    standard_error : float
        The standard error of the estimate, nan with fewer than two rows (or groups).
    low : float
        The lower end of the normal confidence interval of `value`.
    high : float
        The upper end of the confidence interval.
    mean_weight : float
        The mean of the importance weights before clipping. Its expected value is 1. If it is far from 1, the
        propensities are wrong, or the target policy shows items that the logging policy never shows.
    effective_sample_size : float
        ``(sum of weights)² / (sum of squared weights)``, for the weights after clipping. It is the number of rows from
        the target policy itself that would give a similar precision. If it is small, the estimate depends on a few
        rows.

    Examples
    --------
    >>> from skgnnrec.online import ips_value
    >>> result = ips_value([1, 0], propensities=[0.5, 0.5], target_propensities=[0.5, 0.5])
    >>> result.value, result.mean_weight, result.effective_sample_size
    (0.5, 1.0, 2.0)
    """

    value: float
    standard_error: float
    low: float
    high: float
    mean_weight: float
    effective_sample_size: float


@validate_params(_LOG, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def ips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Estimate the mean reward of a target policy by inverse propensity scores (IPS).

    The estimate is ``mean(w * r)`` with the weights ``w = target_propensity / propensity`` [1]_. It is unbiased if each
    item of the target policy has a positive propensity. Large weights lead to a large variance.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        The reward of the shown item in each row, such as a click or a price.
    propensities : array-like of shape (n_rows,)
        The probability with which the logging policy showed the item in the context of the row, in (0, 1]. Log it when
        the item is shown.
    target_propensities : array-like of shape (n_rows,)
        The probability with which the target policy shows the item in the context of the row, in [0, 1].
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error, because the rows of a user are not independent. If None, the rows
        are treated as independent.
    confidence_level : float, default=0.95
        The level of the confidence interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, confidence interval and diagnostics.

    Raises
    ------
    ValueError
        If the columns have different lengths, values are not finite, or a probability is out of its range.

    See Also
    --------
    snips_value : Estimate with less variance and a small bias.
    doubly_robust_value : Estimate with less variance if a model predicts the rewards.

    References
    ----------
    .. [1] D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe",
       JASA 47(260), 1952.

    Examples
    --------
    The logging policy shows item a with probability 0.8 and item b with probability 0.2. The target policy always shows
    item b.

    >>> from skgnnrec.online import ips_value
    >>> propensities = [0.8, 0.8, 0.8, 0.8, 0.2]
    >>> round(ips_value([0, 1, 0, 0, 1], propensities, target_propensities=[0, 0, 0, 0, 1]).value, 3)
    1.0
    """
    log = _check_log(rewards, propensities, target_propensities)
    return _mean(log.weights * log.rewards, log.weights, log.weights, groups, confidence_level)


@validate_params(_LOG, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def snips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Estimate the mean reward of a target policy by self-normalised inverse propensity scores (SNIPS).

    The estimate is ``sum(w * r) / sum(w)`` with the weights ``w = target_propensity / propensity`` [1]_. It lies within
    the range of the rewards. Adding a constant to the rewards adds the same constant to the estimate. The bias is of
    order 1 / n_rows. The standard error is that of the linearised ratio, from the residuals
    ``w * (r - value) / mean(w)``.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        The reward of the shown item in each row.
    propensities : array-like of shape (n_rows,)
        The probability with which the logging policy showed the item in the context of the row, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the target policy shows the item in the context of the row, in [0, 1].
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. If None, the rows are treated as independent.
    confidence_level : float, default=0.95
        The level of the confidence interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, confidence interval and diagnostics. They are nan if all weights are 0.

    Raises
    ------
    ValueError
        If the columns have different lengths, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Estimate without bias and with a larger variance.

    References
    ----------
    .. [1] A. Swaminathan and T. Joachims, "The self-normalized estimator for counterfactual learning", NeurIPS 2015.

    Examples
    --------
    >>> from skgnnrec.online import snips_value
    >>> propensities = [0.8, 0.8, 0.8, 0.8, 0.2]
    >>> round(snips_value([0, 1, 0, 0, 1], propensities, target_propensities=[0.5] * 5).value, 3)
    0.625
    """
    log = _check_log(rewards, propensities, target_propensities)
    mean_weight = float(log.weights.mean())
    if mean_weight == 0:
        unknown = float("nan")
        return PolicyValue(unknown, unknown, unknown, unknown, 0.0, 0.0)
    value = float(log.weights @ log.rewards / log.weights.sum())
    # The influence of each row on the ratio, shifted so that the mean of the rows is the estimate.
    rows = value + log.weights * (log.rewards - value) / mean_weight
    return _mean(rows, log.weights, log.weights, groups, confidence_level)._replace(value=value)


@validate_params(
    {**_LOG, "max_weight": [Interval(Real, 0, None, closed="neither")]}, prefer_skip_nested_validation=True
)
@np.errstate(all="ignore")
def clipped_ips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    max_weight: float = 10.0,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Estimate the mean reward of a target policy by inverse propensity scores with clipped weights.

    The estimate is ``mean(min(w, max_weight) * r)`` with the weights ``w = target_propensity / propensity`` [1]_. For
    non-negative rewards, it is too low by the mean of ``max(w - max_weight, 0) * r``. The confidence interval does not
    correct this bias.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        The reward of the shown item in each row.
    propensities : array-like of shape (n_rows,)
        The probability with which the logging policy showed the item in the context of the row, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the target policy shows the item in the context of the row, in [0, 1].
    max_weight : float, default=10.0
        The largest weight of a row, > 0. A larger value leads to less bias and more variance.
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. If None, the rows are treated as independent.
    confidence_level : float, default=0.95
        The level of the confidence interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, confidence interval and diagnostics.

    Raises
    ------
    ValueError
        If the columns have different lengths, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Estimate without clipping.

    References
    ----------
    .. [1] E. L. Ionides, "Truncated importance sampling", Journal of Computational and Graphical Statistics 17(2),
       2008.

    Examples
    --------
    >>> from skgnnrec.online import clipped_ips_value
    >>> clipped_ips_value([1, 1], [0.01, 1.0], [1.0, 1.0], max_weight=5).value
    3.0
    """
    log = _check_log(rewards, propensities, target_propensities)
    clipped = np.minimum(log.weights, max_weight)
    return _mean(clipped * log.rewards, clipped, log.weights, groups, confidence_level)


@validate_params(
    {**_LOG, "predicted_rewards": ["array-like"], "target_predicted_rewards": ["array-like"]},
    prefer_skip_nested_validation=True,
)
@np.errstate(all="ignore")
def doubly_robust_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    predicted_rewards: ArrayLike,
    target_predicted_rewards: ArrayLike,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Estimate the mean reward of a target policy from propensities and a model of the rewards.

    The doubly robust estimate is ``mean(q_target + w * (r - q))``. It corrects the predictions of the model by their
    weighted errors on the log [1]_. It is unbiased if the propensities or the predictions are correct. The better the
    predictions, the smaller the variance.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        The reward of the shown item in each row.
    propensities : array-like of shape (n_rows,)
        The probability with which the logging policy showed the item in the context of the row, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the target policy shows the item in the context of the row, in [0, 1].
    predicted_rewards : array-like of shape (n_rows,)
        The predicted reward q of the shown item in each row. Fit the model to other rows.
    target_predicted_rewards : array-like of shape (n_rows,)
        The predicted reward q_target of the target policy in the context of each row: the sum over all items of the
        probability of the item times its predicted reward.
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. If None, the rows are treated as independent.
    confidence_level : float, default=0.95
        The level of the confidence interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, confidence interval and diagnostics.

    Raises
    ------
    ValueError
        If the columns have different lengths, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Estimate without a model.

    References
    ----------
    .. [1] M. Dudík, J. Langford and L. Li, "Doubly robust policy evaluation and learning", ICML 2011.

    Examples
    --------
    >>> from skgnnrec.online import doubly_robust_value
    >>> doubly_robust_value(
    ...     [0, 1], [0.5, 0.5], [0.0, 1.0], predicted_rewards=[0.1, 0.9], target_predicted_rewards=[0.9, 0.9]
    ... ).value
    1.0
    """
    log = _check_log(rewards, propensities, target_propensities)
    predicted = _check_column(predicted_rewards, "predicted_rewards", len(log.rewards))
    expected = _check_column(target_predicted_rewards, "target_predicted_rewards", len(log.rewards))
    rows = expected + log.weights * (log.rewards - predicted)
    return _mean(rows, log.weights, log.weights, groups, confidence_level)


class _Log(NamedTuple):
    rewards: NDArray[np.float64]
    weights: NDArray[np.float64]


def _check_log(rewards: Any, propensities: Any, target_propensities: Any) -> _Log:
    earned = _check_column(rewards, "rewards", None)
    logged = _check_column(propensities, "propensities", len(earned))
    target = _check_column(target_propensities, "target_propensities", len(earned))
    if not ((logged > 0) & (logged <= 1)).all():
        raise ValueError(
            "propensities must be probabilities > 0, because the items were shown; got values from "
            f"{logged.min()} to {logged.max()}."
        )
    if not ((target >= 0) & (target <= 1)).all():
        raise ValueError(
            f"target_propensities must be probabilities; got values from {target.min()} to {target.max()}."
        )
    weights = target / logged
    if not np.isfinite(weights @ weights):
        raise ValueError(f"propensities must be large enough for finite weights; got {logged.min()}.")
    return _Log(earned, weights)


def _check_column(values: Any, name: str, n_rows: int | None) -> NDArray[np.float64]:
    column = read_numbers(values, name, "(n_rows,)")
    if not len(column):
        raise ValueError(f"{name} must have at least one row; got none.")
    if n_rows is not None and len(column) != n_rows:
        raise ValueError(f"{name} must have shape ({n_rows},), like rewards; got {column.shape}.")
    return column


def _mean(
    rows: NDArray[np.float64],
    used_weights: NDArray[np.float64],
    weights: NDArray[np.float64],
    groups: ArrayLike | None,
    confidence_level: float,
) -> PolicyValue:
    """Return the mean of the rows, with the standard error for independent groups."""
    value = float(rows.mean())
    sums: NDArray[Any] = rows - value
    if groups is not None:
        codes, n_groups = user_codes(groups, "groups", len(rows))
        sums = np.bincount(codes, sums, minlength=n_groups)
    n = len(sums)
    error = float(np.sqrt(n / (n - 1) * (sums @ sums)) / len(rows)) if n > 1 else float("nan")
    half = float(norm.isf((1 - confidence_level) / 2)) * error
    squares = float(used_weights @ used_weights)
    effective = float(used_weights.sum()) ** 2 / squares if squares else 0.0
    return PolicyValue(value, error, value - half, value + half, float(weights.mean()), effective)
