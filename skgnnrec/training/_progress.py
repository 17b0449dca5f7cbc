"""The interface of a learner, and the progress of its training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

__all__ = ["Learner", "Progress", "set_parameters"]


class Learner(Protocol):
    """A model in training: its parameters, its batches and the loss of a batch."""

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters, which the optimizer changes in place."""

    def batches(self, epoch: int) -> Iterable[Any]:
        """Return the batches of an epoch; they depend on its number only, so that a fit can be resumed."""

    def loss(self, batch: Any) -> torch.Tensor:
        """Return the loss of a batch."""

    def validate(self) -> float | None:
        """Return the score of the current parameters on held-out data, higher is better; None without such data."""


@dataclass
class Progress:
    """The history of a training, and the parameters of its best epoch."""

    losses: list[float] = field(default_factory=list)  # the mean loss of each epoch
    scores: list[float] = field(default_factory=list)  # the validation score after each epoch
    best: list[torch.Tensor] | None = None  # the parameters with the highest validation score

    def record(self, loss: float, score: float | None, parameters: list[torch.Tensor]) -> None:
        """Add an epoch."""
        self.losses.append(loss)
        if score is not None:
            if score > max(self.scores, default=-float("inf")):
                self.best = [parameter.detach().clone() for parameter in parameters]
            self.scores.append(score)

    def has_stalled(self, tol: float, n_iter_no_change: int) -> bool:
        """Return whether none of the last epochs was better, by more than `tol`, than the best epoch before it."""
        values = self.scores or [-loss for loss in self.losses]
        highest, n_without = -float("inf"), 0
        for value in values:
            n_without = 0 if value > highest + tol else n_without + 1
            highest = max(highest, value)
        return n_without >= n_iter_no_change


def set_parameters(parameters: list[torch.Tensor], values: list[torch.Tensor]) -> None:
    """Copy values into parameters of the same shapes; other shapes raise ValueError before anything is copied."""
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (parameters, values)]
    if shapes[0] != shapes[1]:  # a copy would broadcast
        raise ValueError(f"The parameters have the shapes {shapes[0]}, their values {shapes[1]}.")
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
