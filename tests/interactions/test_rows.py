"""Rows of a matrix found by their content."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skgnnrec.interactions import find_rows

ROWS = st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=3, max_size=3), min_size=1, max_size=8)


@given(ROWS, ROWS, st.booleans())
def test_each_row_is_found_as_often_as_it_is_there(rows, asked, with_values):
    X, wanted = (np.array(part, dtype=np.float32) for part in (rows, asked))
    found = find_rows(sparse.csr_array(X), sparse.csr_array(wanted), with_values=with_values)
    if not with_values:
        X, wanted = X > 0, wanted > 0
    places = found[found >= 0]
    assert len(set(places)) == len(places)
    assert (X[places] == wanted[found >= 0]).all()
    for row in np.unique(wanted, axis=0):
        n_asked, n_there = ((part == row).all(axis=1).sum() for part in (wanted, X))
        assert (found[(wanted == row).all(axis=1)] >= 0).sum() == min(n_asked, n_there)


def test_rows_of_an_empty_matrix():
    X = sparse.csr_array((0, 3), dtype=np.float32)
    assert find_rows(X, sparse.csr_array(np.eye(3)), with_values=False).tolist() == [-1, -1, -1]
    assert find_rows(sparse.csr_array(np.eye(3)), X, with_values=True).tolist() == []
