"""The baselines of every comparison: popularity, and the content of the items alone."""

from collections.abc import Mapping
from typing import Any

import joblib
from sklearn.base import clone

from skgnnrec.catalog import ItemCatalog
from skgnnrec.ranking import innermost_estimator
from skgnnrec.recommenders import BaseRecommender, ContentRecommender, LogRecommender, PopularityRecommender

POPULARITY = "popularity"
CONTENT = "content"


def add_baselines(estimators: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimators and the baselines that are not among them."""
    outer = {name: innermost_estimator(estimator) for name, estimator in estimators.items()}
    recommenders = {name: getattr(each, "recommender", each) for name, each in outer.items()}  # inside LogRecommenders
    baselines = {}
    if not any(isinstance(recommender, PopularityRecommender) for recommender in recommenders.values()):
        name = next((name for name, rec in recommenders.items() if _has_catalog(rec)), next(iter(outer)))
        popularity = PopularityRecommender(catalog=getattr(recommenders[name], "catalog", None))
        baselines[POPULARITY] = _like(outer[name], popularity)
    if not any(isinstance(recommender, ContentRecommender) for recommender in recommenders.values()):
        with_content = _one_of_each_content(recommenders)
        for name in with_content:
            key = CONTENT if len(with_content) == 1 else f"{CONTENT}, {name}"
            baselines[key] = _like(outer[name], _content_baseline(recommenders[name]))
    taken = sorted(baselines.keys() & estimators.keys())
    if taken:
        raise ValueError(f"estimators must not use the names of the baselines; got {taken}.")
    return {**estimators, **baselines}


def _one_of_each_content(recommenders: Mapping[str, Any]) -> list[str]:
    """Return the name of the first recommender for each pair of a catalog and an item encoder."""
    names: dict[Any, str] = {}
    for name, recommender in recommenders.items():
        if _has_vectors(recommender):
            names.setdefault((recommender.catalog, joblib.hash(recommender.item_encoder)), name)
    return list(names.values())


def _content_baseline(recommender: Any) -> ContentRecommender:
    encoder = None if recommender.item_encoder is None else clone(recommender.item_encoder)
    memory = getattr(recommender, "memory", None)
    return ContentRecommender(catalog=recommender.catalog, item_encoder=encoder, memory=memory)


def _like(outer: Any, baseline: BaseRecommender) -> Any:
    """Return the baseline, inside a copy of the LogRecommender if there is one."""
    return clone(outer).set_params(recommender=baseline) if isinstance(outer, LogRecommender) else baseline


def _has_catalog(recommender: Any) -> bool:
    return isinstance(getattr(recommender, "catalog", None), ItemCatalog)


def _has_vectors(recommender: Any) -> bool:
    """Return whether a recommender has item vectors: an item encoder, or a catalog of numbers."""
    if not _has_catalog(recommender) or not hasattr(recommender, "item_encoder"):
        return False
    if recommender.item_encoder is not None:
        return True
    data = recommender.catalog.data
    dtypes = data.dtypes if hasattr(data, "columns") else [data.dtype]
    return len(dtypes) > 0 and all(getattr(dtype, "kind", "O") in "biuf" for dtype in dtypes)
