"""What a recommender costs: seconds, and bytes of memory."""

import gc
import pickle
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # see proc_pid_clear_refs(5)


class Cost(NamedTuple):
    """One fit, and one call for recommendations."""

    fit_s: float
    recommend_s: float
    peak_bytes: float
    model_bytes: float


class Stopwatch:
    """Measures a fit and what follows it.

    The peak is the process's largest resident memory since the start, less what was resident at the start. The
    system keeps it (VmHWM), so that no moment is missed; only Linux does, elsewhere it is nan. Memory that was
    freed before the start but kept by the process may be used again unseen.
    """

    def __init__(self) -> None:
        gc.collect()
        self._resident = _reset_peak()
        self._times = [perf_counter()]

    def lap(self) -> None:
        self._times.append(perf_counter())

    def stop(self, model: Any) -> Cost:
        """Return the costs of the first two laps."""
        peak = float("nan") if self._resident is None else _read_status("VmHWM") - self._resident
        start, fitted, recommended = self._times
        return Cost(fitted - start, recommended - fitted, peak, pickled_bytes(model))


def pickled_bytes(model: Any) -> float:
    """Return the size of the model's pickle, without making one in memory; nan where it has none."""
    counter = _Counter()
    try:
        pickle.dump(model, counter, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return float("nan")
    return counter.n_bytes


class _Counter:
    n_bytes = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.n_bytes += size
        return size


def _reset_peak() -> int | None:
    """Set the peak back to what is resident, and return that; None where the system cannot."""
    try:
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
        return _read_status("VmRSS")
    except (OSError, StopIteration):
        return None


def _read_status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name + ":")))
