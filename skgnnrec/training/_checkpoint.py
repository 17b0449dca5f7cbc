"""The state of a training on disk, so that one that was killed goes on where it was."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skgnnrec.training._progress import Learner, Progress, put

__all__ = ["Checkpoint", "open_checkpoint"]


def fingerprint(settings: Sequence[Any], arrays: Iterable[np.ndarray]) -> str:
    """Return what tells one fit from another.

    Parameters
    ----------
    settings : sequence of str, number, bool or None
        What steers the training.
    arrays : iterable of ndarray
        The data and what training starts from.

    Returns
    -------
    fingerprint : str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(repr(list(settings)).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def open_checkpoint(
    folder: str | os.PathLike[str] | None, random_state: Any, settings: Sequence[Any], arrays: Iterable[np.ndarray]
) -> Checkpoint | None:
    """Return the checkpoint of a fit, None where no folder is asked for.

    Parameters
    ----------
    folder : str, path-like or None
        The parameter `checkpoint_dir` of an estimator.
    random_state : object
        Its parameter `random_state`.
    settings : sequence of str, number, bool or None
        What steers the training.
    arrays : iterable of ndarray
        The data and what training starts from; not read without a folder.

    Returns
    -------
    checkpoint : Checkpoint or None
        The checkpoint.

    Raises
    ------
    ValueError
        If `random_state` is no int: another fit could not begin in the same way.
    """
    if folder is None:
        return None
    if not isinstance(random_state, Integral):
        raise ValueError(f"random_state must be an int to resume from checkpoint_dir, got {random_state!r}.")
    return Checkpoint(folder, fingerprint(settings, arrays))


class Checkpoint:
    """One file that always holds a whole state: it is written beside and moved into place.

    Parameters
    ----------
    folder : str or path-like
        Where the file is; created if it is not there.
    fingerprint : str
        What identifies the fit: its settings and its data. It names the file, so that the candidates of a search
        share a folder and no fit goes on from another's state.
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: str) -> None:
        self.path = Path(folder) / f"{fingerprint}.pt"
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def save(self, learner: Learner, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state after an epoch.

        Parameters
        ----------
        learner : Learner
            Its parameters are kept.
        optimizer : Optimizer
            Its moments are kept.
        progress : Progress
            Losses, scores and the best parameters.
        """
        state = {
            "parameters": [parameter.detach() for parameter in learner.parameters()],
            "optimizer": optimizer.state_dict(),
            "losses": progress.losses,
            "scores": progress.scores,
            "best": progress.best,
        }
        with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".tmp", delete=False) as file:
            try:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())  # the move must not reach the disk before what is moved
                os.replace(file.name, self.path)
            except BaseException:
                os.unlink(file.name)
                raise

    def restore(self, learner: Learner, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the saved state into the learner and the optimizer.

        Parameters
        ----------
        learner : Learner
            Its parameters are overwritten.
        optimizer : Optimizer
            Its moments are overwritten.

        Returns
        -------
        progress : Progress
            How far the training had come; the start where nothing was saved.
        """
        state = self._read()
        if state is None:
            return Progress()
        put(state["parameters"], learner.parameters())
        optimizer.load_state_dict(state["optimizer"])
        best = state["best"]
        if best is not None:
            best = [value.to(parameter.device) for value, parameter in zip(best, learner.parameters(), strict=True)]
        return Progress(state["losses"], state["scores"], best)

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)  # tensors and numbers, no code
            return state if {"parameters", "optimizer", "losses", "scores", "best"} <= state.keys() else None
        except Exception as error:
            warnings.warn(f"The checkpoint {self.path} cannot be read, training starts anew: {error}", stacklevel=5)
            return None
