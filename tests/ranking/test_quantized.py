"""Quantised matrices: near the original, exact in all parts, and with sums that do not depend on other rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.ranking import Quantized, matmul_by_row, multiply

ERRORS = {"int8": 1 / 127, "float16": 2**-10}  # of the largest value of a row: the step where it is longest


@pytest.fixture(params=["int8", "float16"])
def dtype(request):
    return request.param


@pytest.fixture
def matrix():
    """Return rows of very different scales."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((1500, 40)) * 10.0 ** rng.integers(-20, 20, (1500, 1))).astype(np.float32)


@pytest.fixture(name="X")
def histories():
    """Return histories of many lengths; the second has more items than are converted at once."""
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((70, 1500)) < rng.random((70, 1)) / 10, rng.random((70, 1500)), 0)
    dense[0], dense[1] = 0, rng.random(1500)
    return sparse.csr_array(dense.astype(np.float32))


def test_values_are_the_nearest_ones(matrix, dtype):
    quantized = Quantized.of(matrix, dtype)
    assert (quantized.values.dtype, quantized.shape, len(quantized)) == (dtype, matrix.shape, len(matrix))
    error = np.abs(np.asarray(quantized) - matrix).max(axis=1)
    assert (error <= ERRORS[dtype] * np.abs(matrix).max(axis=1)).all()
    assert quantized.values.nbytes * (4 if dtype == "int8" else 2) == matrix.nbytes


def test_quantising_again_changes_nothing(matrix, dtype):
    once = np.asarray(Quantized.of(matrix, dtype))
    assert_array_equal(np.asarray(Quantized.of(once, dtype)), once)


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.full((2, 3), 1e-44), np.full((2, 3), 3e38), np.zeros((0, 3))])
def test_extreme_rows(values, dtype):
    values = values.astype(np.float32)
    assert_allclose(np.asarray(Quantized.of(values, dtype)), values, rtol=1 / 127, atol=1e-40)


def test_parts_are_parts_of_the_whole(matrix, dtype):
    quantized = Quantized.of(matrix, dtype)
    whole, rows, columns = np.asarray(quantized), np.array([3, 0, 3]), np.array([5, 39, 0])
    for key in (rows, slice(2, 9), (rows, columns), (slice(None), columns), (rows, slice(4, 8)), (rows, slice(0))):
        assert_array_equal(quantized[key], whole[key])
        assert quantized[key].dtype == np.float32


def test_float16_is_converted_exactly():
    numbers = np.arange(-(2**16), 2**16 + 1, 7, dtype=np.float32)[:, None] / 2**16
    quantized = Quantized.of(numbers, "float16")
    assert_array_equal(np.asarray(quantized), quantized.values.astype(np.float32) * quantized.units[:, None])


def test_sums_of_rows(matrix, X, dtype):
    matrix = matrix / np.abs(matrix).max(axis=1, keepdims=True)
    quantized = Quantized.of(matrix, dtype)
    expected = X.astype(np.float64) @ np.asarray(quantized).astype(np.float64)
    assert_allclose(multiply(X, quantized), expected, rtol=1e-4, atol=1e-4)
    assert_allclose(multiply(X, matrix), X.toarray().astype(np.float64) @ matrix, rtol=1e-4, atol=1e-4)


def test_sums_of_a_row_do_not_depend_on_other_rows(matrix, X, dtype):
    quantized = Quantized.of(matrix, dtype)
    together = multiply(X, quantized)
    for row in range(X.shape[0]):
        assert_array_equal(multiply(X[[row]], quantized), together[[row]])
    assert multiply(X[:0], quantized).shape == (0, 40)


def test_products_are_exact_in_any_order(dtype):
    rng = np.random.default_rng(2)
    users, items = rng.standard_normal((2, 300, 512), dtype=np.float32)
    quantized, order = Quantized.of(items, dtype), rng.permutation(512)
    found, shuffled = np.zeros((2, 300, 300))
    matmul_by_row(users, quantized, found)
    matmul_by_row(users[:, order], Quantized(quantized.values[:, order], quantized.units), shuffled)
    assert_array_equal(found, shuffled)
