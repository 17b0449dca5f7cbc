"""Gaussian noise, rounded to integers."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["IntegerNoise"]


class IntegerNoise:
    """A source of rounded Gaussian noise, from the secure generator of the system unless a seed is given."""

    # Rounding does not depend on the sum: the last digits of a float would tell about it (I. Mironov, "On significance
    # of the least significant bits for differential privacy", CCS 2012).

    def __init__(self, random_state: Any) -> None:
        self._random = None if random_state is None else check_random_state(random_state)

    def draw(self, std: float, size: int) -> np.ndarray:
        """Return integers of a standard deviation, (size,), int64."""
        normal = _secure_normal(size) if self._random is None else self._random.standard_normal(size)
        return np.rint(std * normal).astype(np.int64)


def _secure_normal(size: int) -> np.ndarray:
    """Return normal variates of random bytes of the system: the method of Box and Muller."""
    half = (size + 1) // 2
    uniform = (np.frombuffer(os.urandom(16 * half), dtype=np.uint64).astype(np.float64) + 0.5) * 2.0**-64
    radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]
