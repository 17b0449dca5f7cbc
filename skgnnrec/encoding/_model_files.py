"""The files of a model: their states, which say whether a file has changed, and their digests."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

__all__ = ["Described", "FileState", "digest_of", "file_states", "is_settled", "joined_digest"]

# How deep below the folder of a model its files are looked for.
_DEPTH = 3
# Time stamps of files may be this coarse: a file that has just been written can be written again under the same stamp.
_STAMP_NS = 2_000_000_000

FileState = tuple[int, ...]


class Described(Protocol):
    """What is known of a model without loading it."""

    @property
    def fingerprint(self) -> str:
        """Digest of all files that vectors depend on, "" where it is not known."""

    @property
    def weights(self) -> str:
        """Digest of the weights alone, which are the same on all machines."""


def file_states(folder: str | os.PathLike[str]) -> dict[str, FileState]:
    """Return the state of each file by its name; the state changes whenever the content of the name does."""
    return dict(_scan(os.fspath(folder), _DEPTH))


def _scan(folder: str, depth: int, prefix: str = "") -> Iterator[tuple[str, FileState]]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            if depth > 1 and not entry.name.startswith(".") and os.access(entry.path, os.R_OK | os.X_OK):
                yield from _scan(entry.path, depth - 1, f"{prefix}{entry.name}/")
        elif entry.is_file():
            state = os.stat(entry.path)
            # The time of modification and the size can be copied; a file of another inode or change time is another.
            stamps = (state.st_mtime_ns, state.st_ctime_ns, state.st_dev, state.st_ino, state.st_size)
            yield f"{prefix}{entry.name}", stamps


def is_settled(states: Mapping[str, FileState]) -> bool:
    """Return whether the next change of a file is certain to change its state."""
    newest = max((stamp for stamps in states.values() for stamp in stamps[:2]), default=0)
    return abs(time.time_ns() - newest) >= _STAMP_NS


def digest_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joined_digest(digests: Mapping[str, str]) -> str:
    """Return one digest of named files with these digests."""
    lines = "".join(f"{name}\0{digest}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()
