"""Batches, parts of histories and negatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.training import batches_of, draw_past, draw_unseen_items, keys_of

tables = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0.0, 1.0]))


def matrix(table):
    return sparse.csr_array(table)


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3))
def test_batches_hold_each_number_once(n, batch_size, seed):
    batches = list(batches_of(n, batch_size, np.random.default_rng(seed)))
    assert_array_equal(np.sort(np.concatenate([np.zeros(0, dtype=int), *batches])), np.arange(n))
    sizes = [len(batch) for batch in batches]
    assert all(sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert n < 10 * batch_size or abs(np.mean(sizes) - batch_size) < 0.1 * batch_size


def test_workers_with_few_users_have_as_many_batches_as_the_others():
    sizes = [[len(batch) for batch in batches_of(n, 20, np.random.default_rng(0), 60 + 2)] for n in (60, 2, 0)]
    assert sizes == [[20, 20, 20], [1, 1, 0], [0, 0, 0]]


def test_batches_differ_between_epochs_and_not_between_calls():
    first, again, other = (
        np.concatenate(list(batches_of(50, 20, np.random.default_rng(seed)))) for seed in ([0, 0], [0, 0], [0, 1])
    )
    assert_array_equal(first, again)
    assert (first != other).any()


weights = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])
)


@given(weights, st.integers(0, 3))
def test_the_past_of_a_history_is_earlier_than_the_rest(table, seed):
    X = matrix(table)
    is_past = draw_past(X, np.random.default_rng(seed))
    for first, last in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        values, past = X.data[first:last], is_past[first:last]
        n = len(values)
        assert past.sum() >= max(1, n // 2) or not n
        assert n < 2 or past.sum() < n
        assert values[past].max(initial=0) <= values[~past].min(initial=np.inf)


def test_each_moment_in_the_second_half_is_drawn_and_equal_values_are_in_random_order():
    X = sparse.csr_array(np.tile(np.array([[1, 2, 2, 3, 4, 5]], dtype=np.float32), (9000, 1)))
    is_past = draw_past(X, np.random.default_rng(0)).reshape(X.shape)
    assert np.bincount(is_past.sum(axis=1)) / 9000 == pytest.approx([0, 0, 0, 1 / 3, 1 / 3, 1 / 3], abs=0.03)
    X = sparse.csr_array(np.ones((9000, 4)))
    is_past = draw_past(X, np.random.default_rng(0)).reshape(X.shape)
    assert is_past.mean(axis=0) == pytest.approx([0.625] * 4, abs=0.03)


def test_negatives_are_drawn_evenly():
    X = sparse.csr_array(np.array([[1.0, 0.0, 0.0, 0.0]]))
    drawn = draw_unseen_items(np.zeros(1, dtype=int), keys_of(X), 4, 30_000, np.random.default_rng(0))
    assert np.bincount(drawn[0], minlength=4) / 30_000 == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=0.02)


@given(tables, st.integers(1, 3), st.integers(0, 3))
def test_negatives_are_items_the_user_does_not_have(table, n, seed):
    X = matrix(table)
    users = np.repeat(np.arange(len(table)), np.diff(X.indptr))
    drawn = draw_unseen_items(users, keys_of(X), table.shape[1], n, np.random.default_rng(seed))
    assert drawn.shape == (X.nnz, n)
    has_all = table.all(axis=1)[users]
    assert_array_equal(drawn[has_all], np.full((has_all.sum(), n), -1))
    assert (drawn[~has_all] >= 0).all()
    assert not table[np.repeat(users, n)[drawn.ravel() >= 0], drawn[drawn >= 0]].any()


def test_keys_beyond_32_bits_do_not_wrap():
    n_items, seen = 60_000, np.arange(59_990)
    users = np.array([70_000, 70_001])
    cells = np.repeat(users, len(seen)), np.tile(seen, 2)
    X = sparse.csr_array((np.ones(2 * len(seen)), cells), shape=(70_002, n_items))
    X.indices = X.indices.astype(np.int32)
    drawn = draw_unseen_items(users, keys_of(X), n_items, 5, np.random.default_rng(0))
    assert (drawn >= len(seen)).all()
    assert (drawn < n_items).all()
