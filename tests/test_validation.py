"""The gate for interactions: one result whatever the format, and an error before anything dangerous."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec import PopularityRecommender, _validation
from skgnnrec._validation import available_memory, check_indices, check_interactions, check_memory, column_ids
from skgnnrec.exceptions import MemoryLimitError

FORMATS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]
DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [0.25, 0, 4, 0], [1, 1, 0, 8]])

values = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0])  # sums of these are exact in float32
tables = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=values)


def spoil(dense, name, *, duplicates=False, zeros=False, index_dtype=np.int32):
    """Return a sparse matrix in a format, as untidy as that format can be."""
    rows, columns = np.nonzero(dense)
    data = dense[rows, columns]
    if duplicates:
        rows, columns, data = np.tile(rows, 2), np.tile(columns, 2), np.tile(data / 2, 2)
    if zeros:
        rows, columns = np.append(rows, [0, 1]), np.append(columns, [0, 1])
        data = np.append(data, [0.0, 0.0])
    order = np.random.default_rng(0).permutation(len(data))
    rows, columns, data = rows[order], columns[order], data[order]
    if name in ("csr", "csc"):
        major, minor, n_major = (rows, columns, dense.shape[0]) if name == "csr" else (columns, rows, dense.shape[1])
        order = np.argsort(major, kind="stable")
        indptr = np.append(0, np.cumsum(np.bincount(major, minlength=n_major)))
        X = sparse.csr_array if name == "csr" else sparse.csc_array
        X = X((data[order], minor[order], indptr), shape=dense.shape)
    else:
        X = sparse.coo_array((data, (rows, columns)), shape=dense.shape).asformat(name)
    if name in ("csr", "csc", "bsr"):
        X.indices, X.indptr = X.indices.astype(index_dtype), X.indptr.astype(index_dtype)
    elif name == "coo":
        X.coords = tuple(index.astype(index_dtype) for index in X.coords)
    return X


def arrays_of(X):
    if X.format == "coo":
        return [X.data, *X.coords]
    if X.format in ("csr", "csc", "bsr"):
        return [X.data, X.indices, X.indptr]
    return [X.data, X.offsets] if X.format == "dia" else []


def assert_canonical(X):
    assert isinstance(X, sparse.csr_array)
    assert X.dtype == np.float32
    X.check_format(full_check=True)
    fresh = sparse.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    assert fresh.has_canonical_format
    assert X.data.all()


# One result -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_one_result(name, index_dtype, duplicates, zeros):
    X = check_interactions(spoil(DENSE, name, duplicates=duplicates, zeros=zeros, index_dtype=index_dtype))
    assert_canonical(X)
    assert_array_equal(X.toarray(), DENSE)
    assert_array_equal(X.indices, [1, 3, 0, 2, 0, 1, 3])


@given(tables, st.sampled_from(FORMATS), st.booleans(), st.sampled_from([np.int32, np.int64]))
def test_any_table_in_any_format_is_read_right(dense, name, duplicates, index_dtype):
    X = check_interactions(spoil(dense, name, duplicates=duplicates, index_dtype=index_dtype))
    assert_canonical(X)
    assert_array_equal(X.toarray(), dense)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_dense_of_any_type(dtype):
    X = check_interactions(np.array([[1, 0], [0, 1]], dtype=dtype))
    assert_canonical(X)
    assert_array_equal(X.toarray(), np.eye(2))


@pytest.mark.parametrize("data", [DENSE, DENSE.tolist(), pd.DataFrame(DENSE), sparse.csr_matrix(DENSE)])
def test_tables_of_any_kind(data):
    assert_array_equal(check_interactions(data).toarray(), DENSE)


def test_sparse_frames():
    frame = pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(DENSE))
    assert_array_equal(check_interactions(frame).toarray(), DENSE)


@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
@pytest.mark.parametrize(("dtype", "value", "total"), [(bool, True, 3), (np.int8, 100, 300), (np.uint8, 200, 600)])
def test_sums_of_duplicates_do_not_wrap(name, dtype, value, total):
    data, zeros = np.full(3, value, dtype=dtype), np.zeros(3, dtype=np.int32)
    X = {
        "coo": sparse.coo_array((data, (zeros, zeros)), shape=(1, 1)),
        "csr": sparse.csr_array((data, zeros, np.array([0, 3])), shape=(1, 1)),
        "csc": sparse.csc_array((data, zeros, np.array([0, 3])), shape=(1, 1)),
    }[name]
    assert check_interactions(X).toarray() == [[total]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
def test_a_correction_is_taken_off(name, dtype):
    data, zeros = np.array([3, -1, -2, 2], dtype=dtype), np.zeros(4, dtype=np.int32)
    places = np.array([0, 0, 1, 1])
    X = sparse.coo_array((data, (zeros, places)), shape=(1, 2))
    if name == "csr":
        X = sparse.csr_array((data, places, np.array([0, 4])), shape=(1, 2))
    elif name == "csc":
        X = sparse.csc_array((data, zeros, np.array([0, 2, 4])), shape=(1, 2))
    X = check_interactions(X)
    assert_canonical(X)
    assert_array_equal(X.toarray(), [[2, 0]])


def test_values_too_small_for_float32_are_no_interactions():
    assert check_interactions(np.array([[1e-300, 1.0]])).nnz == 1


# X is not touched -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_x_is_read_only(name, duplicates, dtype):
    X = spoil(DENSE, name, duplicates=duplicates, zeros=True).astype(dtype)
    if name in ("csr", "csc"):  # astype has tidied up
        X = spoil(DENSE, name, duplicates=duplicates, zeros=True)
        X.data = X.data.astype(dtype)
    for array in arrays_of(X):
        array.setflags(write=False)
    before = [array.tobytes() for array in arrays_of(X)]
    attributes, entries = set(vars(X)), X.nnz
    assert_array_equal(check_interactions(X).toarray(), DENSE)
    assert [array.tobytes() for array in arrays_of(X)] == before
    assert set(vars(X)) == attributes
    assert X.nnz == entries


def test_memory_maps_are_read(tmp_path):
    X = spoil(DENSE, "csr", duplicates=True, zeros=True)
    mapped = {}
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(X, name))
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    X = sparse.csr_array(X.shape)
    X.data, X.indices, X.indptr = mapped["data"], mapped["indices"], mapped["indptr"]
    assert_array_equal(check_interactions(X).toarray(), DENSE)


def test_canonical_input_is_not_copied():
    X = sparse.csr_array(DENSE, dtype=np.float32)
    assert np.shares_memory(check_interactions(X).data, X.data)


def test_dense_input_is_not_touched():
    dense = DENSE.copy()
    dense.setflags(write=False)
    check_interactions(dense)
    assert_array_equal(dense, DENSE)


# Errors ---------------------------------------------------------------------------------------------------------------


def broken(name, **attributes):
    X = sparse.eye_array(4, format=name)
    for attribute, value in attributes.items():
        setattr(X, attribute, value)
    return X


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("bad", [4, 2**31 - 1, -1])
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_indices_out_of_range_are_refused(name, bad, index_dtype):
    X = broken(name, indices=np.array([0, bad, 2, 3], dtype=index_dtype))
    with pytest.raises(ValueError, match=f"X is not a valid {name.upper()} matrix: .*(indices|index values) must be"):
        check_interactions(X)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("bad", [4, 2**40, -1])
def test_coordinates_out_of_range_are_refused(axis, bad):
    coords = [np.arange(4), np.arange(4)]
    coords[axis] = np.array([0, bad, 2, 3])
    with pytest.raises(ValueError, match=rf"X has {('row', 'column')[axis]} indices from .*, its shape is \(4, 4\)"):
        check_interactions(broken("coo", coords=tuple(coords)))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (broken("csr", indptr=np.array([0, 3, 1, 3, 4])), "not a valid CSR matrix: .*indptr"),
        (broken("csr", indptr=np.array([0, 1, 2, 3, 400])), "not a valid CSR matrix"),
        (broken("csr", indptr=np.array([1, 1, 2, 3, 4])), "not a valid CSR matrix: .*index pointer"),
        (broken("csr", data=np.ones(3)), "not a valid CSR matrix"),
        (broken("coo", data=np.ones(3)), "same length"),
        (broken("lil", data=np.array([[1.0] * 1000, [], [], []], dtype=object)), "not a valid LIL matrix"),
        (sparse.coo_array(np.ones(3)), "Expected 2D"),
        (sparse.csr_array(np.ones(3)), "Expected 2D"),
        (np.ones(3), "Expected 2D"),
        (np.ones((2, 2, 2)), "dim 3"),
        (sparse.coo_array(np.ones((2, 2, 2))), "3D"),
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\)"),
        (sparse.csr_array((0, 3)), r"0 sample\(s\)"),
        (sparse.csr_array((3, 0)), r"0 feature\(s\)"),
        ([["a", "b"]], "could not convert string to float"),
        (1j * np.eye(2), "Complex data not supported"),
        (1j * sparse.eye_array(2, format="csr"), "Complex data not supported"),
        (sparse.coo_array(([1.0], ([0], [2**40])), shape=(1, 2**41)), r"2199023255552 columns; at most 2147483647"),
        (sparse.coo_array(([1.0], ([2**40], [0])), shape=(2**41, 1)), r"of shape .* needs 32768.0 GiB of memory"),
    ],
)
def test_what_is_no_matrix_of_interactions_is_refused(X, match):
    with pytest.raises(ValueError, match=match):
        check_interactions(X)


@pytest.mark.parametrize("name", ["dense", *FORMATS])
@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.nan, "X contains NaN"),
        (np.inf, "X contains infinity or a value too large for dtype"),
        (-np.inf, "X contains infinity or a value too large for dtype"),
        (1e300, "X contains infinity or a value too large for dtype"),
        (-1.0, "Negative values in data passed to X"),
    ],
)
def test_values_that_are_no_weights_are_refused(name, value, match):
    dense = DENSE.copy()
    dense[0, 1] = value
    with pytest.raises(ValueError, match=match):
        check_interactions(dense if name == "dense" else sparse.coo_array(dense).asformat(name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["coo", "csr", "csc"])
def test_duplicates_that_sum_to_infinity_are_refused(name, dtype):
    X = spoil(np.array([[4e38]]), name, duplicates=True)
    X.data = X.data.astype(dtype)
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)"):
        check_interactions(X)


def test_messages_name_the_argument_and_the_estimator():
    with pytest.raises(ValueError, match="y contains NaN"):
        check_interactions([[np.nan]], input_name="y")
    with pytest.raises(ValueError, match="Negative values in data passed to PopularityRecommender"):
        check_interactions([[-1.0]], estimator=PopularityRecommender(), reset=True)


def test_columns_are_recorded_and_compared():
    estimator = PopularityRecommender()
    check_interactions(DENSE, estimator=estimator, reset=True)
    assert estimator.n_features_in_ == 4
    with pytest.raises(ValueError, match="X has 3 features, but PopularityRecommender is expecting 4"):
        check_interactions(DENSE[:, :3], estimator=estimator)


def test_what_fits_is_not_checked_twice(monkeypatch):
    X = sparse.csr_array(DENSE.astype(np.float32))
    fitted = PopularityRecommender().fit(X)
    monkeypatch.setattr(_validation, "validate_data", None)
    assert_array_equal(check_interactions(X, estimator=fitted).toarray(), DENSE)


@pytest.mark.parametrize(
    ("spoiled", "match"),
    [
        (sparse.csr_array(np.full((2, 4), np.nan, dtype=np.float32)), "NaN"),
        (sparse.csr_array(np.full((2, 4), np.inf, dtype=np.float32)), "infinity"),
        (sparse.csr_array(np.full((2, 4), -1, dtype=np.float32)), "Negative values"),
        (sparse.csr_array(np.ones((2, 5), dtype=np.float32)), "5 features"),
        (sparse.csr_array((0, 4), dtype=np.float32), "0 sample"),
        (sparse.csr_array(np.ones(4, dtype=np.float32)), "2D|dim"),
    ],
)
def test_histories_that_do_not_fit_are_refused(spoiled, match):
    fitted = PopularityRecommender().fit(DENSE)
    with pytest.raises(ValueError, match=match):
        check_interactions(spoiled, estimator=fitted)


def test_histories_without_the_names_of_the_fit_are_warned_about():
    fitted = PopularityRecommender().fit(pd.DataFrame(DENSE, columns=list("abcd")))
    with pytest.warns(UserWarning, match="feature names"):
        check_interactions(sparse.csr_array(DENSE.astype(np.float32)), estimator=fitted)


def test_indices_are_checked_without_touching_values():
    times = sparse.coo_array((np.array([2**62 + 1]), ([0], [0])), shape=(1, 1))
    assert check_indices(times, "timestamps").data == [2**62 + 1]


# Names and memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "ids"),
    [
        (DENSE, None),
        (pd.DataFrame(DENSE), None),
        (pd.DataFrame(DENSE, columns=[3, 1, 2, 0]), [3, 1, 2, 0]),
        (pd.DataFrame(DENSE, columns=["long name", "b", "c", "d"]), ["long name", "b", "c", "d"]),
        (pd.DataFrame(DENSE, columns=pd.MultiIndex.from_product([[0], range(4)])), [(0, 0), (0, 1), (0, 2), (0, 3)]),
    ],
)
def test_ids_are_the_columns_of_a_frame(X, ids):
    found = column_ids(X)
    assert (found if found is None else found.tolist()) == ids
    assert found is None or found.shape == (4,)


def test_memory_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: 2 << 30)
    check_memory(2 << 30, "A table", "Take less.")
    with pytest.raises(MemoryLimitError, match=r"A table needs 3\.0 GiB of memory, this machine has 2\.0 GiB\. Take"):
        check_memory(3 << 30, "A table", "Take less.")


def test_a_huge_id_is_refused(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: 1 << 30)
    with pytest.raises(ValueError, match=r"X of shape \(1, 2000000001\) needs 29\.8 GiB.*without gaps"):
        check_interactions(sparse.coo_array(([1.0], ([0], [2_000_000_000]))))


def test_memory_of_unknown_size_is_not_refused(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: None)
    assert check_memory(1 << 60, "A table", "Take less.") is None


def test_available_memory_is_plausible():
    assert available_memory() is None or available_memory() > 1 << 26


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_wide_indices_become_narrow_and_are_never_wrapped(kind):
    parts = np.ones(2, np.float32), np.array([0, 3]), np.array([0, 1, 2])
    X = kind(parts, shape=(2, 4))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    checked = check_interactions(X)
    assert checked.indices.dtype == checked.indptr.dtype == np.int32
    assert X.indices.dtype == np.int64
    X.indices[1] += 2**32  # 3 again, if it were cut
    with pytest.raises(ValueError, match="is not a valid CSR matrix"):
        check_interactions(X)
