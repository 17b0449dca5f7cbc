"""Recommendation by content alone: the items nearest to the history."""

from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import Statistics
from skgnnrec.ranking import Scorer, UserFactors, round_for_exact_sums
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._updates import ClosedForm

__all__ = ["ContentRecommender"]


class ContentRecommender(ClosedForm):
    """Recommend the items whose content is most similar to that of the history.

    The score of an item is the cosine of its vector with the weighted mean of the vectors of the history. Nothing is
    learned from other users. This is the baseline for new items: it shows how much a recommender gains from
    interactions.

    Parameters
    ----------
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog
        The items. It is required.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors. They are centred and
        scaled to unit length.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs between fits.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, n_dimensions), float32
        The item vectors.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32
        The item vectors.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    PopularityRecommender : The other baseline, by popularity.
    RidgeRecommender : Learns from interactions and content.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skgnnrec import ContentRecommender, ItemCatalog
    >>> catalog = ItemCatalog(["red mug", "blue mug", "tea pot", "tea spoon"])
    >>> rec = ContentRecommender(catalog=catalog, item_encoder=TfidfVectorizer(), n_recommendations=1)
    >>> rec.fit(np.eye(4)).predict([[1, 0, 0, 0], [0, 0, 1, 0]])
    array([[1],
           [3]])
    """

    _parameter_constraints: ClassVar[dict] = {**BaseRecommender._parameter_constraints, "catalog": [ItemCatalog]}

    def __init__(
        self,
        n_recommendations: int = 10,
        *,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
    ) -> None:
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory

    def _uses_items(self) -> bool:
        return True

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
        assert vectors is not None  # the catalog is required
        self.item_embedding_ = vectors

    def _scorer(self) -> UserFactors:
        return self._scorer_of(self.item_embedding_)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        return self._scorer_of(vectors)

    def _scorer_of(self, vectors: np.ndarray) -> UserFactors:
        items = round_for_exact_sums(vectors, vectors.shape[1], axis=1)
        return UserFactors(self.item_embedding_, items, is_cosine=True)

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self._scorer_.contributions(X, columns).data

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return self._scorer().embed(X)
