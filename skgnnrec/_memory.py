"""Check that an allocation fits into memory before it is made."""

import os
from pathlib import Path

from skgnnrec.exceptions import MemoryLimitError

__all__ = ["available_memory", "check_memory"]

SMALL = 1 << 20  # bytes that every machine has; the check itself takes longer than such an allocation
GIB = 1 << 30


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
