"""Recording of fits with MLflow."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

from skgnnrec.tracking._tracker import Tracker

__all__ = ["MLflowCallback"]

PARENT = "mlflow.parentRunId"  # the tag of nested runs
LARGEST_BATCH = 100  # parameters of one request


class MLflowCallback(Tracker):
    """Record fits as runs of MLflow.

    A fit inside ``with mlflow.start_run():`` is recorded in the active run. Without an active run, each fit opens a run
    of its own.

    Parameters
    ----------
    experiment : str or None, default=None
        The name of the experiment, which is created if it is absent. None takes the experiment of
        `mlflow.set_experiment`, or the default experiment.
    tracking_uri : str or None, default=None
        The address of a server, such as ``"http://127.0.0.1:5000"``, or a store, such as ``"sqlite:///mlflow.db"``.
        None takes the one of `mlflow.set_tracking_uri` or of the environment variable ``MLFLOW_TRACKING_URI``.
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
        The id of the run of the latest fit. ``mlflow.start_run(run_id=callback.run_id_)`` continues it.

    Raises
    ------
    ImportError
        If mlflow is not installed.

    See Also
    --------
    TensorBoardCallback : Records fits as event files of TensorBoard.
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
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.tracking import MLflowCallback
    >>> search = GridSearchCV(RidgeRecommender(), {"alpha": [1, 10, 100]})
    >>> search.set_callbacks(MLflowCallback("ridge", "sqlite:///mlflow.db")).fit(X)  # doctest: +SKIP
    """

    _constraints: ClassVar[dict[str, list[Any]]] = {"experiment": [str, None], "tracking_uri": [str, None]}

    def __init__(
        self,
        experiment: str | None = None,
        tracking_uri: str | None = None,
        *,
        scoring: Any = None,
        save_fitted: bool = True,
        max_propagation_depth: int | None = None,
    ) -> None:
        own = {"experiment": experiment, "tracking_uri": tracking_uri}
        super().__init__(scoring, save_fitted, max_propagation_depth, **own)
        self.experiment = experiment
        self.tracking_uri = tracking_uri
        _import_mlflow()

    def _client(self) -> Any:
        return _import_mlflow().MlflowClient(self.tracking_uri)

    def _start(self, name: str, parent: str | None, parameters: dict[str, Any]) -> str:
        client = self._client()
        active = _import_mlflow().active_run() if parent is None and self.tracking_uri is None else None
        if active is not None:
            run = str(active.info.run_id)
            self._open[run] = "of the user"
        elif parent is None:
            run = client.create_run(self._experiment_id(client), run_name=name).info.run_id
        else:
            experiment_id = client.get_run(parent).info.experiment_id
            run = client.create_run(experiment_id, tags={PARENT: parent}, run_name=name).info.run_id
        _add_parameters(client, run, parameters)
        if parent is None:
            self.run_id_ = run
        return run

    def _experiment_id(self, client: Any) -> str:
        name = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if name is None:
            return os.environ.get("MLFLOW_EXPERIMENT_ID", "0")
        known = client.get_experiment_by_name(name)
        return client.create_experiment(name) if known is None else known.experiment_id

    def _log(self, run: str, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client().log_batch(run, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])

    def _close(
        self, run: str, parameters: dict[str, Any], metrics: dict[str, float], file: Path | None, succeeded: bool
    ) -> None:
        client = self._client()
        _add_parameters(client, run, parameters)
        if metrics:
            self._log(run, metrics, 0)
        if file is not None:
            client.log_artifact(run, str(file))
        if run == self.run_id_:
            _end_failed_candidates(client, run)
        if self._open.pop(run, None) is None:
            client.set_terminated(run, "FINISHED" if succeeded else "FAILED")


def _add_parameters(client: Any, run: str, parameters: dict[str, Any]) -> None:
    from mlflow.entities import Param

    values = [Param(name, str(value)) for name, value in parameters.items()]
    for start in range(0, len(values), LARGEST_BATCH):
        client.log_batch(run, params=values[start : start + LARGEST_BATCH])


def _end_failed_candidates(client: Any, run: str) -> None:
    """End the runs inside a run that are still open: a fit that fails in a worker process does not close its run."""
    is_open = f"tags.`{PARENT}` = '{run}' and attributes.status = 'RUNNING'"
    for inner in client.search_runs([client.get_run(run).info.experiment_id], is_open):
        client.set_terminated(inner.info.run_id, "FAILED")


def _import_mlflow() -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise ImportError('MLflowCallback needs the package mlflow: pip install "skgnnrec[mlflow]".') from error
    return mlflow
