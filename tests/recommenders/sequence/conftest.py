"""Fixtures for the tests of sequence models."""

import numpy as np
import pytest
from scipy import sparse


@pytest.fixture(scope="module")
def cycles():
    """Return histories of 3 to 7 items on the cycle 0 -> 1 -> ... -> 9 -> 0; larger values are later.

    Every other user goes round the other way: only the order of the items of a history tells which item is next.
    """
    rng = np.random.default_rng(0)
    X = np.zeros((120, 10), dtype=np.float32)
    for place, row in enumerate(X):
        n_steps = rng.integers(3, 8)
        direction = 1 if place % 2 else -1
        row[(rng.integers(10) + direction * np.arange(n_steps)) % 10] = np.arange(1, n_steps + 1)
    return sparse.csr_array(X)
