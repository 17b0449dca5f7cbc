"""Hypothesis strategies for ids, tables, times and matrices, as callers pass them, rightly and wrongly."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st
from scipy import sparse

FORMATS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]
ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))]


def often(right, *wrong):
    """Return the right strategy three times out of four, else one of the wrong ones."""
    return st.sampled_from([right] * max(1, 3 * len(wrong)) + [*wrong]).flatmap(lambda strategy: strategy)


# Ids ------------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
naive_datetimes = st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2600, 1, 1))
nanoseconds = st.integers(-(2**62), 2**62)

# One id of each kind that keeps its value and its type through the package.
ID_KINDS = {
    "str": texts,
    "int": st.integers(-3, 6),
    "int64": st.integers(2**53 - 2, 2**53 + 2) | st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(2**63, 2**64 - 1),
    "int beyond 64 bits": st.integers(2**64, 2**70),
    "bool": st.booleans(),
    "float": st.floats(-100, 100, width=32),
    "bytes": st.binary(max_size=3),
    "tuple": st.tuples(texts, st.integers(0, 3) | st.booleans()),
    "date": st.dates(),
    "datetime": naive_datetimes,
    "datetime with a zone": st.datetimes(dt.datetime(1990, 1, 1), timezones=st.sampled_from(ZONES)),
    "Timestamp": nanoseconds.map(pd.Timestamp),
    "timedelta": st.timedeltas(),
    "datetime64": st.builds(np.datetime64, st.integers(-(10**6), 10**6), st.sampled_from(["Y", "D", "s", "ns", "ps"])),
    "Decimal": st.decimals(-10, 10, places=2),
    "UUID": st.integers(0, 2**64).map(lambda number: UUID(int=number)),
}
# Ids that look alike, of different types.
alike = st.sampled_from(
    [
        1,
        "1",
        True,
        "True",
        b"1",
        (1,),
        (True,),
        ("1",),
        0,
        False,
        "",
        b"",
        (),
        2**53,
        2**53 + 1,
        str(2**53),
        dt.date(2024, 1, 1),
        dt.datetime(2024, 1, 1),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        np.datetime64("2024-01-01"),
        "2024-01-01",
        dt.timedelta(1),
        Decimal("0.5"),
    ]
)
any_id = st.one_of(alike, *ID_KINDS.values())
missing_ids = st.sampled_from([None, np.nan, pd.NaT, pd.NA, np.datetime64("NaT"), float("nan"), ("a", float("nan"))])
unhashable_ids = st.sampled_from([[], [1], {}, {"a": 1}, {1}, np.arange(2), bytearray(b"a")])


@st.composite
def id_lists(draw, min_size=0, max_size=6):
    """Lists of ids that are all of one kind, or of many."""
    element = draw(st.sampled_from([*ID_KINDS.values(), alike, any_id]))
    return draw(st.lists(element, min_size=min_size, max_size=max_size))


def filled(values):
    """Return an array of objects, none of which is converted."""
    return np.fromiter(values, dtype=object, count=len(values))


def suits_polars(values):
    """Return whether polars reads values without a panic, which is no exception: of one type, decimals finite."""
    values = [value for value in values if value is not None]
    return len(set(map(type, values))) < 2 and all(value.is_finite() for value in values if isinstance(value, Decimal))


def contain(ids, container):
    """Return ids in a container, or as a list where it does not take them."""
    try:
        if container == "array":
            return np.array(ids)
        if container in ("Series", "Index", "Categorical"):
            return getattr(pd, container)(ids)
        if container == "polars":
            return pl.Series(ids, strict=False) if suits_polars(ids) else ids
        return pa.array(ids) if container == "pyarrow" else {"tuple": tuple, "objects": filled}[container](ids)
    except Exception:  # of the library of the container
        return ids


CONTAINERS = ["tuple", "objects", "array", "Series", "Index", "Categorical", "polars", "pyarrow"]

wrong_arguments = st.sampled_from(
    [
        None,
        "abc",
        b"abc",
        5,
        2.5,
        True,
        object(),
        {1, 2},
        frozenset("ab"),
        {"a": 1},
        {},
        [],
        (),
        [[]],
        [[1, 2], [3]],
        np.array(3),
        np.zeros((2, 0)),
        np.zeros((2, 2, 2)),
        np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["NaT"], dtype="M8[s]"),
        np.array([1, 2], dtype="m8"),
        np.eye(3) * 1j,
        np.full((3, 3), "a"),
        pd.DataFrame({"a": [1, 2]}),
        pd.DataFrame(index=[0, 1]),
        pd.Series([1, None]),
        pl.DataFrame({"a": [1, 2]}),
        pl.LazyFrame({"a": [1, 2]}),
        pl.Series(["a", None]),
        pa.table({"a": [1, 2]}),
        sparse.csr_array(np.eye(3)),
        sparse.coo_array(np.ones(3)),
        lambda: None,
        int,
    ]
)


@st.composite
def hostile_ids(draw):
    """Ids in any container, some of them missing or unhashable, and what is no list of ids."""
    ids = draw(id_lists())
    wrong = draw(st.sampled_from(["none", "none", "missing", "unhashable", "other"]))
    if wrong == "other":
        return draw(wrong_arguments)
    if wrong != "none":
        ids.insert(draw(st.integers(0, len(ids))), draw(missing_ids if wrong == "missing" else unhashable_ids))
    return contain(ids, draw(st.sampled_from(CONTAINERS)))


# Times ----------------------------------------------------------------------------------------------------------------

UNITS = ["W", "D", "h", "m", "s", "ms", "us", "ns", "ps"]


@st.composite
def datetime_arrays(draw, size):
    """Arrays of datetime64 in any unit, over all that it holds."""
    far = st.integers(-(2**63) + 1, 2**63 - 1)
    numbers = draw(st.lists(st.integers(-5, 5) | far, min_size=size, max_size=size))
    return np.array(numbers, dtype=np.int64).view(f"M8[{draw(st.sampled_from(UNITS))}]")


def times(size):
    """Columns of times: numbers, datetimes of NumPy, pandas and Python, with and without zones; also wrong ones."""
    numbers = st.integers(-5, 5) | st.integers(-(2**63), 2**64 - 1) | st.floats()
    zoned = st.datetimes(timezones=st.sampled_from(ZONES) | st.none())
    strings = st.dates().map(str)
    objects = numbers | st.dates() | zoned | strings | st.timedeltas() | st.times() | missing_ids | st.booleans()
    lists = [st.integers(-5, 5), numbers, st.dates(), st.datetimes(), zoned, strings, objects]
    return st.one_of(datetime_arrays(size), *(st.lists(part, min_size=size, max_size=size) for part in lists))


# Tables ---------------------------------------------------------------------------------------------------------------


def as_table(columns, library):
    """Return a dict of columns as a table of a library, or as the dict where the library does not take them."""
    try:
        if library == "dict of arrays":
            return {name: filled(list(column)) for name, column in columns.items()}
        frame = pd.DataFrame({name: list(column) for name, column in columns.items()})
        if library == "pandas of pyarrow":
            return frame.convert_dtypes(dtype_backend="pyarrow")
        if library == "pandas nullable":
            return frame.convert_dtypes()
        if library == "pandas sparse":
            return frame.astype(
                {name: pd.SparseDtype(kind) for name, kind in frame.dtypes.items() if kind.kind in "if"}
            )
        if library == "pandas categories":
            return frame.astype("category")
        if library == "structured":
            return frame.to_records(index=False)
        if library == "rows":
            return list(zip(*columns.values(), strict=True))
        if library == "objects":
            return frame.to_numpy(dtype=object)
        if library in ("polars", "polars lazy"):
            if not all(map(suits_polars, columns.values())):
                return columns
            table = pl.DataFrame(columns, strict=False)
            return table.lazy() if library == "polars lazy" else table
        if library == "pyarrow batch":
            return pa.RecordBatch.from_pydict(columns)
        return pa.table(columns) if library == "pyarrow" else frame
    except Exception:  # of the library
        return columns


LIBRARIES = [
    "dict",
    "dict of arrays",
    "pandas",
    "pandas of pyarrow",
    "pandas nullable",
    "pandas sparse",
    "pandas categories",
    "polars",
    "polars lazy",
    "pyarrow",
    "pyarrow batch",
    "structured",
    "rows",
    "objects",
]


days = st.dates(dt.date(2024, 1, 1), dt.date(2024, 2, 1))
moments = st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2024, 2, 1))
right_times = st.sampled_from([st.integers(0, 9), st.floats(0, 9), days, moments, moments])


@st.composite
def tables(draw):
    """Logs with the columns user, item, weight and time in any library, with right and with wrong values."""
    size = draw(st.integers(1, 6))

    def column(right, *wrong):
        return draw(st.lists(draw(often(right, *map(st.just, wrong))), min_size=size, max_size=size))

    numbers = st.integers(0, 3) | st.floats(0, 4)
    wild = numbers | st.floats() | st.integers() | missing_ids | texts | st.decimals() | st.just(10**400)
    one_kind = st.sampled_from(list(ID_KINDS.values()))
    columns = {
        "user": column(st.just(st.integers(1, 3)) | one_kind, any_id, any_id | missing_ids, unhashable_ids),
        "item": column(st.just(st.integers(0, 4)) | one_kind, alike),
        "weight": column(st.just(numbers), wild),
        "time": column(right_times) if draw(often(st.just(True), st.just(False))) else draw(times(size)),
    }
    return as_table(columns, draw(st.sampled_from(LIBRARIES)))


# Matrices -------------------------------------------------------------------------------------------------------------

weights = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 2.0])
wild_weights = weights | st.floats() | st.sampled_from([1e300, 1e-300, -1.0, 3e38])


@st.composite
def dense_matrices(draw, n_columns=5, elements=weights, n_rows=None):
    """Arrays of any number type."""
    n_rows = n_rows or draw(st.integers(1, 4))
    rows = st.lists(st.lists(elements, min_size=n_columns, max_size=n_columns), min_size=n_rows, max_size=n_rows)
    kind = draw(st.sampled_from([np.float64, np.float64, np.float32, np.float16, np.longdouble, np.int8, bool, object]))
    with np.errstate(all="ignore"):
        X = np.array(draw(rows))
        return X.astype(kind) if np.isfinite(X).all() and (kind != np.int8 or (np.abs(X) < 99).all()) else X


def matrix_as(X, container):
    """Return a matrix in a container, sparse or of a library of tables."""
    if container in FORMATS:
        X = X.astype(np.float64) if X.dtype in (object, np.float16) else X
        return sparse.coo_array(X).asformat(container)
    if container == "list":
        return X.tolist()
    names = [f"i{place}" for place in range(X.shape[1])]
    if container == "dict":
        return {name: X[:, place] for place, name in enumerate(names)}
    if container == "polars":
        return pl.DataFrame(X.astype(np.float64), schema=names)
    if container == "pyarrow":
        return pa.table({name: X[:, place].astype(np.float64) for place, name in enumerate(names)})
    frame = pd.DataFrame(X.astype(np.float64), columns=names)
    if container == "pandas sparse":
        return frame.astype(pd.SparseDtype(np.float64, 0.0))
    return frame.convert_dtypes(dtype_backend="pyarrow") if container == "pandas of pyarrow" else frame


MATRIX_CONTAINERS = ["list", "dict", "pandas", "pandas sparse", "pandas of pyarrow", "polars", "pyarrow", *FORMATS]

# What an array of a sparse matrix may be replaced with.
WRONG_ARRAYS = [
    np.array([], dtype=np.int64),
    np.arange(50),
    np.full(6, -1),
    np.full(6, np.nan),
    np.arange(6) + 0.5,
    np.full(6, 2**62),
    np.full(6, 2**64 - 1, dtype=np.uint64),
    np.arange(6, dtype=object),
    np.array(list("abcdef")),
    np.zeros((6, 1), dtype=np.int64),
    np.zeros((6, 0, 0)),
    np.zeros((6, 4, 4)),
    np.array(0),
    np.ma.array(np.arange(6), mask=[1] * 6),
    np.arange(6, dtype=np.int8),
    np.arange(6).astype("M8[s]"),
    list(range(6)),
    None,
]
numbers_of_indices = st.sampled_from(
    [0, 1, 4, 5, 6, 99, -1, -6, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)]
)


@st.composite
def index_arrays(draw, size):
    """Arrays that stand where indices should."""
    if draw(st.booleans()):
        return draw(st.sampled_from(WRONG_ARRAYS))
    values = draw(st.lists(numbers_of_indices, min_size=size, max_size=size))
    narrow = all(-(2**31) <= value < 2**31 for value in values)
    return np.array(values, dtype=draw(st.sampled_from([np.int32, np.int64])) if narrow else np.int64)


@st.composite
def hostile_sparse(draw, n_columns=5, n_rows=None):
    """Sparse matrices of every format, one array of which is replaced after they were made."""
    container = draw(st.sampled_from(FORMATS))
    X = matrix_as(draw(dense_matrices(n_columns, n_rows=n_rows)).astype(np.float64), container)
    spoil = draw(st.sampled_from(["indices", "values", "shape"]))
    if spoil == "shape":
        sizes = st.integers(-1, 8) | numbers_of_indices
        X._shape = draw(st.tuples(sizes, sizes) | st.sampled_from([None, (5,), ("a", 5)]))
    elif container in ("csr", "csc", "bsr"):
        name = "data" if spoil == "values" else draw(st.sampled_from(["indices", "indptr"]))
        setattr(X, name, draw(index_arrays(len(getattr(X, name)))))
    elif container == "coo" and spoil == "indices":
        coords = list(X.coords)
        coords[draw(st.integers(0, 1))] = draw(index_arrays(X.nnz))
        X.coords = tuple(coords[: draw(st.sampled_from([2, 2, 2, 1]))])
    elif container in ("coo", "dia"):
        name = "data" if spoil == "values" else "offsets"
        setattr(X, name, draw(index_arrays(len(getattr(X, name)))))
    elif container == "lil":
        lists = st.lists(st.lists(numbers_of_indices | st.sampled_from([0.5, "a", None, [1]]), max_size=3), max_size=6)
        setattr(X, "rows" if spoil == "indices" else "data", filled(draw(lists | st.lists(st.none() | st.integers()))))
    else:
        wrong = st.sampled_from([5, (1,), (1, 2, 3), ("a", 1), (0.5, 1)])
        keys = st.tuples(numbers_of_indices, numbers_of_indices) | wrong
        X._dict.update(draw(st.dictionaries(keys, st.floats() | st.sampled_from(["a", None, [1]]), max_size=3)))
    return X


@st.composite
def matrices(draw, n_columns=5, n_rows=None):
    """Matrices in every container, most of them right, some with wrong values or forms; none of `hostile_sparse`."""
    kind = draw(often(st.just("right"), st.just("wild"), st.just("shape"), st.just("other")))
    if kind == "other":
        return draw(wrong_arguments)
    if kind == "shape":
        n_columns, n_rows = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    X = draw(dense_matrices(n_columns, wild_weights if kind == "wild" else weights, n_rows))
    container = draw(st.sampled_from(["array", *MATRIX_CONTAINERS]))
    return X if container == "array" else matrix_as(X, container)
