"""Recording of fits for TensorBoard."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from skgnnrec.tracking._tracker import Tracker

__all__ = ["TensorBoardCallback"]


class TensorBoardCallback(Tracker):
    """Record fits as event files of TensorBoard.

    Each fit has a folder of its own, with the name of the estimator and the time. ``tensorboard --logdir runs`` shows
    the curves of the epochs as scalars, and the parameters as texts and in the tab of hyperparameters.

    Parameters
    ----------
    log_dir : str or path-like, default="runs"
        The folder of all runs. It is created if it is absent.
    scoring : str, callable, list, dict or None, default=None
        Metrics of each epoch on the interactions that the training holds out, in the notations of `GridSearchCV`, such
        as ``{"recall": RankingScorer("recall", k=20)}``. They need ``early_stopping=True``, without which nothing is
        held out. None records the losses and the validation scores that the training computes itself.
    save_fitted : bool, default=True
        Whether to save the fitted estimator with `skgnnrec.save` as ``model.skgnnrec``, in the folder of the run.
        Of a search this is the best estimator.
    max_propagation_depth : int or None, default=None
        The number of levels of nested estimators whose epochs are recorded. 0 records those of the outermost estimator
        alone, None those of all levels.

    Attributes
    ----------
    run_dir_ : str
        The folder of the latest fit.

    Raises
    ------
    ImportError
        If tensorboard is not installed.

    See Also
    --------
    MLflowCallback : Records fits in a store of MLflow.
    WandbCallback : Records fits with Weights & Biases.

    Notes
    -----
    The run of a search contains a run for each candidate, with its parameters, the means and standard deviations of its
    scores, their ranks and the scores of each split. Candidates that are trained in epochs also have a run with the
    curves of each split. The curves of the search itself are those of its refit.

    A run that cannot be opened raises an error before the fit. Later errors of the recording, such as a full disk, end
    it with a RuntimeWarning, and the fit goes on.

    After each epoch, the curves are read from a copy of the estimator with the state of the training. For a
    `GNNRecommender`, this copy takes the time of one propagation in the graph.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skgnnrec import GNNRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.tracking import TensorBoardCallback
    >>> X = make_interactions(60, 20, n_interactions=500, random_state=0).interactions
    >>> callback = TensorBoardCallback(tempfile.mkdtemp())
    >>> rec = GNNRecommender(max_iter=2, embedding_dim=8).set_callbacks(callback).fit(X)
    >>> [len(list(Path(callback.run_dir_).glob(name))) for name in ("events.*", "model.skgnnrec")]
    [1, 1]
    """

    _constraints: ClassVar[dict[str, list[Any]]] = {"log_dir": [str, os.PathLike]}

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "runs",
        *,
        scoring: Any = None,
        save_fitted: bool = True,
        max_propagation_depth: int | None = None,
    ) -> None:
        super().__init__(scoring, save_fitted, max_propagation_depth, log_dir=log_dir)
        self.log_dir = os.fspath(log_dir)
        _import_tensorboard()

    def _start(self, name: str, parent: str | None, parameters: dict[str, Any]) -> str:
        if parent is None:
            folder = _new_folder(Path(self.log_dir), name)
            self.run_dir_ = str(folder)
        else:
            folder = Path(parent, name)
        self._open[str(folder)] = _import_tensorboard().SummaryWriter(str(folder)), parameters
        rows = [f"| {key} | {_cell(value)} |" for key, value in parameters.items()]
        self._writer(str(folder)).add_text("parameters", "\n".join(["| parameter | value |", "|---|---|", *rows]))
        return str(folder)

    def _writer(self, run: str) -> Any:
        if run not in self._open:  # in a worker process
            self._open[run] = _import_tensorboard().SummaryWriter(run), {}
        return self._open[run][0]

    def _log(self, run: str, metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            self._writer(run).add_scalar(name, value, step)
        self._writer(run).flush()

    def _close(
        self, run: str, parameters: dict[str, Any], metrics: dict[str, float], file: Path | None, succeeded: bool
    ) -> None:
        from torch.utils.tensorboard.summary import hparams

        self._log(run, metrics, 0)
        writer, known = self._open.pop(run)
        for summary in hparams({**known, **parameters}, metrics):
            writer.file_writer.add_summary(summary)
        writer.close()
        if file is not None:
            shutil.move(file, run)


def _new_folder(parent: Path, name: str) -> Path:
    """Create a folder with a name, or with a name and a number if there is one."""
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|")


def _import_tensorboard() -> Any:
    try:
        import torch.utils.tensorboard
    except ImportError as error:
        raise ImportError(
            'TensorBoardCallback needs the package tensorboard: pip install "skgnnrec[tensorboard]".'
        ) from error
    return torch.utils.tensorboard
