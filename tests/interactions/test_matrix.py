"""Matrices of interactions: one result whatever the format, and an error before compiled code reads wrong indices."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import PopularityRecommender
from skgnnrec.interactions import (
    balance,
    binarize,
    check_interactions,
    column_labels,
    column_vocabulary,
)

from ..strategies import FORMATS, MATRIX_CONTAINERS, dense_matrices, matrix_as

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


@pytest.mark.parametrize(
    "data",
    [
        DENSE,
        DENSE.tolist(),
        pd.DataFrame(DENSE),
        pd.DataFrame(DENSE).convert_dtypes(),
        pd.DataFrame(DENSE).astype("float64[pyarrow]"),
        pd.DataFrame(DENSE).astype({0: "category"}),
        pd.DataFrame(DENSE).astype(pd.SparseDtype(float, 0.0)),
        pl.DataFrame(DENSE),
        pa.Table.from_pandas(pd.DataFrame(DENSE)),
        pa.RecordBatch.from_pandas(pd.DataFrame(DENSE)),
        dict(enumerate(DENSE.T)),
        pd.DataFrame(DENSE).to_records(index=False),
        np.ma.array(DENSE),
        sparse.csr_matrix(DENSE),
    ],
    ids=lambda data: type(data).__name__,
)
def test_tables_of_all_libraries(data):
    X = check_interactions(data)
    assert_canonical(X)
    assert_array_equal(X.toarray(), DENSE)


def test_sparse_columns_of_truth_values_become_numbers():
    frame = (pd.DataFrame(DENSE) > 0).astype(pd.SparseDtype(bool, False))
    assert check_interactions(frame).dtype == np.float32


@given(dense_matrices(), st.sampled_from(MATRIX_CONTAINERS))
def test_all_containers_give_one_result(X, container):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_array_equal(check_interactions(matrix_as(X, container)).toarray(), check_interactions(X).toarray())


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


def with_data(data):
    X = sparse.eye_array(4, format="csr")
    X.data = data
    return X


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (with_data(np.arange(4).astype("M8[s]")), "X must hold numbers, got times"),
        (with_data(np.array([1, 2, 3, "a"], dtype=object)), "X must hold numbers, got values of kind 'O'"),
        (sparse.coo_array(np.ones(3)), r"Expected 2D array, got X of shape \(3,\)"),
        (sparse.csr_array(np.ones(3)), "Expected 2D"),
        (np.ones(3), "Expected 2D"),
        (np.ones((2, 2, 2)), "dim 3"),
        (sparse.coo_array(np.ones((2, 2, 2))), r"Expected 2D array, got X of shape \(2, 2, 2\)"),
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        (np.zeros((3, 0)), r"0 feature\(s\)"),
        (pd.DataFrame(index=[0, 1]), r"0 feature\(s\)"),
        (sparse.csr_array((0, 3)), r"0 sample\(s\)"),
        (sparse.csr_array((3, 0)), r"0 feature\(s\)"),
        (sparse.dia_array((0, 3)), r"0 sample\(s\)"),
        ([["a", "b"]], "X must hold numbers: could not convert string to float"),
        ([[1, 2], [3]], "X must hold numbers in rows of one length; the rows of the given list differ"),
        ([[10**400]], "X holds an integer too large for dtype"),
        (1j * np.eye(2), "Complex data not supported"),
        (1j * sparse.eye_array(2, format="csr"), "Complex data not supported"),
        (np.array([["2024-01-01"]], dtype="M8[D]"), "X must hold numbers, got times"),
        (np.array([[1]], dtype="m8[s]"), "X must hold numbers, got spans of time"),
        (np.zeros((2, 2), dtype=[("a", "f4")]), "X must hold numbers, got values of kind 'V'"),
        (pd.DataFrame({"a": pd.to_datetime(["2024-01-01"])}), "X must hold numbers, got times in the column 'a'"),
        (pl.DataFrame({"a": [dt.date(2024, 1, 1)]}), "X must hold numbers, got times in the column 'a'"),
        (pa.table({"a": [dt.datetime(2024, 1, 1)]}), "X must hold numbers, got times in the column 'a'"),
        (np.ma.array(np.eye(2), mask=np.eye(2)), r"X has masked values. X.filled\(0\) reads them as no interactions"),
        (pl.DataFrame({"a": [1, None]}), "X contains NaN"),
        (pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "X cannot be read as an array: .*128"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Expected unique column names"),
        (pd.Series([1, 2]), "X must be a table, got a Series of one dimension: pass a DataFrame"),
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


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (None, "NoneType"),
        ("abc", "str"),
        (b"abc", "bytes"),
        (5, "int"),
        (True, "bool"),
        ({1, 2}, "set"),
        (iter([[1]]), "iter"),
    ],
)
def test_what_is_no_matrix_at_all_is_named(X, kind):
    with pytest.raises(
        ValueError, match=f"X must be a matrix, users x items: an array.* got an object of type .*{kind}"
    ):
        check_interactions(X)


def test_lazy_tables_are_refused_with_how_to_collect():
    lazy = pl.LazyFrame({"a": [1]})
    for read in (check_interactions, column_labels):
        with pytest.raises(TypeError, match=r"X is a lazy table, LazyFrame: call X.collect\(\) first"):
            read(lazy)


def test_objects_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=r"X must hold numbers: float\(\) argument must be a string or a real number"):
        check_interactions([[{}]])


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
    monkeypatch.setattr("skgnnrec.interactions._matrix.validate_data", None)
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


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "ids"),
    [
        (DENSE, None),
        (sparse.dok_array(DENSE), None),
        (DENSE.tolist(), None),
        (pd.DataFrame(DENSE), [0, 1, 2, 3]),
        (pd.DataFrame(DENSE, columns=[3, 1, 2, 0]), [3, 1, 2, 0]),
        (pd.DataFrame(DENSE, columns=["long name", "b", "c", "d"]), ["long name", "b", "c", "d"]),
        (pd.DataFrame(DENSE, columns=[1, "1", b"1", (1,)]), [1, "1", b"1", (1,)]),
        (pd.DataFrame(DENSE, columns=pd.MultiIndex.from_product([[0], range(4)])), [(0, 0), (0, 1), (0, 2), (0, 3)]),
        (pd.DataFrame(DENSE[:, :1], columns=pd.to_datetime(["2024-01-01"])), [pd.Timestamp("2024-01-01")]),
        (pl.DataFrame(DENSE, schema=["a", "b", "c", "d"]), ["a", "b", "c", "d"]),
        (pa.table({"a": [1.0], "b": [2.0]}), ["a", "b"]),
        ({"a": [1.0], "b": [2.0]}, ["a", "b"]),
        (np.zeros(1, dtype=[("a", "f4"), ("b", "f4")]), ["a", "b"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_columns_of_a_table_are_ids(X, ids):
    vocabulary = column_vocabulary(X)
    assert column_labels(X) == ids
    assert (vocabulary if vocabulary is None else vocabulary.ids.tolist()) == ids


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (["a", "a"], "The header of X must be distinct; repeated: 'a'."),
        (["a", None], "The header of X has missing values in 1 of 2 rows: 1."),
        (pd.MultiIndex.from_tuples([("a", 1), ("a", np.nan)]), "The header of X has missing values in 1 of 2 rows: 1."),
    ],
)
def test_columns_that_are_no_ids_are_refused(columns, match):
    with pytest.raises(ValueError, match=match):
        column_vocabulary(pd.DataFrame(DENSE[:, :2], columns=columns))


def test_columns_of_several_types_are_no_feature_names():
    frame, estimator = pd.DataFrame(DENSE, columns=[1, "1", 2, "2"]), PopularityRecommender()
    assert_array_equal(check_interactions(frame, estimator=estimator, reset=True).toarray(), DENSE)
    assert not hasattr(estimator, "feature_names_in_")
    sparse_frame = frame.astype(pd.SparseDtype(float, 0.0))
    assert_array_equal(check_interactions(sparse_frame, estimator=estimator).toarray(), DENSE)


def test_nothing_is_wrong_with_floating_point_errors_raised():
    X = np.array([[1e-300, 1.0], [1e30, 0.0]])
    with np.errstate(all="raise"):
        balance(check_interactions(X))
        with pytest.raises(ValueError, match="infinity or a value too large"):
            check_interactions([[1e300]])


# Weights --------------------------------------------------------------------------------------------------------------


def test_binary_matrices_share_their_indices():
    X = check_interactions(DENSE)
    assert_array_equal(binarize(X).toarray(), DENSE > 0)
    assert np.shares_memory(binarize(X).indices, X.indices)
    assert X.data.max() == 8


@given(dense_matrices(), st.sampled_from([1e-38, 1.0, 3.0, 1e38]))
def test_balanced_histories_do_not_depend_on_the_unit(X, unit):
    X = check_interactions(X)
    scaled = sparse.csr_array((X.data * np.float32(unit), X.indices, X.indptr), shape=X.shape)
    balanced = balance(scaled)
    lengths = np.diff(X.indptr)
    assert_allclose(balanced.sum(axis=1), np.sqrt(lengths), rtol=1e-5)
    assert_allclose(balanced.toarray(), balance(X).toarray(), rtol=1e-5, atol=1e-7)
