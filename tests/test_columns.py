"""Columns of catalogs: what tables of any library hold comes back as objects of pandas, and is kept as arrays."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fitted_state import foreign_values, through_file
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skgnnrec import ItemCatalog

DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30)
PLAIN = {
    "text": ["red mug", "", "tea pot"],
    "integer": [3, 1, 2],
    "number": [0.5, 1.5, 2.5],
    "flag": [True, False, True],
    "day": [DAY, DAY, DAY],
    "moment": [MOMENT, MOMENT, MOMENT],
    "length": [datetime.timedelta(hours=1)] * 3,
}
GAPS = {name: [values[0], None, values[2]] for name, values in PLAIN.items()}
LIBRARIES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "record batch": pa.record_batch,
    "pandas on pyarrow": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "dict": dict,
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("columns", [PLAIN, GAPS], ids=["without gaps", "with gaps"])
def test_tables_of_every_library_are_read_alike(library, columns):
    found = ItemCatalog(LIBRARIES[library](columns)).data
    assert list(found.columns) == list(columns)
    assert found.loc[[0, 2], "text"].tolist() == ["red mug", "tea pot"]
    assert found.isna().to_numpy().tolist() == [[columns[name][row] is None for name in columns] for row in range(3)]
    assert found["integer"].dtype.kind in ("i" if columns is PLAIN else "f")
    assert found["number"].dtype.kind == "f"
    assert found["day"].dtype.kind == found["moment"].dtype.kind == "M"
    assert found["length"].dtype.kind == "m"
    assert found.loc[[0, 2], "day"].tolist() == [pd.Timestamp(DAY)] * 2
    assert found.loc[[0, 2], "moment"].tolist() == [MOMENT] * 2
    assert found.loc[[0, 2], "flag"].tolist() == [True, True]


@pytest.mark.parametrize("library", ["polars", "pyarrow", "pandas on pyarrow"])
def test_catalogs_of_the_same_table_are_equal(library):
    columns = {name: PLAIN[name] for name in ("text", "integer", "number", "flag", "moment")}
    assert ItemCatalog(LIBRARIES[library](columns)) == ItemCatalog(pd.DataFrame(columns))


KINDS = {
    "category": pd.Categorical(["b", "a", None], categories=["a", "b", "c"], ordered=True),
    "bins": pd.cut(pd.Series([1.0, 2.0, 3.0]), [0, 1.5, 9]),
    "zone": pd.date_range("2024-03-30", periods=3, tz="Europe/Rome"),
    "offset": pd.date_range("2024-03-30", periods=3, tz=datetime.timezone(datetime.timedelta(hours=2))),
    "nullable integer": pd.array([2**60 + 1, None, 3], dtype="Int64"),
    "nullable flag": pd.array([True, None, False], dtype="boolean"),
    "string": pd.array(["a", None, "c"], dtype="string"),
    "object": pd.Series(["a", None, 3], dtype=object),
    "seconds": pd.Series(np.array(["2500-01-01", "NaT", "0001-01-01"], dtype="M8[s]")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_types_of_pandas_come_back(kind):
    table = pd.DataFrame({"column": KINDS[kind]})
    catalog = ItemCatalog(table)
    if kind == "bins":
        assert catalog.data["column"].cat.categories.tolist() == ["(0.0, 1.5]", "(1.5, 9.0]"]
        assert catalog.data["column"].cat.codes.tolist() == [0, 1, 1]
    else:
        pd.testing.assert_frame_equal(catalog.data, table)
    pd.testing.assert_frame_equal(catalog.take([2, 0]).data, catalog.data.iloc[[2, 0]].reset_index(drop=True))


@pytest.mark.parametrize("kind", [*KINDS, "plain", "gaps"])
def test_a_catalog_holds_arrays_and_is_saved_without_pickle(kind):
    tables = {"plain": PLAIN, "gaps": GAPS}
    catalog = ItemCatalog(pd.DataFrame(tables.get(kind) or {"column": KINDS[kind]}), ids=[3, 1, 2])
    assert foreign_values(catalog) == []
    for copied in (through_file(catalog), pickle.loads(pickle.dumps(catalog))):
        assert copied == catalog
        pd.testing.assert_frame_equal(copied.data, catalog.data)


def test_periods_and_intervals_become_texts():
    table = pd.DataFrame({"month": pd.PeriodIndex(["2024-01", None], freq="M"), "range": pd.interval_range(0, 2)})
    found = ItemCatalog(table).data
    assert found["range"].tolist() == ["(0, 1]", "(1, 2]"]
    assert found["month"][0] == "2024-01"
    assert found["month"].isna().tolist() == [False, True]


def test_decimals_become_floats_and_categories_texts():
    table = pl.DataFrame({"price": [decimal.Decimal("1.5"), decimal.Decimal(2)]}).with_columns(
        kind=pl.Series(["b", "a"], dtype=pl.Categorical)
    )
    found = ItemCatalog(table).data
    assert found["price"].tolist() == [1.5, 2.0]
    assert found["kind"].tolist() == ["b", "a"]


def test_lists_stay_lists():
    for table in (pl.DataFrame({"tags": [["a", "b"], []]}), pd.DataFrame({"tags": [["a", "b"], []]})):
        assert ItemCatalog(table).data["tags"].tolist() == [["a", "b"], []]


def test_a_frame_of_sparse_columns_is_a_sparse_matrix():
    X = sparse.csr_array(np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]))
    frame = pd.DataFrame.sparse.from_spmatrix(X)
    found = ItemCatalog(frame, ids=["x", "y", "z"]).data
    assert isinstance(found, sparse.csr_array)
    assert found.toarray().tolist() == X.toarray().tolist()
    mixed = ItemCatalog(frame.assign(title=["a", "b", "c"])).data
    assert mixed[0].tolist() == [0.0, 2.0, 0.0]


def test_matrices_of_equal_entries_are_equal():
    entries = ([1.0, 2.0, 3.0], ([0, 0, 1], [1, 1, 0]))
    summed = sparse.csr_array([[0.0, 3.0], [3.0, 0.0]])
    assert ItemCatalog(sparse.coo_array(entries, shape=(2, 2))) == ItemCatalog(summed)
    assert ItemCatalog(sparse.csc_array(summed)) == ItemCatalog(summed)
    assert ItemCatalog(summed) != ItemCatalog(2 * summed)


@given(st.lists(st.sampled_from([1, "1", 1.0, b"1", ("a", 1), None, DAY]), min_size=1, max_size=6))
def test_equal_values_make_equal_catalogs_whatever_the_objects(values):
    copies = pickle.loads(pickle.dumps(values))
    first, second = (ItemCatalog(pd.DataFrame({"x": pd.Series(each, dtype=object)})) for each in (values, copies))
    assert first == second
    assert hash(first) == hash(second)
    changed = [*values[:-1], "another"]
    assert first != ItemCatalog(pd.DataFrame({"x": pd.Series(changed, dtype=object)}))


@given(st.lists(st.lists(st.one_of(st.integers(-9, 9), st.text(max_size=3)), min_size=2, max_size=2), min_size=1))
def test_rows_of_values_keep_their_types(rows):
    found = ItemCatalog(rows).data
    assert found.tolist() == rows
    assert [[type(value) for value in row] for row in found.tolist()] == [
        [type(value) for value in row] for row in rows
    ]


@pytest.mark.parametrize("form", ["bsr", "coo", "csc", "dia", "dok", "lil"])
def test_sparse_matrices_of_every_format_are_item_data(form):
    X = sparse.csr_array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    assert ItemCatalog(X.asformat(form), ids=["x", "y", "z"]) == ItemCatalog(X, ids=["x", "y", "z"])


def test_indices_of_sparse_matrices_are_checked():
    X = sparse.csr_array(np.eye(5))
    X.indices = np.array([0, 10**6, 2, 3, 4], np.int32)
    with pytest.raises(ValueError, match="data is not a valid CSR matrix: its indices must be from 0 to 4"):
        ItemCatalog(X)


@pytest.mark.parametrize("dtype", [pl.Int128, pl.UInt128])
def test_integers_of_128_bits_keep_their_values(dtype):
    assert ItemCatalog(pl.Series([1, 2], dtype=dtype)).data.dtype == np.int64
    table = pl.DataFrame({"wide": pl.Series([1, 2**100], dtype=dtype), "gaps": pl.Series([1, None], dtype=dtype)})
    catalog = ItemCatalog(table)
    assert catalog.data["wide"].tolist() == [1, 2**100]
    assert catalog.data["gaps"].isna().tolist() == [False, True]
    assert pickle.loads(pickle.dumps(catalog)) == catalog


def test_signaling_nan_is_a_missing_value():
    column = [decimal.Decimal("sNaN"), None, decimal.Decimal(1), "text", [2]]
    for data in (pd.Series(column), pl.Series(column, dtype=pl.Object)):
        assert ItemCatalog(data).data.tolist() == [None, None, *column[2:]]
    assert ItemCatalog({"price": column}).data["price"].tolist() == [None, None, *column[2:]]


@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([100, 100], np.int8, np.int64),
        ([-100, -29], np.int8, np.int64),
        ([100, 20], np.int8, np.int8),
        ([100, 100], np.uint8, np.uint8),
        ([1] * 300, np.uint8, np.int64),
        ([2**31 - 1, 1], np.int32, np.int64),
        ([2**63, 5], np.uint64, np.uint64),
        ([True, True], bool, bool),
        ([0.5, 0.25], np.float32, np.float32),
    ],
)
def test_duplicates_are_summed_in_a_type_that_holds_the_sum(values, dtype, expected, layout):
    values, columns = np.array(values, dtype=dtype), np.ones(len(values), dtype=int)
    parts = {"coo": (0 * columns, columns), "csr": (columns, [0, len(values), len(values)])}[layout]
    matrix = {"coo": sparse.coo_array, "csr": sparse.csr_array}[layout](
        (values, *parts) if layout == "csr" else (values, parts), shape=(2, 3)
    )
    data = ItemCatalog(matrix).data
    assert data.dtype == expected
    assert data.toarray().tolist() == [[0, sum(values.tolist()) if dtype is not bool else True, 0], [0, 0, 0]]
    assert matrix.data.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "dtype"), [([2**62] * 2, "int64"), ([-(2**62)] * 3, "int64"), ([2**63] * 2, "uint64")]
)
def test_duplicates_beyond_64_bits_are_refused(values, dtype):
    matrix = sparse.coo_array((np.array(values, dtype=dtype), (0 * np.arange(len(values)),) * 2), shape=(1, 1))
    with pytest.raises(ValueError, match=f"data has duplicates whose sum is too large for dtype {dtype}"):
        ItemCatalog(matrix)


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"data must have rows of one length; NumPy says: setting an array element"):
        ItemCatalog([["red", "mug"], ["pot"]])


@pytest.mark.parametrize(
    "lazy", [pl.DataFrame(PLAIN).lazy(), pl.DataFrame({"x": [1]}).lazy().with_columns(y=2)], ids=["scan", "query"]
)
def test_lazy_tables_are_refused(lazy):
    with pytest.raises(TypeError, match=r"data is a lazy table, LazyFrame: call data\.collect\(\) first\."):
        ItemCatalog(lazy)


@pytest.mark.parametrize(
    "column", [pl.Series("title", ["a", None]), pa.chunked_array([["a"], [None]]), pa.array(["a", None])]
)
def test_series_of_other_libraries(column):
    catalog = ItemCatalog(column, ids=["x", "y"])
    assert isinstance(catalog.data, pd.Series)
    assert catalog.data[0] == "a"
    assert catalog.data.isna().tolist() == [False, True]
