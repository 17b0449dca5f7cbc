"""Weights of users, and the mean of their values."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array


def check_weights(sample_weight: ArrayLike | None, n_users: int) -> NDArray[np.float64]:
    """Return one weight >= 0 per user, all of them 1 where none are given."""
    if sample_weight is None:
        return np.ones(n_users)
    weights = check_array(
        sample_weight, ensure_2d=False, ensure_min_samples=0, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim != 1 or (weights < 0).any():
        raise ValueError(
            f"sample_weight must hold one weight >= 0 per user, shape (n_users,); got shape {weights.shape}"
            f"{' with negative weights' if (weights < 0).any() else ''}."
        )
    if len(weights) != n_users:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: sample_weight has {len(weights)} weights "
            f"for {n_users} users."
        )
    return weights


def average_listed(
    values: NDArray[np.float64], sample_weight: ArrayLike | None, average: bool, needed: str
) -> float | NDArray[np.float64]:
    """Return the values, or their weighted mean over the users who have one; nan marks the others."""
    weights = check_weights(sample_weight, len(values))
    if not average:
        return values
    counted = ~np.isnan(values) & (weights > 0)
    if not counted.any():
        raise ValueError(f"At least one user of positive weight must have {needed}; got none in {len(values)} rows.")
    return float(np.average(values[counted], weights=weights[counted]))
