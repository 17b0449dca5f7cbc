"""Held-out parts add up to the matrix, are canonical, and hold out what they say."""

import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.exceptions import EmptyHistoryWarning
from skgnnrec.interactions import (
    hold_out_cold_items,
    hold_out_future,
    hold_out_last,
    hold_out_share,
    hold_out_share_of_users,
    labelled_as,
    row_of_each,
)

HOLD_OUTS = {
    "share": lambda X, size=0.3: hold_out_share(X, size, 0),
    "last": lambda X, size=0.3: hold_out_last(X, times_for(X), size),
    "future": lambda X, size=0.3: hold_out_future(X, times_for(X), size),
    "cold_items": lambda X, size=0.3: hold_out_cold_items(X, size, 0),
}
each_way = pytest.mark.parametrize("hold_out", HOLD_OUTS.values(), ids=HOLD_OUTS.keys())


def times_for(X):
    return np.random.default_rng(5).permutation(X.nnz)


def interactions(seed=0, n_users=60, n_items=40, density=0.15, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return sparse.random_array((n_users, n_items), density=density, rng=rng, format="csr", dtype=dtype)


def frozen(X):
    for array in (X.data, X.indices, X.indptr):
        array.setflags(write=False)
    return X


def assert_canonical(X):
    assert X.format == "csr"
    X.check_format(full_check=True)
    fresh = sparse.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    assert fresh.has_canonical_format
    assert (X.data != 0).all()


@each_way
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_parts_are_canonical_disjoint_and_add_up(hold_out, dtype):
    X = interactions()
    X.data = (1 + 10 * X.data).astype(dtype)
    X = frozen(X)
    before = X.copy()
    history, held_out = hold_out(X)
    for part in (history, held_out):
        assert_canonical(part)
        assert isinstance(part, sparse.csr_array)
        assert part.dtype == dtype
        assert part.shape == X.shape
        assert part.nnz > 0
    assert history.multiply(held_out).nnz == 0
    assert_array_equal((history + held_out).toarray(), X.toarray())
    assert_array_equal(X.toarray(), before.toarray())


@each_way
def test_int64_indices_are_taken(hold_out):
    X = interactions()
    wide = X.copy()
    wide.indices, wide.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    for part, expected in zip(hold_out(wide), hold_out(X), strict=True):
        assert_array_equal(part.toarray(), expected.toarray())


@pytest.mark.parametrize("hold_out", [HOLD_OUTS["share"], HOLD_OUTS["last"]])
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0.2, [0, 0, 1, 1, 1, 2]),
        (0.5, [0, 0, 1, 2, 2, 5]),
        (0.99, [0, 0, 1, 2, 4, 9]),
        (1, [0, 0, 1, 1, 1, 1]),
        (3, [0, 0, 1, 2, 3, 3]),
        (10**30, [0, 0, 1, 2, 4, 9]),
    ],
)
def test_number_held_out_of_each_row(hold_out, size, expected):
    X = sparse.csr_array(np.arange(10)[None, :] < np.array([0, 1, 2, 3, 5, 10])[:, None])
    assert_array_equal(np.diff(hold_out(X, size)[1].indptr), expected)


@given(
    st.integers(0, 2**31),
    st.floats(0.01, 0.99),
    st.integers(1, 30),
    st.integers(1, 30),
    st.floats(0, 1),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_share_keeps_at_least_one_interaction_on_either_side(seed, share, n_users, n_items, density):
    X = interactions(seed, n_users, n_items, density)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptyHistoryWarning)
        history, held_out = hold_out_share(X, share, seed)
    n_stored, n_kept, n_held_out = (np.diff(part.indptr) for part in (X, history, held_out))
    assert_array_equal(n_kept + n_held_out, n_stored)
    assert (n_kept[n_stored > 0] >= 1).all()
    assert_array_equal(n_held_out >= 1, n_stored >= 2)
    # Within rounding the share is kept, wherever the limits of a row leave room for it.
    has_room = (n_held_out > 1) & (n_kept > 1)
    assert (np.abs(n_held_out - share * n_stored)[has_room] <= 0.5 + 1e-9).all()


# The draw of hold_out_share


def test_share_is_seeded():
    X = interactions()
    first, again, other = (hold_out_share(X, 0.3, seed)[1].toarray() for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()
    state = np.random.RandomState(0)
    assert_array_equal(hold_out_share(X, 0.3, state)[1].toarray(), first)
    assert (hold_out_share(X, 0.3, state)[1].toarray() != first).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_share_does_not_depend_on_where_a_row_stands(dtype):
    X = interactions(dtype=dtype)
    order = np.random.default_rng(1).permutation(X.shape[0])
    whole = hold_out_share(X, 0.3, 0)[1].toarray()
    assert_array_equal(hold_out_share(X[order], 0.3, 0)[1].toarray(), whole[order])
    some = order[:20]
    assert_array_equal(hold_out_share(X[some], 0.3, 0)[1].toarray(), whole[some])


def test_equal_rows_draw_on_their_own():
    X = sparse.csr_array(np.ones((2000, 4)))
    per_item = hold_out_share(X, 0.25, 0)[1].sum(axis=0)
    assert per_item.sum() == 2000
    assert (np.abs(per_item - 500) < 100).all()  # 5 standard deviations


def test_draw_favours_no_position():
    X = interactions(n_users=5000, n_items=20, density=0.5)
    kept_share = hold_out_share(X, 0.4, 3)[1].astype(bool).sum(axis=0) / X.astype(bool).sum(axis=0)
    assert np.ptp(kept_share) < 0.08
    rank = np.arange(X.nnz) - X.indptr[row_of_each(X)]
    is_held_out = hold_out_share(X, 0.4, 3)[1].toarray()[row_of_each(X), X.indices] > 0
    by_rank = [is_held_out[rank == r].mean() for r in range(6)]
    assert np.ptp(by_rank) < 0.08


@pytest.mark.parametrize("hold_out", [HOLD_OUTS["share"], HOLD_OUTS["last"]])
@pytest.mark.parametrize("X", [np.eye(3), np.zeros((2, 3)), np.zeros((0, 3))], ids=["single", "zero", "no_rows"])
def test_nothing_to_hold_out_warns(hold_out, X):
    X = sparse.csr_array(X)
    with pytest.warns(EmptyHistoryWarning, match=f"none of the {X.shape[0]} users has two or more"):
        history, held_out = hold_out(X)
    assert held_out.nnz == 0
    assert held_out.shape == X.shape
    assert_array_equal(history.toarray(), X.toarray())


# By time


def test_last_holds_out_the_latest_of_each_row():
    X = sparse.csr_array(np.ones((2, 4)))
    times = np.array([4, 1, 3, 2, 10, 10, 10, 9])
    held_out = hold_out_last(X, times, 2)[1].toarray()
    assert_array_equal(held_out, [[1, 0, 1, 0], [0, 1, 1, 0]])  # ties: the higher column is later


@pytest.mark.parametrize("kind", [np.int64, np.float64, "datetime64[ns]"])
def test_future_is_what_comes_after_one_moment(kind):
    X = sparse.csr_array(np.ones((2, 5)))
    times = np.arange(10).astype(kind)
    history, held_out = hold_out_future(X, times, 0.3)
    assert_array_equal(held_out.toarray(), [[0] * 5, [0, 0, 1, 1, 1]])
    assert_array_equal(history.toarray(), [[1] * 5, [1, 1, 0, 0, 0]])
    assert hold_out_future(X, times, 4)[1].nnz == 4
    assert hold_out_future(X, times, 1e-6)[1].nnz == 1
    assert hold_out_future(X, times, 1 - 1e-6)[0].nnz == 1


def test_interactions_at_the_cut_stay():
    X = sparse.csr_array(np.ones((1, 6)))
    assert hold_out_future(X, np.array([1, 1, 2, 2, 2, 3]), 0.5)[1].indices.tolist() == [5]


def test_future_tells_nanoseconds_apart():
    X = sparse.csr_array(np.ones((1, 4)))
    times = 1_700_000_000_000_000_000 + np.arange(4)
    assert hold_out_future(X, times, 0.25)[1].indices.tolist() == [3]
    assert hold_out_last(X, times[::-1], 1)[1].indices.tolist() == [0]


def test_future_without_later_interactions_raises():
    X = sparse.csr_array(np.ones((1, 4)))
    with pytest.raises(ValueError, match=r"timestamps must differ .*got 3 of 4 interactions at the last time, 7"):
        hold_out_future(X, np.array([1, 7, 7, 7]), 0.5)


# Cold items


def test_cold_items_are_empty_columns_of_the_history():
    X = interactions()
    history, held_out = hold_out_cold_items(X, 0.25, 0)
    in_history, in_held_out = (part.astype(bool).sum(axis=0) > 0 for part in (history, held_out))
    assert not (in_history & in_held_out).any()
    assert_array_equal(in_history | in_held_out, X.astype(bool).sum(axis=0) > 0)
    assert in_held_out.sum() == 10
    assert_array_equal(hold_out_cold_items(X, 10, 0)[1].toarray(), held_out.toarray())
    assert (hold_out_cold_items(X, 10, 1)[1].toarray() != held_out.toarray()).any()


def test_items_without_interactions_do_not_count():
    X = sparse.csr_array(([1.0, 1.0, 1.0], ([0, 1, 2], [3, 5, 5])), shape=(3, 100))
    assert len(np.unique(hold_out_cold_items(X, 0.5, 0)[1].indices)) == 1


@pytest.mark.parametrize(
    ("way", "size", "message"),
    [
        ("future", 4, "test_size=4 must leave some of the interactions on either side; X has 4 interactions"),
        ("cold_items", 2, "test_size=2 must leave some of the items with interactions on either side; X has 2"),
    ],
)
def test_whole_numbers_that_leave_nothing_raise(way, size, message):
    with pytest.raises(ValueError, match=message):
        HOLD_OUTS[way](sparse.csr_array(np.ones((2, 2))), size)


@pytest.mark.parametrize("way", ["future", "cold_items"])
@pytest.mark.parametrize("X", [np.zeros((2, 3)), np.eye(1), np.zeros((0, 3))], ids=["zero", "one", "no_rows"])
def test_too_little_to_divide_raises(way, X):
    with pytest.raises(ValueError, match=r"test_size=0.3 must leave some .* X has [01] "):
        HOLD_OUTS[way](sparse.csr_array(X))


@each_way
def test_a_million_interactions_take_about_a_second(hold_out):
    rng = np.random.default_rng(0)
    cells = rng.integers(30_000, size=1_000_000), rng.integers(40_000, size=1_000_000)
    X = sparse.coo_array((np.ones(1_000_000), cells), shape=(30_000, 40_000)).tocsr()
    began = time.process_time()
    hold_out(X)
    assert time.process_time() - began < 3  # a fifth of it is usual; the margin is for busy machines


@pytest.mark.parametrize("first_row", [0, 20, 60])
def test_a_share_of_the_later_users_gives_something(first_row):
    X = interactions()
    history, held_out = hold_out_share_of_users(X, 0.5, 0.3, 0, first_row)
    assert abs(history + held_out - X).nnz == 0
    given = np.flatnonzero(np.diff(held_out.indptr))
    assert (given >= first_row).all()
    assert len(given) == round(0.5 * (np.diff(X.indptr)[first_row:] > 1).sum())
    assert (np.diff(history.indptr)[given] > 0).all()


@pytest.mark.parametrize(
    ("n_users", "first_row", "share"), [(20, 0, 0.5), (1_250, 0, 0.4), (20_000, 0, 0.1), (1_250, 250, 0.1)]
)
def test_where_interactions_are_few_more_users_are_held_out(n_users, first_row, share):
    X = sparse.csr_array(np.ones((n_users, 10), dtype=np.float32))  # two of ten are held out
    _, held_out = hold_out_share_of_users(X, "auto", 0.2, 0, first_row)
    assert np.count_nonzero(np.diff(held_out.indptr)) == round(share * (n_users - first_row))
    _, of_a_worker = hold_out_share_of_users(X, "auto", 0.2, 0, first_row, enough=0)
    assert np.count_nonzero(np.diff(of_a_worker.indptr)) == round(0.1 * (n_users - first_row))


def test_of_a_share_of_the_users_the_latest_interactions_are_held_out():
    X = interactions()
    X.data = np.random.default_rng(0).permutation(X.nnz) + 1.0
    history, held_out = hold_out_share_of_users(X, 0.5, 0.3, 0)
    for user in np.flatnonzero(np.diff(held_out.indptr)):
        assert history[[user]].data.max() < held_out[[user]].data.min()


# Tables ---------------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "c"]
PART = sparse.csr_array(np.array([[1, 0, 2], [0, 0, 0]], dtype=np.float32))


@pytest.mark.parametrize(
    "dtypes",
    [{}, {name: pd.SparseDtype(float, 0.0) for name in NAMES}, {"b": pd.SparseDtype(bool, False)}],
    ids=["dense", "sparse", "partly sparse"],
)
def test_parts_of_frames_have_their_labels(dtypes):
    X = pd.DataFrame(np.ones((2, 3)), index=["x", "y"], columns=NAMES).astype(dtypes)
    part = labelled_as(X, PART)
    assert part.index.equals(X.index)
    assert part.columns.equals(X.columns)
    assert_array_equal(part.to_numpy(), PART.toarray())
    assert all(isinstance(dtype, pd.SparseDtype) for dtype in part.dtypes) == bool(dtypes)


@pytest.mark.parametrize("library", [pl.DataFrame, pa.table])
def test_parts_of_tables_of_other_libraries_have_their_names(library):
    X = library({name: [1.0, 1.0] for name in NAMES})
    part = labelled_as(X, PART)
    assert type(part) is type(X)
    assert_array_equal(np.asarray(part), PART.toarray())
    assert list(getattr(part, "column_names", None) or part.columns) == NAMES


@pytest.mark.parametrize("X", [np.ones((2, 3)), [[1, 1, 1]] * 2, sparse.eye_array(3), sparse.dok_array((2, 3))])
def test_parts_of_matrices_stay_sparse(X):
    assert labelled_as(X, PART) is PART
