"""Files that are replaced at once, when they are complete."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

__all__ = ["replaced_file"]


@contextmanager
def replaced_file(path: str) -> Iterator[BinaryIO]:
    """Yield a new file, which takes the place of `path` when it is complete and on the disk."""
    target = os.path.realpath(path)  # a link stays a link
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        raise IsADirectoryError(f"path must be a file; {path!r} is a folder or a device.")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"path must be in an existing folder; {folder!r} is none.")
    part = os.path.join(folder, f".skgnnrec-{secrets.token_hex(8)}.part")
    file = open(part, "x+b")  # noqa: SIM115  closed below, before the file is renamed
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, part)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Write the new entry of a folder to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
