"""Check that an allocation fits into memory before it is made, and keep freed memory for the next step of a loop."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from skgnnrec.exceptions import MemoryLimitError

__all__ = ["available_memory", "check_memory", "kept_memory"]

SMALL = 1 << 20  # bytes that every machine has; the check itself takes longer than such an allocation
GIB = 1 << 30
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of mallopt, malloc.h
USUAL_TRIM_THRESHOLD, USUAL_MMAP_MAX = 1 << 26, 1 << 16  # glibc raises the first to this value by itself

_keeping, _n_keeping = Lock(), 0


def available_memory() -> int | None:
    """Return the bytes of memory of this machine or container, None where the system does not tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:  # the limit of a container counts where it is lower than the memory of the machine
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        return min(total, int(limit)) if limit != "max" else total
    except (OSError, ValueError):
        return total


def check_memory(needed: int, what: str, instead: str) -> None:
    """Raise MemoryLimitError if the machine has less than `needed` bytes; `instead` tells the user what to do."""
    if needed <= SMALL:
        return
    available = available_memory()
    if available is not None and needed > available:
        raise MemoryLimitError(
            f"{what} needs {needed / GIB:.1f} GiB of memory, this machine has {available / GIB:.1f} GiB. {instead}"
        )


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep the memory that is freed inside for later allocations, and give it back to the system at the end.

    The C library of Linux (glibc) returns large arrays to the system at once. Each step of a training would then wait
    for new pages. On other systems this changes nothing.
    """
    _count_keepers(1)
    try:
        yield
    finally:
        _count_keepers(-1)


def _count_keepers(change: int) -> None:
    """Count the loops that keep memory; the first one and the last one change the settings of the process."""
    global _n_keeping
    with _keeping:
        before, _n_keeping = _n_keeping, _n_keeping + change
        if before and _n_keeping:
            return
        set_option, trim = _of_c_library("mallopt"), _of_c_library("malloc_trim")
        if set_option is None or trim is None:
            return
        if _n_keeping:
            set_option(MMAP_MAX, 0)  # large arrays come from the heap too
            set_option(TRIM_THRESHOLD, -1)  # never
        else:
            set_option(MMAP_MAX, USUAL_MMAP_MAX)
            set_option(TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
            trim(0)


def _of_c_library(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, None where it has none of this name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # no glibc; on Windows there is no library of the process
        return None
