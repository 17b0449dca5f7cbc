"""Sharpened co-occurrence, the spectrum of the interactions and responses on it, against dense formulas in float64."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.graph import (
    Statistics,
    multiply_by_cooccurrence,
    ridge_response,
    sharpened_cooccurrence,
    spectrum_of,
    spectrum_of_sums,
    tail_slope,
)


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


# Spectrum -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 4, 15])
@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
def test_the_spectrum_is_that_of_the_normalised_interactions(dense, n_components, exponent):
    X = dense.astype(np.float64)
    N = power(X.sum(axis=1), -exponent)[:, None] * X * power(X.sum(axis=0), exponent - 1)
    _, strength, Vt = np.linalg.svd(N)
    spectrum = spectrum_of(sparse.csr_array(dense), exponent, n_components, 0)
    assert spectrum.vectors.shape == (15, n_components)
    assert spectrum.vectors.dtype == np.float32
    assert spectrum.largest == pytest.approx(strength[0] ** 2, rel=1e-5)
    assert_allclose(spectrum.values, (strength[:n_components] / strength[0]) ** 2, atol=1e-5)
    V = Vt[:n_components][strength[:n_components] > 1e-8]
    assert_allclose(spectrum.vectors @ spectrum.vectors.T, V.T @ V, atol=1e-3)
    vectors = spectrum.vectors.astype(np.float64)
    assert_allclose(N.T @ (N @ vectors), vectors * spectrum.values * spectrum.largest, atol=1e-4 * spectrum.largest)


@pytest.mark.parametrize("shape", [(200, 60), (60, 200)])
def test_products_with_parts_of_the_users_give_the_spectrum_of_all(shape):
    X = sparse.csr_array((np.random.default_rng(0).random(shape) < 0.1).astype(np.float32))

    def multiply(vectors):
        return sum(multiply_by_cooccurrence(X[start::3], 0.8, vectors) for start in range(3))

    vectors = np.eye(shape[1], dtype=np.float32)[:, :4]
    statistics = Statistics.accumulate(X, 0.8)
    assert_allclose(multiply(vectors), statistics.cooccurrence.toarray()[:, :4] * statistics.unit, atol=1e-5)
    found, expected = spectrum_of_sums(replace(statistics, multiply=multiply), 8, 5), spectrum_of(X, 0.4, 8, 5)
    assert_allclose(found.values, expected.values, rtol=1e-4)
    assert_allclose(found.vectors, expected.vectors, atol=1e-3)
    assert found.largest == pytest.approx(expected.largest, rel=1e-5)


def test_the_spectrum_is_that_of_the_randomised_decomposition():
    X = sparse.csr_array((np.random.default_rng(0).random((200, 100)) < 0.1).astype(np.float32))
    N = power(X.sum(axis=1), -0.5)[:, None] * X.toarray() * power(X.sum(axis=0), -0.5)
    _, strength, Vt = randomized_svd(N, 8, n_oversamples=20, n_iter=2, random_state=5)
    spectrum = spectrum_of(X, 0.5, 8, 5)
    assert_allclose(spectrum.values * spectrum.largest, strength**2, rtol=1e-5)
    assert_allclose(np.abs(spectrum.vectors.T @ Vt.T), np.eye(8), atol=1e-3)


def test_blocks_of_users_give_the_spectrum_of_all(monkeypatch):
    X = sparse.random_array((300, 40), density=0.2, format="csr", dtype=np.float32, rng=0)
    whole = spectrum_of(X, 0.5, 8, 5)
    monkeypatch.setattr("skgnnrec.graph._cooccurrence.USER_VALUES", 28 * 70)  # 70 users, with 20 further vectors
    blocks = spectrum_of(X, 0.5, 8, 5)
    assert_allclose(blocks.values, whole.values, rtol=1e-4)
    assert_allclose(np.abs(blocks.vectors), np.abs(whole.vectors), atol=1e-3)


def test_components_beyond_the_rank_are_empty():
    checkerboard = (np.indices((12, 9)).sum(axis=0) % 2 == 0).astype(np.float32)  # of rank 2
    vectors = spectrum_of(sparse.csr_array(checkerboard), 0.5, 9, 0).vectors
    assert (np.abs(vectors).max(axis=0) > 0).sum() == 2


def test_the_spectrum_without_components_or_interactions():
    empty = sparse.csr_array((4, 3), dtype=np.float32)
    assert spectrum_of(empty, 0.5, 0, 0).vectors.shape == (3, 0)
    spectrum = spectrum_of(empty, 0.5, 3, 0)
    assert not spectrum.vectors.any()
    assert not spectrum.values.any()
    assert spectrum.largest == 1


def test_the_spectrum_is_seeded(dense):
    X = sparse.csr_array(dense)
    with np.errstate(all="raise"):
        again = spectrum_of(X, 0.5, 3, 0)
    assert_array_equal(spectrum_of(X, 0.5, 3, 0).vectors, again.vectors)


def test_a_spectrum_too_large_for_memory_is_refused():
    X = sparse.csr_array((1_000_000, 2_000_000), dtype=np.float32)
    match = (
        "The low-pass part with 500000 components of 1000000 users and 2000000 items needs .* GiB of memory.*"
        "Lower n_components"
    )
    with pytest.raises(MemoryLimitError, match=match):
        spectrum_of(X, 0.5, 500_000, 0)


def test_the_response_is_one_half_at_alpha():
    assert_allclose(ridge_response(np.array([0.0, 0.3, 1.0]), 0.3), [0, 0.5, 1 / 1.3])


@pytest.mark.parametrize("alpha", [0.01, 0.3, 10.0])
def test_the_tail_is_the_nearest_line_through_zero(alpha):
    slope = tail_slope(0.2, alpha)
    points = np.linspace(0.001, 0.2, 400)

    def error(candidate):
        return ((ridge_response(points, alpha) - candidate * points) ** 2).sum()

    assert error(slope) <= 1.001 * min(error(slope * factor) for factor in (0.9, 0.99, 1.01, 1.1))
    assert tail_slope(0.0, alpha) == 1 / alpha
