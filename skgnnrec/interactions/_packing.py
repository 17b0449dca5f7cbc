"""Arrays of Python objects as arrays of bytes, which files and pickles hold without a record for each object."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

# What JSON holds exactly. Values of other types become {name of the type: what it is made from}.
NATIVE = {str, int, bool, float, type(None)}


def pack(values: NDArray[Any]) -> Any:
    """Return an array of objects of common types as the bytes of a JSON list, any other array as it is."""
    if values.dtype != object:
        return values
    try:
        listed = values.tolist()
        if not set(map(type, listed)) <= NATIVE:
            listed = [_encode(value) for value in listed]
        text = json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    except (KeyError, ValueError, AttributeError, NotImplementedError, RecursionError):  # a type that is not common
        return values
    return {"json": np.frombuffer(text, dtype=np.uint8)}


def unpack(packed: Any) -> NDArray[Any]:
    """Return the array that was packed."""
    if not isinstance(packed, dict):
        return packed
    try:
        text = packed["json"].tobytes().decode("utf-8", "surrogatepass")
        values = json.loads(text, object_hook=_decode)
        if not isinstance(values, list):
            raise TypeError(f"expected a list, got a {type(values).__name__}.")
        return np.fromiter(values, dtype=object, count=len(values))
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"The packed array cannot be read: {type(error).__name__}: {error}") from error


def _encode(value: Any) -> Any:
    kind = type(value)
    return value if kind in NATIVE else {kind.__name__: ENCODERS[kind](value)}


def _decode(tagged: dict[str, Any]) -> Any:
    ((name, parts),) = tagged.items()
    return DECODERS[name](parts)


def _encode_datetime(value: datetime) -> list[Any]:
    zone = value.tzinfo
    name = zone.key if isinstance(zone, ZoneInfo) else None
    if name is None and zone is not None and value.utcoffset() != zone.utcoffset(None):
        raise ValueError("The offset of the time zone is not fixed.")
    return [(value.replace(tzinfo=None) if name else value).isoformat(), name, value.fold]


def _decode_datetime(parts: list[Any]) -> datetime:
    text, name, fold = parts
    value = datetime.fromisoformat(text).replace(fold=fold)
    return value if name is None else value.replace(tzinfo=ZoneInfo(name))


def _encode_time(value: time) -> list[Any]:
    if value.tzinfo is not None:
        raise ValueError("The offset of the time zone is not fixed.")
    return [value.isoformat(), value.fold]


def _encode_timestamp(value: pd.Timestamp) -> list[Any]:
    moment = value.to_datetime64()  # in UTC where there is a zone
    zone = None if value.tz is None else str(value.tz)
    parts = [int(moment.astype(np.int64)), np.datetime_data(moment.dtype)[0], zone]
    if zone is not None and _decode_timestamp(parts) != value:
        raise ValueError("The name of the time zone does not say which it is.")
    return parts


def _decode_timestamp(parts: list[Any]) -> pd.Timestamp:
    number, unit, zone = parts
    value = pd.Timestamp(np.datetime64(number, unit))
    return value if zone is None else value.tz_localize("UTC").tz_convert(zone)


def _encode_scalar(value: Any) -> list[Any]:
    return [int(value.astype(np.int64)), *np.datetime_data(value.dtype)]


def _decode_scalar(kind: type) -> Callable[[list[Any]], Any]:
    return lambda parts: kind(parts[0], (parts[1], parts[2]))


ENCODERS: dict[type, Callable[[Any], Any]] = {
    tuple: lambda value: [_encode(part) for part in value],
    bytes: lambda value: value.decode("latin-1"),
    date: lambda value: value.isoformat(),
    datetime: _encode_datetime,
    time: _encode_time,
    timedelta: lambda value: [value.days, value.seconds, value.microseconds],
    Decimal: str,
    UUID: lambda value: value.hex,
    pd.Timestamp: _encode_timestamp,
    np.datetime64: _encode_scalar,
    np.timedelta64: _encode_scalar,
}
DECODERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "bytes": lambda text: text.encode("latin-1"),
    "date": date.fromisoformat,
    "datetime": _decode_datetime,
    "time": lambda parts: time.fromisoformat(parts[0]).replace(fold=parts[1]),
    "timedelta": lambda parts: timedelta(*parts),
    "Decimal": Decimal,
    "UUID": UUID,
    "Timestamp": _decode_timestamp,
    "datetime64": _decode_scalar(np.datetime64),
    "timedelta64": _decode_scalar(np.timedelta64),
}
