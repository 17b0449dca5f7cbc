"""Ids of users and items as arrays in which each id keeps its value and its type: 1 is not "1" and not True."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

__all__ = [
    "UnhashableIdError",
    "as_array",
    "as_ids",
    "as_objects",
    "as_positions",
    "describe_type",
    "first_few",
    "is_missing",
    "joined_ids",
    "keys_of",
    "twin_keys",
]

SHOWN = 5  # ids that an error message names
MAX_INT64 = np.iinfo(np.int64).max
EXACT = 2.0**53  # from here on, neighbouring integers are one float64
DAY = 86_400 * 10**18  # in attoseconds, the smallest unit of datetime64
ATTOSECONDS = {"W": 7 * DAY, "D": DAY, "h": DAY // 24, "m": DAY // 1440, "s": 10**18, "ms": 10**15, "us": 10**12}
ATTOSECONDS |= {"ns": 10**9, "ps": 10**6, "fs": 10**3, "as": 1}


class UnhashableIdError(ValueError):
    """Raised for ids that cannot be hashed, such as lists."""


class Kind(Enum):
    """Types whose ids Python or NumPy would take for ids of another type."""

    BOOL = "bool"
    FLOAT = "float"
    NUMBER = "number"  # such as decimals and fractions
    DATE = "date"
    DATETIME = "datetime"
    DATETIME64 = "datetime64"
    TIMEDELTA = "timedelta"
    TIMEDELTA64 = "timedelta64"


NEED_KEYS = (bool, np.bool_, tuple, float, Decimal, Fraction, complex, date, timedelta, np.datetime64, np.timedelta64)


def as_ids(values: Any, name: str = "ids", *, missing_ok: bool = False) -> NDArray[Any]:
    """Return ids as an array of int64, uint64, float64 or times where all have one such type, else of objects."""
    _refuse_other_than_lists(values, name)
    array = as_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got an array of shape {array.shape}.")
    if array.dtype == object:
        array = _tighten(array, name, missing_ok)
    if array.dtype.kind in "iu":
        array = array.astype(np.uint64 if array.max(initial=0) > MAX_INT64 else np.int64, copy=False)
    if array.dtype.kind in "fmM" and not missing_ok and not (found := np.isfinite(array)).all():
        _refuse_missing(np.flatnonzero(~found), name, array)
    return _exact_floats(array, name) if array.dtype.kind == "f" else array


def as_positions(values: Any, name: str, hint: str) -> NDArray[np.int64]:
    """Return positions as an array of int64; `hint` ends the message about values that are no integers."""
    array = as_ids(values, name)
    if len(array) and array.dtype.kind not in "iu":
        kinds = sorted({type(value).__name__ for value in as_objects(array[:1000])})
        raise ValueError(
            f"{name} must be integers, the positions of items; got values of type {', '.join(kinds)}. {hint}"
        )
    return array.astype(np.int64)


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Return values as an array without converting one of them."""
    try:
        array = _read(values)
    except (MemoryError, Warning):
        raise
    except Exception as error:  # libraries of tables and tensors raise their own
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    return array if array.dtype.kind in "iufMmO" or array.ndim != 1 else _objects(array.tolist())


def first_few(ids: Any) -> str:
    """Return the first ids as text for a message."""
    shown = ", ".join(repr(value) for value in as_objects(ids[:SHOWN]))
    return shown + (", ..." if len(ids) > SHOWN else "")


def describe_type(ids: NDArray[Any]) -> str:
    """Return the name of the type of the first id, "nothing" where there is none."""
    return type(as_objects(ids[:1])[0]).__name__ if len(ids) else "nothing"


def as_objects(ids: Any) -> list[Any]:
    """Return ids as Python objects; times stay NumPy's, which keep their unit."""
    return list(ids) if ids.dtype.kind in "mM" else ids.tolist()


def keys_of(ids: NDArray[Any]) -> list[Hashable]:
    """Return a hashable key for each id: equal for equal ids of one type, different for different types."""
    if ids.dtype.kind in "iu":
        return ids.tolist()
    if ids.dtype.kind == "f":
        return [(Kind.FLOAT, value) for value in ids.tolist()]
    if ids.dtype == object and not any(issubclass(kind, NEED_KEYS) for kind in set(map(type, ids))):
        return ids.tolist()
    return [_key(value) for value in ids]


def twin_keys(key: Hashable) -> list[Hashable]:
    """Return the keys of equal ids of related types: of integers and floats, or of datetime.date and datetime64."""
    if isinstance(key, int):
        return [(Kind.FLOAT, key), (Kind.NUMBER, key)]
    if not (isinstance(key, tuple) and key and isinstance(key[0], Kind)):
        return []
    kind, *value = key
    if kind is Kind.DATETIME64:  # a date is its midnight
        return [(Kind.DATETIME, *value), *([] if value[1] else [(Kind.DATE, *value)])]
    if kind in (Kind.FLOAT, Kind.NUMBER):
        return [*value, (Kind.NUMBER if kind is Kind.FLOAT else Kind.FLOAT, *value)]
    twin = {
        Kind.DATE: Kind.DATETIME64,
        Kind.DATETIME: Kind.DATETIME64,
        Kind.TIMEDELTA: Kind.TIMEDELTA64,
        Kind.TIMEDELTA64: Kind.TIMEDELTA,
    }
    return [(twin[kind], *value)] if kind in twin else []


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas.NA, or a tuple with NaN or NaT, which equals no other."""
    if value is None:
        return True
    if isinstance(value, tuple):
        return any(part is not None and is_missing(part) for part in value)
    try:
        return bool(value != value)  # NaN and NaT differ from themselves
    except Exception:  # pandas.NA, arrays, tensors and signaling NaN have no such truth value
        return value is pd.NA


def _refuse_other_than_lists(values: Any, name: str) -> None:
    kind = type(values).__name__
    if sparse.issparse(values) or hasattr(type(values), "columns") or hasattr(type(values), "column_names"):
        raise ValueError(f"{name} must be one column of ids, got a {kind}: pass one of its columns.")
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a list or an array of ids, got one {kind}: {repr(values)[:60]}.")
    if isinstance(values, set | frozenset | Mapping):
        raise ValueError(f"{name} must have an order, got a {kind}: pass list(...) or sorted(...).")


def _read(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        objects = values.data.astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    if hasattr(values, "to_pylist"):  # pyarrow
        kind = str(values.type)
        if kind.startswith(("timestamp", "date", "duration")) and "tz=" not in kind:
            return np.asarray(values.to_numpy(zero_copy_only=False))
        return _objects(values.to_pylist())
    if hasattr(values, "to_numpy"):  # a Series or an Index of pandas, a Series of polars
        return _from_series(values)
    if getattr(values, "dtype", None) is not None and hasattr(values, "__array__"):
        return np.asarray(values)
    return _objects(values)


def _objects(values: Iterable[Any]) -> NDArray[Any]:
    # Filled: np.array(values) would look into tuples and convert mixed types.
    values = list(values)
    return np.fromiter(values, dtype=object, count=len(values))


def _from_series(values: Any) -> NDArray[Any]:
    if getattr(values.dtype, "tz", None) is not None:
        return _objects(values)
    if getattr(values.dtype, "time_zone", None) is not None:  # polars
        if values.dtype.time_unit != "ns":
            return _objects(values)
        # The datetimes of Python would lose nanoseconds.
        return _objects(pd.Series(values.to_numpy()).dt.tz_localize("UTC").dt.tz_convert(values.dtype.time_zone))
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(values.astype(object))
    kind = str(values.dtype).lower()
    if "int128" in kind:
        return _objects(values)
    array = np.asarray(values.to_numpy())
    # Of integers with missing values, floats would merge neighbours of 64 bits.
    return _objects(values) if array.dtype.kind == "f" and "int" in kind else array


def _tighten(array: NDArray[Any], name: str, missing_ok: bool) -> NDArray[Any]:
    """Return objects as an array of integers, floats or times where all are of one such type; check the others."""
    types = set(map(type, array))
    if types == {str}:
        return array
    if any(hasattr(kind, "item") for kind in types):
        array = _objects(map(_plain, array))
        types = set(map(type, array))
    if not types <= {str, bytes, int, bool}:
        if not missing_ok:
            _check_present(array, name)
        _check_hashable(array, name)
    if types == {int}:
        for dtype in (np.int64, np.uint64):
            try:
                return array.astype(dtype)
            except OverflowError:
                continue
    if types == {float}:
        return array.astype(np.float64)
    if float in types:
        floats = array[[type(value) is float for value in array]].astype(np.float64)
        _exact_floats(floats, name)
    if types in ({np.datetime64}, {np.timedelta64}) and len({value.dtype for value in array}) == 1:
        return np.array(list(array))
    return array


def _plain(value: Any) -> Any:
    """Return the Python form of a scalar of NumPy or of a tensor; times keep their unit."""
    if isinstance(value, np.datetime64 | np.timedelta64) or getattr(value, "ndim", None) != 0:
        return value
    return value.item() if hasattr(value, "item") else value


def _exact_floats(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return floats as float64, and refuse those too large to tell neighbouring integers apart."""
    limit = min(EXACT, 2.0 ** (np.finfo(array.dtype).nmant + 1))
    with np.errstate(all="ignore"):
        if (np.abs(array) >= limit).any():
            raise ValueError(
                f"{name} holds floats of {limit:.0f} or more, where neighbouring integers cannot be told apart: read "
                "the column as integers or as strings."
            )
        floats = array.astype(np.float64, copy=False)
    if array.dtype.itemsize > floats.dtype.itemsize and (floats != array).any():
        raise ValueError(f"{name} holds floats of dtype {array.dtype} that float64 cannot hold: read them as strings.")
    return floats


def _check_present(array: NDArray[Any], name: str) -> None:
    rows = [row for row, value in enumerate(array) if is_missing(value)]
    if rows:
        _refuse_missing(np.array(rows), name, array)


def _check_hashable(array: NDArray[Any], name: str) -> None:
    for row, value in enumerate(array):
        try:
            hash(value)
        except Exception:  # most are a TypeError
            raise UnhashableIdError(
                f"{name} must be values that can be hashed, such as strings, integers or tuples; got a "
                f"{type(value).__name__} in row {row}: {str(value)[:60]}."
            ) from None


def _refuse_missing(rows: NDArray[np.intp], name: str, array: NDArray[Any]) -> None:
    shown = ", ".join(map(str, rows[:SHOWN].tolist())) + (", ..." if len(rows) > SHOWN else "")
    kind = "infinite" if array.dtype.kind == "f" and np.isinf(array[rows[0]]) else "missing"
    hint = "" if kind == "infinite" else " None, NaN and NaT are no ids."
    raise ValueError(f"{name} has {kind} values in {len(rows)} of {len(array)} rows: {shown}.{hint}")


def _key(value: Any) -> Hashable:
    if isinstance(value, bool | np.bool_):
        return Kind.BOOL, bool(value)
    if isinstance(value, float):
        return Kind.FLOAT, value
    if isinstance(value, Decimal | Fraction | complex):
        return Kind.NUMBER, value
    if isinstance(value, tuple):  # numbers in it are equal as those of Python are
        return tuple(part if isinstance(part, float | Decimal) else _key(part) for part in value)
    if isinstance(value, np.timedelta64 | timedelta):
        return _key_of_span(value)
    if isinstance(value, np.datetime64):
        return (Kind.DATETIME64, *_moment(value))
    if value is pd.NaT:
        return Kind.DATETIME, None
    if isinstance(value, datetime):
        # With a time zone, equal moments are equal ids.
        return value if value.tzinfo is not None else (Kind.DATETIME, *_moment(_as_datetime64(value)))
    return (Kind.DATE, *_moment(np.datetime64(value))) if isinstance(value, date) else value


def _as_datetime64(value: datetime) -> np.datetime64:
    # np.datetime64(Timestamp) would lose nanoseconds.
    return value.to_datetime64() if isinstance(value, pd.Timestamp) else np.datetime64(value)


def _moment(value: np.datetime64) -> tuple[int, int]:
    """Return a time without unit: the day since 1970, and the attoseconds since midnight."""
    unit, count = np.datetime_data(value.dtype)
    number = int(value.astype(np.int64)) * count
    if unit in ATTOSECONDS:
        return divmod(number * ATTOSECONDS[unit], DAY)[0], number * ATTOSECONDS[unit] % DAY
    return int(value.astype("M8[D]").astype(np.int64)), 0  # years and months


def _key_of_span(value: np.timedelta64 | timedelta) -> Hashable:
    if type(value) is timedelta:  # its largest do not fit into 64 bits
        seconds = 86_400 * value.days + value.seconds
        return Kind.TIMEDELTA, (10**6 * seconds + value.microseconds) * 10**12, "as"
    kind = Kind.TIMEDELTA if isinstance(value, timedelta) else Kind.TIMEDELTA64
    value = value.to_timedelta64() if isinstance(value, pd.Timedelta) else np.timedelta64(value)
    unit, count = np.datetime_data(value.dtype)
    number = int(value.astype(np.int64)) * count
    if unit == "Y":
        number, unit = 12 * number, "M"
    return (kind, number * ATTOSECONDS[unit], "as") if unit in ATTOSECONDS else (kind, number, unit)


def joined_ids(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return two arrays of ids as one, of objects where their types differ."""
    if first.dtype == second.dtype:
        return np.concatenate([first, second])
    return np.fromiter([*as_objects(first), *as_objects(second)], dtype=object, count=len(first) + len(second))
