"""Sharpened co-occurrence and the low-pass part, against dense formulas in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.graph import Statistics, low_pass_factors, sharpened_cooccurrence


@pytest.fixture
def dense():
    """Return interactions of 40 users with 15 items; a user has no items, an item no users."""
    table = (np.random.default_rng(0).random((40, 15)) < 0.25).astype(np.float32)
    table[3] = 0
    table[:, 7] = 0
    return table


def power(values, exponent):
    """Return powers, 0 where the value is 0."""
    return np.where(values > 0, np.maximum(values, 1e-300) ** exponent, 0.0)


def sharpened(dense, degree_exponent, sharpness):
    return sharpened_cooccurrence(Statistics.accumulate(sparse.csr_array(dense), 2 * degree_exponent), sharpness)


# Co-occurrence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.5, 1.0])
def test_cooccurrence_is_the_formula(dense, exponent, sharpness):
    X = dense.astype(np.float64)
    N = power(X.sum(axis=1), -exponent)[:, None] * X * power(X.sum(axis=0), exponent - 1)
    found = sharpened(dense, exponent, sharpness)
    assert found.format == "csr"
    assert found.dtype == np.float32
    assert_allclose(found.toarray(), (N.T @ N) ** sharpness, rtol=1e-5, atol=1e-7)


def test_cooccurrence_is_symmetric_and_empty_for_items_without_users(dense):
    graph = sharpened(dense, 0.3, 0.7).toarray()
    assert_allclose(graph, graph.T, rtol=1e-6)
    assert (graph >= 0).all()
    assert not graph[7].any()


def test_cooccurrence_without_interactions_is_empty():
    assert sharpened(np.zeros((4, 3)), 0.5, 0.7).nnz == 0


def test_statistics_are_left_alone(dense):
    statistics = Statistics.accumulate(sparse.csr_array(dense), 1.0)
    before = statistics.cooccurrence.toarray()
    sharpened_cooccurrence(statistics, 2.0)
    assert_array_equal(statistics.cooccurrence.toarray(), before)


def test_weights_below_the_range_of_float32_become_zero(dense):
    with np.errstate(all="raise"):
        graph = sharpened(dense, 0.5, 60.0).toarray()
    assert (graph == 0).any()
    assert (graph > 0).any()


# Low-pass part --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 4, 15])
def test_low_pass_is_the_projection_on_singular_vectors(dense, n_components):
    X = dense.astype(np.float64)
    degrees = X.sum(axis=0)
    _, strength, Vt = np.linalg.svd(power(X.sum(axis=1), -0.5)[:, None] * X * power(degrees, -0.5))
    V = Vt[:n_components][strength[:n_components] > 1e-8]
    left, right = low_pass_factors(sparse.csr_array(dense), n_components, 0)
    assert left.shape == right.shape == (15, n_components)
    assert left.dtype == right.dtype == np.float32
    expected = power(degrees, -0.5)[:, None] * (V.T @ V) * np.sqrt(degrees)
    assert_allclose(left @ right.T, expected, atol=1e-4)


def test_components_beyond_the_rank_are_empty():
    checkerboard = (np.indices((12, 9)).sum(axis=0) % 2 == 0).astype(np.float32)  # of rank 2
    for factor in low_pass_factors(sparse.csr_array(checkerboard), 9, 0):
        assert (np.abs(factor).max(axis=0) > 0).sum() == 2


def test_low_pass_without_components_or_interactions():
    left, right = low_pass_factors(sparse.csr_array((4, 3), dtype=np.float32), 0, 0)
    assert left.shape == right.shape == (3, 0)
    left, right = low_pass_factors(sparse.csr_array((4, 3), dtype=np.float32), 3, 0)
    assert not left.any()
    assert not right.any()


def test_low_pass_is_seeded(dense):
    X = sparse.csr_array(dense)
    with np.errstate(all="raise"):
        again = low_pass_factors(X, 3, 0)
    for first, second in zip(low_pass_factors(X, 3, 0), again, strict=True):
        assert_array_equal(first, second)


def test_low_pass_too_large_for_memory_is_refused():
    X = sparse.csr_array((1_000_000, 2_000_000), dtype=np.float32)
    match = (
        "The low-pass part with 500000 components of 1000000 users and 2000000 items needs .* GiB of memory.*"
        "Lower n_components"
    )
    with pytest.raises(MemoryLimitError, match=match):
        low_pass_factors(X, 500_000, 0)
