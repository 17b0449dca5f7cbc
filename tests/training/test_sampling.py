"""Batches of users and negatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.training import batches_of_interactions, batches_of_users, draw_items, draw_unseen_items, keys_of

tables = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.sampled_from([0.0, 1.0]))


def matrix(table):
    return sparse.csr_array(table)


@given(tables, st.integers(1, 20), st.integers(0, 3))
def test_each_user_with_a_history_is_in_one_batch(table, batch_size, seed):
    batches = list(batches_of_users(matrix(table), batch_size, np.random.default_rng(seed)))
    assert_array_equal(np.sort(np.concatenate([*batches, np.empty(0, int)])), np.flatnonzero(table.any(axis=1)))
    assert all(len(batch) for batch in batches)


def test_batches_have_about_as_many_interactions_as_asked_for():
    X = sparse.random_array((2000, 50), density=0.2, rng=np.random.default_rng(0), format="csr")
    sizes = [X[users].nnz for users in batches_of_users(X, 1000, np.random.default_rng(0))]
    assert len(sizes) == 20
    assert max(sizes) <= 1100
    assert min(sizes) >= 900


def test_batches_differ_between_epochs_and_not_between_calls():
    X = sparse.csr_array(np.ones((50, 2)))
    first, again, other = (
        np.concatenate(list(batches_of_users(X, 20, np.random.default_rng(seed)))) for seed in ([0, 0], [0, 0], [0, 1])
    )
    assert_array_equal(first, again)
    assert (first != other).any()


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3))
def test_batches_of_interactions_hold_each_once(n, batch_size, seed):
    batches = list(batches_of_interactions(n, batch_size, np.random.default_rng(seed)))
    assert_array_equal(np.sort(np.concatenate([np.zeros(0, dtype=int), *batches])), np.arange(n))
    sizes = [len(batch) for batch in batches]
    assert all(sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert n < 10 * batch_size or abs(np.mean(sizes) - batch_size) < 0.1 * batch_size


def test_items_are_drawn_evenly_or_by_popularity():
    popularity = np.array([0.0, 1.0, 3.0, 0.0])
    rng = np.random.default_rng(0)
    even = np.bincount(draw_items(popularity, 0.0, 40_000, rng), minlength=4) / 40_000
    by_popularity = np.bincount(draw_items(popularity, 1.0, 40_000, rng), minlength=4) / 40_000
    assert even == pytest.approx([0.25] * 4, abs=0.02)
    assert by_popularity == pytest.approx([0.0, 0.25, 0.75, 0.0], abs=0.02)
    by_root = np.bincount(draw_items(popularity, 0.5, 40_000, rng), minlength=4) / 40_000
    assert by_root[2] / by_root[1] == pytest.approx(np.sqrt(3), abs=0.05)


@pytest.mark.parametrize("exponent", [1e3, 1e300])
def test_huge_exponents_draw_the_most_popular_items(exponent):
    with np.errstate(all="raise"):
        drawn = draw_items(np.array([0.0, 5.0, 300.0, 300.0]), exponent, 200, np.random.default_rng(0))
    assert set(drawn.tolist()) == {2, 3}


@given(tables, st.integers(1, 3), st.sampled_from([0.0, 0.75]), st.integers(0, 3))
def test_negatives_are_items_the_user_does_not_have(table, n, exponent, seed):
    X = matrix(table)
    users = np.repeat(np.arange(len(table)), np.diff(X.indptr))
    popularity = table.sum(axis=0).astype(float)
    drawn = draw_unseen_items(users, keys_of(X), popularity, exponent, n, np.random.default_rng(seed))
    assert drawn.shape == (X.nnz, n)
    has_all = table.all(axis=1)[users]
    assert_array_equal(drawn[has_all], np.full((has_all.sum(), n), -1))
    assert (drawn[~has_all] >= 0).all()
    assert not table[np.repeat(users, n)[drawn.ravel() >= 0], drawn[drawn >= 0]].any()


def test_ids_beyond_32_bits_do_not_wrap():
    n_items = 60_000
    X = sparse.csr_array((np.ones(2), ([70_000, 70_001], [5, 6])), shape=(70_002, n_items))
    X.indices = X.indices.astype(np.int32)
    popularity = np.zeros(n_items)
    popularity[[5, 6]] = 1
    drawn = draw_unseen_items(np.array([70_000, 70_001]), keys_of(X), popularity, 1.0, 1, np.random.default_rng(0))
    assert drawn.tolist() == [[6], [5]]
