"""The floors of every comparison: what most users have, and what reads most like their history."""

from collections.abc import Mapping
from typing import Any, ClassVar

import joblib
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone

from skgnnrec._recommended import innermost
from skgnnrec.catalog import ItemCatalog
from skgnnrec.ranking import matmul_by_row, round_for_exact_sums
from skgnnrec.recommenders import BaseRecommender, PopularityRecommender, TableRecommender

POPULARITY = "popularity"
TEXT_COSINE = "text cosine"


class TextCosineRecommender(BaseRecommender):
    """Recommend the items whose vectors are nearest, by the cosine, to the weighted mean of the history's vectors.

    Nothing is learned from other users: what interactions add is what a recommender has over this floor. The vectors
    are those that the recommenders get, centred and of unit length.
    """

    _parameter_constraints: ClassVar[dict] = {**BaseRecommender._parameter_constraints, "items": [ItemCatalog]}
    text_weight = 1.0  # the base class encodes the items of those that weigh them

    def __init__(
        self, *, items: Any = None, item_encoder: Any = None, memory: Any = None, n_recommendations: int = 10
    ) -> None:
        self.items = items
        self.item_encoder = item_encoder
        self.memory = memory
        self.n_recommendations = n_recommendations

    def _fit_interactions(self, X: sparse.csr_array, vectors: Any) -> None:
        self.item_embedding_ = vectors

    def _item_scorer(self, columns: np.ndarray | None) -> Any:
        return self._new_item_scorer(self.item_embedding_[slice(None) if columns is None else columns])

    def _new_item_scorer(self, vectors: np.ndarray) -> Any:
        candidates = round_for_exact_sums(vectors.T, vectors.shape[1], axis=0).astype(np.float64)

        def score(X: sparse.csr_array) -> np.ndarray:
            scores = np.zeros((X.shape[0], vectors.shape[0]), dtype=np.float32)
            matmul_by_row(self._embed(X), candidates, out=scores)
            return scores

        return score

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        # The length of a user's mean changes no ranking, but makes the scores cosines.
        means = np.asarray(X @ self.item_embedding_)
        length = np.linalg.norm(means, axis=1, keepdims=True)
        return np.divide(means, length, out=np.zeros_like(means), where=length > 0)


def add_floors(estimators: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimators with the floors that are not among them: the text cosine once for each kind of vectors."""
    floors: dict[str, Any] = {}
    outer = [innermost(estimator) for estimator in estimators.values()]
    recommenders = [getattr(each, "recommender", each) for each in outer]  # what is in a TableRecommender
    if not any(isinstance(recommender, PopularityRecommender) for recommender in recommenders):
        place = next((i for i, rec in enumerate(recommenders) if getattr(rec, "items", None) is not None), 0)
        items = getattr(recommenders[place], "items", None)
        floors[POPULARITY] = _instead(outer[place], PopularityRecommender(items=items))
    by_vectors: dict[tuple[int, str], tuple[str, Any, Any]] = {}
    for name, table, recommender in zip(estimators, outer, recommenders, strict=True):
        if _has_vectors(recommender):
            key = (id(recommender.items), joblib.hash(recommender.item_encoder))
            by_vectors.setdefault(key, (name, table, recommender))
    for name, table, recommender in by_vectors.values():
        encoder = None if recommender.item_encoder is None else clone(recommender.item_encoder)
        floor = TextCosineRecommender(
            items=recommender.items, item_encoder=encoder, memory=getattr(recommender, "memory", None)
        )
        floors[TEXT_COSINE if len(by_vectors) == 1 else f"{TEXT_COSINE}, {name}"] = _instead(table, floor)
    taken = sorted(floors.keys() & estimators.keys())
    if taken:
        raise ValueError(f"estimators must leave the names of the floors to them; got {taken}.")
    return {**estimators, **floors}


def _instead(outer: Any, floor: BaseRecommender) -> Any:
    """Return the floor as it is, or behind the same log as a recommender."""
    return clone(outer).set_params(recommender=floor) if isinstance(outer, TableRecommender) else floor


def _has_vectors(recommender: Any) -> bool:
    items = getattr(recommender, "items", None)
    if items is None or not hasattr(recommender, "item_encoder"):
        return False
    data = items.data
    dtypes = data.dtypes if isinstance(data, pd.DataFrame) else [data.dtype]
    return recommender.item_encoder is not None or all(pd.api.types.is_numeric_dtype(dtype) for dtype in dtypes)
