"""Tables as columns that are arrays, and columns as the Series of pandas that they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import joblib
import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.interactions import check_indices, pack, read_table, unpack

__all__ = ["Column", "as_table", "hashable", "read_columns"]


@dataclass(frozen=True)
class Column:
    """A column of a table as arrays, and the pandas type that it is turned back into."""

    values: Any  # ndarray of shape (n_items,)
    dtype: str | None = None  # of pandas; None where the array has it
    categories: "Column | None" = None  # of a categorical column, whose values are codes
    ordered: bool = False

    def take(self, positions: np.ndarray) -> "Column":
        return Column(self.values[positions], self.dtype, self.categories, self.ordered)

    def to_series(self) -> Any:
        if self.categories is not None:
            categories = pd.Index(self.categories.to_series())
            return pd.Series(pd.Categorical.from_codes(self.values, categories=categories, ordered=self.ordered))
        dtype = pd.api.types.pandas_dtype(self.dtype or self.values.dtype)
        if isinstance(dtype, pd.DatetimeTZDtype):
            return pd.Series(self.values.copy()).dt.tz_localize("UTC").astype(dtype)
        return pd.Series(self.values.copy(), dtype=dtype)

    def contents(self) -> Any:
        """Return what two equal columns have in common, for a hash."""
        categories = None if self.categories is None else self.categories.contents()
        return hashable(self.values), self.dtype, categories, self.ordered

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "values": pack(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "values": unpack(state["values"])})


def as_table(data: Any) -> Any:
    """Return item data as a table of pandas or narwhals, as a sparse matrix or as an array."""
    if sparse.issparse(data) or hasattr(data, "iloc"):  # DOK is a Mapping
        return data
    if isinstance(data, Mapping):
        return read_table(data, input_name="data").data
    table = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        raise TypeError(f"data is a lazy table, {type(data).__name__}: call data.collect() first.")
    if isinstance(table, nw.DataFrame | nw.Series):
        return table
    if hasattr(data, "to_pandas"):  # such as a RecordBatch or an Array of pyarrow
        return data.to_pandas()
    if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
        raise TypeError(
            "data must be a DataFrame, a Series, a dict of columns, a list or an array with one row per item; got "
            f"{type(data).__name__}."
        )
    return _as_array(data)


def _as_array(data: Any) -> np.ndarray:
    """Return a copy, which the caller cannot change; objects where there is text, so that values keep their types.

    Images, uint8 arrays of two or three dimensions, are objects, too.
    """
    if _are_images(data):
        return np.fromiter((None if image is None else image.copy() for image in data), dtype=object, count=len(data))
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"data must have rows of one length; NumPy says: {error}") from error
    if array.ndim not in (1, 2):
        got = f"{array.ndim} dimensions" if array.ndim else f"a {type(data).__name__}"
        raise ValueError(f"data must have one or two dimensions; got {got}.")
    return np.array(data, dtype=object) if array.dtype.kind in "UST" else array


def _are_images(data: Any) -> bool:
    if isinstance(data, np.ndarray) and data.dtype != object:
        return data.dtype == np.uint8 and data.ndim in (3, 4)
    found = [image for image in data if image is not None] if isinstance(data, list | tuple | np.ndarray) else []
    return bool(found) and all(isinstance(image, np.ndarray) and image.ndim in (2, 3) for image in found)


def read_columns(table: Any) -> tuple[str, list[Any] | None, Any]:
    """Return the kind of a table, the labels of its columns, and its columns or its matrix."""
    if sparse.issparse(table):
        return "sparse", None, _sum_duplicates(check_indices(table, "data"))
    if isinstance(table, np.ndarray):
        return ("array", None, [Column(table)]) if table.ndim == 1 else ("matrix", None, table)
    if isinstance(table, nw.DataFrame):
        return "frame", list(table.columns), [_from_narwhals(table[name]) for name in table.columns]
    if isinstance(table, nw.Series):
        return "series", [table.name] if table.name else None, [_from_narwhals(table)]
    if table.ndim == 1:
        return "series", None if table.name is None else [table.name], [_from_pandas(table)]
    if table.shape[1] and all(isinstance(dtype, pd.SparseDtype) for dtype in table.dtypes):
        return read_columns(table.sparse.to_coo())
    return "frame", list(table.columns), [_from_pandas(table.iloc[:, place]) for place in range(table.shape[1])]


def _sum_duplicates(matrix: Any) -> sparse.csr_array:
    """Return a canonical copy in CSR; integers are added up in a type that holds the sum."""
    dtype = matrix.dtype
    wide = np.dtype(np.uint64 if dtype == np.uint64 else np.int64) if dtype.kind in "iu" else dtype
    found = sparse.csr_array(matrix.astype(wide), copy=True)
    found.sum_duplicates()
    if dtype.kind not in "iu" or found.nnz == matrix.nnz:  # without duplicates nothing was added
        return found.astype(dtype, copy=False)
    sums = sparse.csr_array(matrix.astype(np.float64), copy=True)
    sums.sum_duplicates()
    if (np.abs(sums.data) >= float(np.iinfo(wide).max)).any():
        raise ValueError(f"data has duplicates whose sum is too large for dtype {wide}.")
    limits = np.iinfo(dtype)
    fits = limits.min <= found.data.min() and found.data.max() <= limits.max
    return found.astype(dtype if fits else wide, copy=False)


def _from_pandas(series: Any) -> Column:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _from_pandas(series.cat.categories.to_series())
        return Column(series.cat.codes.to_numpy().copy(), None, categories, bool(series.cat.ordered))
    if isinstance(dtype, pd.ArrowDtype):
        return _from_narwhals(nw.from_native(series.array.__arrow_array__(), series_only=True))
    if isinstance(dtype, pd.SparseDtype):
        return _from_pandas(series.sparse.to_dense())
    if isinstance(dtype, pd.DatetimeTZDtype):
        return Column(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().copy(), str(dtype))
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return Column(series.to_numpy().copy())
    is_missing = _is_missing(series)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):  # no array of NumPy holds them
        return _from_pandas(series.astype(str).mask(is_missing, None))
    values = series.to_numpy(dtype=object).copy()
    values[is_missing] = None
    if not is_missing.all() and all(isinstance(value, date) for value in values[~is_missing]):
        inferred = series.infer_objects()  # of dates without a time nothing is inferred
        return _from_pandas(inferred) if inferred.dtype.kind == "M" else Column(values.astype("M8[s]"))
    return Column(values, None if dtype.kind == "O" and isinstance(dtype, np.dtype) else str(dtype))


def _is_missing(series: Any) -> np.ndarray:
    try:
        return series.isna().to_numpy()
    except ArithmeticError:  # pandas compares decimals; a signaling NaN cannot be compared
        signals = np.array([isinstance(value, Decimal) and value.is_snan() for value in series])
        return signals | series.mask(signals, None).isna().to_numpy()


def _from_narwhals(series: Any) -> Column:
    dtype = series.dtype
    if dtype.is_decimal():
        series = series.cast(nw.Float64)
    if dtype == nw.Date:
        return Column(series.to_numpy().astype("M8[s]"))  # pandas has no unit of days
    if dtype == nw.Datetime:
        zone = f"datetime64[{dtype.time_unit}, {dtype.time_zone}]" if dtype.time_zone else None
        return Column(np.array(series.to_numpy()), zone)
    is_wide = dtype in (nw.Int128, nw.UInt128)  # NumPy has no such type
    if (dtype.is_numeric() and not is_wide) or dtype == nw.Duration:
        return Column(np.array(series.to_numpy()))
    values = series.to_list()
    is_plain = is_wide or dtype in (nw.Boolean, nw.String, nw.Categorical, nw.Enum)
    objects = np.fromiter(values, dtype=object, count=len(values))
    return _from_pandas(pd.Series(values) if is_plain else pd.Series(objects, dtype=object))


def hashable(values: np.ndarray) -> Any:
    """Return an array in a form whose hash depends on the values alone, not on which objects are the same."""
    packed = pack(values)
    is_mixed = isinstance(packed, np.ndarray) and packed.dtype.kind == "O"
    return [joblib.hash(value) for value in values] if is_mixed else packed
