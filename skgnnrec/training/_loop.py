"""The training loop: no other module sets gradients to zero or takes a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from skgnnrec._device import torch_settings
from skgnnrec._memory import kept_memory
from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.training._checkpoint import Checkpoint
from skgnnrec.training._progress import Learner, Progress, set_parameters

__all__ = ["train"]


def train(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    *,
    max_iter: int,
    tol: float,
    n_iter_no_change: int,
    before_epoch: Callable[[int], None],
    after_epoch: Callable[[Progress], bool],
    checkpoint: Checkpoint | None = None,
) -> Progress:
    """Train for at most `max_iter` epochs, put the best parameters in place, and return losses and scores.

    `before_epoch` gets the number of the epoch, `after_epoch` the progress; training stops when the latter returns True
    or when no epoch improves by more than `tol`. A loss that is not finite raises NonFiniteLossError.
    """
    with torch_settings(), kept_memory():
        progress = checkpoint.restore(learner, optimizer) if checkpoint is not None else Progress()
        for epoch in range(len(progress.losses), max_iter):
            if progress.losses and progress.has_stalled(tol, n_iter_no_change):
                break
            before_epoch(epoch)
            loss = run_epoch(learner, optimizer, epoch)
            progress.record(loss, learner.validate(), learner.parameters())
            if checkpoint is not None:
                checkpoint.save(learner, optimizer, progress)
            if after_epoch(progress):
                break
        if progress.best is not None:
            set_parameters(learner.parameters(), progress.best)
    return progress


def run_epoch(learner: Learner, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """Take a step for each batch and return the mean loss."""
    total: Any = 0.0
    n_batches = 0
    for batch in learner.batches(epoch):
        loss = take_step(learner, optimizer, batch)
        # Reading a loss from another device would make it wait, so there the losses are read once an epoch.
        if loss.device.type == "cpu":
            check_finite(loss, epoch)
        total = total + loss
        n_batches += 1
    return check_finite(total / n_batches, epoch) if n_batches else 0.0


def take_step(learner: Learner, optimizer: torch.optim.Optimizer, batch: Any) -> torch.Tensor:
    """Take a step along the gradient of a batch and return the loss before it."""
    optimizer.zero_grad()
    loss = learner.loss(batch)
    loss.backward()
    optimizer.step()
    return loss.detach()


def check_finite(loss: torch.Tensor, epoch: int) -> float:
    """Return the loss as a number, or raise NonFiniteLossError."""
    value = float(loss)
    if value - value != 0:  # inf and nan
        raise NonFiniteLossError(
            f"The loss is {value} in epoch {epoch + 1}: training has diverged. Lower learning_rate_init, or raise "
            "temperature if the estimator has it."
        )
    return value
