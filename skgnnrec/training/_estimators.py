"""The training of an estimator: its optimizer, and its epochs as tasks for the callbacks of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from skgnnrec.training._checkpoint import Checkpoint
from skgnnrec.training._loop import train
from skgnnrec.training._progress import Learner, Progress
from skgnnrec.training._workers import ALONE, Workers

__all__ = ["train_estimator"]


def train_estimator(
    estimator: Any,
    learner: Learner,
    *,
    max_iter: int,
    checkpoint: Checkpoint | None,
    reconstruct: Callable[[], dict[str, Any]],
    held_out: tuple[Any, Any],
    original: Any = None,
    optimizer: torch.optim.Optimizer | None = None,
    step_size: Callable[[int], float] | None = None,
    workers: Workers = ALONE,
) -> Progress:
    """Train with the parameters of an estimator, inside the task that its `fit` has begun.

    Callbacks receive `held_out`, X and y, and an estimator fitted so far: a copy with the attributes that `reconstruct`
    returns. Where `estimator` is a copy, `original` is the estimator whose `fit` was called, which callbacks know.
    `step_size` maps the number of an epoch, from 0, to its step size; None keeps the one of the optimizer. Without an
    optimizer, the estimator has the parameters `solver`, `learning_rate_init` and `alpha`.
    """
    original = estimator if original is None else original
    if optimizer is None:
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[estimator.solver](
            learner.parameters(), lr=estimator.learning_rate_init, weight_decay=estimator.alpha, fused=True
        )
    workers.sum_gradients(optimizer)
    epochs: list[Any] = []

    def before_epoch(epoch: int) -> None:
        if step_size is not None:
            for group in optimizer.param_groups:
                group["lr"] = step_size(epoch)
        epochs.append(estimator._callback_fit_ctx.subcontext("epoch").call_on_fit_task_begin(estimator=original))

    def after_epoch(progress: Progress) -> bool:
        def state() -> dict[str, Any]:
            # The whole state: a copy of the original would keep attributes of an earlier fit.
            return {"__dict__": {**vars(estimator), **_curves(estimator, progress), **reconstruct()}}

        X, y = held_out
        return epochs.pop().call_on_fit_task_end(estimator=original, X=X, y=y, reconstruction_attributes=state)

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


def _curves(estimator: Any, progress: Progress) -> dict[str, Any]:
    """Return the fitted attributes that describe a training so far; a further training continues the curves."""
    losses = [*getattr(estimator, "loss_curve_", ()), *progress.losses]
    scores = [*getattr(estimator, "validation_scores_", ()), *progress.scores]
    return {"loss_curve_": losses, "validation_scores_": scores, "n_iter_": len(losses)}
