"""The popularity ranking: the same items for every user."""

from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import Statistics
from skgnnrec.ranking import Constant, Scorer
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._updates import ClosedForm

__all__ = ["PopularityRecommender"]


class PopularityRecommender(ClosedForm):
    """Recommend the items that most users have, the same to every user.

    The score of an item is the number of users in the fit who have it. New items have the score 0.

    Parameters
    ----------
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog, default=None
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

    See Also
    --------
    ContentRecommender : The other baseline, by the content of the items.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender
    >>> X = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]])
    >>> PopularityRecommender(n_recommendations=2).fit(X).predict([[0, 0, 1]])
    array([[1, 0]])
    """

    _parameter_constraints: ClassVar[dict] = {
        name: BaseRecommender._parameter_constraints[name] for name in ("n_recommendations", "catalog")
    }

    def __init__(self, n_recommendations: int = 10, *, catalog: ItemCatalog | None = None) -> None:
        self.n_recommendations = n_recommendations
        self.catalog = catalog

    def _exponent_of_sums(self) -> None:
        """Return None: the counts of users suffice."""

    def _fit_interactions(
        self,
        X: sparse.csr_array,
        vectors: np.ndarray | None,
        previous: Any,
        statistics: Statistics | None = None,
    ) -> None:
        if statistics is not None:
            self._item_counts_ = statistics.item_counts
        self.item_embedding_ = self._item_counts_.astype(np.float32)[:, None]

    def _scorer(self) -> Scorer:
        return Constant(self.item_embedding_[:, 0])

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        return Constant(np.zeros(len(vectors), dtype=np.float32))

    def _vectors_of(self, catalog: ItemCatalog) -> np.ndarray:
        return np.empty((catalog.n_items, 0), dtype=np.float32)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return np.ones((X.shape[0], 1), dtype=np.float32)
