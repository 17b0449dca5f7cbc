"""Arrays of all kinds come back as they were, and arrays of crafted files stay within their bounds."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.preprocessing import FunctionTransformer

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender, load, save
from skgnnrec.exceptions import LoadError

VALUES = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(24.0).reshape(4, 6)[::2, ::3],
    "no dimension": np.array(3.5),
    "scalar": np.float32(1.5),
    "empty": np.zeros((0, 3), dtype=np.int8),
    "other byte order": np.arange(3, dtype=">i8"),
    "strings": np.array(["a", "é", ""]),
    "bytes": np.array([b"a", b"bc"]),
    "datetimes": np.array(["2024-01-01", "NaT"], dtype="M8[us]"),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "structured": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "objects": np.array([1, "1", None, (2, "x")], dtype=object),
    "arrays in objects": np.array([np.arange(3), "x"], dtype=object),
    "masked": np.ma.array([1.0, 2.0], mask=[True, False]),
    "large": np.arange(3_000_000, dtype=np.float64),
}
SPARSE = {
    kind: getattr(sparse, kind)(np.where(np.tri(6) > 0, np.arange(6.0), 0))
    for kind in ("csr_array", "csr_matrix", "csc_array", "csc_matrix", "coo_array", "coo_matrix", "dia_array")
}
SPARSE["bsr_array"] = sparse.bsr_array(np.kron(np.eye(2), np.ones((2, 3))), blocksize=(2, 3))
SPARSE["no entries"] = sparse.csr_array((4, 0), dtype=np.float32)


def through(value, path):
    save(FunctionTransformer(kw_args={"value": value}), path)
    return load(path).kw_args["value"]


@pytest.mark.parametrize("name", VALUES)
def test_arrays_keep_values_types_and_order(path, name):
    value = VALUES[name]
    found = through(value, path)
    assert (type(found), found.dtype, found.shape) == (type(value), value.dtype, value.shape)
    assert found.tobytes() == value.tobytes() or value.dtype == object
    assert_array_equal(found, value) if name != "arrays in objects" else assert_array_equal(found[0], value[0])
    if value.ndim and name not in ("strided", "masked"):
        assert (found.flags.f_contiguous, found.flags.writeable) == (value.flags.f_contiguous, True)


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_matrices_keep_type_and_values(path, name):
    value = SPARSE[name]
    found = through(value, path)
    assert (type(found), found.dtype, found.shape) == (type(value), value.dtype, value.shape)
    assert_array_equal(found.toarray(), value.toarray())


@pytest.mark.parametrize(
    "value",
    [
        pd.Timedelta("3D 4h"), pd.Timedelta(7, "ns"), datetime.timedelta(days=3), np.timedelta64(3, "D"),
        frozenset("ab"), {"a": (1, [2.5, None])}, float("inf"), 2**80, "\ud800", b"\x00", range(3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_parameters_keep_values_and_types(path, value):
    found = through(value, path)
    assert found == value
    assert type(found) is type(value)


def test_memory_maps_become_arrays(path, tmp_path):
    np.save(tmp_path / "array.npy", np.arange(4.0))
    found = through(np.load(tmp_path / "array.npy", mmap_mode="r"), path)
    assert type(found) is np.ndarray
    assert_array_equal(found, np.arange(4.0))


def test_the_estimator_is_not_changed(path):
    catalog = ItemCatalog(np.random.default_rng(0).random((8, 3)), ids=list("abcdefgh"))
    rec = GraphFilterRecommender(catalog=catalog).fit(np.tri(9, 8))
    before = pickle.dumps(rec)
    save(rec, path)
    assert pickle.dumps(rec) == before
    loaded = load(path)
    assert loaded.catalog == catalog
    assert_array_equal(loaded.predict(np.eye(8)), rec.predict(np.eye(8)))


def test_an_array_that_is_held_twice_is_written_once(path):
    rec = RidgeRecommender().fit(np.eye(300))
    save(rec, path)
    assert path.stat().st_size < 1.9 * rec.weights_.nbytes
    loaded = load(path)
    loaded.weights_[:] = 7
    assert_array_equal(loaded.decision_function(np.eye(300)), np.full((300, 300), 7))


def test_arrays_of_sparse_catalogs(path):
    catalog = ItemCatalog(sparse.csr_array(np.eye(5)), ids=list("abcde"))
    save(catalog, path)
    assert load(path) == catalog


@pytest.mark.parametrize("half_life", [pd.Timedelta("3D"), "3D", datetime.timedelta(3)])
def test_spans_of_logs(path, half_life):
    log = pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "a"], "time": pd.to_datetime(["2024-01-01"] * 3)})
    rec = LogRecommender(RidgeRecommender(), user="user", item="item", timestamp="time", half_life=half_life).fit(log)
    save(rec, path)
    assert load(path).fit(log).recommend([2])[0].tolist() == rec.recommend([2])[0].tolist()


# Arrays that `save` does not write


def npy(array):
    import io

    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


HEADER = b"\x93NUMPY\x01\x00v\x00{'descr': %s, 'fortran_order': False, 'shape': %s, }"


def header(kind, shape, data=b""):
    text = HEADER % (kind, shape)
    return text + b" " * (127 - len(text)) + b"\n" + data


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x93NUMPY", npy(np.arange(3.0))[:-1], npy(np.arange(3.0)) + b"\0", npy(np.array([{}], dtype=object)),
        header(b"'<f8'", b"(1000000000000,)", bytes(8)), header(b"'|O'", b"(1,)", bytes(8)),
        header(b"'<f8'", b"(-1,)"), header(b"'<f8'", b"('a',)"), header(b"__import__('os')", b"(1,)"),
        b"\x93NUMPY\x03\x00" + npy(np.arange(3.0))[8:],
    ],
)  # fmt: skip
def test_crafted_arrays_are_refused(write_parts, content):
    with pytest.raises(LoadError, match="cannot be loaded"):
        load(write_parts({"arrays/0.npy": content}))


def test_sparse_matrices_with_wrong_indices_are_refused(path):
    rec = GraphFilterRecommender(n_components=0).fit(np.tri(5))
    rec.graph_.indices[0] = 10**6
    save_unchecked = save
    with pytest.raises(TypeError, match="cannot be saved: A sparse matrix is not a valid CSR matrix"):
        save_unchecked(rec, path)
