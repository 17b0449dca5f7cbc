"""Vectors of texts and images that were embedded before, kept in this process or in a file.

A key is a digest of everything that a vector depends on (`make_keys`). A cache may drop a vector at any time, and it
returns only vectors that were stored under the same key.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from skgnnrec._device import ForkSafeLock

__all__ = ["MemoryCache", "NoCache", "VectorCache", "embed_through", "make_keys", "memory_cache", "open_cache"]

# Bytes of a key. Among a trillion texts, two share one with a probability of 1e-24.
_KEY_SIZE = 20
_MEMORY_LIMIT_MIB = 256
_FILE_LIMIT_MIB = 4096
# Seconds between looks for the vectors that other processes compute.
_POLL_S = 0.05
# The start of "file:texts.sqlite" or "sqlite:///texts.sqlite"; a single letter is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class VectorCache(Protocol):
    """The cache of an embedder; vectors of another length than `embedding_dim` count as absent, None takes any."""

    def get(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> dict[bytes, np.ndarray]:
        """Return the vectors that are stored."""

    def claim(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> list[bytes]:
        """Return the keys that the caller is to compute: neither stored nor claimed by another process."""

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store vectors and end the claims to them."""

    def release(self, keys: Sequence[bytes]) -> None:
        """End claims without storing a vector."""


@contextmanager
def open_cache(cache: str | os.PathLike[str] | None, limit_mib: int | None, name: str) -> Iterator[VectorCache]:
    """Open the cache that a parameter names: None, "memory", or the path of a file or folder.

    `name` is the name of the file in a folder. A file that is not such a cache raises ValueError, one that cannot be
    opened OSError.
    """
    if cache is None:
        yield NoCache()
    elif cache == "memory":
        memory_cache.limit = (limit_mib or _MEMORY_LIMIT_MIB) << 20
        yield memory_cache
    else:
        # Imported here: an interpreter without SQLite can still embed.
        from skgnnrec.encoding._cache_file import FileCache

        with FileCache(_cache_path(cache, name), (limit_mib or _FILE_LIMIT_MIB) << 20) as file_cache:
            yield file_cache


def _cache_path(cache: str | os.PathLike[str], name: str) -> str:
    """Return the path of the file of a cache, and refuse strings that only look like a path."""
    path = os.path.expanduser(os.fsdecode(cache))
    if not path or "\0" in path or path.startswith("~") or path == ":memory:" or _SCHEME.match(path):
        raise ValueError(
            f"cache must be None, 'memory' or the path of a file or folder, got {os.fspath(cache)!r}. A file of such a "
            "name is given as './name'."
        )
    is_folder = os.path.isdir(path) or path.endswith(("/", os.sep))
    return os.path.join(path, name) if is_folder else path


def make_keys(recipe: str, contents: Sequence[str | bytes]) -> list[bytes]:
    """Return the key of each content; `recipe` holds all else that a vector depends on: model, pooling, prompt."""
    secret = hashlib.blake2b(recipe.encode()).digest()
    as_bytes = (content.encode() if isinstance(content, str) else content for content in contents)
    return [hashlib.blake2b(content, key=secret, digest_size=_KEY_SIZE).digest() for content in as_bytes]


def embed_through(
    cache: VectorCache,
    keys: Sequence[bytes],
    batches: Iterable[np.ndarray],
    compute: Callable[[list[int]], np.ndarray],
    embedding_dim: int,
) -> dict[bytes, np.ndarray]:
    """Return the vectors of all samples of the batches, each computed once in all processes that share the cache.

    A batch holds the positions of its samples in `keys`; `compute` returns the vectors of some positions.
    """
    vectors: dict[bytes, np.ndarray] = {}

    def embed(batch: Sequence[int] | np.ndarray) -> list[int]:
        return _embed_batch(cache, keys, batch, compute, embedding_dim, vectors)

    # Other processes compute the rest: they store it, or their claims end.
    waiting = [embed(batch) for batch in batches]
    while waiting := [batch for batch in waiting if batch]:
        before = sum(map(len, waiting))
        for batch in waiting:
            vectors.update(cache.get([keys[row] for row in batch], embedding_dim))
        missing = [[row for row in batch if keys[row] not in vectors] for batch in waiting]
        waiting = [embed(batch) for batch in missing]
        if sum(map(len, waiting)) == before:
            time.sleep(_POLL_S)
    return vectors


def _embed_batch(
    cache: VectorCache,
    keys: Sequence[bytes],
    batch: Sequence[int] | np.ndarray,
    compute: Callable[[list[int]], np.ndarray],
    embedding_dim: int,
    vectors: dict[bytes, np.ndarray],
) -> list[int]:
    """Compute the samples of a batch that no other process computes, and return the positions of the others."""
    claimed = set(cache.claim([keys[row] for row in batch], embedding_dim)) if len(batch) else set()
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
    """A cache that stores nothing."""

    def get(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> dict[bytes, np.ndarray]:
        """Return no vectors."""
        return {}

    def claim(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> list[bytes]:
        """Return all keys."""
        return list(keys)

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Do nothing."""

    def release(self, keys: Sequence[bytes]) -> None:
        """Do nothing."""


class MemoryCache:
    """Vectors in the memory of this process, at most `limit` bytes; the least recently used ones are dropped."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._vectors: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._size = 0
        self._changing = ForkSafeLock()

    def get(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> dict[bytes, np.ndarray]:
        """Return the vectors that are stored."""
        with self._changing:
            found = {key: self._vectors[key] for key in keys if self._has(key, embedding_dim)}
            for key in found:
                self._vectors.move_to_end(key)
        return found

    def claim(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> list[bytes]:
        """Return the keys that are not stored; the lock of the model keeps other threads from computing them."""
        with self._changing:
            return [key for key in keys if not self._has(key, embedding_dim)]

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store vectors."""
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
        """Drop all vectors."""
        with self._changing:
            self._vectors.clear()
            self._size = 0

    def _has(self, key: bytes, embedding_dim: int | None) -> bool:
        return key in self._vectors and embedding_dim in (None, len(self._vectors[key]))

    def _drop(self, key: bytes) -> None:
        vector = self._vectors.pop(key, None)
        self._size -= 0 if vector is None else vector.nbytes


memory_cache = MemoryCache(_MEMORY_LIMIT_MIB << 20)
