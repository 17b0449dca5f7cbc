"""Tasks on a cluster of Ray, which are repeated when their node is lost."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

__all__ = ["check_options", "connect", "get", "kept", "map_tasks", "n_that_fit", "reduce_tasks", "run_together", "task"]

FAN_IN = 4  # results that one task adds up
QUEUED = 4  # tasks that are submitted for each CPU
NOTICED_S = 120  # within which Ray notices that a node is lost; its peers notice it before
RESOURCES = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}  # names of options, and of what a node has

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
    function: Callable,
    calls: Iterable[tuple],
    add: Callable,
    ray_remote_args: Mapping[str, Any] | None,
    finish: Callable[[Any], Any] = lambda total: total,
) -> Any:
    """Return the sum of the results of all calls, which tasks add up in a tree.

    The shape of the tree follows from the number of calls: sums of floating-point numbers do not depend on the order in
    which tasks finish. `finish` maps the reference of the sum to that of the result.
    """
    ray = connect()
    submit, submit_sum = task(function, ray_remote_args).remote, task(add, ray_remote_args).remote
    running: list[Any] = []
    levels: list[list[Any]] = []  # of the tree: results that are not added up yet
    try:
        for call in calls:
            if len(running) >= _n_queued(ray):
                _, running = ray.wait(running, num_returns=1)
            running.append(submit(*call))
            _carry(running[-1], levels, submit_sum)
        total: list[Any] = []
        for level in levels:
            parts = total + level
            total = parts if len(parts) == 1 else [submit_sum(*parts)] if parts else []
        return get(finish(total[0]))
    except BaseException:  # Ray 2.60 ends the program when a task is cancelled in the moment of its end
        _cancel(ray, ray.wait(running, num_returns=len(running), timeout=0)[1] if running else [])
        raise


def run_together(function: Callable, calls: Sequence[tuple], ray_remote_args: Mapping[str, Any] | None) -> list[Any]:
    """Return the results of calls that run at the same time and communicate; if a process is lost, all begin again.

    The function receives its place, the number of calls, an address where the first one can listen, and the arguments.
    """
    ray = connect()
    options = {"num_cpus": 1, **(ray_remote_args or {})}
    while True:
        # All or none: calls that wait for each other must not wait for processors, too.
        group = ray.util.placement_group([_needs(options)] * len(calls), strategy="SPREAD")
        strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group)
        processes = [ray.remote(_Process).options(**options, scheduling_strategy=strategy).remote() for _ in calls]
        try:
            results, errors = _results_of(ray, processes, function, calls)
        finally:
            for process in processes:
                ray.kill(process)
            ray.util.remove_placement_group(group)
        if not errors:
            return results
        if all(isinstance(error, ray.exceptions.RayTaskError) for error in errors):
            raise getattr(errors[0], "cause", errors[0]) from errors[0]


def n_that_fit(ray_remote_args: Mapping[str, Any] | None) -> int:
    """Return for how many processes the cluster has the resources, at least 1."""
    available, needs = connect().cluster_resources(), _needs({"num_cpus": 1, **(ray_remote_args or {})})
    return max(1, int(min(available.get(name, 0) // amount for name, amount in needs.items())))


def _needs(options: Mapping[str, Any]) -> dict[str, float]:
    """Return the resources of a process with such options."""
    needs = {name: options[option] for option, name in RESOURCES.items() if options.get(option)}
    return {**needs, **options.get("resources", {})} or {"CPU": 1}


class _Process:
    """A process of a worker, in which functions are called."""

    def address(self) -> tuple[str, int]:
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            return ray.util.get_node_ip_address(), free.getsockname()[1]

    def call(self, function: Callable, *arguments: Any) -> Any:
        return function(*arguments)


def _results_of(
    ray: Any, processes: list[Any], function: Callable, calls: Sequence[tuple]
) -> tuple[list[Any], list[Exception]]:
    """Return the results of calls in processes, or the errors after the first one."""
    errors: list[Exception] = []

    def result(ref: Any) -> Any:
        try:
            return ray.get(ref)
        except ray.exceptions.RayError as error:
            errors.append(error)

    address = result(processes[0].address.remote())
    if errors:
        return [], errors
    running = [
        process.call.remote(function, place, len(calls), address, *arguments)
        for place, (process, arguments) in enumerate(zip(processes, calls, strict=True))
    ]
    results = dict.fromkeys(running)
    while running and not errors:
        (done,), running = ray.wait(running, num_returns=1)
        results[done] = result(done)
    # The loss of one process is an error in the others, which often comes first.
    for ref in ray.wait(running, num_returns=len(running), timeout=NOTICED_S)[0] if running else []:
        result(ref)
    return list(results.values()), errors


def _carry(result: Any, levels: list[list[Any]], submit_sum: Callable) -> None:
    """Put a result into the lowest level of a tree; the results of a full level become one of the next level."""
    for level in levels:
        level.append(result)
        if len(level) < FAN_IN:
            return
        result = submit_sum(*level)
        level.clear()
    levels.append([result])


def _n_queued(ray: Any) -> int:
    return max(8, QUEUED * int(ray.cluster_resources().get("CPU", 1)))


def _cancel(ray: Any, refs: Iterable[Any]) -> None:
    for ref in refs:
        with suppress(Exception):  # of a cluster that is gone
            ray.cancel(ref)
