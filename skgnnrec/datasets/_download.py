"""Download of zip files, with a check of their content before they replace a file in the cache."""

import hashlib
import os
import re
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

try:
    import fcntl
except ImportError:  # on Windows, where an open file cannot be removed
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 60.0  # seconds without a byte
CHUNK_BYTES = 1 << 20
MAX_DOWNLOAD_BYTES = 1 << 30  # the largest archive has 262 MB
MAX_CONTENT_BYTES = 4 << 30  # the content of the largest archive has 1.2 GB
TRANSPORT_ERRORS = (URLError, TimeoutError, ConnectionError, HTTPException)
# zipfile raises RuntimeError for encrypted members.
ZIP_ERRORS = (BadZipFile, EOFError, OSError, RuntimeError, zlib.error)

T = TypeVar("T")


def fetch_zip(url: str, folder: Path, *, download_if_missing: bool, n_retries: int, delay: float) -> Path:
    """Return the path of a valid copy of a zip file in a folder; download the file if the folder has none.

    The MD5 checksum at ``url + ".md5"`` is kept beside the file. If the publisher gives no checksum (status 404), the
    checksums within the zip file are used. After an error, the folder is unchanged.
    """
    path = folder / url.rpartition("/")[2]
    fault = _find_fault(path, _read_md5(path)) if path.exists() else "is missing"
    if fault is None:
        return path
    if not download_if_missing:
        raise OSError(f"{path} {fault}, and `download_if_missing` is False.")
    if path.exists():
        warnings.warn(f"{path} {fault}: downloading {url} again.", stacklevel=4)
    folder.mkdir(parents=True, exist_ok=True)
    md5 = _retry(lambda: _download_md5(url + ".md5"), url + ".md5", n_retries, delay)
    with _part_of(path) as part:
        _retry(lambda: _download(url, part, md5), url, n_retries, delay)
        _replace(path, part, md5)
    return path


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Make an empty file for a download, and remove the files that killed processes have left."""
    for left in path.parent.glob(f"{path.name}.*.part"):
        with suppress(OSError):
            _remove_unlocked(left)
    part, lock = _make_locked(path)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        lock.close()


def _make_locked(path: Path) -> tuple[Path, IO[bytes]]:
    """Return a new file and an open lock on it, which ends with the process."""
    while True:
        handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
        if fcntl is None:
            os.close(handle)
            return Path(name), open(os.devnull, "rb")
        lock = os.fdopen(handle, "rb")
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # otherwise another process removed the file before it was locked
            return Path(name), lock
        lock.close()


def _remove_unlocked(part: Path) -> None:
    """Remove a file, or raise OSError if another process uses it."""
    if fcntl is None:
        part.unlink()
        return
    with part.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()


def _replace(path: Path, part: Path, md5: str | None) -> None:
    """Move a download and its checksum to their final paths.

    The checksum is moved first: if the process ends between the two steps, the next call finds a mismatch and downloads
    the file again.
    """
    if md5 is None:
        _md5_path(path).unlink(missing_ok=True)
    else:
        with _part_of(_md5_path(path)) as md5_part:
            md5_part.write_text(md5 + "\n", encoding="ascii")
            os.replace(md5_part, _md5_path(path))
    os.replace(part, path)


def _md5_path(path: Path) -> Path:
    return path.with_name(path.name + ".md5")


def _read_md5(path: Path) -> str | None:
    md5_path = _md5_path(path)
    return md5_path.read_text(encoding="ascii", errors="replace").strip() if md5_path.exists() else None


def _find_fault(path: Path, md5: str | None) -> str | None:
    """Return a description of the fault of a file, None if the file is valid."""
    if md5 is not None:
        with path.open("rb") as stream:
            got = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if got != md5:
            return f"is damaged: expected the MD5 checksum {md5}, got {got}"
    try:
        with ZipFile(path) as archive:
            fault = _find_excess(archive)
            if fault is None and md5 is None and (member := archive.testzip()) is not None:
                fault = f"the member {member} is damaged"
    except ZIP_ERRORS as error:
        fault = str(error)
    return None if fault is None else f"is no valid zip file ({fault})"


def _find_excess(archive: ZipFile) -> str | None:
    """Return a description of content that is too large, or whose size is not bounded by its header."""
    for member in archive.infolist():
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # zipfile inflates these in bounded steps
            return f"the member {member.filename} has the unknown compression method {member.compress_type}"
    n_bytes = sum(member.file_size for member in archive.infolist())
    return None if n_bytes <= MAX_CONTENT_BYTES else f"its content has {n_bytes} bytes, at most {MAX_CONTENT_BYTES}"


def _retry(action: Callable[[], T], url: str, n_retries: int, delay: float) -> T:
    for n_left in range(n_retries, -1, -1):
        try:
            return action()
        except TRANSPORT_ERRORS as error:
            if n_left == 0 or _is_final(error):
                raise OSError(f"Could not download {url}: {error}") from error
            warnings.warn(f"Retrying to download {url} after: {error}", stacklevel=5)
            time.sleep(delay)
    raise AssertionError("unreachable")


def _is_final(error: Exception) -> bool:
    """Return whether another request would have the same result, as with "404 Not Found"."""
    return isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)


def _download_md5(url: str) -> str | None:
    """Return the checksum in a file of md5sum or of BSD's md5, None if there is no such file."""
    try:
        with urlopen(url, timeout=TIMEOUT) as response:
            text = response.read(1000).decode("ascii", errors="replace")
    except HTTPError as error:
        if error.code == 404:
            return None
        raise
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if found is None:
        raise OSError(f"{url} contains no MD5 checksum: {text[:80]!r}.")
    return found.group().lower()


def _download(url: str, path: Path, md5: str | None) -> None:
    size = 0
    with urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as stream:
        announced = response.length or 0
        while announced <= MAX_DOWNLOAD_BYTES and (chunk := response.read(CHUNK_BYTES)):
            size += stream.write(chunk)
            announced = max(announced, size)
    if announced > MAX_DOWNLOAD_BYTES:
        raise OSError(f"The download of {url} has {announced} or more bytes, at most {MAX_DOWNLOAD_BYTES}.")
    fault = _find_fault(path, md5)
    if fault is None:
        return
    if size < announced:
        raise ConnectionError(f"the file {fault} (the connection ended after {size} of {announced} bytes)")
    raise OSError(f"The download of {url} {fault} ({size} bytes).")
