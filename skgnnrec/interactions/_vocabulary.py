"""Ids and the positions they stand for: the only module that maps one to the other."""

from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skgnnrec.interactions._ids import as_ids, as_objects, first_few, keys_of, twin_keys
from skgnnrec.interactions._packing import pack, unpack

__all__ = ["Vocabulary"]


class Vocabulary:
    """Distinct ids in a fixed order; an id stands for its place in that order."""

    __slots__ = ("_ids", "_places", "_sorted")

    _ids: NDArray[Any]
    _places: dict[Any, int] | None  # of the key of each id
    _sorted: tuple[NDArray[Any], NDArray[np.int64]] | None  # numbers, and their places

    def __init__(self, ids: Any, name: str = "ids") -> None:
        self._set(as_ids(ids, name))
        places = self._places_of_keys()
        if len(places) < len(self._ids):
            keys = keys_of(self._ids)
            repeated = dict.fromkeys(key for row, key in enumerate(keys) if places[key] != row)
            rows = np.array([keys.index(key) for key in list(repeated)[:6]])
            raise ValueError(f"{name} must be distinct; repeated: {first_few(self._ids[rows])}.")

    def _set(self, ids: NDArray[Any]) -> "Vocabulary":
        self._ids, self._places, self._sorted = ids, None, None
        return self

    @classmethod
    def of(cls, values: NDArray[Any]) -> tuple["Vocabulary", NDArray[np.int64]]:
        """Return the distinct ids of an array from `as_ids`, sorted where they can be, and the place of each value."""
        codes, distinct = _factorize(values)
        order = _sorted_order(distinct)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        return cls.__new__(cls)._set(distinct[order]), place[codes]

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> NDArray[Any]:
        """Return the ids in order, as an array of the caller's own."""
        return self._ids.copy()

    def take(self, positions: NDArray[np.int64]) -> "Vocabulary":
        """Return the vocabulary of the ids at distinct positions."""
        return type(self).__new__(type(self))._set(self._ids[positions])

    def positions(self, ids: Any, name: str = "ids", *, missing_ok: bool = False) -> NDArray[np.int64]:
        """Return the position of each id, -1 for ids that are not in the vocabulary."""
        wanted = as_ids(ids, name, missing_ok=missing_ok)
        if self._ids.dtype.kind in "iuf" and wanted.dtype.kind in "iuf":
            return self._positions_of_numbers(wanted)
        places = self._places_of_keys()
        keys = keys_of(wanted)
        found = np.fromiter(map(places.get, keys, repeat(-1)), np.int64, len(keys))
        for row in np.flatnonzero(found < 0):
            found[row] = next((places[twin] for twin in twin_keys(keys[row]) if twin in places), -1)
        return found

    def names(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the ids at positions; position -1 becomes the padding, -1 where this is a free integer, else None."""
        if self._ids.dtype.kind == "i" and not (self._ids == -1).any():
            return np.append(self._ids, -1)[positions]
        padded = np.empty(len(self._ids) + 1, dtype=object)
        padded[:-1] = as_objects(self._ids)
        return padded[positions]

    def equals(self, other: "Vocabulary") -> bool:
        """Return whether the other vocabulary has equal ids in the same order."""
        if self is other:
            return True
        if len(self) != len(other):
            return False
        if keys_of(self._ids) == keys_of(other._ids):
            return True
        return bool((self.positions(other._ids) == np.arange(len(self))).all())  # as datetime and datetime64 may be

    def _positions_of_numbers(self, wanted: NDArray[Any]) -> NDArray[np.int64]:
        if not len(self._ids):
            return np.full(len(wanted), -1, dtype=np.int64)
        if self._sorted is None:
            order = np.argsort(self._ids, kind="stable")
            self._sorted = self._ids[order], order
        ids, order = self._sorted
        wanted, is_exact = _cast_exactly(wanted, ids.dtype)
        places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(is_exact & (ids[places] == wanted), order[places], -1)

    def _places_of_keys(self) -> dict[Any, int]:
        if self._places is None:
            self._places = {key: place for place, key in enumerate(keys_of(self._ids))}
        return self._places

    def __getstate__(self) -> dict[str, Any]:
        return {"ids": pack(self._ids)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(unpack(state["ids"]))

    def __repr__(self) -> str:
        return f"Vocabulary({first_few(self._ids)})"


def _cast_exactly(wanted: NDArray[Any], dtype: np.dtype) -> tuple[NDArray[Any], NDArray[np.bool_] | np.bool_]:
    """Return numbers in another type, and which of them have the same value in it."""
    if wanted.dtype == dtype:
        return wanted, np.bool_(True)
    with np.errstate(all="ignore"):
        cast = wanted.astype(dtype)
        is_exact = cast.astype(wanted.dtype) == wanted
    if wanted.dtype.kind == "i" and dtype.kind == "u":
        is_exact &= wanted >= 0
    if wanted.dtype.kind == "u" and dtype.kind == "i":
        is_exact &= wanted <= np.uint64(np.iinfo(np.int64).max)
    return cast, is_exact


def _factorize(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the place of each value among the distinct ones, and these, in any order."""
    if values.dtype.kind in "mM":  # of more units than pandas has
        distinct, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int64), distinct
    if values.dtype.kind in "iuf" or set(map(type, values)) in (set(), {str}, {bytes}):
        codes, distinct = pd.factorize(values)
        return codes.astype(np.int64), np.asarray(distinct, dtype=values.dtype)
    keys = keys_of(values)
    places: dict[Any, int] = {}
    codes = np.fromiter((places.setdefault(key, len(places)) for key in keys), np.int64, len(keys))
    firsts = np.full(len(places), len(values))
    np.minimum.at(firsts, codes, np.arange(len(values)))
    return codes, values[firsts]


def _sorted_order(distinct: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order that sorts ids by type and value, or the given order where they cannot be compared."""
    if distinct.dtype != object:
        return np.argsort(distinct, kind="stable")
    try:
        key = [(type(value).__name__, value) for value in distinct]
        return np.array(sorted(range(len(key)), key=key.__getitem__), dtype=np.int64)
    except Exception:  # most are a TypeError; periods of different lengths and times of far units raise others
        return np.arange(len(distinct))
