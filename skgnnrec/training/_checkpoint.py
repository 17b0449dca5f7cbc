"""The state of a training on disk, from which a killed training continues."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
import warnings
import zipfile
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import torch

from skgnnrec._memory import available_memory
from skgnnrec.training._progress import Learner, Progress, set_parameters
from skgnnrec.training._workers import ALONE, Workers

__all__ = ["Checkpoint", "open_checkpoint"]

MAGIC = b"skgnnrec checkpoint 1\n"
DIGEST_BYTES = hashlib.sha256().digest_size
ABANDONED_S = 3600


def open_checkpoint(
    folder: str | os.PathLike[str] | None, random_state: Any, identity: Any, workers: Workers = ALONE
) -> Checkpoint | None:
    """Return the checkpoint of a fit, None without a folder.

    `identity` holds everything that the state of the training depends on. Its digest names the file: the candidates of
    a search can share a folder, and no fit continues from the state of another.
    """
    if folder is None:
        return None
    if not isinstance(random_state, Integral):
        raise ValueError(f"random_state must be an int to resume from checkpoint_dir, got {random_state!r}.")
    return Checkpoint(folder, str(joblib.hash(identity)), workers)


class Checkpoint:
    """One file that always holds a complete state: a new one is written beside it and moved into its place.

    The first of several workers writes and reads it, and passes the state on to the others.
    """

    def __init__(self, folder: str | os.PathLike[str], fingerprint: str, workers: Workers = ALONE) -> None:
        self.path, self._workers = Path(folder) / f"{fingerprint}.pt", workers
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def save(self, learner: Learner, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state after an epoch, with a digest of its bytes."""
        if self._workers.rank:
            return
        buffer = io.BytesIO()
        torch.save(_state(learner, optimizer, progress), buffer)
        content = buffer.getvalue()
        self._remove_abandoned()
        with tempfile.NamedTemporaryFile(
            dir=self.path.parent, prefix=f"{self.path.stem}.", suffix=".tmp", delete=False
        ) as file:
            try:
                file.write(MAGIC + hashlib.sha256(content).digest() + content)
                file.flush()
                os.fsync(file.fileno())  # the content must be on the disk before the name points to it
                os.replace(file.name, self.path)
            except BaseException:
                os.unlink(file.name)
                raise

    def _remove_abandoned(self) -> None:
        """Remove the files of killed writers; no write takes an hour."""
        for path in self.path.parent.glob(f"{self.path.stem}.*.tmp"):
            with suppress(FileNotFoundError):  # of another process that does the same
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()

    def restore(self, learner: Learner, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the saved state into the learner and the optimizer, and return the progress.

        Without a saved state this is the progress of the start; a file that cannot be used is a warning.
        """
        progress = Progress() if self._workers.rank else self._restore(learner, optimizer)
        if self._workers.n_workers == 1:
            return progress
        return _put_back(self._workers.from_first(_state(learner, optimizer, progress)), learner, optimizer)

    def _restore(self, learner: Learner, optimizer: torch.optim.Optimizer) -> Progress:
        if not self.path.exists():
            return Progress()
        parameters, steps = [parameter.detach().clone() for parameter in learner.parameters()], optimizer.state_dict()
        try:
            return _put_back(_read(self.path), learner, optimizer)
        except Exception as error:  # whatever a damaged file leads to
            set_parameters(learner.parameters(), parameters)
            optimizer.load_state_dict(steps)
            warnings.warn(f"The checkpoint {self.path} cannot be used, training starts anew: {error}", stacklevel=6)
            return Progress()


def _state(learner: Learner, optimizer: torch.optim.Optimizer, progress: Progress) -> dict[str, Any]:
    return {
        "parameters": [parameter.detach() for parameter in learner.parameters()],
        "optimizer": optimizer.state_dict(),
        "losses": progress.losses,
        "scores": progress.scores,
        "best": progress.best,
    }


def _read(path: Path) -> dict[str, Any]:
    """Return the state in a file; its size, its digest and its content are checked before tensors are made."""
    size, limit = path.stat().st_size, available_memory()
    if limit is not None and size > limit:
        raise ValueError(f"it has {size} bytes, more than this machine has memory.")
    stored = path.read_bytes()
    start = len(MAGIC) + DIGEST_BYTES
    if not stored.startswith(MAGIC):
        raise ValueError("it is no checkpoint of this version.")
    content = stored[start:]
    if hashlib.sha256(content).digest() != stored[len(MAGIC) : start]:
        raise ValueError("its checksum does not match, the file is damaged.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > len(content):
            raise ValueError("its content is larger than the file.")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # runs no code of the file


def _put_back(state: dict[str, Any], learner: Learner, optimizer: torch.optim.Optimizer) -> Progress:
    parameters, best = learner.parameters(), state["best"]
    losses, scores = ([float(value) for value in state[name]] for name in ("losses", "scores"))
    set_parameters(parameters, state["parameters"])
    optimizer.load_state_dict(state["optimizer"])
    for parameter, moments in optimizer.state.items():
        shapes = {tuple(value.shape) for value in moments.values() if isinstance(value, torch.Tensor) and value.ndim}
        if not shapes <= {tuple(parameter.shape)}:
            raise ValueError(f"the state of the optimizer has the shapes {shapes} for {tuple(parameter.shape)}.")
    if best is not None:
        best = [value.to(parameter.device) for value, parameter in zip(best, parameters, strict=True)]
    return Progress(losses, scores, best)
