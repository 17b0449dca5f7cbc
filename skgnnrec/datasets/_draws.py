"""Random activity and preferences of users, and power laws, which the generators share."""

import numpy as np
from numpy.typing import NDArray


def draw_preferences(
    n_users: int, n_topics: int, concentration: float, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Return a preference of each user for each topic; each row sums to 1."""
    weights = rng.gamma(concentration, size=(n_users, n_topics))
    # With a tiny concentration, all weights of a user may underflow. The limit is a preference for one topic.
    lost = np.flatnonzero(weights.max(axis=1) == 0)
    weights[lost, rng.randint(n_topics, size=len(lost))] = 1.0
    weights /= weights.max(axis=1, keepdims=True)  # so that the sum does not overflow
    return weights / weights.sum(axis=1, keepdims=True)


def draw_degrees(
    n_users: int, n_pairs: int, n_warm: int, exponent: float, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Return the number of interactions of each user by a power law, at most `n_warm`, and at least 1 if possible."""
    weights = power_law(n_users, exponent)
    floor = 1 if n_pairs >= n_users else 0
    ideal = floor + _fill_up(weights, n_pairs - floor * n_users, n_warm - floor)
    degrees = np.floor(ideal).astype(np.int64)
    rest = n_pairs - int(degrees.sum())
    lost = np.where(degrees < n_warm, ideal - degrees, -1.0)
    degrees[np.argsort(-lost, kind="stable")[:rest]] += 1
    return rng.permutation(degrees)


def power_law(size: int, exponent: float) -> NDArray[np.float64]:
    """Return r ** -exponent for the ranks r from 1 on."""
    return np.maximum(np.arange(1.0, size + 1) ** -exponent, 1e-200)  # zeros could not be normalised


def _fill_up(weights: NDArray[np.float64], total: int, capacity: int) -> NDArray[np.float64]:
    """Return ``min(c * weights, capacity)`` with the sum `total`, for descending weights."""
    n_full = np.arange(len(weights))
    weight_left = np.cumsum(weights[::-1])[::-1]
    scale = (total - n_full * capacity) / weight_left
    fits = scale * weights <= capacity
    first = int(np.argmax(fits)) if fits.any() else len(weights)
    shares = np.full(len(weights), float(capacity))
    shares[first:] = scale[first : first + 1] * weights[first:]
    return shares
