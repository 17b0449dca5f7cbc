"""A learner whose answers are known."""

import pytest
import torch

from skgnnrec.training import train


class Parabola:
    """Minimises (x - 3)² in two batches per epoch; its validation scores are given."""

    def __init__(self, scores=None, broken_at=None):
        self.x = torch.zeros(1, requires_grad=True)
        self.scores = iter(scores or [])
        self.has_scores = scores is not None
        self.broken_at = broken_at
        self.epochs = []

    def parameters(self):
        return [self.x]

    def batches(self, epoch):
        self.epochs.append(epoch)
        yield from ((epoch, 0), (epoch, 1))

    def loss(self, batch):
        loss = ((self.x - 3) ** 2).sum()
        return loss * torch.nan if batch == self.broken_at else loss

    def validate(self):
        return next(self.scores) if self.has_scores else None


def run(learner, max_iter=5, *, optimizer=None, lr=0.1, tol=0.0, n_iter_no_change=100, **more):
    return train(
        learner,
        optimizer or torch.optim.SGD(learner.parameters(), lr=lr),
        max_iter=max_iter,
        tol=tol,
        n_iter_no_change=n_iter_no_change,
        **{"before_epoch": lambda epoch: None, "after_epoch": lambda progress: False, **more},
    )


@pytest.fixture
def parabola():
    """Return the class of the learner."""
    return Parabola


@pytest.fixture
def train_parabola():
    """Return a function that trains the learner with plain gradient descent."""
    return run
