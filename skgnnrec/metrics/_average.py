"""Weights of users, and the weighted mean of their values."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAFE_WEIGHTS = (1e-200, 1e200)  # the products and sums of larger or smaller weights could overflow or vanish


def check_numbers(values: Any, name: str, expected: str) -> NDArray[np.float64]:
    """Return an array of numbers with one dimension; missing values become nan."""
    message = f"{name} must hold {expected}"
    if isinstance(values, set | frozenset | Mapping):
        raise ValueError(f"{message}; got a {type(values).__name__}.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{message}; got values of different lengths.") from error
    if array.ndim != 1:
        got = f"shape {array.shape}" if array.ndim else f"a {type(values).__name__}"
        raise ValueError(f"{message}; got {got}.")
    if array.dtype.kind not in "biuf" and not all(value is None or isinstance(value, Real) for value in array):
        raise ValueError(f"{message}; got values of dtype {array.dtype}.")
    return array.astype(np.float64)


def check_weights(sample_weight: ArrayLike | None, n_users: int) -> NDArray[np.float64]:
    """Return one weight >= 0 per user; without `sample_weight`, every weight is 1."""
    if sample_weight is None:
        return np.ones(n_users)
    weights = check_numbers(sample_weight, "sample_weight", "one weight >= 0 per user, shape (n_users,)")
    if len(weights) != n_users:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: sample_weight has {len(weights)} weights "
            f"for {n_users} users."
        )
    if not np.isfinite(weights).all():
        found = "NaN" if np.isnan(weights).any() else "infinity"
        raise ValueError(f"sample_weight contains {found}. Give each user a finite weight >= 0.")
    if (weights < 0).any():
        raise ValueError(f"sample_weight must hold weights >= 0; got negative weights, such as {weights.min():g}.")
    largest = weights.max(initial=0)
    if largest and not SAFE_WEIGHTS[0] < largest < SAFE_WEIGHTS[1]:
        with np.errstate(all="ignore"):
            weights = weights / largest  # only ratios of weights matter
    return weights


def weighted_mean(values: NDArray[Any], weights: NDArray[np.float64]) -> float:
    """Return the mean of the values; weights that vanish beside others do not raise."""
    with np.errstate(under="ignore"):
        return float(np.average(values, weights=weights))


def average_users(
    values: NDArray[np.float64], sample_weight: ArrayLike | None, average: bool, needed: str
) -> float | NDArray[np.float64]:
    """Return the values of all users, or their weighted mean over the users with a value; nan means no value."""
    weights = check_weights(sample_weight, len(values))
    if not average:
        return values
    counted = ~np.isnan(values) & (weights > 0)
    if not counted.any():
        raise ValueError(f"At least one user of positive weight must have {needed}; got none in {len(values)} rows.")
    return weighted_mean(values[counted], weights[counted])
