"""The arrays of sparse matrices, checked before compiled code reads and writes memory where their indices point."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skgnnrec._memory import check_memory

__all__ = ["check_indices"]

MAX_ITEMS = np.iinfo(np.int32).max


def check_indices(X: Any, input_name: str, dtype: Any = None) -> Any:
    """Return a sparse matrix as a new CSR, CSC, BSR or COO array whose indices are in range; `X` is never modified."""
    kind = X.format.upper()
    if not (isinstance(X.shape, tuple) and all(isinstance(size, int | np.integer) and size >= 0 for size in X.shape)):
        raise ValueError(f"{input_name} is not a valid {kind} matrix: its shape is {X.shape}.")
    if len(X.shape) != 2:
        raise ValueError(f"Expected 2D array, got {input_name} of shape {X.shape}.")
    if X.shape[1] > MAX_ITEMS:
        raise ValueError(f"{input_name} has {X.shape[1]} columns; at most {MAX_ITEMS} items are supported.")
    # A single wrong id makes a matrix of billions of rows.
    needed = 16 * sum(map(int, X.shape))
    check_memory(needed, f"{input_name} of shape {X.shape}", "Number users and items from 0 without gaps.")
    try:
        return READERS[X.format](X, dtype)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{input_name} is not a valid {kind} matrix: {str(error).rstrip('.')}.") from error


def _check_array(array: Any, name: str, ndim: int = 1) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray) or array.ndim != ndim:
        kind = type(array).__name__ + (f" of shape {array.shape}" if isinstance(array, np.ndarray) else "")
        raise ValueError(f"its {name} must be an array of {ndim} dimension(s), got a {kind}")
    return array


def _check_range(array: Any, name: str, size: int, lowest: int = 0) -> NDArray[Any]:
    """Return indices that are integers from `lowest` to ``size - 1``."""
    array = _check_array(array, name)
    if array.dtype.kind not in "iu" and len(array):
        raise ValueError(f"its {name} must be integers, got dtype {array.dtype}")
    if len(array) and (array.min() < lowest or array.max() >= size):
        raise ValueError(
            f"its {name} must be from {lowest} to {size - 1}, they are from {array.min()} to {array.max()}"
        )
    return array


def _check_values(values: Any, dtype: Any, ndim: int = 1) -> NDArray[Any]:
    """Return values as `dtype`, in which those of narrow integers can be added; None and other types leave them."""
    values = _check_array(values, "data", ndim)
    return values.astype(dtype, copy=False) if dtype is not None and values.dtype.kind in "biuf" else values


def _read_compressed(X: Any, dtype: Any) -> Any:
    n_major, n_minor = X.shape if X.format != "csc" else X.shape[::-1]
    n_dimensions = 3 if X.format == "bsr" else 1
    if X.format == "bsr":
        height, width = _check_array(X.data, "data", 3).shape[1:]
        if not (height and width) or n_major % height or n_minor % width:
            raise ValueError(f"blocks of shape {(height, width)} do not fill a matrix of shape {X.shape}")
        n_major, n_minor = n_major // height, n_minor // width
    data, indices = _check_values(X.data, dtype, n_dimensions), _check_array(X.indices, "indices")
    if len(data) != len(indices):
        raise ValueError(f"its indices are {len(indices)} numbers, its data {len(data)}")
    ends = _check_range(X.indptr, "indptr", len(indices) + 1)
    if len(ends) != n_major + 1 or ends[0] != 0 or (ends[1:] < ends[:-1]).any():
        raise ValueError(f"its indptr must be {n_major + 1} numbers, the first one 0, that never decrease")
    data, indices = data[: ends[-1]], _check_range(indices[: ends[-1]], "indices", n_minor)
    # With 32-bit indices products read half as much.
    narrow = np.int32 if max(len(indices), *X.shape) <= MAX_ITEMS else np.int64
    parts = (data, indices.astype(narrow, copy=False), ends.astype(narrow, copy=False))
    return {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}[X.format](parts, shape=X.shape)


def _coo(data: Any, rows: Any, columns: Any, shape: tuple[int, int], dtype: Any) -> sparse.coo_array:
    data = _check_values(data, dtype)
    rows, columns = _check_range(rows, "row indices", shape[0]), _check_range(columns, "column indices", shape[1])
    if not len(data) == len(rows) == len(columns):
        raise ValueError(f"it has {len(rows)} rows, {len(columns)} columns and {len(data)} values")
    return sparse.coo_array((data, (rows.astype(np.int64), columns.astype(np.int64))), shape=shape)


def _read_coo(X: Any, dtype: Any) -> sparse.coo_array:
    rows, columns = X.coords
    return _coo(X.data, rows, columns, X.shape, dtype)


def _read_dia(X: Any, dtype: Any) -> sparse.coo_array:
    n_rows, n_columns = X.shape
    data = _check_values(X.data, dtype, 2)
    offsets = _check_range(X.offsets, "offsets", max(1, n_columns), lowest=min(0, 1 - n_rows))
    if len(offsets) != len(data) or len(np.unique(offsets)) != len(offsets):
        raise ValueError(f"its offsets must be {len(data)} distinct numbers, one for each row of data")
    places = np.arange(min(data.shape[1], n_columns), dtype=np.int64)
    data = data[:, : len(places)]
    rows = places - offsets.astype(np.int64)[:, None]
    inside = (rows >= 0) & (rows < n_rows) & (data != 0)
    return _coo(data[inside], rows[inside], np.broadcast_to(places, inside.shape)[inside], X.shape, dtype)


def _read_lil(X: Any, dtype: Any) -> sparse.coo_array:
    lists = [_check_array(X.rows, "rows"), _check_array(X.data, "data")]
    for name, part in zip(("rows", "data"), lists, strict=True):
        if len(part) != X.shape[0] or not all(isinstance(row, list) for row in part):
            raise ValueError(f"its {name} must be {X.shape[0]} lists")
    lengths = [np.fromiter(map(len, part), np.int64, len(part)) for part in lists]
    if (lengths[0] != lengths[1]).any():
        raise ValueError("its rows and data must be lists of the same lengths")
    columns = np.array(list(chain.from_iterable(lists[0])))
    data = np.array(list(chain.from_iterable(lists[1])), dtype=X.dtype)
    return _coo(data, np.repeat(np.arange(X.shape[0]), lengths[0]), columns, X.shape, dtype)


def _read_dok(X: Any, dtype: Any) -> sparse.coo_array:
    places = np.array(list(X.keys())) if X.nnz else np.empty((0, 2), dtype=np.int64)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError("its keys must be pairs of a row and a column")
    return _coo(np.array(list(X.values()), dtype=X.dtype), places[:, 0], places[:, 1], X.shape, dtype)


READERS: dict[str, Callable[[Any, Any], Any]] = {
    "csr": _read_compressed,
    "csc": _read_compressed,
    "bsr": _read_compressed,
    "coo": _read_coo,
    "dia": _read_dia,
    "lil": _read_lil,
    "dok": _read_dok,
}
