"""What is trained, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

__all__ = ["Learner", "Progress", "put"]


class Learner(Protocol):
    """What can be trained: parameters, batches and the loss of a batch."""

    def parameters(self) -> list[torch.Tensor]:
        """Return what the steps change, in place."""

    def batches(self, epoch: int) -> Iterable[Any]:
        """Return the batches of an epoch; they depend on nothing but its number, so that a fit can be resumed."""

    def loss(self, batch: Any) -> torch.Tensor:
        """Return the loss of a batch."""

    def validate(self) -> float | None:
        """Return a score of the present parameters, the higher the better; None where nothing is held out."""


@dataclass
class Progress:
    """How far training has come.

    Parameters
    ----------
    losses : list of float
        The mean loss of each epoch.
    scores : list of float
        The validation score after each epoch, where there is one.
    best : list of Tensor or None
        The parameters of the best validation score.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best: list[torch.Tensor] | None = None

    def record(self, loss: float, score: float | None, parameters: list[torch.Tensor]) -> None:
        """Take down an epoch."""
        self.losses.append(loss)
        if score is not None:
            if score > max(self.scores, default=-float("inf")):
                self.best = [parameter.detach().clone() for parameter in parameters]
            self.scores.append(score)

    def has_stalled(self, tol: float, n_iter_no_change: int) -> bool:
        """Return whether the last epochs were none better, by `tol`, than the best before each of them."""
        values = self.scores or [-loss for loss in self.losses]
        highest, n_without = -float("inf"), 0
        for value in values:
            n_without = 0 if value > highest + tol else n_without + 1
            highest = max(highest, value)
        return n_without >= n_iter_no_change


def put(values: list[torch.Tensor], parameters: list[torch.Tensor]) -> None:
    """Copy values into parameters."""
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
