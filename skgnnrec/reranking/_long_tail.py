"""Lists with less popular items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking._base import N_CANDIDATES, STRENGTH, BaseReranker
from skgnnrec.reranking._reranked import Candidates, Greedy

__all__ = ["LongTailRecommender"]


@dataclass(frozen=True, eq=False)
class PopularityDiscount(Greedy):
    """Sorts by relevance minus popularity."""

    popularity: np.ndarray  # (n_columns,), float64: the logarithm of the number of users
    novelty: float
    n_candidates: int

    def values_per_candidate(self, n: int) -> int:
        return 1

    def take(self, columns: np.ndarray) -> PopularityDiscount:
        return replace(self, popularity=self.popularity[columns])

    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        is_item = candidates.columns >= 0
        counts = np.maximum(np.count_nonzero(is_item, axis=1), 1)[:, None]
        popularity = np.where(is_item, self.popularity[candidates.columns], 0.0)
        popularity = np.where(is_item, popularity - popularity.sum(axis=1, keepdims=True) / counts, 0.0)
        deviation = np.sqrt((popularity**2).sum(axis=1, keepdims=True) / counts)
        # The mean of equal numbers has a rounding error, which is no difference in popularity.
        popularity = np.divide(popularity, deviation, out=np.zeros_like(popularity), where=deviation > 1e-9)
        values = candidates.values((1 - self.novelty) * candidates.relevance - self.novelty * popularity)
        return np.argsort(-values, axis=1, kind="stable")[:, :n]


class LongTailRecommender(BaseReranker):
    r"""Recommend less popular items.

    The best candidates of a recommender are sorted by

    .. math:: (1 - \lambda)\, r_i - \lambda\, p_i,

    where :math:`\lambda` is `novelty`, :math:`r_i` is the score of candidate i and :math:`p_i` is the logarithm of one
    plus the number of its users in the fit. Both are standardised over the candidates of the user, so that a value of
    `novelty` means the same for all recommenders and catalogs.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted.
    novelty : float, default=0.3
        The weight of the popularity, in [0, 1]. With 0, the lists are those of the recommender. With 1, the candidates
        are sorted by their number of users, the fewest first.
    n_candidates : int, default=100
        The number of candidates of each user. Places below them have the order of the recommender.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommender_ : BaseRecommender
        The fitted recommender.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings of the recommender.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the recommender.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    skgnnrec.metrics.novelty : Measures the novelty of lists.

    Notes
    -----
    New items have no users, and are the least popular ones. The scores in `recommend` and `decision_function` are those
    of the recommender. They therefore need not decrease along a list.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender
    >>> from skgnnrec.reranking import LongTailRecommender
    >>> X = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    >>> LongTailRecommender(PopularityRecommender(), novelty=0.8).fit(X).recommend([[0, 0, 0]], 3)[0]
    array([[2, 1, 0]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseReranker._parameter_constraints,
        "novelty": STRENGTH,
        "n_candidates": N_CANDIDATES,
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        novelty: float = 0.3,
        n_candidates: int = 100,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.novelty = novelty
        self.n_candidates = n_candidates
        self.n_recommendations = n_recommendations

    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> PopularityDiscount:
        popularity = np.append(np.log1p(self._item_counts_.astype(np.float64)), 0.0)[columns]
        return PopularityDiscount(popularity, float(self.novelty), int(self.n_candidates))
