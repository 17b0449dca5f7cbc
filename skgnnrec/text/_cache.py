"""Vectors of texts that were embedded before, kept in this process or in a file.

A key says everything that a vector depends on (`make_keys`), so that what is found needs no further question. A cache
may forget at any time; it returns nothing but what was put under that very key.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np

# Bytes of a key. Among a trillion texts, two share one with a probability of 1e-24.
_KEY_SIZE = 20
_MEMORY_LIMIT_MIB = 256
_FILE_LIMIT_MIB = 4096
# How often to look whether other processes are done with what they compute.
_POLL_S = 0.05


class VectorCache(Protocol):
    """What the embedder asks of a cache."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Return the vectors that are there."""

    def claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return those that the caller shall compute: not there yet, and nobody else is at it."""

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep vectors, and give up the claims to them."""

    def release(self, keys: Sequence[bytes]) -> None:
        """Give up claims without a vector."""


@contextmanager
def open_cache(cache: str | os.PathLike[str] | None, limit_mib: int | None) -> Iterator[VectorCache]:
    """Open the cache that a parameter asks for.

    Parameters
    ----------
    cache : None, "memory", str or path-like
        No cache, that of this process, or a file; in a folder the file gets a name.
    limit_mib : int or None
        Mebibytes it may take; None for 256 in memory and 4096 in a file.

    Yields
    ------
    cache : VectorCache
        The cache.

    Raises
    ------
    ValueError
        If the file is something else than such a cache.
    OSError
        If it cannot be opened.
    """
    if cache is None:
        yield NoCache()
    elif cache == "memory":
        memory_cache.limit = (limit_mib or _MEMORY_LIMIT_MIB) << 20
        yield memory_cache
    else:
        # Imported here: an interpreter without SQLite can still embed.
        from skgnnrec.text._cache_file import FileCache

        with FileCache(cache, (limit_mib or _FILE_LIMIT_MIB) << 20) as file_cache:
            yield file_cache


def make_keys(recipe: str, texts: Sequence[str]) -> list[bytes]:
    """Return a key for each text.

    Parameters
    ----------
    recipe : str
        Everything else that a vector depends on: model, pooling, prompt and so on.
    texts : sequence of str
        The texts.

    Returns
    -------
    keys : list of bytes
        Digests, equal for equal texts and recipes only.
    """
    secret = hashlib.blake2b(recipe.encode()).digest()
    return [hashlib.blake2b(text.encode(), key=secret, digest_size=_KEY_SIZE).digest() for text in texts]


def embed_through(
    cache: VectorCache,
    keys: Sequence[bytes],
    batches: Iterable[np.ndarray],
    compute: Callable[[list[int]], np.ndarray],
) -> dict[bytes, np.ndarray]:
    """Compute what a cache lacks, once in all processes that share it.

    Parameters
    ----------
    cache : VectorCache
        The cache.
    keys : sequence of bytes
        The keys of all texts.
    batches : iterable of ndarray of int
        Positions of the texts to compute at once.
    compute : callable
        Returns the vectors of some positions.

    Returns
    -------
    vectors : dict of bytes to ndarray
        The vectors of all texts of the batches.
    """
    vectors: dict[bytes, np.ndarray] = {}
    waiting = [_embed_batch(cache, keys, batch, compute, vectors) for batch in batches]
    # What others are at. They deliver, or what they claimed becomes free.
    while waiting := [batch for batch in waiting if batch]:
        before = sum(map(len, waiting))
        for batch in waiting:
            vectors.update(cache.get([keys[row] for row in batch]))
        missing = [[row for row in batch if keys[row] not in vectors] for batch in waiting]
        waiting = [_embed_batch(cache, keys, batch, compute, vectors) for batch in missing]
        if sum(map(len, waiting)) == before:
            time.sleep(_POLL_S)
    return vectors


def _embed_batch(
    cache: VectorCache,
    keys: Sequence[bytes],
    batch: Sequence[int] | np.ndarray,
    compute: Callable[[list[int]], np.ndarray],
    vectors: dict[bytes, np.ndarray],
) -> list[int]:
    """Compute what nobody else computes; return the rest."""
    claimed = set(cache.claim([keys[row] for row in batch])) if len(batch) else set()
    mine = [int(row) for row in batch if keys[row] in claimed]
    if mine:
        own = [keys[row] for row in mine]
        try:
            computed = compute(mine)
        except BaseException:
            cache.release(own)
            raise
        cache.put(own, computed)
        vectors.update(zip(own, computed, strict=True))
    return [int(row) for row in batch if keys[row] not in claimed]


class NoCache:
    """Keeps nothing."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Find nothing."""
        return {}

    def claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Let the caller compute all."""
        return list(keys)

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Forget."""

    def release(self, keys: Sequence[bytes]) -> None:
        """Do nothing."""


class MemoryCache:
    """Keeps vectors in this process; those used longest ago leave first.

    Parameters
    ----------
    limit : int
        Bytes of vectors.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._vectors: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._size = 0
        self._changing = threading.Lock()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Return the vectors that are there."""
        with self._changing:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in found:
                self._vectors.move_to_end(key)
        return found

    def claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return those that are not there; the lock of the model keeps other threads from them meanwhile."""
        with self._changing:
            return [key for key in keys if key not in self._vectors]

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep vectors."""
        with self._changing:
            for key, vector in zip(keys, vectors, strict=True):
                self._drop(key)
                # A view would keep its whole batch alive.
                self._vectors[key] = vector.copy()
                self._size += vector.nbytes
            while self._size > self.limit:
                self._drop(next(iter(self._vectors)))

    def release(self, keys: Sequence[bytes]) -> None:
        """Do nothing: there are no claims."""

    def clear(self) -> None:
        """Forget everything."""
        with self._changing:
            self._vectors.clear()
            self._size = 0

    def _drop(self, key: bytes) -> None:
        vector = self._vectors.pop(key, None)
        self._size -= 0 if vector is None else vector.nbytes


memory_cache = MemoryCache(_MEMORY_LIMIT_MIB << 20)
