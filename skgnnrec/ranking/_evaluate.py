"""Rankings of held-out interactions, and the recommenders inside searches, pipelines and `LogRecommender`."""

from typing import Any

from scipy import sparse
from sklearn.pipeline import Pipeline

from skgnnrec.exceptions import LeakageWarning
from skgnnrec.interactions import check_interactions, hold_out_share, labelled_as, refuse_log, warn_caller

__all__ = [
    "fitted_recommender",
    "hide_interactions",
    "innermost_estimator",
    "rank_held_out",
    "warn_of_leak",
]


def rank_held_out(estimator: Any, X: Any, y: Any, k: int, **options: Any) -> Any:
    """Return the HeldOutRanking of a fitted recommender, also of one in a search or at the end of a pipeline."""
    recommender, X = fitted_recommender(estimator, X)
    return recommender.rank_held_out(X, y, k, **options)


def fitted_recommender(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the fitted recommender inside searches and at the end of pipelines, and its input."""
    while isinstance(estimator, type) or not hasattr(estimator, "rank_held_out"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 and X is not None else X
            estimator = estimator[-1]
        elif hasattr(estimator, "cv_results_"):
            raise TypeError(
                f"{type(estimator).__name__} was fitted with refit={estimator.refit} and holds no fitted recommender: "
                "set refit=True, or refit to the name of a metric."
            )
        else:
            raise TypeError(
                "estimator must be a recommender with rank_held_out, a search over one or a pipeline that ends in "
                f"one; got {estimator if isinstance(estimator, type) else type(estimator).__name__}."
            )
    return estimator, X


def warn_of_leak(histories: sparse.csr_array, held_out: sparse.csr_array) -> None:
    """Warn if held-out interactions are part of the histories."""
    n_shared = (histories > 0).multiply(held_out > 0).nnz
    if n_shared:
        warn_caller(
            f"The split leaks: {n_shared} of {held_out.nnz} held-out interactions are in the histories too, and items "
            "of the history are not recommended. Hold out interactions that X does not contain, as split_interactions "
            "does.",
            LeakageWarning,
        )


def innermost_estimator(estimator: Any) -> Any:
    """Return the unfitted recommender inside searches and at the end of pipelines."""
    while not hasattr(estimator, "recommend"):
        if hasattr(estimator, "estimator"):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        else:
            break
    return estimator


def hide_interactions(X: Any, share: float, seed: Any) -> tuple[Any, Any]:
    """Return histories and a seeded share of each row, held out; both keep the labels of a DataFrame."""
    refuse_log(X)
    history, held_out = (labelled_as(X, part) for part in hold_out_share(check_interactions(X), share, seed))
    return history, held_out
