"""The loop: the only place where gradients are set to zero and a step is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.training._checkpoint import Checkpoint
from skgnnrec.training._progress import Learner, Progress, put

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
    """Train until `max_iter` epochs are over or nothing improves, and leave the best parameters in place.

    Parameters
    ----------
    learner : Learner
        What is trained.
    optimizer : Optimizer
        Over the learner's parameters.
    max_iter : int
        Epochs at most.
    tol : float
        What counts as an improvement: of the validation score, or of the loss where nothing is held out.
    n_iter_no_change : int
        Epochs without improvement after which training stops.
    before_epoch : callable
        Called with the number of the epoch, from 0, when it begins.
    after_epoch : callable
        Called with the progress when an epoch is over; true stops the training.
    checkpoint : Checkpoint, default=None
        Where the state of each epoch is kept, and where an interrupted training goes on.

    Returns
    -------
    progress : Progress
        Losses and scores.

    Raises
    ------
    NonFiniteLossError
        If a loss is infinite or not a number.
    """
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
        put(progress.best, learner.parameters())
    return progress


def run_epoch(learner: Learner, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """Take a step on each batch and return the mean loss."""
    total: Any = 0.0
    n_batches = 0
    for batch in learner.batches(epoch):
        loss = take_step(learner, optimizer, batch)
        # On a CPU the value is at hand. Elsewhere asking for it would halt the device: it is asked once an epoch.
        if loss.device.type == "cpu":
            check_finite(loss, epoch)
        total = total + loss
        n_batches += 1
    return check_finite(total / n_batches, epoch) if n_batches else 0.0


def take_step(learner: Learner, optimizer: torch.optim.Optimizer, batch: Any) -> torch.Tensor:
    """Follow the gradient of a batch and return its loss."""
    optimizer.zero_grad()
    loss = learner.loss(batch)
    loss.backward()
    optimizer.step()
    return loss.detach()


def check_finite(loss: torch.Tensor, epoch: int) -> float:
    """Return a loss as a number, or say that training has diverged."""
    value = float(loss)
    if value - value != 0:  # inf and nan
        raise NonFiniteLossError(
            f"The loss is {value} in epoch {epoch + 1}: training has diverged. Lower learning_rate_init, or raise "
            "temperature where there is one."
        )
    return value
