"""Where and how torch and BLAS compute: device, floating-point type, threads.

Torch is imported on use: importing the package stays fast, and closed-form recommenders never load it.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import joblib
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")

__all__ = [
    "ForkSafeLock",
    "map_in_threads",
    "n_threads",
    "resolve_device",
    "resolve_dtype",
    "torch_settings",
]


def resolve_device(device: str = "auto") -> torch.device:
    """Return the device that a parameter names: "auto" is CUDA where available and else the CPU.

    Raise ValueError if torch does not know the device or this machine does not have it.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        # The round trip also refuses "meta", whose tensors hold no numbers.
        torch.zeros(1, device=resolved).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ValueError(
            f"device must be 'auto' or a torch device of this machine, such as 'cpu' or 'cuda:0', "
            f"got {device!r}: {reason}"
        ) from error
    return resolved


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the floating-point type that a parameter names: "auto" is bfloat16 where it is native and else float32."""
    import torch

    if dtype == "auto":
        return torch.bfloat16 if _computes_bfloat16(device) else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise ValueError(f"dtype must be 'auto' or one of {sorted(known)}, got {dtype!r}.")
    return known[dtype]


def _computes_bfloat16(device: torch.device) -> bool:
    """Return whether bfloat16 is native; emulated bfloat16 is slower than float32."""
    import torch

    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Torch has no public function for this. A release without these functions gets float32.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, bool)() for check in checks)
    return False


class ForkSafeLock:
    """A reentrant lock that is free in a forked child, where the thread that held it does not exist."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def after_fork(self) -> None:
        """Make the lock free, unless the thread that forked holds it."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock = threading.RLock()


class _SharedSetting(ABC):
    """A setting of the whole process: the first thread that enters changes it, the last one that leaves restores it.

    Without the count, the thread that leaves last would restore what another thread had set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._before: Any = None

    @abstractmethod
    def change(self) -> Any:
        """Change the setting and return what it was."""

    @abstractmethod
    def restore(self, before: Any) -> None:
        """Set what was before."""

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                self._before = self.change()
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._n_inside:  # 0 where the process was forked inside the block
                self._n_inside -= 1
                if not self._n_inside:
                    self.restore(self._before)

    def after_fork(self) -> None:
        """Restore the setting in a forked child: the threads that asked for it do not exist there."""
        self._lock = threading.Lock()
        if self._n_inside:
            self._n_inside = 0
            self.restore(self._before)


class _SingleBlasThread(_SharedSetting):
    """Limits BLAS to one thread."""

    def change(self) -> list[int]:
        libraries = _blas_libraries()
        counts = [library.get_num_threads() for library in libraries]
        for library, count in zip(libraries, counts, strict=True):
            if count > 1:
                _set_num_threads(library, 1)
        return counts

    def restore(self, before: list[int]) -> None:
        for library, count in zip(_blas_libraries(), before, strict=True):
            # A count other than 1 was set by somebody else in the meantime.
            if count > 1 and library.get_num_threads() == 1:
                _set_num_threads(library, count)

    def counts(self) -> list[int]:
        """Return the number of threads of each library without the limit."""
        with self._lock:
            if self._n_inside:
                return list(self._before)
            return [library.get_num_threads() for library in _blas_libraries()]


class _SinglePrecision(_SharedSetting):
    """Makes float32 the default type of torch."""

    def change(self) -> torch.dtype:
        import torch

        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        return before

    def restore(self, before: torch.dtype) -> None:
        import torch

        torch.set_default_dtype(before)


@contextmanager
def torch_settings() -> Iterator[int]:
    """Set torch up for a computation of this package, restore it afterwards, and yield the number of threads.

    Inside, new tensors are float32 and on the CPU by default, gradients are recorded, autocast is off, and torch uses
    at most the cores of this process. In a forked process it uses one thread.
    """
    import torch

    before = torch.get_num_threads()
    allowed = 1 if _is_forked else min(before, joblib.cpu_count())
    with ExitStack() as stack:
        stack.enter_context(_single_precision)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if _is_forked and before > 1:
            _warn_of_fork()
        if allowed != before:
            torch.set_num_threads(allowed)
            stack.callback(torch.set_num_threads, before)
        yield allowed


@cache
def _warn_of_fork() -> None:
    warnings.warn(
        "This process was forked from one that had loaded torch, and torch's threads do not survive a fork: torch "
        "computes with one thread here. To use all cores, start processes with the method 'spawn' or 'forkserver', or "
        "fork before torch is loaded.",
        RuntimeWarning,
        stacklevel=4,
    )


def n_threads() -> int:
    """Return how many threads array work may use here, at least 1.

    It is the number of threads that BLAS was given, within the cores of this process: it follows ``OMP_NUM_THREADS``,
    `threadpoolctl.threadpool_limits` and the share that joblib's loky backend leaves each of its workers.
    """
    if getattr(_worker, "is_busy", False):  # the other cores have tasks of their own
        return 1
    return max(1, min([joblib.cpu_count(), *_single_blas_thread.counts()]))


def map_in_threads(function: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
    """Return function(task) for each task, computed in threads, with BLAS limited to one thread.

    Work that releases the interpreter lock (products of scipy, sorts of numpy) uses all cores this way, and the bits
    of a result do not depend on the number of tasks.
    """
    tasks = list(tasks)
    with _single_blas_thread:
        workers = min(n_threads(), len(tasks)) if len(tasks) > 1 else 1
        if workers < 2:
            return [function(task) for task in tasks]
        with ThreadPoolExecutor(workers, initializer=_become_worker) as pool:
            return list(pool.map(function, tasks))


def _become_worker() -> None:
    _worker.is_busy = True


def _set_num_threads(library: Any, count: int) -> None:
    """Set the number of threads of a BLAS; threadpoolctl would heed only the first thread of the process that does."""
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(count)
    release(force=True)


@cache
def _blas_libraries() -> list[Any]:
    """Return the loaded BLAS libraries; the search takes longer than serving a user does."""
    import scipy.linalg  # noqa: F401  loads the BLAS that scipy brings

    return ThreadpoolController().select(user_api="blas").lib_controllers


def _after_fork_in_child() -> None:
    global _is_forked
    # Torch's OpenMP pool counts as running here although its threads are gone: a parallel region would wait forever.
    _is_forked = _is_forked or "torch" in sys.modules
    for lock in _locks:
        lock.after_fork()
    for setting in (_single_blas_thread, _single_precision):
        setting.after_fork()


_is_forked = False
_locks: WeakSet[ForkSafeLock] = WeakSet()
_single_blas_thread, _single_precision = _SingleBlasThread(), _SinglePrecision()
_worker = threading.local()
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
