"""Fixtures for the tests of the trained recommender."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def vectors():
    """Return random item vectors of 40 items, of length one."""
    vectors = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
