"""A backend of joblib that runs the fits of a search on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from joblib.parallel import ParallelBackendBase

from skgnnrec.distributed._cluster import check_options, connect, get, task
from skgnnrec.distributed._pickling import pickle_call, run_call

__all__ = ["ray_backend"]


def ray_backend(n_jobs: int = -1, *, ray_remote_args: Mapping[str, Any] | None = None) -> AbstractContextManager[None]:
    """Run what uses joblib on a cluster: the fits of `GridSearchCV`, `cross_validate` and other functions.

    Large arrays, those of X and of the catalog, are put once into the object store of Ray, where the workers of a node
    share one copy. Fits on a lost node are repeated on others.

    Parameters
    ----------
    n_jobs : int, default=-1
        The number of tasks at a time; -1 is the number of CPUs of the cluster. An estimator whose own `n_jobs` is not
        None uses that one.
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_cpus": 4}``.

    Returns
    -------
    context : context manager
        Inside its ``with`` block, the cluster is the backend of joblib.

    Raises
    ------
    ImportError
        If the package ray is not installed, at the begin of the ``with`` block.

    Notes
    -----
    On one machine, the default backend of joblib is faster. The backend of ``ray.util.joblib`` copies a sparse X for
    each worker, and waits for workers of lost nodes.

    Examples
    --------
    >>> from skgnnrec import distributed
    >>> with distributed.ray_backend():  # doctest: +SKIP
    ...     search.fit(X)
    """
    if not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or not (n_jobs == -1 or n_jobs > 0):
        raise ValueError(f"n_jobs must be a positive integer or -1, got {n_jobs!r:.100}.")
    check_options(ray_remote_args)
    return _active(int(n_jobs), ray_remote_args)


@contextmanager
def _active(n_jobs: int, ray_remote_args: Mapping[str, Any] | None) -> Iterator[None]:
    connect()
    with joblib.parallel_config(backend=_RayBackend(ray_remote_args=ray_remote_args), n_jobs=n_jobs):
        yield


class _RayBackend(ParallelBackendBase):
    """Tasks of Ray as the backend of joblib. A thread waits for each of them."""

    default_n_jobs = -1
    supports_retrieve_callback = True

    def __init__(
        self, nesting_level: int | None = None, *, ray_remote_args: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(nesting_level=nesting_level, **options)
        self.ray_remote_args = ray_remote_args
        self._shared: dict[tuple, tuple[np.ndarray, Any]] = {}  # the reference of each large array, by its memory
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._running: set[Any] = set()

    def __reduce__(self) -> tuple:
        return type(self), (self.nesting_level,)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        if n_jobs is not None and n_jobs > 0:
            return n_jobs
        return 1 if n_jobs is None else max(1, int(connect().cluster_resources().get("CPU", 1)))

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        self.parallel = parallel
        n_jobs = self.effective_n_jobs(n_jobs)
        self._threads = ThreadPoolExecutor(n_jobs)
        return n_jobs

    def submit(self, func: Callable, callback: Callable | None = None) -> Future:
        assert self._threads is not None  # after configure
        future = self._threads.submit(self._run, func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit  # the name before joblib 1.5

    def retrieve_result_callback(self, out: Future) -> Any:
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        n_jobs = self._threads._max_workers if self._threads is not None else 1
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs, self.parallel)

    def terminate(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        for ref in list(self._running):
            connect().cancel(ref)
        self._threads, self._shared = None, {}

    def _run(self, func: Callable) -> Any:
        ref = task(run_call, self.ray_remote_args).remote(*pickle_call(func, self._share))
        self._running.add(ref)
        try:
            return get(ref)
        finally:
            self._running.discard(ref)

    def _share(self, array: np.ndarray) -> Any:
        key = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str
        with self._lock:
            if key not in self._shared:
                # The array is kept, so that no other one takes its place in memory.
                self._shared[key] = array, connect().put(np.asarray(array))
            return self._shared[key][1]
