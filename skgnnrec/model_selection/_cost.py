"""The cost of a recommender in seconds and in bytes of memory."""

import gc
import pickle
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # see proc_pid_clear_refs(5)


class Cost(NamedTuple):
    """The cost of one fit and of one call for recommendations."""

    fit_s: float
    recommend_s: float
    peak_bytes: float
    model_bytes: float


class Stopwatch:
    """Measures the time of two laps, the fit and the recommendations, and the peak of memory."""

    def __init__(self) -> None:
        gc.collect()
        self._resident = _reset_peak()
        self._times = [perf_counter()]

    def lap(self) -> None:
        self._times.append(perf_counter())

    def stop(self, model: Any) -> Cost:
        """Return the costs of the first two laps."""
        # The kernel keeps the peak, so no moment is missed. Memory that was freed but not returned can be used unseen.
        peak = float("nan") if self._resident is None else _read_status("VmHWM") - self._resident
        start, fitted, recommended = self._times
        return Cost(fitted - start, recommended - fitted, peak, pickled_bytes(model))


def pickled_bytes(model: Any) -> float:
    """Return the size of the pickle of a model without storing it; nan if it cannot be pickled."""
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
    """Reset the peak to the resident memory and return it; None if the system has no such peak."""
    try:
        CLEAR_REFS.write_text(RESET_PEAK, encoding="ascii")
        return _read_status("VmRSS")
    except (OSError, StopIteration):
        return None


def _read_status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name + ":")))
