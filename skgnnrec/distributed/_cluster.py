"""Tasks on a cluster of Ray, which are repeated when their node is lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

__all__ = ["check_options", "connect", "get", "kept", "map_tasks", "reduce_tasks", "task"]

FAN_IN = 4  # results that one task adds up
QUEUED = 4  # tasks that are submitted for each CPU

_kept: dict[str, Any] = {}  # in a process of a worker: the latest large argument


def check_options(ray_remote_args: Any) -> None:
    """Raise an error if options of tasks are not a dict."""
    if ray_remote_args is not None and not (
        isinstance(ray_remote_args, Mapping) and all(isinstance(name, str) for name in ray_remote_args)
    ):
        raise ValueError(
            f"ray_remote_args must be a dict of options, such as {{'num_cpus': 4}}; got {ray_remote_args!r:.100}."
        )


def connect() -> Any:
    """Return the module ray, connected to a cluster."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("skgnnrec.distributed needs the package ray: pip install 'skgnnrec[distributed]'.") from error
    if not ray.is_initialized():
        ray.init()
    return ray


def task(function: Callable, ray_remote_args: Mapping[str, Any] | None) -> Any:
    """Return a function as a task that is repeated as often as nodes are lost."""
    return connect().remote(function).options(**{"max_retries": -1, **(ray_remote_args or {})})


def get(ref: Any) -> Any:
    """Return the result of a task, or raise the error that it raised."""
    import ray

    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def kept(refs: list[Any]) -> Any:
    """Return a large argument, given as a list with its reference; the process keeps it for the tasks that follow."""
    import ray

    (ref,) = refs
    if ref.hex() not in _kept:
        _kept.clear()
        _kept[ref.hex()] = ray.get(ref)
    return _kept[ref.hex()]


def map_tasks(
    function: Callable, calls: Iterable[tuple], ray_remote_args: Mapping[str, Any] | None
) -> Iterator[tuple[int, Any]]:
    """Yield the place and the result of each call, in the order in which they finish."""
    ray, submit = connect(), task(function, ray_remote_args).remote
    places: dict[Any, int] = {}
    waiting = enumerate(calls)
    try:
        while True:
            for place, arguments in itertools.islice(waiting, _n_queued(ray) - len(places)):
                places[submit(*arguments)] = place
            if not places:
                return
            (done,), _ = ray.wait(list(places), num_returns=1)
            yield places.pop(done), get(done)
    finally:
        _cancel(ray, places)


def reduce_tasks(
    function: Callable, calls: Iterable[tuple], add: Callable, ray_remote_args: Mapping[str, Any] | None
) -> Any:
    """Return the sum of the results of all calls, which tasks add up in a tree; sums do not depend on its shape."""
    ray = connect()
    submit, submit_sum = task(function, ray_remote_args).remote, task(add, ray_remote_args).remote
    pending: set[Any] = set()
    finished: list[Any] = []
    waiting = iter(calls)
    try:
        while True:
            pending |= {submit(*call) for call in itertools.islice(waiting, _n_queued(ray) - len(pending))}
            if not pending and len(finished) == 1:
                return get(finished[0])
            if pending:
                done, _ = ray.wait(list(pending), num_returns=1)
                pending -= set(done)
                finished += done
            if len(finished) >= FAN_IN or (not pending and len(finished) > 1):
                pending.add(submit_sum(*finished[:FAN_IN]))
                del finished[:FAN_IN]
    finally:
        _cancel(ray, pending)


def _n_queued(ray: Any) -> int:
    return max(8, QUEUED * int(ray.cluster_resources().get("CPU", 1)))


def _cancel(ray: Any, refs: Iterable[Any]) -> None:
    for ref in refs:
        with suppress(Exception):  # of a cluster that is gone
            ray.cancel(ref)
