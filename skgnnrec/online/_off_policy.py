"""What another policy would have earned, estimated from the log of the one that ran.

Every estimate is a mean, or a ratio of means, of weighted rewards; each function states its weights, and one function
turns the influence of each row into a standard error.
"""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, validate_params

_LOG = {
    "rewards": ["array-like"],
    "propensities": ["array-like"],
    "target_propensities": ["array-like"],
    "groups": ["array-like", None],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
}


class PolicyValue(NamedTuple):
    """The mean reward of a policy, as a log of another one tells it.

    Parameters
    ----------
    value : float
        The estimated mean reward, in the unit of the rewards.
    standard_error : float
        Its standard error; nan with fewer than two rows (or groups).
    low : float
        Lower end of the normal interval around `value`.
    high : float
        Its upper end.
    mean_weight : float
        Mean of the importance weights before any clipping. It should be 1 but for chance; if it is far from it, the
        propensities are wrong, or the target policy does what the logging policy never did.
    effective_sample_size : float
        ``(sum of weights)² / (sum of squared weights)``, of the weights that were used: how many rows of the target
        policy's own log say as much. Where it is small, a few rows decide.

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
def ips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Inverse propensity score (IPS) estimate of a policy's mean reward.

    ``mean(w * r)`` with the weights ``w = target_propensity / propensity`` [1]_: unbiased where every item the target
    policy may show has a positive propensity, and of a variance that grows with the weights.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        What each shown item earned: a click, a price.
    propensities : array-like of shape (n_rows,)
        The probability with which the policy that ran showed that item in that context, in (0, 1], logged at the time.
    target_propensities : array-like of shape (n_rows,)
        The probability with which the policy to be judged would have shown it, in [0, 1].
    groups : array-like of shape (n_rows,), default=None
        The user of each row. Rows of one user are not independent: the standard error then is that of groups. None
        takes rows as independent.
    confidence_level : float, default=0.95
        Of the interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, interval and diagnostics.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, or a probability is out of its range.

    See Also
    --------
    snips_value : Less variance, a little bias.
    doubly_robust_value : Less variance where rewards can be predicted.

    References
    ----------
    .. [1] D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe",
       JASA 47(260), 1952.

    Examples
    --------
    The policy that ran showed items a and b with probabilities 0.8 and 0.2; what if b were always shown?

    >>> from skgnnrec.online import ips_value
    >>> propensities = [0.8, 0.8, 0.8, 0.8, 0.2]
    >>> round(ips_value([0, 1, 0, 0, 1], propensities, target_propensities=[0, 0, 0, 0, 1]).value, 3)
    1.0
    """
    log = _check_log(rewards, propensities, target_propensities)
    return _mean(log.weights * log.rewards, log.weights, log.weights, groups, confidence_level)


@validate_params(_LOG, prefer_skip_nested_validation=True)
def snips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Self-normalised inverse propensity score (SNIPS) estimate of a policy's mean reward.

    ``sum(w * r) / sum(w)`` with the weights ``w = target_propensity / propensity`` [1]_. It stays within the range of
    the rewards and does not change when a constant is added to them; its bias vanishes as 1 / n_rows. The standard
    error is that of the linearised ratio, from the residuals ``w * (r - value) / mean(w)``.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        What each shown item earned.
    propensities : array-like of shape (n_rows,)
        The probability with which the policy that ran showed that item in that context, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the policy to be judged would have shown it, in [0, 1].
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. None takes rows as independent.
    confidence_level : float, default=0.95
        Of the interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, interval and diagnostics; all nan where every weight is 0.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Unbiased, of a larger variance.

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
    # The influence of a row on the ratio, shifted so that the mean of all rows is the estimate itself.
    rows = value + log.weights * (log.rewards - value) / mean_weight
    return _mean(rows, log.weights, log.weights, groups, confidence_level)._replace(value=value)


@validate_params(
    {**_LOG, "max_weight": [Interval(Real, 0, None, closed="neither")]}, prefer_skip_nested_validation=True
)
def clipped_ips_value(
    rewards: ArrayLike,
    propensities: ArrayLike,
    target_propensities: ArrayLike,
    *,
    max_weight: float = 10.0,
    groups: ArrayLike | None = None,
    confidence_level: float = 0.95,
) -> PolicyValue:
    """Inverse propensity score estimate with clipped weights.

    ``mean(min(w, max_weight) * r)`` with ``w = target_propensity / propensity`` [1]_: no row counts for more than
    `max_weight`. For rewards >= 0 it is too low on average, by the mean of ``max(w - max_weight, 0) * r``; the interval
    is that of the clipped mean and does not make up for it.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        What each shown item earned.
    propensities : array-like of shape (n_rows,)
        The probability with which the policy that ran showed that item in that context, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the policy to be judged would have shown it, in [0, 1].
    max_weight : float, default=10.0
        The largest weight of a row, > 0. A larger one has less bias and more variance.
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. None takes rows as independent.
    confidence_level : float, default=0.95
        Of the interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, interval and diagnostics.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Without clipping.

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
    """Doubly robust estimate of a policy's mean reward.

    ``mean(q_target + w * (r - q))``: a model of the rewards, corrected by the weighted errors it makes on the log [1]_.
    Unbiased if the propensities are right, whatever the model, or if the model is right, whatever the propensities;
    and of less variance than IPS as far as the model predicts.

    Parameters
    ----------
    rewards : array-like of shape (n_rows,)
        What each shown item earned.
    propensities : array-like of shape (n_rows,)
        The probability with which the policy that ran showed that item in that context, in (0, 1].
    target_propensities : array-like of shape (n_rows,)
        The probability with which the policy to be judged would have shown it, in [0, 1].
    predicted_rewards : array-like of shape (n_rows,)
        What a model expects of the shown item, q. It must not have been fitted to these rows.
    target_predicted_rewards : array-like of shape (n_rows,)
        What the model expects of the policy to be judged in that context: the sum over items of probability times
        prediction, q_target.
    groups : array-like of shape (n_rows,), default=None
        The user of each row, for the standard error. None takes rows as independent.
    confidence_level : float, default=0.95
        Of the interval, in (0, 1).

    Returns
    -------
    result : PolicyValue
        The estimate with its standard error, interval and diagnostics.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, or a probability is out of its range.

    See Also
    --------
    ips_value : Without a model.

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
            f"propensities must be probabilities > 0: what was shown had some; got {logged.min()} to {logged.max()}."
        )
    if not ((target >= 0) & (target <= 1)).all():
        raise ValueError(f"target_propensities must be probabilities; got {target.min()} to {target.max()}.")
    return _Log(earned, target / logged)


def _check_column(values: Any, name: str, n_rows: int | None) -> NDArray[np.float64]:
    column = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    if column.ndim != 1 or (n_rows is not None and len(column) != n_rows):
        wanted = "(n_rows,)" if n_rows is None else f"({n_rows},), as rewards has"
        raise ValueError(f"{name} must have shape {wanted}; got {column.shape}.")
    return column


def _mean(
    rows: NDArray[np.float64],
    used_weights: NDArray[np.float64],
    weights: NDArray[np.float64],
    groups: ArrayLike | None,
    confidence_level: float,
) -> PolicyValue:
    """Return the mean of the rows with the standard error that independent groups give it."""
    value = float(rows.mean())
    sums: NDArray[Any] = rows - value
    if groups is not None:
        codes, unique = pd.factorize(np.asarray(groups))
        if len(codes) != len(rows) or (codes < 0).any():
            raise ValueError(f"groups must name the group of each of {len(rows)} rows; got {len(codes)} names.")
        sums = np.bincount(codes, sums, minlength=len(unique))
    n = len(sums)
    error = float(np.sqrt(n / (n - 1) * (sums @ sums)) / len(rows)) if n > 1 else float("nan")
    half = float(norm.isf((1 - confidence_level) / 2)) * error
    squares = float(used_weights @ used_weights)
    effective = float(used_weights.sum()) ** 2 / squares if squares else 0.0
    return PolicyValue(value, error, value - half, value + half, float(weights.mean()), effective)
