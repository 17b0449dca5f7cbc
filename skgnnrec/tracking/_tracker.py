"""The part of the callbacks that knows estimators and no tracking package."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from sklearn.metrics import check_scoring
from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec._constraints import Interval
from skgnnrec.persistence import save
from skgnnrec.tracking._values import (
    candidates_of,
    final_metrics,
    fitted_copy,
    is_evaluation,
    numbers_of,
    parameters_of,
    place_of,
)

__all__ = ["Tracker"]

FILE = "model.skgnnrec"
CONSTRAINTS: dict[str, list[Any]] = {
    "scoring": [str, callable, list, tuple, dict, None],
    "save_fitted": ["boolean"],
    "max_propagation_depth": [Interval(Integral, 0, None, closed="left"), None],
}


@dataclass
class Fit:
    """The state of the fit of an outermost estimator."""

    run: str
    began: float
    children: dict[str | None, str] = field(default_factory=dict)  # the runs of the fits of candidates, by name
    n_epochs: dict[tuple[str | None, str], int] = field(default_factory=dict)  # recorded, by place
    n_splits: int = 1
    is_closed: bool = False
    is_broken: bool = False


class Tracker(ABC):
    """A callback of scikit-learn that records fits as runs; a subclass writes them with a tracking package.

    An error while a run is opened is raised: nothing has been computed yet. A later error ends the tracking with a
    warning, and the fit goes on. Copies in worker processes have the names of runs, and no open files.
    """

    _constraints: ClassVar[dict[str, list[Any]]]

    max_propagation_depth: int | None  # makes scikit-learn pass the callback on to estimators inside the estimator

    def __init__(self, scoring: Any, save_fitted: bool, max_propagation_depth: int | None, **own: Any) -> None:
        given = {"scoring": scoring, "save_fitted": save_fitted, "max_propagation_depth": max_propagation_depth, **own}
        validate_parameter_constraints({**CONSTRAINTS, **self._constraints}, given, type(self).__name__)
        self.scoring = scoring
        self.save_fitted = save_fitted
        self.max_propagation_depth = max_propagation_depth
        self._fits: dict[str, Fit] = {}
        self._open: dict[str, Any] = {}  # what a subclass keeps of open runs

    @abstractmethod
    def _start(self, name: str, parent: str | None, parameters: dict[str, Any]) -> str:
        """Open a run, inside another one or outermost, and return its id."""

    @abstractmethod
    def _log(self, run: str, metrics: dict[str, float], step: int) -> None:
        """Write points of curves."""

    @abstractmethod
    def _close(
        self, run: str, parameters: dict[str, Any], metrics: dict[str, float], file: Path | None, succeeded: bool
    ) -> None:
        """Write the parameters and metrics that a fit has found, and its file, and close the run."""

    # The protocol of scikit-learn -------------------------------------------------------------------------------------

    def setup(self, estimator: Any, context: Any) -> None:
        """Open a run with the parameters of an estimator.

        Parameters
        ----------
        estimator : estimator
            The estimator whose `fit` begins.
        context : CallbackContext
            The task of this fit.
        """
        name = f"{context.estimator_name}-{context.init_time:%Y%m%d-%H%M%S}"
        run = self._start(name, None, parameters_of(estimator.get_params()))
        self._fits[_key(context)] = Fit(run, time.perf_counter())

    def teardown(self, estimator: Any, context: Any) -> None:
        """Close the run, as failed if the fit has not succeeded.

        Parameters
        ----------
        estimator : estimator
            The estimator whose `fit` ends.
        context : CallbackContext
            The task of this fit.
        """
        fit = self._fits.pop(_key(context), None)
        if fit is None:  # the run could not be opened
            return
        for run in [*fit.children.values(), *([] if fit.is_closed else [fit.run])]:
            with suppress(Exception) if fit.is_broken else self._as_warning(fit):
                self._close(run, {}, {}, None, succeeded=False)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Remember the number of splits of a search.

        Parameters
        ----------
        estimator : estimator
            The estimator whose task begins.
        context : CallbackContext
            The task.
        """
        fit = self._fits.get(_key(context))
        if fit is not None and context.task_name == "search":
            fit.n_splits = getattr(estimator, "n_splits_", 1)

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, y: Any = None, fitted_estimator: Any = None
    ) -> None:
        """Record an epoch, the candidates of a search, or the end of a fit.

        Parameters
        ----------
        estimator : estimator
            The estimator whose task ends.
        context : CallbackContext
            The task.
        X : object
            The held-out data of the task.
        y : object
            The held-out target of the task.
        fitted_estimator : estimator
            A copy of the estimator, fitted so far.
        """
        fit = self._fits.get(_key(context))
        if fit is None or fit.is_broken:
            return
        with self._as_warning(fit):
            if context.parent is None or context.source_task_name is not None:
                self._end_fit(fit, estimator, context)
            elif fitted_estimator is not None:
                self._end_epoch(fit, fitted_estimator, context, X, y)

    # ------------------------------------------------------------------------------------------------------------------

    def _end_epoch(self, fit: Fit, fitted: Any, context: Any, X: Any, y: Any) -> None:
        child, prefix = place_of(context.parent, fit.n_splits)
        losses = list(getattr(fitted, "loss_curve_", ()))
        curves = {"loss": losses, "validation_score": list(getattr(fitted, "validation_scores_", ()))}
        last = len(losses) or context.task_id + 1
        known = fit.n_epochs.get((child, prefix), 0)
        fit.n_epochs[child, prefix] = last
        if child is not None and child not in fit.children:
            fit.children[child] = self._start(child, fit.run, parameters_of(fitted.get_params()))
        run = fit.run if child is None else fit.children[child]
        for epoch in range(known, last):  # a training that continues begins with the curve of the earlier part
            metrics = {name: curve[epoch] for name, curve in curves.items() if epoch < len(curve)}
            if epoch == last - 1 and self.scoring is not None and X is not None and y is not None:
                metrics |= self._scores(fitted, X, y)
            if found := numbers_of(metrics):
                self._log(run, {f"{prefix}{name}": value for name, value in found.items()}, epoch + 1)

    def _scores(self, fitted: Any, X: Any, y: Any) -> dict[str, Any]:
        scores = check_scoring(fitted, self.scoring)(fitted, X, y)
        return dict(scores) if isinstance(scores, Mapping) else {"score": scores}

    def _end_fit(self, fit: Fit, estimator: Any, context: Any) -> None:
        """Record what a fit has found; of a fit inside another one, the candidates of a search alone."""
        found = {}
        if hasattr(estimator, "cv_results_"):
            for name, parameters, results in candidates_of(estimator):
                run = self._start(name, fit.run, parameters)
                self._close(run, {}, results, None, succeeded=True)
            found = parameters_of(getattr(estimator, "best_params_", {}), "best__")
        if context.parent is not None:
            child, _ = place_of(context, fit.n_splits)
            if is_evaluation(context) and child in fit.children:
                self._close(fit.children.pop(child), {}, final_metrics(estimator), None, succeeded=True)
            return
        metrics = {"fit_seconds": time.perf_counter() - fit.began, **final_metrics(estimator)}
        with TemporaryDirectory() as folder:
            file = Path(folder) / FILE if self.save_fitted else None
            if file is not None:
                save(fitted_copy(estimator), file)
            self._close(fit.run, found, metrics, file, succeeded=True)
        fit.is_closed = True

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_open": {}}

    @contextmanager
    def _as_warning(self, fit: Fit) -> Iterator[None]:
        """Turn an error of the tracking into a warning, and stop the tracking of the fit."""
        try:
            yield
        except Exception as error:
            fit.is_broken = True
            warnings.warn(
                f"{type(self).__name__} stops recording this fit, which goes on: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )


def _key(context: Any) -> str:
    return str(context.root_uuid)
