"""Degrees and normalised matrices, against dense arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import inverse_power, item_degrees, normalized_history, rescale

weights = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0])
tables = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=weights)


@given(tables)
def test_item_degrees_are_sums_of_columns(dense):
    degrees = item_degrees(sparse.csr_array(dense))
    assert degrees.dtype == np.float64
    assert_array_equal(degrees, dense.sum(axis=0))


def test_item_degrees_are_exact_where_float32_is_not():
    X = sparse.csr_array(np.array([[2**24], [1], [1]], dtype=np.float32))
    assert item_degrees(X) == [2**24 + 2]


@given(hnp.arrays(np.float64, 6, elements=st.floats(0, 1e6)), st.floats(0, 2))
def test_inverse_power(values, exponent):
    with np.errstate(over="ignore"):
        scale = inverse_power(values, exponent)
        expected = values[values > 0] ** -exponent
    assert scale.dtype == np.float64
    assert (scale[values == 0] == 0).all()
    assert_allclose(scale[values > 0], expected)


@given(tables)
def test_rescale_multiplies_rows_and_columns(dense):
    rows, columns = np.arange(1.0, len(dense) + 1), np.linspace(0, 2, dense.shape[1])
    scaled = rescale(sparse.csr_array(dense), rows, columns)
    assert scaled.dtype == np.float32
    assert_allclose(scaled.toarray(), rows[:, None] * dense * columns, rtol=1e-6)


def test_rescale_shares_the_indices_and_not_the_values():
    X = sparse.csr_array(np.eye(3, dtype=np.float32))
    scaled = rescale(X, np.full(3, 2.0), np.ones(3))
    assert np.shares_memory(scaled.indices, X.indices)
    assert_array_equal(X.data, 1)


def test_rescale_to_values_below_the_range_of_float32():
    with np.errstate(all="raise"):
        assert not rescale(sparse.csr_array(np.eye(2)), np.full(2, 1e-40), np.full(2, 1e-40)).toarray().any()


@given(tables)
def test_histories_of_binary_values_are_normalised_on_both_sides(dense):
    binary = (dense > 0).astype(np.float32)
    found = normalized_history(sparse.csr_array(binary), binary.sum(axis=0))
    rows, columns = (np.maximum(binary.sum(axis=axis, keepdims=True), 1) for axis in (1, 0))
    assert_allclose(found.toarray(), binary / np.sqrt(rows * columns), rtol=1e-6)


def test_values_weigh_the_items_of_a_history():
    X = sparse.csr_array(np.array([[1.0, 3.0, 0.0]], dtype=np.float32))
    found = normalized_history(X, np.array([4.0, 1.0, 1.0]))
    # Two items with weights 1/4 and 3/4 of the history share the root of two; the first one has four users.
    assert_allclose(found.toarray(), [[np.sqrt(2) / 4 / 2, np.sqrt(2) * 3 / 4, 0]], rtol=1e-6)
    assert_allclose(normalized_history(8 * X, np.array([4.0, 1.0, 1.0])).toarray(), found.toarray(), rtol=1e-6)


def test_items_without_users_in_the_fit_have_no_weight():
    X = sparse.csr_array(np.ones((1, 2), dtype=np.float32))
    assert normalized_history(X, np.array([0.0, 1.0])).toarray()[0, 0] == 0


def test_interactions_normalised_on_both_sides_have_spectral_norm_one():
    X = sparse.csr_array((np.random.default_rng(0).random((30, 20)) < 0.3).astype(np.float32))
    scaled = normalized_history(X, item_degrees(X))
    assert np.linalg.norm(scaled.toarray(), 2) == pytest.approx(1, abs=1e-5)
