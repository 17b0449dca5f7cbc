"""Arrays as parts of their own: a copy of an estimator holds references, which become the arrays on loading."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.lib import format as npy
from scipy import sparse
from sklearn.base import BaseEstimator

from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import check_indices

__all__ = [
    "StoredArray",
    "StoredMatrix",
    "StoredTimedelta",
    "objects_in",
    "read_array",
    "reading_arrays",
    "without_arrays",
]

ReadArray = Callable[[int], np.ndarray]
_read_array: ContextVar[ReadArray] = ContextVar("_read_array")

# The arrays of the sparse formats of which skops would write compressed copies.
MATRIX_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col"),
    "dia": ("data", "offsets"),
}
LONGEST_HEADER = 1 << 14  # of an array in a file of NumPy, which reads 10,000 characters at most
# Types whose instances hold no other objects.
ATOMS = (str, bytes, bytearray, int, float, complex, type(None), type, FunctionType, ModuleType, np.generic, np.dtype)


class _Reference:
    """An object that skops writes as the call of its type; on loading, the call returns what it stands for."""

    _arguments: tuple

    @classmethod
    def to(cls, *arguments: Any) -> Any:
        reference = object.__new__(cls)
        reference._arguments = arguments
        return reference

    def __reduce__(self) -> tuple[type, tuple]:
        return type(self), self._arguments


class StoredArray(_Reference):
    """A reference to an array, by its number."""

    def __new__(cls, number: int) -> Any:
        return _read_array.get()(number)


class StoredMatrix(_Reference):
    """A reference to the arrays of a sparse matrix."""

    def __new__(cls, kind: str, shape: tuple[int, ...], *arrays: np.ndarray) -> Any:
        name, _, suffix = kind.partition("_")
        if name not in MATRIX_PARTS or suffix not in ("array", "matrix"):
            raise ValueError(f"{kind!r} is no kind of sparse matrix.")
        by_name = dict(zip(MATRIX_PARTS[name], arrays, strict=True))
        values = by_name.pop("data")
        others = tuple(by_name.values())
        parts = (values, others) if name == "coo" else (values, *others)
        matrix = getattr(sparse, kind)(parts, shape=tuple(shape))
        check_indices(matrix, "A sparse matrix")  # compiled code would read wherever its indices point
        return matrix


class StoredTimedelta(_Reference):
    """A span of time of pandas, as a number in a unit."""

    def __new__(cls, number: int, unit: str) -> Any:
        return pd.Timedelta(np.timedelta64(number, unit))  # type: ignore[call-overload]


@contextmanager
def reading_arrays(read: ReadArray) -> Iterator[None]:
    """Let references become the arrays that `read` returns for their numbers."""
    token = _read_array.set(read)
    try:
        yield
    finally:
        _read_array.reset(token)


def read_array(part: memoryview) -> np.ndarray:
    """Return a new array from the content of a file of NumPy without objects."""
    stream = io.BytesIO(part[:LONGEST_HEADER])
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(stream)]
    shape, is_fortran, dtype = read_header(stream)
    data = part[stream.tell() :]
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} and dtype {dtype} has {len(data)} bytes")
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.ndarray(shape, dtype, buffer=data if len(data) else None, order=order).copy(order=order)


def objects_in(value: Any, *, only_attributes: bool = False) -> Iterator[Any]:
    """Yield an object and all that it holds, each once; the state of some types is not that of their attributes.

    With `only_attributes`, objects of such types are not looked into.
    """
    known: dict[int, Any] = {}
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, ATOMS) or id(found) in known:
            continue
        known[id(found)] = found  # kept alive: another object could have its number
        yield found
        if isinstance(found, dict):
            stack.extend(found.values())
        elif isinstance(found, list | tuple | set | frozenset):
            stack.extend(found)
        elif isinstance(found, np.ndarray):
            stack.extend(found.ravel().tolist() if found.dtype == object else ())
        elif isinstance(found, ItemCatalog):
            stack.append(found._data)
        elif not (sparse.issparse(found) or (only_attributes and _has_own_state(found))):
            stack.extend(getattr(found, "__dict__", {}).values())


def _has_own_state(value: Any) -> bool:
    """Return whether a type decides itself what is saved of its instances."""
    kind = type(value)
    if isinstance(value, BaseEstimator):
        return kind.__getstate__ is not BaseEstimator.__getstate__
    return kind.__getstate__ is not object.__getstate__ or hasattr(kind, "__setstate__")


def without_arrays(value: Any) -> tuple[Any, list[np.ndarray]]:
    """Return a copy of an object with references in the place of arrays, and these arrays."""
    arrays: list[np.ndarray] = []
    copies: dict[int, Any] = {}  # what `deepcopy` takes in the place of an object

    def refer(array: np.ndarray) -> Any:
        if id(array) not in copies:
            copies[id(array)] = StoredArray.to(len(arrays))
            arrays.append(array)
        return copies[id(array)]

    found = list(objects_in(value, only_attributes=True))
    for part in found:
        if type(part) in (np.ndarray, np.memmap) and not part.dtype.hasobject and part.dtype.names is None:
            refer(part)
        elif sparse.issparse(part) and part.format in MATRIX_PARTS:
            held = [refer(getattr(part, name)) for name in MATRIX_PARTS[part.format]]
            copies[id(part)] = StoredMatrix.to(type(part).__name__, tuple(map(int, part.shape)), *held)
        elif isinstance(part, pd.Timedelta):
            span = part.to_timedelta64()
            copies[id(part)] = StoredTimedelta.to(int(span.astype(np.int64)), np.datetime_data(span.dtype)[0])
    for part in found:  # copies of a catalog are the catalog itself, with its arrays
        if isinstance(part, ItemCatalog) and id(part._data) in copies:
            copies[id(part)] = ItemCatalog.__new__(ItemCatalog)
            copies[id(part)].__setstate__({**part.__getstate__(), "_data": copies[id(part._data)]})
    return copy.deepcopy(value, copies), arrays
