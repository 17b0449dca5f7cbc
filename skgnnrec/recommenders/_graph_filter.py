"""Graph filters in closed form: co-occurrence, its low-pass part, and neighbours by content."""

from numbers import Integral, Real
from typing import Any, ClassVar

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_memory as check_cache

from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import SimilarityGraph, Statistics, low_pass_factors, sharpened_cooccurrence
from skgnnrec.ranking import LowRank, Scorer, SparseWeights, Sum, round_for_exact_sums
from skgnnrec.recommenders._base import BaseRecommender

__all__ = ["GraphFilterRecommender"]


class GraphFilterRecommender(BaseRecommender):
    """Filter the history of a user on the graph of interactions and of item content.

    With the binary interactions X, the degrees D and N = D_u^{-a} X D_i^{a-1}, the scores of a history x are x W,

        W = (NᵀN)^{∘s} + α D_i^{-1/2} V Vᵀ D_i^{1/2} + β K.

    The first part counts shared users, with an elementwise power (Turbo-CF [1]_). The second part keeps the smooth
    signals: V holds the leading right singular vectors of D_u^{-1/2} X D_i^{-1/2} (GF-CF [2]_). The third part, K, is
    the symmetric normalised graph of the nearest neighbours of each item by its content. It reaches items without
    interactions and items outside the catalog. W is never a dense matrix: memory is that of the pairs of items that
    share a user, plus n_items · n_components.

    Presets: GF-CF is ``degree_exponent=0.5, sharpness=1, n_components=256``; Turbo-CF is ``low_pass_weight=0``;
    ``content_weight=0`` does not use the content.

    Parameters
    ----------
    degree_exponent : float, default=0.5
        The exponent a, between 0 and 1. The larger it is, the less the pairs of an active user count; the exponent of
        popular items is 1 - a.
    sharpness : float, default=0.7
        The exponent s. Below 1 it raises the weight of rare co-occurrences, above 1 that of frequent ones. Positive.
    low_pass_weight : float, default=0.2
        The weight α, relative to the mean row sum of the first part, so that one value suits data of any size.
        Non-negative; with 0 there is no decomposition, and no `transform`.
    n_components : int, default=256
        The number of singular vectors; at most the number of users and items are used.
    content_weight : float, default=0.3
        The weight β, relative to the mean row sum of the first part. Non-negative.
    n_neighbors : int, default=20
        Neighbours of each item by its content.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs, co-occurrence and decompositions between fits. Fits that differ only in the weights of
        the parts then compute them once.
    random_state : int, RandomState instance or None, default=0
        Seeds the decomposition.

    Attributes
    ----------
    graph_ : csr_array of shape (n_items, n_items), float32
        The sparse part of W: sharpened co-occurrence plus β K.
    item_embedding_ : ndarray of shape (n_items, n_components), float32
        The items in the space of `transform`: the dot product with the embedding of a user is the low-pass part of the
        score.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors, centred and of unit length, where they are used.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    RidgeRecommender : Often more accurate, for catalogs of up to about 30,000 items.

    Notes
    -----
    The fit only uses which values of X are positive. The values are weights of the histories that are scored.

    References
    ----------
    .. [1] J.-D. Park, Y.-M. Shin, W.-Y. Shin, "Turbo-CF: Matrix decomposition-free graph filtering for fast
           recommendation", SIGIR 2024.
    .. [2] Y. Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skgnnrec import GraphFilterRecommender, ItemCatalog
    >>> titles = ["red mug", "blue mug", "tea pot", "tea spoon"]
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]])
    >>> rec = GraphFilterRecommender(catalog=ItemCatalog(titles), item_encoder=TfidfVectorizer(), n_recommendations=1)
    >>> rec.fit(X).predict([[0, 1, 0, 0], [0, 0, 1, 0]])
    array([[0],
           [3]])
    >>> new = ItemCatalog(["tea cup", "green mug"], ids=["cup", "mug"])
    >>> rec.recommend([[0, 0, 1, 0]], candidates=new)[0]
    array([['cup']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "degree_exponent": [Interval(Real, 0, 1, closed="both")],
        "sharpness": [Interval(Real, 0, None, closed="neither")],
        "low_pass_weight": [Interval(Real, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "content_weight": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        degree_exponent: float = 0.5,
        sharpness: float = 0.7,
        low_pass_weight: float = 0.2,
        n_components: int = 256,
        content_weight: float = 0.3,
        n_neighbors: int = 20,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.degree_exponent = degree_exponent
        self.sharpness = sharpness
        self.low_pass_weight = low_pass_weight
        self.n_components = n_components
        self.content_weight = content_weight
        self.n_neighbors = n_neighbors
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        cache = check_cache(self.memory)
        # Hashed once for both caches, and without its values, which are ones.
        key = None if self.memory is None else joblib.hash((X.indices, X.indptr, X.shape))
        cooccurrence, factors = (cache.cache(part, ignore=["X"]) for part in (_cooccurrence, _low_pass_factors))
        self.graph_, mass = cooccurrence(X, key, self.degree_exponent, self.sharpness)
        n_components = min(self.n_components, *X.shape) if self.low_pass_weight > 0 else 0
        self._projection_, right = factors(X, key, n_components, self.random_state)
        # The weight is a float32: with a NumPy float64, the product would be one too.
        self.item_embedding_ = round_for_exact_sums(
            np.float32(self.low_pass_weight) * mass * right, n_components, axis=1
        )
        self._similarity_: SimilarityGraph | None = None
        if vectors is not None:
            self._similarity_ = cache.cache(SimilarityGraph.build)(vectors, self.n_neighbors)
            self._content_scale_ = np.float32(self.content_weight * mass)
            self.graph_ = self.graph_ + self._content_scale_ * self._similarity_.adjacency

    def _scorer(self) -> Scorer:
        cooccurrence = SparseWeights(self.graph_)
        if not self._n_features_out:
            return cooccurrence
        return Sum((cooccurrence, LowRank(self._projection_, self.item_embedding_)))

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        assert self._similarity_ is not None  # _vectors_of refuses new items without it
        return SparseWeights(self._content_scale_ * self._similarity_.join(vectors))

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        if not self._n_features_out:
            raise ValueError("transform needs the low-pass part of the filter: low_pass_weight > 0.")
        return X @ self._projection_


# Functions that a cache keeps, by a key for X.


def _cooccurrence(
    X: sparse.csr_array, key: str | None, degree_exponent: float, sharpness: float
) -> tuple[sparse.csr_array, np.float32]:
    """Return the sharpened co-occurrence, and its mean row sum over items with any, 1 where no item has any."""
    graph = sharpened_cooccurrence(Statistics.accumulate(X, 2 * degree_exponent), sharpness)
    sums = graph.sum(axis=1)
    return graph, np.float32(sums[sums > 0].mean()) if (sums > 0).any() else np.float32(1.0)


def _low_pass_factors(
    X: sparse.csr_array, key: str | None, n_components: int, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    return low_pass_factors(X, n_components, random_state)
