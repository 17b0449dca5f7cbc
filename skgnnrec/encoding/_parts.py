"""Batches that are computed in smaller parts once memory has run out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["InParts"]


class InParts:
    """Computes the vectors of one batch after another, in smaller parts once memory has run out."""

    def __init__(self, compute: Callable[[Sequence[Any]], np.ndarray]) -> None:
        self._compute = compute
        self._most: int | None = None  # that fits into memory, in the unit of costs

    def __call__(self, samples: Sequence[Any], cost: int = 1) -> np.ndarray:
        """Return the vectors of samples, (n_samples, embedding_dim), each of which costs as much memory."""
        parts: list[np.ndarray] = []
        start = 0
        while start < len(samples):
            n_samples = len(samples) if self._most is None else max(1, self._most // cost)
            part = samples[start : start + n_samples]
            vectors = self._try(part)
            if vectors is None:
                self._most = cost * (len(part) // 2)
                _free_memory()
                continue
            parts.append(vectors)
            start += n_samples
        return np.concatenate(parts)

    def _try(self, samples: Sequence[Any]) -> np.ndarray | None:
        """Return the vectors of samples, None if they do not fit into memory; for one sample that is an error."""
        try:
            return self._compute(samples)
        except (MemoryError, RuntimeError) as error:
            if len(samples) == 1 or not _is_out_of_memory(error):
                raise
        # Outside of the handler: as long as the error is handled, it keeps the activations alive.
        return None


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
