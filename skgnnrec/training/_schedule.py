"""How large the steps are: rising at the start, falling to the end, never along a gradient that is too long."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["schedule_steps"]


def schedule_steps(
    optimizer: torch.optim.Optimizer, n_steps: int, warmup_fraction: float, max_norm: float = 1.0
) -> None:
    """Let an optimizer warm up and cool down, and shorten long gradients before each of its steps.

    The step size of each group is what it is now, times a factor that rises linearly to 1 over the first steps and
    falls linearly to 0 over the others.

    Parameters
    ----------
    optimizer : Optimizer
        Counts its steps in its state, as Adam and AdamW do: what a checkpoint restores goes on at the right place.
    n_steps : int
        Steps of the whole training.
    warmup_fraction : float
        The share of them that rises, from 0 to 1.
    max_norm : float, default=1.0
        The largest Euclidean length of the gradient of all parameters together.

    References
    ----------
    .. [1] J. Devlin et al., "BERT: Pre-training of deep bidirectional transformers for language understanding",
           NAACL 2019.
    """
    highest = [group["lr"] for group in optimizer.param_groups]
    n_rising = max(1, round(warmup_fraction * n_steps))

    def before_step(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        done = max((int(state["step"]) for state in optimizer.state.values() if "step" in state), default=0)
        rising, falling = (done + 1) / n_rising, (n_steps - done) / max(1, n_steps - n_rising + 1)
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * max(0.0, min(1.0, rising, falling))
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)

    optimizer.register_step_pre_hook(before_step)
