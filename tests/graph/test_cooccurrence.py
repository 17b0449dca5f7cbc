"""Co-occurrence and its low-pass part, against dense formulas in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec import _validation
from skgnnrec.graph import low_pass_factors, sharpened_cooccurrence


@pytest.fixture
def dense():
    table = (np.random.default_rng(0).random((40, 15)) < 0.25).astype(np.float32)
    table[3] = 0
    table[:, 7] = 0
    return table


def safe_power(values, exponent):
    return np.where(values > 0, np.maximum(values, 1e-300) ** exponent, 0.0)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.5, 1.0])
def test_cooccurrence_is_the_formula(dense, exponent, sharpness):
    X = dense.astype(np.float64)
    N = safe_power(X.sum(axis=1), -exponent)[:, None] * X * safe_power(X.sum(axis=0), exponent - 1)
    found = sharpened_cooccurrence(sparse.csr_array(dense), exponent, sharpness)
    assert found.format == "csr"
    assert found.dtype == np.float32
    assert_allclose(found.toarray(), (N.T @ N) ** sharpness, rtol=1e-4, atol=1e-7)


def test_cooccurrence_is_symmetric_and_empty_for_lonely_items(dense):
    graph = sharpened_cooccurrence(sparse.csr_array(dense), 0.3, 0.7).toarray()
    assert_array_equal(graph, graph.T)
    assert (graph >= 0).all()
    assert not graph[7].any()


def test_cooccurrence_does_not_depend_on_threads(dense):
    X = sparse.csr_array(dense)
    graphs = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            graphs.append(sharpened_cooccurrence(X, 0.5, 0.7).toarray())
    assert_array_equal(*graphs)


def test_cooccurrence_of_nobody():
    assert sharpened_cooccurrence(sparse.csr_array((4, 3), dtype=np.float32), 0.5, 0.7).nnz == 0


def test_cooccurrence_too_large_for_memory_is_refused(monkeypatch, dense):
    monkeypatch.setattr(_validation, "available_memory", lambda: 1000)
    monkeypatch.setattr(_validation, "SMALL", 0)
    with pytest.raises(MemoryError, match=r"co-occurrence graph of 15 items needs .* Leave out the longest histories"):
        sharpened_cooccurrence(sparse.csr_array(dense), 0.5, 0.7)


@pytest.mark.parametrize("n_components", [1, 4, 15])
def test_low_pass_is_the_projection_on_singular_vectors(dense, n_components):
    X = dense.astype(np.float64)
    item_degrees = X.sum(axis=0)
    smoothed = safe_power(X.sum(axis=1), -0.5)[:, None] * X * safe_power(item_degrees, -0.5)
    V = np.linalg.svd(smoothed)[2][:n_components]
    V = V[np.linalg.svd(smoothed)[1][:n_components] > 1e-8]
    expected = safe_power(item_degrees, -0.5)[:, None] * (V.T @ V) * np.sqrt(item_degrees)
    left, right = low_pass_factors(sparse.csr_array(dense), n_components, 0)
    assert left.shape == (15, n_components)
    assert right.shape == (n_components, 15)
    assert left.dtype == right.dtype == np.float32
    assert_allclose(left @ right, expected, atol=1e-4)


def test_components_beyond_the_rank_are_empty():
    checkerboard = (np.indices((12, 9)).sum(axis=0) % 2 == 0).astype(np.float32)  # of rank 2
    left, right = low_pass_factors(sparse.csr_array(checkerboard), 9, 0)
    assert (np.abs(left).max(axis=0) > 0).sum() == (np.abs(right).max(axis=1) > 0).sum() == 2


def test_low_pass_of_nobody_is_zero():
    left, right = low_pass_factors(sparse.csr_array((4, 3), dtype=np.float32), 3, 0)
    assert not left.any()
    assert not right.any()


def test_low_pass_is_seeded(dense):
    X = sparse.csr_array(dense)
    for first, second in zip(low_pass_factors(X, 3, 0), low_pass_factors(X, 3, 0), strict=True):
        assert_array_equal(first, second)
