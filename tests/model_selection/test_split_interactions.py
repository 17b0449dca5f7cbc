"""split_interactions: the parts of each kind of split, timestamps in every form, errors."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.exceptions import EmptyHistoryWarning
from skgnnrec.model_selection import split_interactions

X = np.array([[1.0, 2.0, 0.0, 3.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 4.0, 0.0]])
TIMES = np.array([[10, 30, 0, 20], [0, 60, 50, 0], [0, 0, 40, 0]])
LAST = [[0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
FUTURE = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
KINDS = ["random", "last", "future", "cold_items"]


def sparse_times(times=TIMES, mask=X > 0):
    rows, columns = np.nonzero(mask)
    return sparse.coo_array((times[rows, columns], (rows, columns)), shape=mask.shape)


def as_dates(days):
    """Return a frame of datetimes in seconds, which hold years far from 1970."""
    return pd.DataFrame(days.astype("datetime64[D]").astype("datetime64[s]"))


def with_zeros_and_duplicates(X):
    rows, columns = np.nonzero(X >= 0)
    data = np.tile(X.ravel() / 2, 2)
    indices, indptr = np.r_[columns, columns], None
    order = np.argsort(np.r_[rows, rows], kind="stable")
    indptr = np.arange(0, 2 * X.size + 1, 2 * X.shape[1])
    return sparse.csr_array((data[order], indices[order], indptr), shape=X.shape)


@pytest.mark.parametrize("hold_out", KINDS)
@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.ndarray.tolist,
        pd.DataFrame,
        sparse.csr_array,
        sparse.csc_matrix,
        sparse.coo_array,
        sparse.lil_array,
        with_zeros_and_duplicates,
    ],
)
def test_form_of_interactions_does_not_matter(hold_out, form):
    options = {"hold_out": hold_out, "timestamps": TIMES, "random_state": 0}
    given = form(X)
    parts = split_interactions(given, **options)
    for part, expected in zip(parts, split_interactions(X, **options), strict=True):
        if form is pd.DataFrame:
            part = sparse.csr_array(part)
        assert sparse.issparse(part)
        assert part.format == "csr"
        assert part.has_canonical_format
        assert_array_equal(part.toarray(), expected.toarray())
    assert_array_equal(sparse.csr_array(parts[0] + parts[1]).toarray(), X)
    assert_array_equal(given.toarray() if sparse.issparse(given) else np.asarray(given), X)


@pytest.mark.parametrize("hold_out", KINDS)
def test_read_only_input_is_not_modified(hold_out):
    given = with_zeros_and_duplicates(X)
    for array in (given.data, given.indices, given.indptr):
        array.setflags(write=False)
    split_interactions(given, hold_out=hold_out, timestamps=TIMES, random_state=0)
    assert given.nnz == 2 * X.size


def test_random_is_seeded_and_the_default():
    first, again = (split_interactions(X, random_state=3)[1].toarray() for _ in range(2))
    assert_array_equal(first, again)
    assert_array_equal((first > 0).sum(axis=1), [1, 1, 0])
    assert_array_equal(first, split_interactions(X, hold_out="random", random_state=3)[1].toarray())


@pytest.mark.parametrize(("hold_out", "expected"), [("last", LAST), ("future", FUTURE)])
@pytest.mark.parametrize(
    "form",
    [
        lambda: TIMES,
        lambda: TIMES.astype(float),
        lambda: np.where(X > 0, TIMES, np.nan),
        lambda: TIMES.astype("datetime64[D]"),
        lambda: np.where(X > 0, TIMES.astype("datetime64[ns]"), np.datetime64("NaT")),
        lambda: pd.DataFrame(TIMES),
        lambda: as_dates(TIMES),
        lambda: as_dates(TIMES).map(lambda moment: moment.tz_localize("Europe/Rome")),
        lambda: as_dates(TIMES).map(lambda moment: moment.date()),
        lambda: as_dates(TIMES).astype("timestamp[us][pyarrow]"),
        lambda: as_dates(TIMES + 200_000),
        lambda: as_dates(TIMES - 200_000),
        lambda: as_dates(TIMES).where(X > 0),
        lambda: pd.DataFrame(TIMES).where(X > 0).astype("Int64"),
        lambda: pl.DataFrame(TIMES),
        lambda: pl.DataFrame(TIMES.astype("datetime64[D]").astype("datetime64[ms]")),
        lambda: pa.table({str(column): TIMES[:, column] for column in range(4)}),
        lambda: TIMES.tolist(),
        sparse_times,
        lambda: sparse_times().tocsr(),
        lambda: sparse_times().tocsc(),
        lambda: sparse_times().tolil(),
        lambda: sparse_times(TIMES + 1_700_000_000_000_000_000).tocsr(),
        lambda: sparse_times(TIMES - 30),  # stored zeros and times before the epoch
        lambda: sparse_times(TIMES, X >= 0),  # times of cells without interaction
    ],
)
def test_form_of_timestamps_does_not_matter(hold_out, expected, form):
    size = 0.3 if hold_out == "last" else 2
    past, future = split_interactions(X, hold_out=hold_out, test_size=size, timestamps=form())
    assert_array_equal(future.toarray(), expected)
    assert_array_equal((past + future).toarray(), X)


def test_cold_items_empties_columns():
    past, future = split_interactions(X, hold_out="cold_items", test_size=2, random_state=0)
    assert ((past.sum(axis=0) > 0) != (future.sum(axis=0) > 0)).all()
    assert (future.sum(axis=0) > 0).sum() == 2


def test_users_with_one_interaction_only_warn():
    with pytest.warns(EmptyHistoryWarning, match="none of the 3 users"):
        assert split_interactions(np.eye(3))[1].nnz == 0


def missing_one():
    times = sparse_times().tocsr()
    return sparse.csr_array((times.data[:-1], times.indices[:-1], np.minimum(times.indptr, 5)), shape=X.shape)


TWICE = sparse.coo_array(([1, 2, 3], ([0, 1, 1], [0, 2, 2])), shape=X.shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold_out": "time"}, "The 'hold_out' parameter of split_interactions must be a str among"),
        ({"test_size": 0}, "The 'test_size' parameter of split_interactions must be"),
        ({"test_size": 1.0}, "The 'test_size' parameter of split_interactions must be"),
        ({"random_state": "x"}, "The 'random_state' parameter of split_interactions must be"),
        ({"hold_out": "last"}, "hold_out='last' requires timestamps; got None"),
        ({"hold_out": "future"}, "hold_out='future' requires timestamps; got None"),
        ({"hold_out": "last", "timestamps": TIMES.T}, r"the shape of X, \(3, 4\); got \(4, 3\)"),
        ({"hold_out": "last", "timestamps": sparse_times().T}, r"the shape of X, \(3, 4\); got \(4, 3\)"),
        (
            {"hold_out": "last", "timestamps": missing_one()},
            "got none for 1 of 6, the first in row 2, column 2",
        ),
        ({"hold_out": "last", "timestamps": sparse.csr_array(X.shape)}, "got none for 6 of 6, .*row 0, column 0"),
        ({"hold_out": "last", "timestamps": np.full(X.shape, np.nan)}, "finite time .*got none for 6 of 6"),
        (
            {"hold_out": "last", "timestamps": TIMES.astype(str)},
            "must have numbers or datetimes; got values of type str. Convert strings first",
        ),
        ({"hold_out": "last", "timestamps": TWICE}, "one time per user and item; got several in row 1, column 2"),
        ({"hold_out": "future", "timestamps": np.ones(X.shape)}, "got 6 of 6 interactions at the last time"),
    ],
)
def test_errors_name_the_cause(options, message):
    with pytest.raises(ValueError, match=message):
        split_interactions(X, **options)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (-X, "Negative values in data"),
        (np.where(X > 0, X, np.nan), "Input X contains NaN"),
        (np.where(X > 0, X, np.inf), "Input X contains infinity"),
        (X[0], "Expected 2D array"),
    ],
)
def test_bad_interactions_raise(bad, message):
    with pytest.raises(ValueError, match=message):
        split_interactions(bad)


def test_indices_out_of_range_raise_and_do_not_crash():
    for name in ("X", "timestamps"):
        matrices = {"X": sparse.csr_array(X), "timestamps": sparse_times().tocsr()}
        matrices[name].indices[0] = 1_000_000
        with pytest.raises(ValueError, match=f"{name} is not a valid CSR matrix"):
            split_interactions(matrices["X"], hold_out="last", timestamps=matrices["timestamps"])


NAMED = pd.DataFrame(X, index=["ann", "bob", "cy"], columns=["a", "b", "c", "d"])


@pytest.mark.parametrize("hold_out", KINDS)
def test_a_frame_keeps_its_labels(hold_out):
    past, future = split_interactions(NAMED, hold_out=hold_out, timestamps=TIMES, random_state=0)
    pd.testing.assert_frame_equal(past + future, NAMED.astype(np.float32))
    expected = split_interactions(X, hold_out=hold_out, timestamps=TIMES, random_state=0)[1]
    assert_array_equal(future.to_numpy(), expected.toarray())


@pytest.mark.parametrize("hold_out", KINDS)
def test_sparse_columns_stay_sparse(hold_out):
    frame = pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(X), index=NAMED.index, columns=NAMED.columns)
    options = {"hold_out": hold_out, "timestamps": TIMES, "random_state": 0}
    for part, expected in zip(split_interactions(frame, **options), split_interactions(NAMED, **options), strict=True):
        assert all(isinstance(dtype, pd.SparseDtype) for dtype in part.dtypes)
        assert part.sparse.to_coo().nnz == np.count_nonzero(expected)
        pd.testing.assert_frame_equal(part.sparse.to_dense(), expected)


@pytest.mark.parametrize("hold_out", KINDS)
@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
def test_tables_of_other_libraries_keep_their_columns(hold_out, make):
    options = {"hold_out": hold_out, "timestamps": TIMES, "random_state": 0}
    given = make(NAMED.to_dict("list"))
    for part, expected in zip(split_interactions(given, **options), split_interactions(NAMED, **options), strict=True):
        assert type(part) is type(given)
        names = part.column_names if make is pa.table else part.columns
        assert names == ["a", "b", "c", "d"]
        assert_array_equal(np.asarray(part), expected.to_numpy())
