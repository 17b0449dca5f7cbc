"""What trackers record of estimators: parameters, places of tasks, results of searches and fitted copies."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

__all__ = [
    "candidates_of",
    "final_metrics",
    "fitted_copy",
    "is_evaluation",
    "numbers_of",
    "parameters_of",
    "place_of",
]

LONGEST_VALUE = 250  # characters of a parameter
EVALUATION = "candidate-split-evaluation"  # scikit-learn's name of the fit of a candidate of a search on a split
# Tasks whose metrics are those of the run: the refit of a search trains the model that the search returns.
OF_THE_RUN = ("search", "refit-with-best-params")
# What scikit-learn sets on an estimator while callbacks see its fit.
OF_CALLBACKS = ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx")


def parameters_of(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return parameters as numbers, booleans and short strings."""
    return {f"{prefix}{name}": _simple(value) for name, value in values.items()}


def _simple(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def numbers_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers: not every tracker can show others."""
    found = {name: float(value) for name, value in values.items() if isinstance(value, Real)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def place_of(task: Any, n_splits: int) -> tuple[str | None, str]:
    """Return the name of the run inside the run of the fit, None for the latter, and the prefix of the metrics."""
    child, prefix = None, ""
    for inner in _path(task):
        if is_evaluation(inner):
            candidate, split = divmod(inner.task_id, n_splits)
            child, prefix = f"candidate-{candidate}/split-{split}", ""
        elif (name := _name(inner)) not in OF_THE_RUN and inner.parent.max_subtasks != 1:  # an only task needs no name
            prefix += f"{name}/"
    return child, prefix


def _path(task: Any) -> list[Any]:
    """Return a task and those around it from the outside, without the outermost one."""
    return [] if task.parent is None else [*_path(task.parent), task]


def _name(task: Any) -> str:
    return task.source_task_name or task.task_name


def is_evaluation(task: Any) -> bool:
    """Return whether a task is the fit of a candidate of a search on a split."""
    return _name(task) == EVALUATION


def candidates_of(search: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Yield the name, the parameters and the results of each candidate of a fitted search."""
    results = search.cv_results_
    names = [name for name in results if name != "params" and not name.startswith("param_")]
    for place, parameters in enumerate(results["params"]):
        values = {name: results[name][place] for name in names}
        yield f"candidate-{place}", parameters_of(parameters), numbers_of(values)


def final_metrics(estimator: Any) -> dict[str, float]:
    """Return what a fit says of itself: its number of epochs, the best score of a search."""
    names = {"n_iter_": "n_iter", "best_score_": "best_score", "refit_time_": "refit_seconds"}
    return numbers_of({name: getattr(estimator, attribute, None) for attribute, name in names.items()})


def fitted_copy(estimator: Any) -> Any:
    """Return what is to be saved: the best estimator of a search, else a copy without the state of callbacks."""
    fitted = copy.copy(getattr(estimator, "best_estimator_", estimator))
    for name in OF_CALLBACKS:
        vars(fitted).pop(name, None)
    return fitted
