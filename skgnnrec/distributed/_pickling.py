"""Calls whose large arrays are in the object store of Ray."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from skgnnrec.distributed._cluster import get

__all__ = ["pickle_call", "run_call"]

SHARED_BYTES = 100_000  # of arrays from which on they are passed by reference


def pickle_call(function: Callable, share: Callable[[np.ndarray], Any]) -> tuple[bytes, list[Any]]:
    """Return a call without its large arrays, and their references, which `share` returns."""
    refs: list[Any] = []
    buffer = io.BytesIO()
    _pickler()(buffer, share, refs).dump(function)
    return buffer.getvalue(), refs


def run_call(call: bytes, refs: list[Any]) -> Any:
    """Return the result of a call."""
    return _Unpickler(io.BytesIO(call), refs).load()()


@cache
def _pickler() -> type:
    from ray.cloudpickle import CloudPickler

    class Pickler(CloudPickler):
        """Writes the place in a list of references instead of each large array."""

        def __init__(self, file: io.BytesIO, share: Callable[[np.ndarray], Any], refs: list[Any]) -> None:
            super().__init__(file, protocol=5)
            self._share, self._refs = share, refs

        def persistent_id(self, value: Any) -> int | None:
            if type(value) not in (np.ndarray, np.memmap) or value.nbytes < SHARED_BYTES or value.dtype.hasobject:
                return None
            self._refs.append(self._share(value))
            return len(self._refs) - 1

    return Pickler


class _Unpickler(pickle.Unpickler):
    """Reads the arrays from the object store, without a copy."""

    def __init__(self, file: io.BytesIO, refs: list[Any]) -> None:
        super().__init__(file)
        self._refs = refs

    def persistent_load(self, place: int) -> np.ndarray:
        return get(self._refs[place])
