"""Statistics of interactions: exact sums that can be added, subtracted and divided into blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.graph import Statistics, cooccurrence_rows, count_users, most_pairs, pairs_that_fit
from skgnnrec.graph._statistics import PRUNED_BYTES

N_ITEMS = 6
histories = hnp.arrays(np.float32, st.tuples(st.integers(0, 12), st.just(N_ITEMS)), elements=st.sampled_from([0, 0, 1]))
exponents = st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0, 30.0])


def accumulate(dense, exponent=0.0):
    return Statistics.accumulate(sparse.csr_array(dense), exponent)


def assert_same(first, second):
    """Check that two statistics are equal in every bit."""
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(first.cooccurrence, name), getattr(second.cooccurrence, name))
    assert_array_equal(first.item_counts, second.item_counts)
    assert (first.n_users, first.user_exponent) == (second.n_users, second.user_exponent)


def random_histories(n_users=200, n_items=50, seed=0):
    return (np.random.default_rng(seed).random((n_users, n_items)) < 0.2).astype(np.float32)


@given(histories)
def test_without_exponent_they_are_counts(dense):
    found = accumulate(dense)
    counts = dense.astype(np.int64)
    assert found.cooccurrence.dtype == found.item_counts.dtype == np.int64
    assert_array_equal(found.cooccurrence.toarray(), counts.T @ counts)
    assert_array_equal(found.item_counts, counts.sum(axis=0))
    assert (found.n_users, found.unit, found.user_exponent) == (len(dense), 1.0, 0.0)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0, 2.0])
def test_an_exponent_weighs_users_by_the_length_of_their_history(exponent):
    dense = random_histories().astype(np.float64)
    found = accumulate(dense, exponent)
    expected = dense.T @ (np.maximum(dense.sum(axis=1), 1)[:, None] ** -exponent * dense)
    assert found.cooccurrence.dtype == np.int64
    assert_allclose(found.cooccurrence.toarray() * found.unit, expected, rtol=1e-6)


def test_users_with_one_item_have_weight_one():
    found = accumulate(np.ones((10, 1), dtype=np.float32), 0.5)
    assert found.cooccurrence.toarray() * found.unit == 10


@given(histories, exponents, st.randoms(use_true_random=False))
def test_the_order_of_users_does_not_matter(dense, exponent, random):
    order = list(range(len(dense)))
    random.shuffle(order)
    assert_same(accumulate(dense[order], exponent), accumulate(dense, exponent))


@given(histories, exponents, st.lists(st.integers(0, 12), max_size=4))
def test_blocks_of_users_add_up(dense, exponent, cuts):
    blocks = np.split(dense, sorted(min(cut, len(dense)) for cut in cuts))
    total = accumulate(blocks[0], exponent)
    for block in blocks[1:]:
        total = total + accumulate(block, exponent)
    assert_same(total, accumulate(dense, exponent))


@given(histories, histories, exponents)
def test_subtraction_restores_the_statistics_before_an_addition(first, second, exponent):
    before, added = accumulate(first, exponent), accumulate(second, exponent)
    assert_same((before + added) - added, before)
    assert_same((before + added) - before, added)
    assert_same(before - before, accumulate(first[:0], exponent))


@given(histories, exponents)
def test_values_are_factors(dense, exponent):
    found, binary = accumulate(3.5 * dense, exponent), accumulate(dense, exponent)
    assert_allclose(found.cooccurrence.toarray(), 3.5**2 * binary.cooccurrence.toarray(), rtol=1e-12)
    assert_array_equal(found.item_counts, binary.item_counts)


@given(histories, exponents)
def test_each_pair_of_items_keeps_a_positive_weight(dense, exponent):
    found = accumulate(dense, exponent).cooccurrence
    assert_array_equal(found.toarray() > 0, dense.T @ dense > 0)
    assert found.has_canonical_format


@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_threads_do_not_matter(exponent):
    dense, found = random_histories(), []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            found.append(accumulate(dense, exponent))
    assert_same(*found)


def test_counts_stay_exact_beyond_the_integers_of_float64():
    one = accumulate(np.ones((1, 2), dtype=np.float32))
    total = one
    for _ in range(54):
        total = total + total
    assert_array_equal((total + one).cooccurrence.toarray(), np.full((2, 2), 2**54 + 1))
    assert_same((total + one) - total, one)


def test_matrices_are_left_alone():
    X = sparse.csr_array(3 * random_histories())
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    before = X.toarray()
    Statistics.accumulate(X, 0.5)
    assert_array_equal(X.toarray(), before)


@given(histories)
def test_count_users_counts_stored_values(dense):
    found = count_users(sparse.csr_array(2.5 * dense))
    assert found.dtype == np.int64
    assert_array_equal(found, (dense > 0).sum(axis=0))


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [accumulate(np.eye(3)), accumulate(np.eye(2), 0.5)])
def test_statistics_of_other_items_or_exponents_are_refused(other):
    match = f"of 2 items with exponent 0.0 and of {len(other.item_counts)} items with exponent {other.user_exponent}"
    for combine in (Statistics.__add__, Statistics.__sub__):
        with pytest.raises(ValueError, match=match):
            combine(accumulate(np.eye(2)), other)


@pytest.mark.parametrize("other", [[[1, 1], [1, 0]], [[1, 0]], [[0, 0], [0, 0], [0, 0]], [[0, 1], [0, 1]]])
def test_interactions_that_were_not_added_are_not_subtracted(other):
    with pytest.raises(ValueError, match="Only interactions that were added before can be subtracted"):
        accumulate(np.array([[0.0, 1.0], [0.0, 0.0]])) - accumulate(np.array(other, dtype=float))


def test_cooccurrence_too_large_for_memory_is_refused():
    n_items = 3_000_000
    X = sparse.csr_array(np.ones((1, n_items), dtype=np.int8))
    match = "The co-occurrence graph of 3000000 items needs .* GiB of memory.*Leave out the longest histories"
    with pytest.raises(MemoryLimitError, match=match):
        Statistics.accumulate(X)


def test_pairs_of_the_largest_cosines_are_kept():
    dense = random_histories()
    C = accumulate(dense).cooccurrence.toarray()
    found = Statistics.accumulate(sparse.csr_array(dense), max_pairs=5).cooccurrence.toarray()
    cosines = C / np.sqrt(np.outer(C.diagonal(), C.diagonal()))
    np.fill_diagonal(cosines, np.inf)
    least = np.sort(cosines, axis=1)[:, -6]
    is_largest, is_larger = cosines >= least[:, None] - 1e-12, cosines > least[:, None] + 1e-12
    assert_array_equal(found, np.where(found > 0, C, 0))
    assert_array_equal(found, found.T)
    assert ((found > 0) >= (is_larger | is_larger.T)).all()
    assert ((found > 0) <= (is_largest | is_largest.T)).all()


def test_all_pairs_are_kept_where_there_are_fewer():
    X = sparse.csr_array(random_histories())
    found = Statistics.accumulate(X, 0.5, 50).cooccurrence
    assert_array_equal(found.toarray(), Statistics.accumulate(X, 0.5).cooccurrence.toarray().astype(np.float32))


def test_the_pairs_that_are_kept_do_not_depend_on_threads_blocks_or_the_order_of_users(monkeypatch):
    X = sparse.csr_array(random_histories())
    expected = Statistics.accumulate(X, max_pairs=5).cooccurrence.toarray()
    monkeypatch.setattr("skgnnrec.graph._statistics.BLOCK_SUMS", 100)
    with threadpool_limits(1):
        assert_array_equal(Statistics.accumulate(X[::-1], max_pairs=5).cooccurrence.toarray(), expected)


@pytest.mark.parametrize("exponent", [0.0, 0.7])
def test_rows_are_those_of_all_cooccurrences(exponent):
    X = sparse.csr_array(random_histories())
    expected = Statistics.accumulate(X, exponent).cooccurrence.toarray()
    blocks = [cooccurrence_rows(X, exponent, start, start + 7) for start in range(0, X.shape[1], 7)]
    assert_array_equal(sparse.vstack(blocks).toarray(), expected)


def test_memory_decides_how_many_pairs_are_kept(monkeypatch):
    X = sparse.csr_array(random_histories(n_users=500, n_items=400))
    assert pairs_that_fit(most_pairs(X), 400) is None
    monkeypatch.setattr("skgnnrec.graph._statistics.available_memory", lambda: 12 * 400 * 399)
    assert pairs_that_fit(most_pairs(X), 400) == 12 * 399 // (2 * PRUNED_BYTES)
