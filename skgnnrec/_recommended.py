"""From held-out interactions to lists of positions: the one way that scorers, the comparison and pictures go."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.pipeline import Pipeline

from skgnnrec._holdout import hold_out_share
from skgnnrec._validation import check_interactions
from skgnnrec.exceptions import LeakageWarning

__all__ = ["chosen", "chosen_for", "hide_share", "innermost", "named_as", "rank_held_out", "warn_of_leak"]


def rank_held_out(estimator: Any, X: Any, y: Any, k: int, **options: Any) -> Any:
    """Return the HeldOutRanking of a fitted estimator, inside of searches and at the end of pipelines too."""
    while not hasattr(estimator, "rank_held_out"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        elif hasattr(estimator, "cv_results_"):
            raise TypeError(
                f"{type(estimator).__name__} was fitted with refit={estimator.refit}, which leaves no recommender to "
                "ask: refit=True, or the name of a metric, fits the best one again."
            )
        else:
            raise TypeError(
                "estimator must be a recommender with rank_held_out, a search over one or a pipeline that ends in "
                f"one; got {type(estimator).__name__}."
            )
    return estimator.rank_held_out(X, y, k, **options)


def warn_of_leak(histories: sparse.csr_array, held_out: sparse.csr_array, stacklevel: int) -> None:
    """Warn where held-out interactions stand in the histories too."""
    n_shared = (histories > 0).multiply(held_out > 0).nnz
    if n_shared:
        warnings.warn(
            f"The split leaks: {n_shared} of {held_out.nnz} held-out interactions stand in the histories too. They "
            "were never hidden, and items of the history are not recommended. Hold out what X does not hold, as "
            "split_interactions does.",
            LeakageWarning,
            stacklevel=stacklevel + 1,
        )


def chosen(estimator: Any) -> Any:
    """Return the fitted recommender of a matrix inside a search or a `TableRecommender`, or the recommender itself."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return getattr(estimator, "recommender_", estimator)


def chosen_for(estimator: Any, X: Any) -> Any:
    """Return the fitted recommender of a matrix that answers the histories X, which must be a matrix too."""
    recommender = chosen(estimator)
    is_of_log = hasattr(getattr(estimator, "best_estimator_", estimator), "recommender_")
    if is_of_log and np.shape(X)[1:] != (recommender.n_features_in_,):
        raise ValueError(
            f"X must be a matrix of users and {recommender.n_features_in_} items, such as `interactions_` of the "
            f"TableRecommender; got shape {np.shape(X)}. Of a log, rank_held_out returns what from_predictions takes."
        )
    return recommender


def innermost(estimator: Any) -> Any:
    """Return the recommender inside of searches and at the end of pipelines, not fitted."""
    while not hasattr(estimator, "recommend"):
        if hasattr(estimator, "estimator"):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        else:
            break
    return estimator


def hide_share(X: Any, share: float, seed: Any) -> tuple[Any, Any]:
    """Hide a seeded share of each row; both parts keep the names of a DataFrame, by which recommenders know items."""
    history, held_out = (named_as(X, part) for part in hold_out_share(check_interactions(X), share, seed))
    return history, held_out


def named_as(X: Any, part: sparse.csr_array) -> Any:
    """Return a part of X as a DataFrame where X is one."""
    return pd.DataFrame(part.toarray(), index=X.index, columns=X.columns) if isinstance(X, pd.DataFrame) else part
