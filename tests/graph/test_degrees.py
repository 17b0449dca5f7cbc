"""Degrees and normalisation, against dense arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import degrees, inverse_power, normalize

weights = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0])
tables = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=weights)


@given(tables)
def test_degrees_are_sums_of_rows_and_columns(dense):
    user_degrees, item_degrees = degrees(sparse.csr_array(dense))
    assert user_degrees.dtype == item_degrees.dtype == np.float64
    assert_array_equal(user_degrees, dense.sum(axis=1))
    assert_array_equal(item_degrees, dense.sum(axis=0))


def test_isolated_nodes_have_degree_zero():
    user_degrees, item_degrees = degrees(sparse.csr_array([[0.0, 0, 0], [0, 2, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    assert user_degrees.tolist() == [0, 2, 0, 1, 0]
    assert item_degrees.tolist() == [0, 3, 0]


def test_degrees_are_exact_where_float32_is_not():
    X = sparse.csr_array(np.full((1, 3), [2**24, 1, 1], dtype=np.float32))
    assert degrees(X)[0] == [2**24 + 2]


@given(hnp.arrays(np.float64, 6, elements=st.floats(0, 1e6)), st.floats(0, 2))
def test_inverse_power(values, exponent):
    scale = inverse_power(values, exponent)
    assert (scale[values == 0] == 0).all()
    positive = values > 0
    with np.errstate(over="ignore"):
        assert_allclose(scale[positive], values[positive] ** -exponent)


@given(tables)
def test_normalize_scales_both_sides(dense):
    rows, columns = np.arange(1.0, len(dense) + 1), np.linspace(0, 2, dense.shape[1])
    scaled = normalize(sparse.csr_array(dense), rows, columns)
    assert scaled.dtype == np.float32
    assert_allclose(scaled.toarray(), rows[:, None] * dense * columns, rtol=1e-6)


def test_normalize_shares_the_pattern_and_not_the_values():
    X = sparse.csr_array(np.eye(3, dtype=np.float32))
    scaled = normalize(X, np.full(3, 2.0), np.ones(3))
    assert np.shares_memory(scaled.indices, X.indices)
    assert_array_equal(X.data, 1)


def test_interactions_normalised_on_both_sides_have_spectral_norm_one():
    X = sparse.csr_array((np.random.default_rng(0).random((30, 20)) < 0.3).astype(np.float32))
    user_degrees, item_degrees = degrees(X)
    scaled = normalize(X, inverse_power(user_degrees, 0.5), inverse_power(item_degrees, 0.5))
    assert np.linalg.norm(scaled.toarray(), 2) == pytest.approx(1, abs=1e-5)
