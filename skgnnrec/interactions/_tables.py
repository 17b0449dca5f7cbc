"""Tables of pandas, polars and pyarrow, dicts of columns and lists of rows, read by one reader."""

import re
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from skgnnrec.interactions._ids import UnhashableIdError, as_array, as_ids, first_few, is_missing
from skgnnrec.interactions._times import Times, conversion_to_times, read_times

__all__ = ["Table", "as_frame", "naming", "read_table"]

SHOWN_COLUMNS = 20  # that an error message names


class Table:
    """A table of any library, read column by column."""

    def __init__(self, data: Any, input_name: str = "X") -> None:
        self.data = data
        self.input_name = input_name
        self.labels: list[Hashable] = _labels(data)

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def ids(self, column: Hashable, role: str) -> NDArray[Any]:
        """Return a column of ids."""
        try:
            return as_ids(self.select(column, role), self.describe(column, role))
        except UnhashableIdError as error:  # scikit-learn's estimators raise TypeError for what is no number or string
            raise TypeError(
                f"A {role} given as argument must be a string, a number or another value that can be hashed: {error}"
            ) from error

    def values(self, column: Hashable, role: str) -> NDArray[Any]:
        """Return a column of numbers or times as a NumPy array without missing values; times in UTC."""
        return _read_values(self.select(column, role), self.describe(column, role))

    def times(self, column: Hashable, role: str = "timestamp") -> Times:
        """Return a column of times."""
        values = self.values(column, role)
        label = column if isinstance(column, str) else self.labels[int(column)]  # type: ignore[call-overload]
        conversion = conversion_to_times(self.data, self.input_name, label)
        return read_times(values, self.describe(column, role), conversion)

    def describe(self, column: Hashable, role: str) -> str:
        """Return what error messages call a column."""
        return f"The column {role}={column!r} of {self.input_name}"

    def select(self, column: Hashable, role: str) -> Any:
        """Return a column by label or, where it is an integer, by position."""
        if isinstance(column, str):
            places = [place for place, label in enumerate(self.labels) if label == column]
        else:
            places = [int(column)] if isinstance(column, int | np.integer) and 0 <= column < len(self.labels) else []
        if not places:
            names = ", ".join(map(repr, self.labels[:SHOWN_COLUMNS]))
            raise ValueError(
                f"{role}={column!r} is not a column of {self.input_name}, which has {len(self.labels)} feature(s): "
                f"{names}."
            )
        if len(places) > 1:
            raise ValueError(f"{role}={column!r} is the name of {len(places)} columns of {self.input_name}.")
        return _column(self.data, places[0])


def read_table(
    X: Any, *, estimator: Any = None, reset: bool = False, by_name: bool = False, input_name: str = "X"
) -> Table:
    """Return a table; an estimator records its columns (`reset`) or compares them, unless only names count."""
    X = _as_tabular(X, input_name)
    with naming(input_name):
        if isinstance(X, np.ndarray):
            X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator, input_name=input_name)
        elif not X.shape[0]:
            raise ValueError(f"Found 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is required.")
    if estimator is not None and (reset or not by_name or isinstance(X, np.ndarray)):
        with naming(input_name):
            validate_data(estimator, X, reset=reset, skip_check_array=True)
    return Table(X, input_name)


@contextmanager
def naming(input_name: str) -> Iterator[None]:
    """Put the name of the argument before errors of scikit-learn that lack it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if re.search(rf"\b{re.escape(input_name)}\b", str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{input_name}: {error}") from error


def as_frame(X: Any, input_name: str) -> Any:
    """Return a table of a library as it is, a dict of columns or a structured array as a DataFrame, else None."""
    if sparse.issparse(X):  # DOK is a Mapping
        return None
    if isinstance(X, Mapping):
        return _from_dict(X, input_name)
    if isinstance(X, np.ndarray):
        names = X.dtype.names
        return None if names is None or X.ndim != 1 else _from_dict({name: X[name] for name in names}, input_name)
    if isinstance(X, pd.DataFrame):
        return X
    found = nw.from_native(X, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        how = "collect" if hasattr(X, "collect") else "compute"
        raise TypeError(f"{input_name} is a lazy table, {type(X).__name__}: call {input_name}.{how}() first.")
    if isinstance(found, nw.DataFrame):
        return found.to_native()
    if hasattr(X, "column_names") and hasattr(X, "to_pylist"):  # a batch of pyarrow
        return _from_dict(dict(zip(X.column_names, X.columns, strict=True)), input_name)
    if hasattr(X, "to_frame") or hasattr(X, "to_pylist"):
        raise ValueError(
            f"{input_name} must be a table, got a {type(X).__name__} of one dimension: pass a DataFrame, or one column "
            "as a DataFrame by to_frame()."
        )
    return None


def _as_tabular(X: Any, input_name: str) -> Any:
    frame = as_frame(X, input_name)
    if frame is not None:
        return frame
    if isinstance(X, list | tuple):
        return _from_rows(X, input_name)
    if isinstance(X, np.ma.MaskedArray):
        objects = X.data.astype(object)
        objects[np.ma.getmaskarray(X)] = None
        return objects
    if sparse.issparse(X):
        raise TypeError(f"{input_name} must be a table with one interaction a row, got a sparse matrix, users x items.")
    if not hasattr(X, "__array__") and not hasattr(X, "__array_interface__"):
        raise ValueError(
            f"{input_name} must be a table: a DataFrame, an array, a dict of columns or a list of rows; got an object "
            f"of type {type(X).__name__}."
        )
    if isinstance(X, np.ndarray):
        return X
    try:
        with naming(input_name):
            return check_array(X, dtype=None, ensure_all_finite=False, input_name=input_name)
    except RuntimeError as error:  # of a tensor
        raise ValueError(f"{input_name} cannot be read as an array: {error}") from error


def _from_rows(rows: Any, input_name: str) -> NDArray[Any]:
    if any(not isinstance(row, list | tuple | np.ndarray) or getattr(row, "ndim", 1) != 1 for row in rows):
        raise ValueError(
            f"{input_name} must be a table, or a list of rows such as [('ann', 'mug'), ('bob', 'pot')]. Reshape "
            "your data: it has one dimension."
        )
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(
            f"The rows of {input_name} must have one length, got lengths from {min(widths)} to {max(widths)}."
        )
    table = np.empty((len(rows), widths.pop() if widths else 0), dtype=object)
    for place, row in enumerate(rows):
        for column, value in enumerate(row):  # one by one, so that ids keep their types
            table[place, column] = value
    return table


def _from_dict(X: Mapping[Any, Any], input_name: str) -> pd.DataFrame:
    lengths = {name: _length(column) for name, column in X.items()}
    if not X or len(set(lengths.values())) > 1 or None in lengths.values():
        raise ValueError(
            f"{input_name} is a dict, which must hold columns of one length; got "
            + (", ".join(f"{name!r}: {length}" for name, length in lengths.items()) or "an empty one")
            + "."
        )
    series = [_as_series(column, f"The column {name!r} of {input_name}") for name, column in X.items()]
    return pd.DataFrame(dict(enumerate(series))).set_axis(pd.Index(list(X), tupleize_cols=False), axis=1)


def _as_series(column: Any, name: str) -> pd.Series:
    array = as_array(column, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got an array of shape {array.shape}.")
    if array.dtype.kind in "mM":
        unit, count = np.datetime_data(array.dtype)
        if count != 1 or unit in ("ps", "fs", "as"):  # pandas would round
            return pd.Series(np.fromiter(list(array), dtype=object, count=len(array)), dtype=object)
    return pd.Series(array).infer_objects()


def _length(column: Any) -> int | None:
    """Return the length of a column, None of what is none."""
    if isinstance(column, str | bytes | set | frozenset | Mapping) or not hasattr(column, "__len__"):
        return None
    try:
        return len(column)
    except TypeError:  # an array of no dimension
        return None


def _labels(data: Any) -> list[Hashable]:
    if isinstance(data, np.ndarray):
        return list(range(data.shape[1]))
    return list(data.column_names if hasattr(data, "column_names") else data.columns)


def _column(data: Any, place: int) -> Any:
    """Return a column as what its library has for one."""
    if isinstance(data, np.ndarray):
        return data[:, place]
    if hasattr(data, "iloc"):
        return data.iloc[:, place]
    return data.column(place) if hasattr(data, "column_names") else data[:, place]


def _read_values(column: Any, name: str) -> NDArray[Any]:
    try:
        array = column if isinstance(column, np.ndarray) else _from_series(column, name)
        array = _infer(array, name) if array.dtype == object else array
    except (ValueError, TypeError, MemoryError, Warning):
        raise
    except Exception as error:  # libraries of tables raise their own
        raise ValueError(f"{name} cannot be read as numbers or times: {error}") from error
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one value in a row, got values of shape {array.shape[1:]}.")
    if array.dtype.kind in "fmM":
        _refuse_missing(np.isnan(array) if array.dtype.kind == "f" else np.isnat(array), name)
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise ValueError(f"{name} contains infinity in row {np.flatnonzero(np.isinf(array))[0]}.")
    return array


def _from_series(series: Any, name: str) -> NDArray[Any]:
    """Return a series as an array; of times with a zone the moments in UTC."""
    try:
        column = nw.from_native(series, series_only=True)
    except TypeError:
        return np.asarray(series)
    _refuse_missing(column.is_null().to_numpy(), name)
    if column.dtype == nw.Decimal:
        column = column.cast(nw.Float64)
    elif column.dtype in (nw.Categorical, nw.Enum, nw.Int128, nw.UInt128):
        values = column.to_list()
        return np.fromiter(values, dtype=object, count=len(values))
    return np.asarray(column.to_numpy())


def _infer(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return objects as numbers or times where all of them are."""
    _refuse_missing(np.fromiter(map(is_missing, array), bool, len(array)), name)
    if all(isinstance(value, Decimal) for value in array):
        return array.astype(np.float64)
    if all(isinstance(value, np.datetime64) for value in array):  # pandas would round picoseconds
        return _as_moments(array, name)
    found = pd.Series(array, dtype=object).infer_objects()
    if found.dtype != object:
        return _from_series(found, name)
    return _as_moments(array, name) if all(isinstance(value, date | np.datetime64) for value in array) else array


def _as_moments(array: NDArray[Any], name: str) -> NDArray[np.datetime64]:
    """Return dates and times of Python as an array of times, those with zones in UTC."""
    if len({getattr(value, "tzinfo", None) is None for value in array}) > 1:
        raise ValueError(f"{name} must hold times with zones or times without, got both.")
    moments = [_in_utc(value) for value in array]
    found = np.array(moments)
    for row, moment in enumerate(moments):
        if found[row].astype(moment.dtype) != moment:  # nanoseconds cannot hold the year 2500
            raise ValueError(f"{name} must hold times that {found.dtype} can hold, got {moment} in row {row}.")
    return found


def _in_utc(value: date | np.datetime64) -> np.datetime64:
    if isinstance(value, np.datetime64):
        return value
    if isinstance(value, pd.Timestamp):
        return value.to_datetime64()
    if isinstance(value, datetime) and (offset := value.utcoffset()) is not None:
        return np.datetime64(value.replace(tzinfo=None)) - np.timedelta64(offset)
    return np.datetime64(value)


def _refuse_missing(missing: NDArray[np.bool_], name: str) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise ValueError(f"{name} has missing values (NaN) in {len(rows)} of {len(missing)} rows: {first_few(rows)}.")
