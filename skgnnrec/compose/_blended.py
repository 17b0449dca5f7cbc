"""Weighted sums of the scores or the ranks of several recommenders."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions

from skgnnrec._constraints import Interval
from skgnnrec.compose._composition import BaseComposition
from skgnnrec.compose._ranks import Ranked
from skgnnrec.compose._weights import select_weights
from skgnnrec.interactions import hide_from_fit, labelled_as
from skgnnrec.ranking import Scorer, Standardized, Sum
from skgnnrec.recommenders import BaseRecommender

__all__ = ["BlendedRecommender"]


class BlendedRecommender(BaseComposition):
    r"""Rank items by a weighted sum of the scores, or of the reciprocal ranks, of several recommenders.

    Scores of different recommenders have different units. Therefore the scores of each recommender are standardised for
    each user: with the mean :math:`\mu_u` and the standard deviation :math:`\sigma_u` of the scores of user u over all
    fitted items,

    .. math:: s(u, i) = \sum_m w_m \frac{s_m(u, i) - \mu_{um}}{\sigma_{um}}.

    With ``method="ranks"``, the score is the reciprocal rank fusion [2]_,

    .. math:: s(u, i) = \sum_m \frac{w_m}{60 + r_m(u, i)},

    where the rank :math:`r_m(u, i)` is one plus the number of fitted items outside the history with a higher score than
    item i. Ranks do not depend on the distribution of the scores.

    Parameters
    ----------
    recommenders : list of (str, BaseRecommender)
        The recommenders with their names. Clones of them are fitted. Their parameters can be set as
        ``<name>__<parameter>``.
    weights : {"auto"} or array-like of shape (n_recommenders,), default=None
        The weights w, non-negative. None weights all recommenders equally. With "auto", the fit hides a fifth of the
        interactions of each user (the latest ones where the values of a row of X differ), fits each recommender to the
        others, and selects the weights by the mean NDCG@n_recommendations of the hidden interactions [1]_. Then each
        recommender is fitted again, to all interactions.
    method : {"scores", "ranks"}, default="scores"
        Whether the standardised scores or the reciprocal ranks are added up.
    max_users : int, default=5000
        Users by whom the weights are selected.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommenders_ : list of BaseRecommender
        The fitted recommenders.
    weights_ : ndarray of shape (n_recommenders,), float64
        The weights, with sum 1.
    best_score_ : float
        With ``weights="auto"``: the mean NDCG on the hidden interactions.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The embeddings of the items by all recommenders, concatenated.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the first recommender that uses them.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    Notes
    -----
    New items are ranked by the recommenders that use a catalog; the others count as if all new items had their mean
    score, or no rank. `transform` concatenates the embeddings of the recommenders. `partial_fit` and `forget` keep the
    weights of the first fit.

    Ranks are no sums over the items of a history. In explanations, the score of a sum of ranks is a baseline. With
    ``method="counterfactual"``, explanations show what each item of the history changes.

    References
    ----------
    .. [1] R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", ICML 2004.
    .. [2] G. V. Cormack, C. L. A. Clarke, S. Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual
       rank learning methods", SIGIR 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GraphFilterRecommender, RidgeRecommender
    >>> from skgnnrec.compose import BlendedRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> rec = BlendedRecommender([("ridge", RidgeRecommender()), ("filter", GraphFilterRecommender())], weights=[3, 1])
    >>> rec.fit(X).weights_
    array([0.75, 0.25])
    >>> rec.recommend([[1, 0, 0, 0], [0, 0, 0, 1]], 1)[0]
    array([[1],
           [2]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommenders": [list],
        "weights": ["array-like", StrOptions({"auto"}), None],
        "method": [StrOptions({"scores", "ranks"})],
        "max_users": [Interval(Integral, 1, None, closed="left")],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    def __init__(
        self,
        recommenders: list[tuple[str, BaseRecommender]],
        *,
        weights: Literal["auto"] | Sequence[float] | None = None,
        method: Literal["scores", "ranks"] = "scores",
        max_users: int = 5000,
        n_recommendations: int = 10,
    ) -> None:
        self.recommenders = recommenders
        self.weights = weights
        self.method = method
        self.max_users = max_users
        self.n_recommendations = n_recommendations

    def _given_weights(self) -> np.ndarray:
        n = len(self.recommenders)
        try:
            weights = np.ones(n) if self.weights is None else np.asarray(self.weights)
        except ValueError:  # lists of different lengths
            weights = np.empty(0)
        weights = weights.astype(np.float64) if weights.dtype.kind in "iuf" else np.full(n, np.nan)
        if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(
                f"weights must be {n} non-negative numbers, one for each recommender and not all zero; "
                f"got {self.weights!r}."
            )
        return weights / weights.sum()

    def _prepare(self, X: Any, checked: sparse.csr_array) -> None:
        if isinstance(self.weights, str):
            self.weights_, self.best_score_ = self._selected_weights(X, checked)
        else:
            self.weights_ = self._given_weights()

    def _selected_weights(self, X: Any, checked: sparse.csr_array) -> tuple[np.ndarray, float]:
        training, histories, held_out = hide_from_fit(checked, self.max_users)
        if not held_out.nnz:
            return np.full(len(self.recommenders), 1 / len(self.recommenders)), float("nan")
        parts = [clone(part).fit(labelled_as(X, training)) for _, part in self.recommenders]
        terms = [self._term(part, part._scorer_, 1.0) for part in parts]
        return select_weights(terms, histories, held_out, self.n_recommendations)

    def _term(self, part: BaseRecommender, scorer: Scorer, weight: float) -> Scorer:
        """Return a term of the sum, from the scores of a recommender for its items or new ones."""
        kind = Standardized if self.method == "scores" else Ranked
        return kind(part._scorer_, scorer, weight)

    def _scorer(self) -> Scorer:
        parts = zip(self.weights_, self.recommenders_, strict=True)
        return Sum(tuple(self._term(part, part._scorer_, weight) for weight, part in parts if weight))

    def _combine(self, new: list[Scorer | None]) -> Scorer:
        parts = zip(self.weights_, self.recommenders_, new, strict=True)
        terms = tuple(
            self._term(part, scorer, weight) for weight, part, scorer in parts if weight and scorer is not None
        )
        if not terms:
            raise ValueError("candidates holds new items, but all recommenders with a catalog have the weight 0.")
        return Sum(terms)

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        content = np.zeros(X.nnz)
        if self.method == "ranks":  # to which no item contributes
            return content
        for weight, part in zip(self.weights_, self.recommenders_, strict=True):
            scaled = Standardized(part._scorer_, part._scorer_, weight).contributions(X, columns).data
            total = part._scorer_.contributions(X, columns).data
            content += scaled * np.divide(
                part._content_contributions(part._weigh(X), columns), total, out=np.zeros(X.nnz), where=total != 0
            )
        return content
