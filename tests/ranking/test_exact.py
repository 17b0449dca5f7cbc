"""Products and lengths of rows that have the same bits, whatever other rows are computed with them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skgnnrec.ranking import matmul_by_row, round_for_exact_sums, row_lengths, to_unit_length
from skgnnrec.ranking._exact import largest_norm


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def product(A, B):
    """Return the product that matmul_by_row adds to zeros."""
    out = np.zeros((len(A), len(B)), dtype=np.float32)
    matmul_by_row(A, B, out=out)
    return out


# Products -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 260), st.integers(0, 9), st.integers(1, 9))
def test_matmul_by_row_adds_the_product(n_rows, n_inner, n_columns):
    A, B, C = normal(n_rows, n_inner, seed=1), normal(n_columns, n_inner), normal(n_rows, n_columns)
    out = C.copy()
    matmul_by_row(A, round_for_exact_sums(B, n_inner, axis=1), out=out)
    assert_allclose(out, C + A.astype(np.float64) @ B.T.astype(np.float64), rtol=1e-5, atol=1e-5)


def test_products_with_many_columns():
    A, B = normal(3, 5), normal(9000, 5, seed=1)
    assert_allclose(product(A, round_for_exact_sums(B, 5, axis=1)), A @ B.T, rtol=1e-5, atol=1e-5)


@given(st.lists(st.integers(0, 199), min_size=1, max_size=80), st.sampled_from([1, 2]))
def test_rows_of_a_product_do_not_depend_on_other_rows(rows, n_threads):
    A, B = normal(200, 64), round_for_exact_sums(normal(50, 64), 64, axis=1)
    with threadpool_limits(n_threads):
        assert_array_equal(product(A[rows], B), product(A, B)[rows])


@given(st.lists(st.integers(0, 49), min_size=1, max_size=50))
def test_columns_of_a_product_do_not_depend_on_other_columns(columns):
    A, B = normal(40, 64), round_for_exact_sums(normal(50, 64), 64, axis=1)
    assert_array_equal(product(A, B[columns]), product(A, B)[:, columns])


@pytest.mark.parametrize("n_terms", [1, 2, 3, 64, 256, 257, 4096])
def test_rounded_factors_have_exact_sums(n_terms):
    scales = 10.0 ** np.arange(-6, 6)
    A = round_for_exact_sums((scales[:, None] * normal(12, n_terms)).astype(np.float32), n_terms, axis=1)
    B = round_for_exact_sums((normal(n_terms, 12, seed=1) * scales).astype(np.float32), n_terms, axis=0)
    order = np.random.default_rng(0).permutation(n_terms)
    A, B = A.astype(np.float64), B.astype(np.float64)
    exact = [[math.fsum(row * column) for column in B.T] for row in A]
    assert_array_equal(A @ B, exact)
    assert_array_equal(A[:, order] @ B[order], exact)


def test_rounding_is_as_fine_as_float32_sums():
    A = normal(20, 256)
    rounded = round_for_exact_sums(A, 256, axis=1)
    assert rounded.dtype == np.float32
    assert (np.abs(rounded - A).max(axis=1) <= np.abs(A).max(axis=1) * 2.0**-22).all()
    assert_array_equal(round_for_exact_sums(rounded, 256, axis=1), rounded)
    assert not round_for_exact_sums(np.zeros((2, 3), np.float32), 3, axis=0).any()


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1.0, 1e30])
@pytest.mark.parametrize("axis", [0, 1])
def test_rounding_in_float32_is_that_in_float64(scale, axis):
    rng = np.random.default_rng(0)
    A = (rng.normal(size=(30, 20)) * 10 ** rng.uniform(-3, 3, size=(30, 20)) * scale).astype(np.float32)
    largest = np.abs(A.astype(np.float64)).max(axis=axis, keepdims=True)
    quantum = 2.0 ** (np.floor(np.log2(largest)) + 1 - 22)  # 22 bits: 300 products of them fit into the 53 of float64
    with np.errstate(all="raise"):
        rounded = round_for_exact_sums(A, 300, axis)
    assert rounded.dtype == np.float32
    assert_array_equal(rounded, (np.rint(A / quantum) * quantum).astype(np.float32))


# Lengths --------------------------------------------------------------------------------------------------------------

n_dimensions = st.integers(1, 40) | st.sampled_from([64, 129, 384, 1000, 9000])


@given(n_dimensions, st.lists(st.integers(0, 29), min_size=1, max_size=30))
def test_unit_vectors_do_not_depend_on_other_rows(n_dimensions, rows):
    A = normal(30, n_dimensions)
    assert_array_equal(to_unit_length(A[rows]), to_unit_length(A)[rows])
    assert_array_equal(row_lengths(A[rows]), row_lengths(A)[rows])
    assert_array_equal(to_unit_length(np.asfortranarray(A[rows])), to_unit_length(A)[rows])


@given(n_dimensions, st.integers(0, 9))
def test_lengths_and_unit_vectors_are_the_formula(n_dimensions, n_rows):
    A = normal(n_rows, n_dimensions)
    expected = np.linalg.norm(A.astype(np.float64), axis=1)
    assert_allclose(row_lengths(A), expected, rtol=1e-6)
    units = to_unit_length(A)
    assert (units.shape, units.dtype, row_lengths(A).dtype) == (A.shape, np.float32, np.float64)
    assert_allclose(units, A / expected[:, None], rtol=1e-6, atol=1e-9)


@given(st.integers(-90, 90))
def test_a_power_of_two_does_not_change_unit_vectors(exponent):
    A = np.abs(normal(9, 20)) + 1
    scaled = np.ldexp(A, exponent)
    assert_array_equal(to_unit_length(scaled), to_unit_length(A))
    assert_array_equal(row_lengths(scaled), np.ldexp(row_lengths(A), exponent))


@pytest.mark.parametrize("value", [1e-45, 1e-38, 1e-25, 1e25, 3.4e38])
def test_values_at_the_ends_of_float32_have_a_length(value):
    A = np.full((2, 4), value, dtype=np.float32)
    with np.errstate(all="raise"):
        assert_array_equal(to_unit_length(A), np.full((2, 4), 0.5))
        assert_array_equal(row_lengths(A), 2 * A[:, 0].astype(np.float64))


def test_very_small_values_beside_large_ones():
    with np.errstate(all="raise"):
        assert_array_equal(to_unit_length(np.array([[1e-38, 1e38]], dtype=np.float32)), [[0, 1]])


def test_zero_rows_and_empty_arrays():
    A = np.array([[0, 0], [3, 4]], dtype=np.float32)
    assert_allclose(to_unit_length(A), [[0, 0], [0.6, 0.8]], rtol=1e-6)
    assert_array_equal(row_lengths(A), [0, 5])
    for shape in ((0, 3), (2, 0), (0, 0)):
        assert to_unit_length(np.empty(shape, dtype=np.float32)).shape == shape
        assert_array_equal(row_lengths(np.empty(shape, dtype=np.float32)), np.zeros(shape[0]))


def test_arrays_are_left_alone():
    A = normal(3, 4)
    A.flags.writeable = False
    before = A.copy()
    to_unit_length(A)[:] = 0
    assert_array_equal(A, before)


def test_the_largest_norm_is_an_upper_bound():
    B = normal(30, 7)
    exact = np.linalg.norm(B.astype(np.float64), axis=1).max()
    assert exact <= largest_norm(B) <= 1.001 * exact
    assert largest_norm(B[:0]) == 0
