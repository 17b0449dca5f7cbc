"""A file of named parts: a zip archive without compression that ends in a checksum of the whole."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from skgnnrec._device import map_in_threads
from skgnnrec.exceptions import LoadError

__all__ = ["FORMAT", "Container", "new_archive", "opened", "write_part"]

FORMAT = 1
# The comment of the archive, and so the end of the file. The checksum covers all bytes before itself.
TRAILER = re.compile(rb"skgnnrec format (\d{6}) sha256 ([0-9a-f]{64})\Z")
TRAILER_SIZE, DIGEST_SIZE = len("skgnnrec format 000001 sha256 ") + 64, 64
BLOCK = 1 << 24  # bytes that are hashed at once: several threads hash a large file
LOCAL_HEADER = struct.Struct("<4s22xHH")  # of an entry of a zip archive: the lengths of its name and its extra field


@contextmanager
def new_archive(file: BinaryIO) -> Iterator[ZipFile]:
    """Yield an archive to be written to a file opened for reading and writing; its checksum is added at the end."""
    trailer = f"skgnnrec format {FORMAT:06d} sha256 {'0' * DIGEST_SIZE}"
    with ZipFile(file, "w", ZIP_STORED) as archive:
        archive.comment = trailer.encode()
        yield archive
    file.flush()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        digest = _checksum(content)
    file.seek(-DIGEST_SIZE, os.SEEK_END)
    file.write(digest)


@contextmanager
def write_part(archive: ZipFile, name: str) -> Iterator[Any]:
    """Yield a part of an archive, to be written."""
    with archive.open(ZipInfo(name), "w", force_zip64=True) as part:
        yield part


def _checksum(content: mmap.mmap) -> bytes:
    """Return the digest of the digests of the blocks of a file, without its last bytes, as hexadecimal digits."""
    end = len(content) - DIGEST_SIZE

    def digest(start: int) -> bytes:
        with memoryview(content) as view, view[start : min(start + BLOCK, end)] as block:
            return hashlib.sha256(block).digest()

    return hashlib.sha256(b"".join(map_in_threads(digest, range(0, end, BLOCK)))).hexdigest().encode()


class Container:
    """The parts of a file whose checksum is right, as views of its bytes."""

    def __init__(self, content: memoryview, archive: ZipFile) -> None:
        self._content = content
        self._parts = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != ZIP_STORED or info.flag_bits & 1 for info in self._parts.values()):
            raise BadZipFile("its parts are compressed or encrypted")
        sizes = [info.file_size for info in self._parts.values()]
        if len(self._parts) < len(archive.infolist()) or sum(sizes) > len(content):
            raise BadZipFile("its parts overlap")

    def names(self) -> list[str]:
        """Return the names of the parts."""
        return list(self._parts)

    def view(self, name: str) -> memoryview:
        """Return the bytes of a part; they are valid as long as the file is open."""
        info = self._parts.get(name)
        if info is None:
            raise BadZipFile(f"it has no part {name!r}")
        signature, n_name, n_extra = LOCAL_HEADER.unpack_from(self._content, info.header_offset)
        start = info.header_offset + LOCAL_HEADER.size + n_name + n_extra
        if signature != b"PK\3\4" or start + info.file_size > len(self._content):
            raise BadZipFile(f"its part {name!r} is not where the index says")
        return self._content[start : start + info.file_size]


@contextmanager
def opened(path: str) -> Iterator[Container]:
    """Yield the parts of a file; raise LoadError if it is damaged, of another kind or of a newer format."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < TRAILER_SIZE:
            raise LoadError(f"{path!r} is no file of skgnnrec.save, or it is truncated.")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            _check_trailer(path, content)
            yield _read_index(path, file, content)
        finally:
            with suppress(BufferError):  # an error keeps views until it is handled
                content.close()


def _read_index(path: str, file: BinaryIO, content: mmap.mmap) -> Container:
    try:
        with ZipFile(file) as archive:
            return Container(memoryview(content), archive)
    except (BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
        raise LoadError(f"{path!r} cannot be read as an archive: {error}.") from error


def _check_trailer(path: str, content: mmap.mmap) -> None:
    trailer = TRAILER.match(content[-TRAILER_SIZE:])
    if trailer is None:
        raise LoadError(f"{path!r} is no file of skgnnrec.save, or it is truncated: its end has no checksum.")
    version = int(trailer[1])
    if version > FORMAT:
        raise LoadError(
            f"{path!r} has format {version}, this version of skgnnrec reads formats up to {FORMAT}: update skgnnrec."
        )
    if _checksum(content) != trailer[2]:
        raise LoadError(f"{path!r} is damaged: its content does not have the checksum that was saved with it.")
