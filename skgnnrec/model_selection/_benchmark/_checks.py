"""The arguments of a benchmark: checks, and descriptions that a file can hold."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
from sklearn.model_selection import ParameterGrid

from skgnnrec.catalog import ItemCatalog
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection._benchmark._data import BenchmarkData, describe_data
from skgnnrec.model_selection._benchmark._protocols import WITH_TIMES, WITHOUT_TIMES, protocols_of
from skgnnrec.ranking import innermost_estimator
from skgnnrec.recommenders import LogRecommender

PACKAGES = ("skgnnrec", "numpy", "scipy", "scikit-learn", "torch")
PROTOCOLS = (*WITH_TIMES, *WITHOUT_TIMES)


def check_data(data: Mapping[str, Any]) -> dict[str, BenchmarkData]:
    """Return the data sets; a matrix is a data set without times and catalog."""
    if not data:
        raise ValueError("data must hold at least one data set; got none.")
    found = {}
    for name, each in data.items():
        try:
            found[name] = each if isinstance(each, BenchmarkData) else BenchmarkData(each)
        except (TypeError, ValueError) as error:
            raise type(error)(f"data[{name!r}] must be a BenchmarkData or a matrix: {error}") from error
    return found


def check_protocols(protocols: Any, sets: Mapping[str, BenchmarkData]) -> None:
    """Refuse unknown protocols, and data sets without a protocol."""
    unknown = [name for name in protocols or [] if name not in PROTOCOLS]
    if unknown or (protocols is not None and not len(protocols)):
        raise ValueError(f"protocols must be among {list(PROTOCOLS)}; got {protocols!r}.")
    for name, each in sets.items():
        if not protocols_of(each, protocols):
            raise ValueError(
                f"protocols must have one for each data set; got {protocols!r}, and {name!r} has no times."
            )


def check_recommenders(recommenders: Mapping[str, Any]) -> None:
    """Refuse anything but recommenders of matrices without a catalog, and functions."""
    if not recommenders:
        raise ValueError("recommenders must hold at least one recommender; got none.")
    for name, each in recommenders.items():
        if isinstance(each, type) or not (callable(each) or hasattr(each, "fit")):
            raise TypeError(
                "recommenders must be recommenders, or functions of a catalog that return one; got "
                f"{each.__name__ if isinstance(each, type) else type(each).__name__} as {name!r}."
            )
        if hasattr(each, "fit"):
            check_recommender(name, each)
            if _catalogs(each):
                raise ValueError(
                    f"recommenders must have no catalog of their own, because catalogs belong to data sets; got one in "
                    f"{name!r}. Pass a function: lambda catalog: RidgeRecommender(catalog=catalog)."
                )


def check_recommender(name: str, recommender: Any) -> None:
    """Refuse other estimators, logs, and searches without refit."""
    inner = innermost_estimator(recommender)
    if isinstance(recommender, type) or not hasattr(inner, "rank_held_out"):
        raise TypeError(
            "recommenders must be recommenders, searches over recommenders, or pipelines that end in one; got "
            f"{type(recommender).__name__} as {name!r}."
        )
    if isinstance(inner, LogRecommender):
        raise TypeError(
            f"recommenders must take matrices; got a LogRecommender as {name!r}. Pass the recommender inside, and the "
            "log as BenchmarkData(log, user=..., item=...)."
        )
    if getattr(recommender, "refit", True) is False:
        raise ValueError(f"recommenders that are searches must refit; got refit=False in {name!r}.")


def build_recommender(name: str, given: Any, catalog: ItemCatalog | None) -> Any:
    """Return the recommender of a catalog, or None if there is none."""
    if hasattr(given, "fit"):
        return given
    built = given(catalog)
    if built is not None:
        check_recommender(name, built)
    return built


def check_grids(grids: Mapping[str, Any] | None, recommenders: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the candidates of each grid; their values must be plain."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, grid in (grids or {}).items():
        if name not in recommenders:
            raise ValueError(f"param_grids must have names of recommenders, {list(recommenders)}; got {name!r}.")
        try:
            found[name] = list(ParameterGrid(grid))
        except (TypeError, ValueError) as error:
            raise ValueError(f"param_grids[{name!r}] must be a grid of lists of values: {error}") from error
        if not all(_is_plain(value) for settings in found[name] for value in settings.values()):
            raise ValueError(f"param_grids[{name!r}] must have numbers, strings, booleans and None; got {grid!r}.")
        found[name] = [plain(settings) for settings in found[name]]
    return found


def describe_scorers(scorer: JointScorer) -> dict[str, dict[str, Any]]:
    """Return the parameters of each scorer by name."""
    assert scorer.longest_k  # checks the scorers
    given = scorer.scorers
    named: dict[str, RankingScorer] = dict(given) if isinstance(given, Mapping) else {each.name: each for each in given}
    functions = [name for name, each in named.items() if callable(each.metric)]
    if functions:
        raise ValueError(f"scoring must name its metrics, such as RankingScorer('ndcg'); got functions: {functions}.")
    return {name: each.get_params() for name, each in named.items()}


def describe(recommenders: Mapping[str, Any], sets: Mapping[str, BenchmarkData]) -> dict[str, Any]:
    """Return the date, versions, machine, data sets and recommenders as plain values."""
    catalog = next((each._catalog for each in sets.values() if each._catalog is not None), None)
    built = {name: build_recommender(name, each, catalog) for name, each in recommenders.items()}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, {joblib.cpu_count()} cores, {platform.system()}",
        "data": {name: describe_data(each) for name, each in sets.items()},
        "recommenders": {name: _describe_recommender(each) for name, each in built.items()},
    }


def _describe_recommender(recommender: Any) -> dict[str, Any]:
    if recommender is None:
        return {"class": None, "parameters": {}}
    return {"class": type(recommender).__name__, "parameters": plain(recommender.get_params(deep=False))}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; objects become text without addresses."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if _is_plain(value):
        return value
    if hasattr(value, "get_params"):
        return {"class": type(value).__name__, "parameters": plain(value.get_params(deep=False))}
    return type(value).__name__


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bool | np.bool_ | Integral | Real)


def _catalogs(recommender: Any) -> list[ItemCatalog]:
    return [value for value in recommender.get_params(deep=True).values() if isinstance(value, ItemCatalog)]
