"""Sparse matrices whose indices point anywhere are refused before compiled code follows them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.interactions import check_indices

from ..strategies import FORMATS, dense_matrices, hostile_sparse, matrix_as

DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [0.25, 0, 4, 0], [1, 1, 0, 8]])


def broken(name, **attributes):
    X = sparse.eye_array(4, format=name)
    for attribute, value in attributes.items():
        setattr(X, attribute, value)
    return X


def lists(*values):
    return np.fromiter(values, dtype=object, count=len(values))


def broken_dok(key, value=1.0):
    X = sparse.dok_array((4, 4))
    X._dict[key] = value
    return X


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("bad", [4, 2**31 - 1, -1])
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_indices_out_of_range_are_refused(name, bad, index_dtype):
    X = broken(name, indices=np.array([0, bad, 2, 3], dtype=index_dtype))
    with pytest.raises(ValueError, match=f"X is not a valid {name.upper()} matrix: its indices must be from 0 to 3"):
        check_indices(X, "X")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("bad", [4, 2**40, -1])
def test_coordinates_out_of_range_are_refused(axis, bad):
    coords = [np.arange(4), np.arange(4)]
    coords[axis] = np.array([0, bad, 2, 3])
    axis_name = ("row", "column")[axis]
    with pytest.raises(ValueError, match=f"not a valid COO matrix: its {axis_name} indices must be from 0 to 3"):
        check_indices(broken("coo", coords=tuple(coords)), "X")


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (
            broken("csr", indptr=np.array([0, 3, 1, 3, 4])),
            "CSR matrix: its indptr must be 5 numbers, the first one 0, that",
        ),
        (broken("csr", indptr=np.array([0, 1, 2, 3, 400])), "CSR matrix: its indptr must be from 0 to 4"),
        (broken("csr", indptr=np.array([1, 1, 2, 3, 4])), "CSR matrix: its indptr must be 5 numbers"),
        (broken("csr", indptr=np.array([0, 4])), "CSR matrix: its indptr must be 5 numbers"),
        (broken("csr", indptr=np.array([])), "CSR matrix: its indptr must be 5 numbers"),
        (broken("csr", data=np.ones(3)), "CSR matrix: its indices are 4 numbers, its data 3"),
        (
            broken("csr", data=np.ones((4, 1))),
            "CSR matrix: its data must be an array of 1 dimension.s., got a ndarray of",
        ),
        (broken("csr", indices=[0, 1, 2, 3]), "CSR matrix: its indices must be an array .* got a list"),
        (broken("csr", indices=np.full(4, np.nan)), "CSR matrix: its indices must be integers, got dtype float64"),
        (broken("csr", indices=np.arange(4) + 0.5), "CSR matrix: its indices must be integers, got dtype float64"),
        (broken("csr", indices=np.array(list("abcd"))), "CSR matrix: its indices must be integers, got dtype <U1"),
        (broken("csr", data=np.ma.array(np.ones(4), mask=[1, 0, 0, 0])), "CSR matrix: its data must be an array"),
        (broken("bsr", data=np.ones((4, 0, 0))), r"BSR matrix: blocks of shape \(0, 0\) do not fill"),
        (broken("bsr", data=np.ones((4, 3, 3))), r"BSR matrix: blocks of shape \(3, 3\) do not fill .* \(4, 4\)"),
        (broken("bsr", data=np.ones((4, 2, 2))), "BSR matrix: its indptr must be 3 numbers"),
        (broken("bsr", data=np.ones(4)), "BSR matrix: its data must be an array of 3 dimension"),
        (broken("coo", data=np.ones(3)), "COO matrix: it has 4 rows, 4 columns and 3 values"),
        (broken("coo", coords=(np.arange(4),)), "COO matrix: not enough values to unpack"),
        (broken("coo", coords=(np.arange(4), np.full(4, 0.5))), "COO matrix: its column indices must be integers"),
        (broken("dia", offsets=np.array([4])), "DIA matrix: its offsets must be from -3 to 3, they are from 4 to 4"),
        (broken("dia", offsets=np.array([-4])), "DIA matrix: its offsets must be from -3 to 3"),
        (broken("dia", offsets=np.array([2**63 - 1])), "DIA matrix: its offsets must be from -3 to 3"),
        (broken("dia", offsets=np.array([-(2**63)])), "DIA matrix: its offsets must be from -3 to 3"),
        (broken("dia", offsets=np.array([np.nan])), "DIA matrix: its offsets must be integers, got dtype float64"),
        (broken("dia", offsets=np.array([0, 1])), "DIA matrix: its offsets must be 1 distinct numbers"),
        (broken("dia", offsets=np.array([0, 0]), data=np.ones((2, 4))), "DIA matrix: its offsets must be 2 distinct"),
        (broken("dia", data=np.ones(4)), "DIA matrix: its data must be an array of 2 dimension"),
        (
            broken("lil", data=lists([1.0] * 1000, [], [], [])),
            "LIL matrix: its rows and data must be lists of the same",
        ),
        (broken("lil", rows=lists([0], [1])), "LIL matrix: its rows must be 4 lists"),
        (broken("lil", rows=lists(*[[0]] * 9), data=lists(*[[1.0]] * 9)), "LIL matrix: its rows must be 4 lists"),
        (broken("lil", rows=lists([4], [1], [2], [3])), "LIL matrix: its column indices must be from 0 to 3"),
        (broken("lil", rows=lists([0.5], [1], [2], [3])), "LIL matrix: its column indices must be integers"),
        (broken("lil", rows=lists(None, [1], [2], [3])), "LIL matrix: its rows must be 4 lists"),
        (broken("lil", data=lists(["a"], [1], [2], [3])), "LIL matrix: could not convert string to float"),
        (broken_dok((0, 99)), "DOK matrix: its column indices must be from 0 to 3, they are from 99 to 99"),
        (broken_dok((-1, 0)), "DOK matrix: its row indices must be from 0 to 3"),
        (broken_dok((0, 2**70)), "DOK matrix: its row indices must be integers, got dtype object"),
        (broken_dok((0.5, 1)), "DOK matrix: its row indices must be integers, got dtype float64"),
        (broken_dok(5), "DOK matrix: its keys must be pairs of a row and a column"),
        (broken_dok((0, 0), "a"), "DOK matrix: could not convert string to float"),
        (broken("csr", _shape=(-1, 4)), r"CSR matrix: its shape is \(-1, 4\)"),
        (broken("csr", _shape=("a", 4)), r"CSR matrix: its shape is \('a', 4\)"),
        (sparse.coo_array(([1.0], ([0], [2**40])), shape=(1, 2**41)), r"2199023255552 columns; at most 2147483647"),
        (sparse.coo_array(([1.0], ([2**40], [0])), shape=(2**41, 1)), r"of shape .* needs 32768.0 GiB of memory"),
    ],
)
def test_matrices_that_are_not_valid_are_refused(X, match):
    with pytest.raises(ValueError, match=match):
        check_indices(X, "X")


@given(hostile_sparse())
def test_what_is_accepted_has_indices_in_range(X):
    try:
        checked = check_indices(X, "X")
    except ValueError:
        return
    rows, columns = checked.tocoo().coords
    assert len(rows) == len(columns)
    assert (rows >= 0).all()
    assert (rows < checked.shape[0]).all()
    assert (columns >= 0).all()
    assert (columns < checked.shape[1]).all()


@given(dense_matrices(), st.sampled_from(FORMATS))
def test_valid_matrices_stay_what_they_are(X, name):
    matrix = matrix_as(X, name)
    checked = check_indices(matrix, "X")
    assert checked is not matrix
    assert checked.dtype == matrix.dtype
    assert_array_equal(checked.toarray(), matrix.toarray())


def test_indices_are_checked_without_touching_values():
    times = sparse.coo_array((np.array([2**62 + 1]), ([0], [0])), shape=(1, 1))
    assert check_indices(times, "timestamps").data == [2**62 + 1]


@pytest.mark.parametrize(("n_columns", "gib"), [(2_000_000_001, "29.8"), (200_000_000, "3.0")])
def test_a_huge_id_is_refused_before_memory_is_taken(monkeypatch, n_columns, gib):
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: 1 << 30)
    match = (
        rf"X of shape \(1, {n_columns}\) needs {gib} GiB of memory, this machine has 1\.0 GiB\. Number .* without gaps"
    )
    with pytest.raises(MemoryLimitError, match=match):
        check_indices(sparse.coo_array(([1.0], ([0], [n_columns - 1])), shape=(1, n_columns)), "X")


@pytest.mark.parametrize("memory", [None, 4 << 20])
def test_what_may_fit_is_not_refused(monkeypatch, memory):
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: memory)
    assert check_indices(sparse.coo_array(([1.0], ([0], [199_999]))), "X").shape == (1, 200_000)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_indices_of_other_integer_types_are_taken(name, dtype):
    X = sparse.coo_array(DENSE).asformat(name)
    X.indices, X.indptr = X.indices.astype(dtype), X.indptr.astype(dtype)
    assert_array_equal(check_indices(X, "X").toarray(), DENSE)


def test_memory_beyond_the_last_pointer_is_not_read():
    X = sparse.csr_array(DENSE)
    X.data, X.indices = np.append(X.data, np.nan), np.append(X.indices, 10**6)
    assert_array_equal(check_indices(X, "X").toarray(), DENSE)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_wide_indices_become_narrow_and_are_never_wrapped(kind):
    parts = np.ones(2, np.float32), np.array([0, 3]), np.array([0, 1, 2])
    X = kind(parts, shape=(2, 4))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    checked = check_indices(X, "X")
    assert checked.indices.dtype == checked.indptr.dtype == np.int32
    assert X.indices.dtype == np.int64
    X.indices[1] += 2**32  # 3 again, if it were cut
    with pytest.raises(ValueError, match="is not a valid CSR matrix"):
        check_indices(X, "X")
