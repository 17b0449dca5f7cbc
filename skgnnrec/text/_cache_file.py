"""Vectors of texts in one SQLite file that folds, candidates and processes share."""

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
from pathlib import Path
from typing import TypeVar

import numpy as np

from skgnnrec.exceptions import CacheWarning

T = TypeVar("T")

_FILE_IN_FOLDER = "skgnnrec-texts.sqlite"
# Where SQLite keeps the number of the application that a file belongs to, and that of its format.
_APPLICATION_ID = 0x736B6774
_FORMAT = 1
_SCHEMA = {
    "CREATE TABLE vectors "
    "(key BLOB PRIMARY KEY, used INTEGER NOT NULL, checksum INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE INDEX vectors_by_use ON vectors (used)",
    "CREATE TABLE claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
}
# Who claims a batch and does not deliver, because it was killed, is waited for no longer than this.
_LEASE_S = 30.0
# How long another process may write before a statement fails; a batch takes it milliseconds.
_BUSY_S = 60.0
# The time of use is written if the stored one is older, so that most reading writes nothing.
_USE_PRECISION_S = 3600
# Keys in a statement; older releases of SQLite take 999 parameters.
_KEYS_A_STATEMENT = 900
# What a full file is emptied to, so that not every batch has to make room.
_KEPT_SHARE = 0.9
_process = uuid.uuid4().hex


class FileCache:
    """Keeps vectors in one SQLite file, for any number of processes of a machine.

    What is committed survives the end of its writer (write-ahead log). Each vector carries a checksum over itself and
    its key. A file of another kind, or with any table, view or trigger that is not this cache's, is refused and left
    as it is. Damage that shows later ends the use of the file with a `CacheWarning`: the cache is empty from then on.

    Processes that need the same texts at the same time share the work: a batch is claimed before it is computed, and
    the others wait for it. Claims of a process that was killed run out.

    Parameters
    ----------
    path : str or path-like
        The file, or a folder for it.
    limit : int
        Bytes of the file; the texts used longest ago leave first.

    Raises
    ------
    ValueError
        If the file is something else than such a cache.
    OSError
        If it cannot be opened or made.
    """

    def __init__(self, path: str | os.PathLike[str], limit: int) -> None:
        self.path = Path(path) / _FILE_IN_FOLDER if os.path.isdir(path) else Path(path)
        self.limit = limit
        # By thread: a callback that embeds while its own thread embeds must not wait for itself.
        self._owner = f"{_process} {os.getpid()} {threading.get_ident()}"
        self._connection: sqlite3.Connection | None = _open(self.path)

    def __enter__(self) -> FileCache:
        return self

    def __exit__(self, *error: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Return the vectors that are there, complete and finite."""
        return self._run(lambda connection: _find(connection, keys), {})

    def claim(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return those that the caller shall compute: not there yet, and nobody else is at it."""
        return self._run(lambda connection: _claim(connection, keys, self._owner), list(keys))

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep vectors, give up the claims to them, and make room."""

        def store(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                _store(connection, keys, vectors)
                _give_up(connection, keys, self._owner)
                _evict(connection, self.limit)

        self._run(store, None)

    def release(self, keys: Sequence[bytes]) -> None:
        """Give up claims without a vector."""
        self._run(lambda connection: _give_up(connection, keys, self._owner), None)

    def _run(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do the work; where the file fails, leave it alone from now on and return what an empty cache would."""
        if self._connection is None:
            return otherwise
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            connection, self._connection = self._connection, None
            connection.close()
            warnings.warn(
                f"The cache {str(self.path)!r} fails ({error}), texts are embedded without it. Delete it if it is "
                "damaged.",
                CacheWarning,
                stacklevel=2,
            )
            return otherwise


def _open(path: Path) -> sqlite3.Connection:
    """Connect, after a look at what the file is, before anything is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
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
    """Tell a cache from an empty file, and refuse everything else."""
    names = ("application_id", "user_version")
    # At one moment, or a cache that another process is making looks like something else.
    with nullcontext() if connection.in_transaction else _transaction(connection, "DEFERRED"):
        statements = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        marks = tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if statements == _SCHEMA and marks == (_APPLICATION_ID, _FORMAT):
        return True
    if statements or marks != (0, 0):
        raise ValueError("a database with other contents")
    return False


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process was faster."""
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
    """Do all or nothing. The lock to write is taken at once: who reads first and then writes may fail."""
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
    """Cut keys into what fits a statement, and write as many placeholders."""
    for start in range(0, len(keys), _KEYS_A_STATEMENT):
        portion = list(keys[start : start + _KEYS_A_STATEMENT])
        yield portion, ",".join("?" * len(portion))


def _find(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
    found: dict[bytes, np.ndarray] = {}
    now, stale = int(time.time()), []
    for portion, places in _portions(keys):
        rows = connection.execute(f"SELECT key, used, checksum, vector FROM vectors WHERE key IN ({places})", portion)
        for key, used, checksum, data in rows:
            vector = _read_vector(key, checksum, data)
            if vector is None:
                continue
            found[key] = vector
            if abs(now - used) > _USE_PRECISION_S:
                stale.append((now, key))
    if stale:
        with _transaction(connection):
            connection.executemany("UPDATE vectors SET used = ? WHERE key = ?", stale)
    return found


def _claim(connection: sqlite3.Connection, keys: Sequence[bytes], owner: str) -> list[bytes]:
    now = time.time()
    taken: set[bytes] = set()
    with _transaction(connection):
        # A claim of the far future was made before somebody put the clock back.
        connection.execute("DELETE FROM claims WHERE expires NOT BETWEEN ? AND ?", (now, now + 2 * _LEASE_S))
        for portion, places in _portions(keys):
            others = f"SELECT key FROM claims WHERE key IN ({places}) AND owner != ?"
            taken.update(key for (key,) in connection.execute(others, [*portion, owner]))
            stored = f"SELECT key, checksum, vector FROM vectors WHERE key IN ({places})"
            taken.update(row[0] for row in connection.execute(stored, portion) if _read_vector(*row) is not None)
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
    """Delete what was used longest ago; the file does not shrink, its free pages are used again."""
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


def _read_vector(key: bytes, checksum: int, data: bytes) -> np.ndarray | None:
    """Return what was stored, or None where that is not what is there."""
    if not isinstance(data, bytes) or len(data) % 4 or checksum != _checksum(key, data):
        return None
    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    return vector if np.isfinite(vector).all() else None
