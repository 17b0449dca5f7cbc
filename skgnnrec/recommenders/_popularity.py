"""What everybody takes: the floor that any recommender must clear."""

from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders._base import BaseRecommender, Scorer

__all__ = ["PopularityRecommender"]


class PopularityRecommender(BaseRecommender):
    """Recommend the items most users have, the same to everybody.

    The score of item j is the number of fitted users whose history holds j. New items score 0.

    Parameters
    ----------
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    items : ItemCatalog, default=None
        The items, for their ids.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, 1), float32
        The number of users of each item.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender
    >>> X = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]])
    >>> PopularityRecommender(n_recommendations=2).fit(X).predict([[0, 0, 1]])
    array([[1, 0]])
    """

    _parameter_constraints: ClassVar[dict] = {
        name: BaseRecommender._parameter_constraints[name] for name in ("n_recommendations", "items")
    }

    def __init__(self, n_recommendations: int = 10, *, items: ItemCatalog | None = None) -> None:
        self.n_recommendations = n_recommendations
        self.items = items

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None) -> None:
        self.item_embedding_ = self._popularity[:, None]

    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        popularity = self._popularity[slice(None) if columns is None else columns]
        return lambda X: np.tile(popularity, (X.shape[0], 1))

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        return lambda X: np.zeros((X.shape[0], len(vectors)), dtype=np.float32)

    def _vectors_of(self, catalog: ItemCatalog) -> np.ndarray:
        return np.empty((catalog.n_items, 0), dtype=np.float32)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return np.ones((X.shape[0], 1), dtype=np.float32)
