"""The score of one item as a function of a history, for other packages that explain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skgnnrec.inspection._explain import labels_of, read_histories
from skgnnrec.interactions import check_interactions, naming
from skgnnrec.ranking import fitted_recommender

__all__ = ["score_function"]


def score_function(recommender: Any, X: Any, item: Any) -> tuple[Callable[[Any], np.ndarray], np.ndarray]:
    """Return the score of one item for one user as a function of the items in the history.

    Packages such as shap and lime explain functions of a matrix. Here a column is an item of the history, 1 where the
    history contains it and 0 elsewhere.

    Parameters
    ----------
    recommender : BaseRecommender or LogRecommender
        A fitted recommender. Fitted searches and pipelines are accepted.
    X : {array-like, sparse matrix, DataFrame} of shape (1, n_items), or list with one id
        The history of the user; for a `LogRecommender` the id of the user.
    item : object
        The item, by id where ids are known and by position elsewhere.

    Returns
    -------
    function : callable
        It takes an array of shape (n_histories, n_history_items), whose values between 0 and 1 multiply the weights of
        the history, and returns the scores of the item, an array of shape (n_histories,), float64. Without items, the
        score is the baseline of `explain`, and not the popularity of users without history.
    history : ndarray of shape (n_history_items,)
        The items of the history, the columns of the array.

    Raises
    ------
    ValueError
        If `X` does not have one row, or `item` was not in the fit.

    See Also
    --------
    explain : The terms of the scores, without another package.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.inspection import score_function
    >>> rec = RidgeRecommender().fit(np.kron(np.eye(2), np.ones((3, 3))))
    >>> function, history = score_function(rec, [[1, 1, 0, 0, 0, 0]], item=2)
    >>> history
    array([0, 1])
    >>> function([[1, 1], [1, 0], [0, 0]]).round(2)
    array([0.17, 0.08, 0.  ])
    """
    fitted, X = fitted_recommender(recommender, X)
    check_is_fitted(fitted)
    inner, histories, _, vocabulary = read_histories(fitted, X)
    if histories.shape[0] != 1:
        raise ValueError(f"X must have one row, the history of one user; got {histories.shape[0]} rows.")
    labels = labels_of(inner, vocabulary)
    with naming("item"):
        columns = fitted._columns([item], "item")
    items, further = histories[:, : inner.n_features_in_], histories[:, inner.n_features_in_ :]
    places, weights = items.indices, items.data
    scorer = inner._scorer_.take(columns)
    baseline = float(inner._scorer_.baseline(histories, columns)[0])

    def function(masks: Any) -> np.ndarray:
        masks = check_interactions(masks, input_name="masks")
        if masks.shape[1] != len(places) or masks.data.max(initial=0) > 1:
            raise ValueError(
                f"masks must have {len(places)} columns, one for each item of the history, and values between 0 and 1; "
                f"got {masks.shape[1]} columns and the largest value {masks.data.max(initial=0)}."
            )
        with np.errstate(under="ignore"):
            values = masks.data * weights[masks.indices]
        parts = sparse.csr_array((values, places[masks.indices], masks.indptr), (masks.shape[0], inner.n_features_in_))
        if further.shape[1]:
            parts = sparse.hstack([parts, sparse.vstack([further] * masks.shape[0])], format="csr")
        scores = scorer.scores(parts)[:, 0].astype(np.float64)
        scores[np.diff(parts.indptr) == 0] = baseline
        return scores

    return function, labels[places]
