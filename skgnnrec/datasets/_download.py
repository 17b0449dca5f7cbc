"""Downloads that are checked before they are kept."""

import hashlib
import os
import re
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from zipfile import BadZipFile, ZipFile

_TIMEOUT = 60.0  # seconds without a byte
_CHUNK_BYTES = 1 << 20
_TRANSPORT_ERRORS = (URLError, TimeoutError, ConnectionError, HTTPException)

T = TypeVar("T")


def fetch_zip(url: str, folder: Path, *, download_if_missing: bool, n_retries: int, delay: float) -> Path:
    """Return the path of a sound copy of a zip file, downloaded unless the folder has one.

    What is sound says the MD5 checksum that the publisher gives in ``url + ".md5"``, which is kept beside
    the file; where there is none (status 404), the checksums within the zip do.

    Parameters
    ----------
    url : str
        Address of the file.
    folder : Path
        Where the file is kept; made if need be.
    download_if_missing : bool
        If False, an OSError is raised where no sound copy is at hand.
    n_retries : int
        How often to try again when the connection fails.
    delay : float
        Seconds to wait before trying again.

    Returns
    -------
    path : Path
        The file in the folder.

    Raises
    ------
    OSError
        If the file cannot be downloaded, or is not what the publisher's checksum says. The folder is then as
        it was before.
    """
    path = folder / url.rpartition("/")[2]
    fault = _find_fault(path) if path.exists() else "is missing"
    if fault is None:
        return path
    if not download_if_missing:
        raise OSError(f"{path} {fault}, and `download_if_missing` is False.")
    if path.exists():
        warnings.warn(f"{path} {fault}: downloading {url} again.", stacklevel=4)
    folder.mkdir(parents=True, exist_ok=True)
    md5 = _retry(lambda: _download_md5(url + ".md5"), url + ".md5", n_retries, delay)
    part = _reserve_part(path)
    try:
        _retry(lambda: _download(url, part, md5), url, n_retries, delay)
        _keep(part, md5, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _find_fault(path: Path) -> str | None:
    """Say what is wrong with a file in the cache."""
    md5_path = _md5_path(path)
    if not md5_path.exists():
        return _find_zip_fault(path)
    return _find_md5_fault(path, md5_path.read_text(encoding="ascii", errors="replace").strip())


def _find_md5_fault(path: Path, expected: str) -> str | None:
    got = _compute_md5(path)
    return None if got == expected else f"is damaged: expected the MD5 checksum {expected}, got {got}"


def _find_zip_fault(path: Path) -> str | None:
    try:
        with ZipFile(path) as archive:
            member = archive.testzip()
    except (BadZipFile, EOFError, OSError, zlib.error) as error:
        return f"is no sound zip file ({error})"
    return None if member is None else f"is no sound zip file (its member {member} is damaged)"


def _keep(part: Path, md5: str | None, path: Path) -> None:
    """Move the download and its checksum to where the next call looks for them.

    The checksum goes first: were the process to die between the two, the file in the cache, if any, would not
    match and be downloaded again.
    """
    if md5 is None:
        _md5_path(path).unlink(missing_ok=True)
    else:
        md5_part = _reserve_part(_md5_path(path))
        md5_part.write_text(md5 + "\n", encoding="ascii")
        os.replace(md5_part, _md5_path(path))
    os.replace(part, path)


def _md5_path(path: Path) -> Path:
    return path.with_name(path.name + ".md5")


def _reserve_part(path: Path) -> Path:
    """Make an empty file that no other process writes to."""
    handle, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
    os.close(handle)
    return Path(name)


def _compute_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _retry(action: Callable[[], T], url: str, n_retries: int, delay: float) -> T:
    for n_left in range(n_retries, -1, -1):
        try:
            return action()
        except _TRANSPORT_ERRORS as error:
            if n_left == 0 or _is_final(error):
                raise OSError(f"Could not download {url}: {error}") from error
            warnings.warn(f"Retrying to download {url} after: {error}", stacklevel=5)
            time.sleep(delay)
    raise AssertionError("unreachable")


def _is_final(error: Exception) -> bool:
    """Tell whether asking again would bring the same answer, as with "404 Not Found"."""
    return isinstance(error, HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429)


def _download_md5(url: str) -> str | None:
    """Read the checksum that a publisher gives, in the form of md5sum or of BSD's md5; None if there is none."""
    try:
        with urlopen(url, timeout=_TIMEOUT) as response:
            text = response.read(1000).decode("ascii", errors="replace")
    except HTTPError as error:
        if error.code == 404:
            return None
        raise
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if found is None:
        raise OSError(f"{url} holds no MD5 checksum: {text[:80]!r}.")
    return found.group().lower()


def _download(url: str, path: Path, md5: str | None) -> None:
    with urlopen(url, timeout=_TIMEOUT) as response, path.open("wb") as stream:
        while chunk := response.read(_CHUNK_BYTES):
            stream.write(chunk)
        announced = response.headers.get("Content-Length")
    size = path.stat().st_size
    fault = _find_md5_fault(path, md5) if md5 is not None else _find_zip_fault(path)
    if fault is None:
        return
    if announced is not None and size < int(announced):
        raise ConnectionError(f"the file {fault} (broke off after {size} of {announced} bytes)")
    raise OSError(f"The download of {url} {fault} ({size} bytes).")
