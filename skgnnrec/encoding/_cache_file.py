"""Vectors in one SQLite file that folds, candidates and processes share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from skgnnrec.exceptions import CacheWarning

__all__ = ["FileCache"]

T = TypeVar("T")

# The marks of the application and of its format, which SQLite keeps in the header of a file.
_APPLICATION_ID = 0x736B6774
_FORMAT = 1
_SCHEMA = {
    "CREATE TABLE vectors "
    "(key BLOB PRIMARY KEY, used INTEGER NOT NULL, checksum INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE INDEX vectors_by_use ON vectors (used)",
    "CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
}
# The time after which the claims of a process end that was killed before it stored its vectors.
_LEASE_S = 30.0
# The time that another process may write before a statement fails; storing a batch takes milliseconds.
_BUSY_S = 60.0
# The time of use is written only if the stored one is older than this, so that most reading writes nothing.
_USE_PRECISION_S = 3600
# Keys in a statement; older releases of SQLite allow 999 parameters.
_KEYS_A_STATEMENT = 900
# The share of the limit that a full file keeps, so that not every batch has to make room.
_KEPT_SHARE = 0.9
_process = uuid.uuid4().hex


class FileCache:
    """Vectors in one SQLite file, at most `limit` bytes, shared by the processes of a machine.

    A file of another kind is refused. A damaged file gives a `CacheWarning` and counts as empty from then on.
    """

    def __init__(self, path: str | os.PathLike[str], limit: int) -> None:
        self.path, self.limit = Path(path), limit
        # A process claims a batch before it computes it, and the others wait; claims of a killed process expire.
        # By thread: a callback that embeds while its own thread embeds must not wait for itself.
        self._owner = f"{_process} {os.getpid()} {threading.get_ident()}"
        self._connection: sqlite3.Connection | None = _open(self.path)

    def __enter__(self) -> FileCache:
        return self

    def __exit__(self, *error: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def get(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> dict[bytes, np.ndarray]:
        """Return the vectors that are stored, undamaged and finite."""
        return self._run(partial(_find, keys=keys, embedding_dim=embedding_dim), {})

    def claim(self, keys: Sequence[bytes], embedding_dim: int | None = None) -> list[bytes]:
        """Return the keys that the caller is to compute: neither stored nor claimed by another process."""
        return self._run(partial(_claim, keys=keys, embedding_dim=embedding_dim, owner=self._owner), list(keys))

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store vectors, end the claims to them, and make room."""

        def store(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                _store(connection, keys, vectors)
                _give_up(connection, keys, self._owner)
                _evict(connection, self.limit)

        self._run(store, None)

    def release(self, keys: Sequence[bytes]) -> None:
        """End claims without storing a vector."""
        self._run(partial(_give_up, keys=keys, owner=self._owner), None)

    def _run(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do the work; if the file fails, stop using it and return the result of an empty cache."""
        if self._connection is None:
            return otherwise
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            connection, self._connection = self._connection, None
            connection.close()
            warnings.warn(
                f"The cache {str(self.path)!r} fails ({error}) and is not used any longer: vectors are computed "
                "without it. Delete the file if it is damaged.",
                CacheWarning,
                stacklevel=2,
            )
            return otherwise


def _open(path: Path) -> sqlite3.Connection:
    """Connect to a file; its kind is checked before anything is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Some builds of SQLite take a relative path such as "file:x" for a URI.
        connection = sqlite3.connect(path.absolute(), timeout=_BUSY_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise OSError(f"cache={str(path)!r} cannot be opened: {error}.") from error
    try:
        for setting in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {setting}")
        if not _is_ours(connection):
            _create(connection)
        return connection
    except sqlite3.OperationalError as error:
        connection.close()
        raise OSError(f"cache={str(path)!r} cannot be opened: {error}.") from error
    except (sqlite3.DatabaseError, ValueError) as error:
        connection.close()
        raise ValueError(
            f"cache={str(path)!r} must be a new file or one that this version of skgnnrec made, got {error}. "
            "It is left as it is; choose another file, or delete it if it is a damaged cache."
        ) from error


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Return whether a file is a cache; False for an empty file, and ValueError for any other."""
    names = ("application_id", "user_version")
    # In one transaction, or a cache that another process is making would look like another file.
    with nullcontext() if connection.in_transaction else _transaction(connection, "DEFERRED"):
        statements = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        marks = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if statements == _SCHEMA and marks == (_APPLICATION_ID, _FORMAT):
        return True
    if statements or marks != (0, 0):
        raise ValueError("a database with other contents")
    return False


def _create(connection: sqlite3.Connection) -> None:
    """Create the tables, unless another process has done so."""
    _switch_to_wal(connection)
    with _transaction(connection):
        if not _is_ours(connection):
            for statement in sorted(_SCHEMA, reverse=True):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, for which SQLite does not wait by itself where two processes try at once."""
    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit all statements or none; the lock to write is taken first, since one taken after reading may fail."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        # After some errors SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _portions(keys: Sequence[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """Yield the keys in parts that fit into a statement, each with its placeholders."""
    for start in range(0, len(keys), _KEYS_A_STATEMENT):
        portion = list(keys[start : start + _KEYS_A_STATEMENT])
        yield portion, ",".join("?" * len(portion))


def _find(connection: sqlite3.Connection, keys: Sequence[bytes], embedding_dim: int | None) -> dict[bytes, np.ndarray]:
    found: dict[bytes, np.ndarray] = {}
    now, stale = int(time.time()), []
    for portion, places in _portions(keys):
        rows = connection.execute(f"SELECT key, used, checksum, vector FROM vectors WHERE key IN ({places})", portion)
        for key, used, checksum, data in rows:
            vector = _read_vector(key, checksum, data, embedding_dim)
            if vector is None:
                continue
            found[key] = vector
            if not isinstance(used, int) or abs(now - used) > _USE_PRECISION_S:
                stale.append((now, key))
    if stale:
        with _transaction(connection):
            connection.executemany("UPDATE vectors SET used = ? WHERE key = ?", stale)
    return found


def _claim(connection: sqlite3.Connection, keys: Sequence[bytes], embedding_dim: int | None, owner: str) -> list[bytes]:
    now = time.time()
    taken: set[bytes] = set()
    with _transaction(connection):
        # Claims that end in the far future were made before the clock was set back.
        connection.execute("DELETE FROM claims WHERE expires NOT BETWEEN ? AND ?", (now, now + 2 * _LEASE_S))
        for portion, places in _portions(keys):
            others = f"SELECT key FROM claims WHERE key IN ({places}) AND owner != ?"
            taken.update(key for (key,) in connection.execute(others, [*portion, owner]))
            stored = f"SELECT key, checksum, vector FROM vectors WHERE key IN ({places})"
            for key, checksum, data in connection.execute(stored, portion):
                if _read_vector(key, checksum, data, embedding_dim) is not None:
                    taken.add(key)
        free = [key for key in keys if key not in taken]
        claims = [(key, owner, now + _LEASE_S) for key in free]
        connection.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", claims)
    return free


def _give_up(connection: sqlite3.Connection, keys: Sequence[bytes], owner: str) -> None:
    connection.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", [(key, owner) for key in keys])


def _store(connection: sqlite3.Connection, keys: Sequence[bytes], vectors: np.ndarray) -> None:
    now = int(time.time())
    rows = []
    for key, vector in zip(keys, vectors, strict=True):
        data = np.ascontiguousarray(vector, dtype="<f4").tobytes()
        rows.append((key, now, _checksum(key, data), data))
    connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)


def _evict(connection: sqlite3.Connection, limit: int) -> None:
    """Delete the least recently used vectors; the file does not shrink, its free pages are used again."""
    names = ("page_size", "page_count", "freelist_count")
    page_size, n_pages, n_free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    size = page_size * (n_pages - n_free)
    if size <= limit:
        return
    (n_rows,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
    n_leaving = int(np.ceil(n_rows * (1 - _KEPT_SHARE * limit / size)))
    oldest = "SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?"
    connection.execute(f"DELETE FROM vectors WHERE rowid IN ({oldest})", (n_leaving,))


def _checksum(key: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(key))


def _read_vector(key: object, checksum: object, data: object, embedding_dim: int | None) -> np.ndarray | None:
    """Return a stored vector, None where it is damaged, not finite or of another length."""
    # In a damaged file a column may have any type.
    if not isinstance(key, bytes) or not isinstance(data, bytes) or len(data) % 4 or checksum != _checksum(key, data):
        return None
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    return vector if np.isfinite(vector).all() and embedding_dim in (None, len(vector)) else None
