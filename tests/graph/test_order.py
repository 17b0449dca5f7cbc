"""Sums over prefixes against a loop over users."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgnnrec.graph import next_item_sums


def by_loop(dense):
    """Return SᵀS and SᵀT, without a limit of the length or of the age of prefixes."""
    past, following = np.zeros((dense.shape[1],) * 2), np.zeros((dense.shape[1],) * 2)
    for row in dense:
        steps = np.unique(row[row > 0])
        for value, later in itertools.pairwise(steps):
            s = np.where(row <= value, row, 0) / value
            past += np.outer(s, s)
            following += np.outer(s, row == later)
    return past, following


@pytest.mark.parametrize("values", [[1.0, 0.75, 0.5625], [3.0, 1.0, 2.0, 5.0], [1.0]], ids=["decay", "any", "one"])
def test_sums_are_those_of_a_loop(values):
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((30, 8)) < 0.5, rng.choice(values, (30, 8)), 0)
    dense[3] = 0
    found = next_item_sums(sparse.csr_array(dense))
    for sums, expected in zip(found, by_loop(dense), strict=True):
        assert_allclose(sums.toarray(), expected, rtol=1e-6, atol=1e-12)


def test_items_that_hardly_count_are_left_out():
    past, following = next_item_sums(sparse.csr_array(np.array([[1e-3, 1.0, 2.0]])))
    assert_allclose(following.toarray(), [[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert_allclose(past.toarray(), np.diag([1.0, 1.0, 0.0]))
