"""Peak memory of this process."""

from pathlib import Path


def peak_mib() -> int:
    """Return the largest resident set so far, in MiB.

    Linux hands the figure of `getrusage` on from parent to child; the one in /proc is the process's own.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) // 1024


def forget_peak() -> None:
    """Let the peak begin again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
