"""The order of histories: larger values of a row are later."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.interactions import has_order, places_from_end, weigh_by_rank

ROWS = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0]), min_size=5, max_size=5), min_size=1, max_size=6)


@given(ROWS)
def test_places_count_the_larger_values_of_the_row(rows):
    X = sparse.csr_array(np.array(rows, dtype=np.float32))
    expected = [len({other for other in row if other > value}) for row in rows for value in row if value]
    assert_array_equal(places_from_end(X), expected)


@given(ROWS)
def test_histories_have_an_order_where_values_of_a_row_differ(rows):
    X = sparse.csr_array(np.array(rows, dtype=np.float32))
    assert has_order(X) == any(len({value for value in row if value}) > 1 for row in rows)


@pytest.mark.parametrize("n_rows", [0, 1])
def test_matrices_without_entries_have_no_order(n_rows):
    X = sparse.csr_array((n_rows, 3), dtype=np.float32)
    assert not has_order(X)
    assert places_from_end(X).shape == (0,)


def test_weights_by_rank():
    X = sparse.csr_array(np.array([[3, 0, 1, 3], [0, 9, 0, 0]], dtype=np.float32))
    assert_array_equal(weigh_by_rank(X, 0.5).toarray(), [[1, 0, 0.5, 1], [0, 1, 0, 0]])


def test_old_interactions_stay_interactions():
    X = sparse.csr_array(np.arange(1, 200, dtype=np.float32)[None, :])
    assert (weigh_by_rank(X, 0.1).data > 0).all()
