"""The training of an estimator: its optimizer, and its epochs as tasks that scikit-learn's callbacks see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from skgnnrec.training._checkpoint import Checkpoint
from skgnnrec.training._loop import train
from skgnnrec.training._progress import Learner, Progress

__all__ = ["train_estimator"]


def train_estimator(
    estimator: Any,
    learner: Learner,
    *,
    max_iter: int,
    checkpoint: Checkpoint | None,
    reconstruct: Callable[[], dict[str, Any]],
    held_out: tuple[Any, Any],
    optimizer: torch.optim.Optimizer | None = None,
    step_size: Callable[[int], float] | None = None,
) -> Progress:
    """Train with the settings of an estimator, inside the task that its `fit` has begun.

    Parameters
    ----------
    estimator : estimator
        Has `tol`, `n_iter_no_change` and callbacks; where no optimizer is given also `solver`, `learning_rate_init`
        and `alpha`.
    learner : Learner
        What is trained.
    max_iter : int
        Epochs at most.
    checkpoint : Checkpoint or None
        Where the state of each epoch is kept.
    reconstruct : callable
        Returns the attributes of an estimator fitted so far, for callbacks that ask for one.
    held_out : tuple
        X and y that callbacks may score; None where nothing is held out.
    optimizer : Optimizer, default=None
        Takes the steps. None makes the one that `solver` names.
    step_size : callable, default=None
        Takes the number of an epoch, from 0, to its step size. None leaves it as it is.

    Returns
    -------
    progress : Progress
        Losses and scores.
    """
    if optimizer is None:
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[estimator.solver](
            learner.parameters(), lr=estimator.learning_rate_init, weight_decay=estimator.alpha
        )
    epochs: list[Any] = []

    def before_epoch(epoch: int) -> None:
        if step_size is not None:
            for group in optimizer.param_groups:
                group["lr"] = step_size(epoch)
        epochs.append(estimator._callback_fit_ctx.subcontext("epoch").call_on_fit_task_begin(estimator=estimator))

    def after_epoch(progress: Progress) -> bool:
        X, y = held_out
        task = epochs.pop()
        return task.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes=reconstruct)

    return train(
        learner,
        optimizer,
        max_iter=max_iter,
        tol=estimator.tol,
        n_iter_no_change=estimator.n_iter_no_change,
        before_epoch=before_epoch,
        after_epoch=after_epoch,
        checkpoint=checkpoint,
    )
