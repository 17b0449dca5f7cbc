"""What a fitted recommender recommends, in the form that the metrics take."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skgnnrec._holdout import hold_out_share
from skgnnrec._validation import check_interactions
from skgnnrec.catalog import ItemCatalog

__all__ = ["chosen", "hide_share", "recommend_positions"]


def chosen(estimator: Any) -> Any:
    """Return the fitted recommender of a matrix inside a search or a `TableRecommender`, or the recommender itself."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return getattr(estimator, "recommender_", estimator)


def recommend_positions(recommender: Any, X: Any, k: int, items: Any = None) -> NDArray[np.int64]:
    """Return the best items as columns of X, whatever their ids, padded with -1."""
    found, scores = recommender.recommend(X, k, items=items)
    ids = recommender.item_ids_
    positions = found if ids is None else ItemCatalog(ids, ids=ids).positions(found)
    return np.where(np.isneginf(scores), -1, positions)


def hide_share(X: Any, share: float, seed: Any) -> tuple[Any, Any]:
    """Hide a seeded share of each row; both parts keep the names of a DataFrame, by which recommenders know items."""
    parts = hold_out_share(check_interactions(X), share, seed)
    if not isinstance(X, pd.DataFrame):
        return parts
    history, held_out = (pd.DataFrame(part.toarray(), index=X.index, columns=X.columns) for part in parts)
    return history, held_out
