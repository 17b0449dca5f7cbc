"""Recording of fits with Weights & Biases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from skgnnrec.tracking._tracker import Tracker

__all__ = ["WandbCallback"]


class WandbCallback(Tracker):
    """Record fits as runs of Weights & Biases.

    A fit after `wandb.init` is recorded in this run, which stays open. Without such a run, each fit opens a run of its
    own. The runs of the candidates of a search are in one group, which has the id of the run of the search.

    Parameters
    ----------
    project : str or None, default=None
        The project. None takes the environment variable ``WANDB_PROJECT``, or "uncategorized".
    mode : {"online", "offline", "disabled"} or None, default=None
        Whether to send the runs to a server, or to write them to files, which ``wandb sync`` sends later. None takes
        the environment variable ``WANDB_MODE``, or "online".
    log_dir : str, path-like or None, default=None
        The folder that contains the folder ``wandb`` of the files. None takes the working folder.
    scoring : str, callable, list, dict or None, default=None
        Metrics of each epoch on the interactions that the training holds out, in the notations of `GridSearchCV`, such
        as ``{"recall": RankingScorer("recall", k=20)}``. They need ``early_stopping=True``, without which nothing is
        held out. None records the losses and the validation scores that the training computes itself.
    save_fitted : bool, default=True
        Whether to save the fitted estimator with `skgnnrec.save` as ``model.skgnnrec``, an artifact of the run.
        Of a search this is the best estimator.
    max_propagation_depth : int or None, default=None
        The number of levels of nested estimators whose epochs are recorded. 0 records those of the outermost estimator
        alone, None those of all levels.

    Attributes
    ----------
    run_id_ : str
        The id of the run of the latest fit.

    Raises
    ------
    ImportError
        If wandb is not installed.

    See Also
    --------
    MLflowCallback : Records fits in a store of MLflow.
    TensorBoardCallback : Records fits as event files of TensorBoard.

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
    >>> from skgnnrec import GNNRecommender
    >>> from skgnnrec.tracking import WandbCallback
    >>> rec = GNNRecommender()
    >>> rec.set_callbacks(WandbCallback("shop", mode="offline")).fit(X)  # doctest: +SKIP
    """

    _constraints: ClassVar[dict[str, list[Any]]] = {
        "project": [str, None],
        "mode": [StrOptions({"online", "offline", "disabled"}), None],
        "log_dir": [str, os.PathLike, None],
    }

    def __init__(
        self,
        project: str | None = None,
        *,
        mode: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        scoring: Any = None,
        save_fitted: bool = True,
        max_propagation_depth: int | None = None,
    ) -> None:
        own = {"project": project, "mode": mode, "log_dir": log_dir}
        super().__init__(scoring, save_fitted, max_propagation_depth, **own)
        self.project = project
        self.mode = mode
        self.log_dir = None if log_dir is None else os.fspath(log_dir)
        _import_wandb()

    def _start(self, name: str, parent: str | None, parameters: dict[str, Any]) -> str:
        wandb = _import_wandb()
        is_of_user = parent is None and wandb.run is not None
        if is_of_user:
            run = wandb.run
            run.config.update(parameters)
        else:
            settings = {"project": self.project, "mode": self.mode, "dir": self.log_dir, "name": name}
            run = wandb.init(**settings, config=parameters, group=parent, reinit="create_new")
        if parent is None:
            self.run_id_ = run.id
        self._open[run.id] = run, is_of_user
        return run.id

    def _log(self, run: str, metrics: dict[str, float], step: int) -> None:
        if run not in self._open:  # in a worker process: the run is that of another process
            return
        opened, _ = self._open[run]
        for name in metrics:
            opened.define_metric(name, step_metric="epoch")
        opened.log({**metrics, "epoch": step})

    def _close(
        self, run: str, parameters: dict[str, Any], metrics: dict[str, float], file: Path | None, succeeded: bool
    ) -> None:
        opened, is_of_user = self._open.pop(run)
        opened.config.update(parameters)
        opened.summary.update(metrics)
        if file is not None:
            opened.log_artifact(str(file), name=f"model-{run}", type="model")
        if not is_of_user:
            opened.finish(exit_code=0 if succeeded else 1)


def _import_wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise ImportError('WandbCallback needs the package wandb: pip install "skgnnrec[wandb]".') from error
    return wandb
