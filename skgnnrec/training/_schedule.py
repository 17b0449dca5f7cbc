"""The learning rate schedule of fine-tuning: linear warm-up, linear decay, and gradient clipping."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["schedule_steps"]


def schedule_steps(
    optimizer: torch.optim.Optimizer, n_steps: int, warmup_fraction: float, max_norm: float = 1.0
) -> None:
    """Let the learning rates rise linearly over the first steps and then fall linearly, and clip the gradient norm.

    The position in the schedule is the number of steps in the optimizer's state, as Adam and AdamW count it. So a
    checkpoint that restores the optimizer restores the schedule (Devlin et al., "BERT", NAACL 2019).
    """
    # The schedule of transformers starts with a rate of 0, which wastes the first step, and keeps its position in an
    # object of its own, which a checkpoint would have to hold as well.
    highest = [group["lr"] for group in optimizer.param_groups]
    n_rising = max(1, round(warmup_fraction * n_steps))

    def before_step(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        done = max((int(state["step"]) for state in optimizer.state.values() if "step" in state), default=0)
        rising, falling = (done + 1) / n_rising, (n_steps - done) / max(1, n_steps - n_rising + 1)
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * max(0.0, min(1.0, rising, falling))
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)

    optimizer.register_step_pre_hook(before_step)
