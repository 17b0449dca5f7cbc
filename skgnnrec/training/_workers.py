"""The processes of a training that share its users: sums over all of them, in which gradients take part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed

__all__ = ["ALONE", "Workers", "process_group"]

T = TypeVar("T")


class Workers:
    """Processes with the same parameters, each of which trains on users of its own; one alone has only own values.

    All processes have to call the methods in the same order.
    """

    def __init__(self, rank: int = 0, n_workers: int = 1) -> None:
        self.rank, self.n_workers = rank, n_workers

    def gathered(self, value: T) -> list[T]:
        """Return the values of all workers, which can be any objects."""
        if self.n_workers == 1:
            return [value]
        found: list[Any] = [None] * self.n_workers
        distributed.all_gather_object(found, value)
        return found

    def from_first(self, value: T) -> T:
        """Return the value of the first worker, which can be any object."""
        if self.n_workers == 1:
            return value
        found = [value]
        distributed.broadcast_object_list(found, src=0)
        return found[0]

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the arrays of all workers."""
        if self.n_workers == 1:
            return values
        found = torch.tensor(values)
        distributed.all_reduce(found)
        return found.numpy()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of the tensors of all workers; its gradients are summed, too."""
        return values if self.n_workers == 1 else _Sum.apply(values)

    def mean(self, value: float, weight: int) -> float:
        """Return the weighted mean of the values of all workers."""
        if self.n_workers == 1:
            return value
        total, weights = self.total(np.array([value * weight, weight], dtype=np.float64))
        return float(total / weights) if weights else 0.0

    def mean_loss(self, loss: torch.Tensor, weight: int) -> torch.Tensor:
        """Return the weighted mean of the losses of all workers, with the gradient of the own share of it."""
        if self.n_workers == 1:
            return loss
        share = loss * (weight / max(1, int(self.total(np.array(weight)))))
        mean = share.detach().clone()
        distributed.all_reduce(mean)
        return share + (mean - share.detach())

    def sum_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Let each step of an optimizer follow the sum of the gradients of all workers."""
        if self.n_workers > 1:
            optimizer.register_step_pre_hook(_sum_gradients)


ALONE = Workers()


@contextmanager
def process_group(rank: int, n_workers: int, host: str, port: int, device: torch.device) -> Iterator[Workers]:
    """Connect this process with the others while the context is open; the first one listens at `host` and `port`."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, f"tcp://{host}:{port}", world_size=n_workers, rank=rank)
    try:
        yield Workers(rank, n_workers)
    finally:
        distributed.destroy_process_group()


def _sum_gradients(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)


class _Sum(torch.autograd.Function):
    """The sum over all workers: each worker's loss depends on the values of all."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total
