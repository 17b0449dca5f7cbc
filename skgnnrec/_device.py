"""Where and how torch computes: device, floating-point type, threads.

Torch is imported on use, so that importing the package stays fast and closed-form recommenders never pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import joblib
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")

__all__ = ["limit_torch_threads", "map_in_threads", "n_threads", "resolve_device", "resolve_dtype"]


def resolve_device(device: str = "auto") -> torch.device:
    """Find the device that a ``device`` parameter asks for.

    Parameters
    ----------
    device : str, default="auto"
        ``"auto"`` takes the current CUDA device where there is one and the CPU otherwise. Anything else is a
        torch device string, such as ``"cpu"``, ``"cuda:1"`` or ``"mps"``.

    Returns
    -------
    device : torch.device
        A device on which a tensor could be made and read back.

    Raises
    ------
    ValueError
        If torch does not know the device, or this machine does not have it.

    Examples
    --------
    >>> from skgnnrec._device import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
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
    """Find the floating-point type that a ``dtype`` parameter asks for.

    Parameters
    ----------
    dtype : {"auto", "float32", "bfloat16", "float16"}
        ``"auto"`` takes bfloat16 where the processor computes in it natively, and float32 otherwise.
    device : torch.device
        The device that will compute.

    Returns
    -------
    dtype : torch.dtype
        A floating-point type of torch.

    Raises
    ------
    ValueError
        If `dtype` is none of the four.

    Examples
    --------
    >>> import torch
    >>> from skgnnrec._device import resolve_dtype
    >>> resolve_dtype("float32", torch.device("cpu"))
    torch.float32
    """
    import torch

    if dtype == "auto":
        return torch.bfloat16 if _computes_bfloat16(device) else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise ValueError(f"dtype must be 'auto' or one of {sorted(known)}, got {dtype!r}.")
    return known[dtype]


def _computes_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 runs natively; emulation is slower than float32, not faster."""
    import torch

    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Torch has no public question for this; a release without these answers gets float32.
        questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, question, bool)() for question in questions)
    return False


@contextmanager
def limit_torch_threads() -> Iterator[int]:
    """Keep torch within the cores that this process may use.

    Torch counts the machine's cores; a container, an affinity mask or ``LOKY_MAX_CPU_COUNT`` may allow fewer.
    Workers of joblib's loky backend already start with a smaller count, which is never raised.

    Yields
    ------
    n_threads : int
        The number of threads that torch uses inside the block.

    Examples
    --------
    >>> import joblib
    >>> from skgnnrec._device import limit_torch_threads
    >>> with limit_torch_threads() as n_threads:
    ...     n_threads <= joblib.cpu_count()
    True
    """
    import torch

    before = torch.get_num_threads()
    allowed = min(before, joblib.cpu_count())
    if allowed == before:
        yield allowed
        return
    torch.set_num_threads(allowed)
    try:
        yield allowed
    finally:
        torch.set_num_threads(before)


def n_threads() -> int:
    """Return how many threads array work may use here.

    It is the count the BLAS library was given, within the cores of this process: it follows ``OMP_NUM_THREADS``,
    `threadpoolctl.threadpool_limits` and the share that joblib's loky backend leaves each of its workers.

    Returns
    -------
    n_threads : int
        At least 1.
    """
    libraries = _threadpools().info()
    return max(1, min([joblib.cpu_count(), *(library["num_threads"] for library in libraries)]))


def map_in_threads(function: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
    """Return function(task) for each task, a thread each, every library below them single-threaded.

    Work that releases the interpreter (products of scipy, sorts of numpy) uses every core this way, cores are not
    promised twice, and the bits of a result do not depend on how many tasks there are.

    Parameters
    ----------
    function : callable
        Takes a task.
    tasks : iterable
        The tasks.

    Returns
    -------
    results : list
        The results in the order of the tasks.

    Examples
    --------
    >>> from skgnnrec._device import map_in_threads
    >>> map_in_threads(abs, [-1, 2])
    [1, 2]
    """
    tasks = list(tasks)
    workers = min(n_threads(), len(tasks)) if len(tasks) > 1 else 1
    with _threadpools().limit(limits=1):
        if workers < 2:
            return [function(task) for task in tasks]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(function, tasks))


@cache
def _threadpools() -> ThreadpoolController:
    """Look up the loaded BLAS libraries once: it takes longer than serving a user does."""
    import scipy.linalg  # noqa: F401  loads the BLAS that scipy brings

    return ThreadpoolController().select(user_api="blas")
