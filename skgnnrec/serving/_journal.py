"""The journal of a service: the changes since the fit, on the disk before they are acknowledged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from skgnnrec._files import replaced_file
from skgnnrec.interactions import naming

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Journal", "JournalContent", "JournalError", "Record", "read_journal"]

FORMAT = 1
MOST_KEYS = 1_000_000  # that are remembered after their interactions have left the journal


class JournalError(OSError):
    """Raised when a journal is damaged, in use by another process, or cannot be written."""


class Record(NamedTuple):
    """A change: interactions that were learned together, or a user to forget."""

    sequence: int
    kind: str  # "learn" or "forget"
    value: Any


class Header(NamedTuple):
    """The state before the first record."""

    model: str | None  # the fingerprint of the file that the records belong to
    sequence: int  # of the last change that is part of that file
    keys: list[str]


class JournalContent(NamedTuple):
    """The changes that a service has made since the fit, for the next fit.

    Parameters
    ----------
    interactions : list of dict
        The interactions that were learned, without those of users who were forgotten later. The keys are those of the
        requests: ``user``, ``item`` and, where they were given, ``weight``, ``timestamp`` and ``key``; or ``items`` and
        ``weights`` where the service has a recommender without users.
    forgotten : list
        The ids of the users who were forgotten, in order.
    sequence : int
        The number of the last change, 0 if there is none.

    See Also
    --------
    read_journal : Returns it.

    Examples
    --------
    >>> from skgnnrec.serving import JournalContent
    >>> JournalContent([{"user": "ann", "item": "mug"}], forgotten=["bob"], sequence=2).sequence
    2
    """

    interactions: list[dict[str, Any]]
    forgotten: list[Any]
    sequence: int


def read_journal(path: str | os.PathLike[str]) -> JournalContent:
    """Return the changes in the journal of a service, which may be running.

    A recommender that is fitted to the interactions of the last fit and to those of the journal, without the users
    who were forgotten, contains all changes up to `sequence`. ``POST /reload`` with ``{"included": sequence}`` then
    removes them from the journal.

    Parameters
    ----------
    path : str or path-like
        The file of the journal.

    Returns
    -------
    content : JournalContent
        The interactions, the forgotten users and the number of the last change.

    Raises
    ------
    OSError
        If the file cannot be read, or is damaged.

    Examples
    --------
    >>> import os, tempfile
    >>> from skgnnrec.serving import read_journal
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.journal")
    ...     _ = open(path, "x")  # a service writes here
    ...     read_journal(path)
    JournalContent(interactions=[], forgotten=[], sequence=0)
    """
    with naming("path"):
        name = os.fsdecode(path)
    with open(name, "rb") as file:
        header, records, _ = _read(name, file)
    learned = [each for record in records if record.kind == "learn" for each in record.value]
    forgotten = [record.value for record in records if record.kind == "forget"]
    return JournalContent(learned, forgotten, records[-1].sequence if records else header.sequence)


class Journal:
    """A file with one line for each record; a line that was not written to its end was not acknowledged.

    An instance with the path None keeps nothing, but the keys.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.is_broken = False
        self._file: BinaryIO | None = None
        self._lock: BinaryIO | None = None
        self._size = 0
        self._header = Header(None, 0, [])
        self.keys: dict[str, None] = {}
        self.sequence = 0

    @property
    def model(self) -> str | None:
        """Return the fingerprint of the file that the records belong to."""
        return self._header.model

    @property
    def size(self) -> int:
        """Return the length of the file in bytes."""
        return self._size

    def open(self, model: str | None) -> list[Record]:
        """Return the records; a new journal belongs to the given model."""
        if self.path is None:
            return []
        self._lock = _locked(f"{self.path}.lock")
        try:
            with open(self.path, "a+b") as file:
                file.seek(0)
                header, records, end = _read(self.path, file)
                file.truncate(end)  # what was written after it was not acknowledged
            self._take(header, records)
            if end == 0:
                self._write_anew(Header(model, self.sequence, []), [])
            else:
                self._reopen()
        except BaseException:
            self.close()
            raise
        return records

    def append(self, kind: str, value: Any) -> Record:
        """Write a record to the disk."""
        record = Record(self.sequence + 1, kind, value)
        if self.path is not None:
            self._append(_line({"sequence": record.sequence, kind: value}))
        self._add(record)
        return record

    def forget(self, user: Any) -> Record:
        """Remove the interactions of a user, and write a record that the user is forgotten."""
        record = Record(self.sequence + 1, "forget", user)
        if self.path is not None:
            kept = [each._replace(value=_without(each, user)) for each in self._records()]
            kept = [each for each in kept if each.kind == "forget" or each.value]
            self._write_anew(self._header, [*kept, record])
        self._add(record)
        return record

    def remaining(self, included: int | None) -> list[Record]:
        """Return the records after a number."""
        return [record for record in self._records() if included is None or record.sequence > included]

    def belong_to(self, model: str | None, included: int | None) -> None:
        """Record that the changes up to a number are part of another model, and remove them."""
        if self.path is None:
            return
        reached = self._header.sequence if included is None else max(included, self._header.sequence)
        self._write_anew(Header(model, reached, []), self.remaining(included))

    def close(self) -> None:
        """Close the file, and let other processes use it."""
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None

    def _records(self) -> list[Record]:
        if self.path is None:
            return []
        with open(self.path, "rb") as file:
            return _read(self.path, file)[1]

    def _take(self, header: Header, records: list[Record]) -> None:
        self._header, self.keys, self.sequence = header, dict.fromkeys(header.keys), header.sequence
        for record in records:
            self._add(record)

    def _add(self, record: Record) -> None:
        self.sequence = record.sequence
        if record.kind == "learn":
            self.keys.update(dict.fromkeys(_keys(record)))
        while len(self.keys) > MOST_KEYS:
            del self.keys[next(iter(self.keys))]

    def _append(self, line: bytes) -> None:
        if self._file is None or self.is_broken:
            raise JournalError(f"The journal {self.path!r} is not open, or could not be written before.")
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self.is_broken = True  # until the rest of the line is removed
            with suppress(OSError):
                self._file.truncate(self._size)
                os.fsync(self._file.fileno())
                self.is_broken = False
            raise JournalError(f"The journal {self.path!r} cannot be written: {error}") from error
        self._size += len(line)

    def _write_anew(self, header: Header, records: list[Record]) -> None:
        """Replace the file; keys of interactions that are left out move to the header."""
        assert self.path is not None
        kept = {key for record in records for key in _keys(record)}
        header = header._replace(keys=[key for key in self.keys if key not in kept])
        try:
            with replaced_file(self.path) as file:
                file.write(_line({"format": FORMAT, **header._asdict()}))
                for record in records:
                    file.write(_line({"sequence": record.sequence, record.kind: record.value}))
        except OSError as error:
            raise JournalError(f"The journal {self.path!r} cannot be written: {error}") from error
        self._header = header
        self._reopen()

    def _reopen(self) -> None:
        assert self.path is not None
        if self._file is not None:
            self._file.close()
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115  closed by close()
        self._size = os.fstat(self._file.fileno()).st_size


def _locked(path: str) -> BinaryIO:
    file = open(path, "ab")  # noqa: SIM115  the lock is held as long as it is open
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise JournalError(f"The journal is in use by another process, which holds {path!r}.") from error
    return file


def _line(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s\n" % (crc32(text), text)


def _read(path: str, file: BinaryIO) -> tuple[Header, list[Record], int]:
    """Return the header, the records, and where the last complete line ends."""
    header, records, end = Header(None, 0, []), [], 0
    lines = _lines(file)
    for content, position in lines:
        if content is None:
            # Only the last line can be one that was not acknowledged; the first one comes with the file.
            if end == 0 or next(lines, None) is not None:
                raise JournalError(f"The journal {path!r} is damaged after byte {end}.")
            break
        if end == 0:
            if content.get("format") != FORMAT:
                raise JournalError(f"{path!r} is no journal of format {FORMAT}.")
            header = Header(content["model"], content["sequence"], content["keys"])
        else:
            kind = "learn" if "learn" in content else "forget"
            records.append(Record(content["sequence"], kind, content[kind]))
        end = position
    return header, records, end


def _lines(file: BinaryIO) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """Yield the content of each line, None where its checksum is wrong, and its end."""
    position = 0
    for line in file:
        position += len(line)
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        is_complete = line.endswith(b"\n") and checksum == b"%08x" % crc32(text)
        yield (json.loads(text) if is_complete else None), position


def _keys(record: Record) -> Iterable[str]:
    return [each["key"] for each in record.value if "key" in each] if record.kind == "learn" else []


def _without(record: Record, user: Any) -> Any:
    if record.kind == "forget":
        return record.value
    return [each for each in record.value if not _is_same(each.get("user"), user)]


def _is_same(first: Any, second: Any) -> bool:
    return type(first) is type(second) and first == second
