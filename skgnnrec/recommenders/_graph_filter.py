"""Graph filters in closed form: co-occurrence, its low-pass part, and neighbours by item data."""

import math
from numbers import Integral, Real
from threading import Lock
from typing import Any, ClassVar

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_memory

from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import SimilarityGraph, low_pass_factors, sharpened_cooccurrence
from skgnnrec.ranking import ProductScorer, largest_norm, round_for_exact_sums
from skgnnrec.recommenders._base import BaseRecommender, Scorer

__all__ = ["GraphFilterRecommender"]

ROWS_ENTRIES = 1 << 18  # of rows of the graph that are added up at once: what a processor keeps at hand
FULL_SHARE = 0.15  # of the cells of a graph, from which on dense products are faster than sparse ones
DENSE_BYTES = 1 << 30  # of a dense copy at most
MANY_USERS = 128  # that are worth a dense copy, which takes as long as scoring some of them


class GraphFilterRecommender(BaseRecommender):
    """Score items by filtering a user's history on the graph of interactions and of item data.

    With the interactions X as a binary matrix, N = D_u^{-a} X D_i^{a-1} and D the degrees, a history x scores x W,

        W = (NᵀN)^{∘s} + α D_i^{-1/2} V Vᵀ D_i^{1/2} + β K.

    The first part counts shared users, sharpened elementwise (Turbo-CF [1]_); the second keeps the smooth signals,
    V holding the leading right singular vectors of D_u^{-1/2} X D_i^{-1/2} (GF-CF [2]_); K is the symmetric
    normalised graph of each item's nearest neighbours by its data, through which items that nobody has touched, and
    items outside the catalog, are reached. W is not formed dense: memory is that of the pairs of items that share
    a user, plus n_items · n_components. (Where such pairs are more than a seventh of all, ranking many users takes a
    dense copy of them, of a gibibyte at most, for the time of the call.)

    Presets: GF-CF is ``degree_exponent=0.5, sharpness=1, n_components=256``; Turbo-CF is ``low_pass_weight=0``;
    ``text_weight=0`` leaves the item data out.

    Parameters
    ----------
    degree_exponent : float, default=0.5
        The exponent a, between 0 and 1: how much the pairs of an active user count less; 1 - a is how much those of
        a popular item do.
    sharpness : float, default=0.7
        The exponent s: below 1 rare co-occurrences count for more, above 1 frequent ones. Positive.
    low_pass_weight : float, default=0.2
        The weight α, relative to the mean row sum of the first part, so that one value serves data of any size.
        Non-negative; 0 skips the decomposition, and with it `transform`.
    n_components : int, default=256
        The number of singular vectors; at most the number of users and items are used.
    text_weight : float, default=0.3
        The weight β, relative to the mean row sum of the first part. Non-negative.
    n_neighbors : int, default=20
        Neighbours of each item by its data.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    items : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the catalog's data into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and `TruncatedSVD`,
        a `ColumnTransformer`. None takes the catalog's data as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs, co-occurrence and decompositions, so that fits which differ only in the weights
        that join them do them once.
    random_state : int, RandomState instance or None, default=0
        Seeds the decomposition.

    Attributes
    ----------
    graph_ : csr_array of shape (n_items, n_items), float32
        The sparse part of W: sharpened co-occurrence plus β K.
    item_embedding_ : ndarray of shape (n_items, n_components), float32
        The items in the space of `transform`: the dot product with a user's embedding is the low-pass part of the
        score.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    RidgeRecommender : Often more accurate, for catalogs up to some 30,000 items.

    Notes
    -----
    The values of X do not enter the fit, only where they are positive; they weigh the row that is being scored.

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
    >>> rec = GraphFilterRecommender(items=ItemCatalog(titles), item_encoder=TfidfVectorizer(), n_recommendations=1)
    >>> rec.fit(X).predict([[0, 1, 0, 0], [0, 0, 1, 0]])
    array([[0],
           [3]])
    >>> new = ItemCatalog(["tea cup", "green mug"], ids=["cup", "mug"])
    >>> rec.recommend([[0, 0, 1, 0]], items=new)[0]
    array([['cup']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "degree_exponent": [Interval(Real, 0, 1, closed="both")],
        "sharpness": [Interval(Real, 0, None, closed="neither")],
        "low_pass_weight": [Interval(Real, 0, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "text_weight": [Interval(Real, 0, None, closed="left")],
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
        text_weight: float = 0.3,
        n_neighbors: int = 20,
        n_recommendations: int = 10,
        items: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.degree_exponent = degree_exponent
        self.sharpness = sharpness
        self.low_pass_weight = low_pass_weight
        self.n_components = n_components
        self.text_weight = text_weight
        self.n_neighbors = n_neighbors
        self.n_recommendations = n_recommendations
        self.items = items
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None) -> None:
        memory = check_memory(self.memory)
        # Hashed once for both caches, and without its values, which are ones: what is left of a warm fit is hashing.
        key = None if self.memory is None else joblib.hash((X.indices, X.indptr, X.shape))
        cooccurrence, factors = (memory.cache(part, ignore=["X"]) for part in (_cooccurrence, _low_pass_factors))
        self.graph_, mass = cooccurrence(X, key, self.degree_exponent, self.sharpness)
        n_components = min(self.n_components, *X.shape) if self.low_pass_weight > 0 else 0
        weight = np.float32(self.low_pass_weight) * mass  # of a NumPy float64, the product would be one too
        self._projection, right = factors(X, key, n_components, self.random_state)
        self.item_embedding_ = round_for_exact_sums(weight * right, n_components, axis=0).T
        self._largest = largest_norm(self.item_embedding_.T)
        self._similarity: SimilarityGraph | None = None
        if vectors is not None:
            self._similarity = memory.cache(SimilarityGraph)(vectors, self.n_neighbors)
            self._text_scale = np.float32(self.text_weight * mass)
            self.graph_ = self.graph_ + self._text_scale * self._similarity.adjacency

    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        spread = _spreader(self.graph_ if columns is None else self.graph_[:, columns])
        if not self._n_features_out:
            return spread
        embedding = self.item_embedding_ if columns is None else self.item_embedding_[columns]
        return ProductScorer(spread, self._embed, embedding.T, self._largest)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        assert self._similarity is not None  # _vectors_of refuses new items without it
        edges = self._text_scale * self._similarity.join(vectors)
        return lambda X: _add_rows(X, edges)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        if not self._n_features_out:
            raise ValueError("transform needs the low-pass part of the filter: low_pass_weight > 0.")
        return X @ self._projection


def _spreader(graph: sparse.csr_array) -> Scorer:
    """Return a function from histories to histories · graph, dense.

    Where a fair part of the graph is filled and many users ask, they share a dense copy of it: faster, and the same
    bits, since the entries of a history are added in the same order.
    """
    n_cells = math.prod(graph.shape)
    is_full = FULL_SHARE * n_cells < graph.nnz and 4 * n_cells <= DENSE_BYTES
    lock = Lock()
    n_users = 0  # of all blocks so far: how a call is cut depends on the threads
    copies: list[np.ndarray] = []

    def spread(X: sparse.csr_array) -> np.ndarray:
        nonlocal n_users
        with lock:
            n_users += X.shape[0]
            if is_full and n_users >= MANY_USERS and not copies:
                copies.append(graph.toarray())
        return X @ copies[0] if copies else _add_rows(X, graph)

    return spread


def _add_rows(X: sparse.csr_array, graph: sparse.csr_array) -> np.ndarray:
    """Return histories · graph, dense: the bits of a sparse product, which would look for what is filled first.

    The rows of the graph that histories name are copied, weighted and added up, a few histories at a time.
    """
    scores = np.empty((X.shape[0], graph.shape[1]), dtype=np.float32)
    ends = np.append(0, np.cumsum(np.diff(graph.indptr)[X.indices], dtype=np.int64))[X.indptr]  # of each history
    start = 0
    while start < X.shape[0]:
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + ROWS_ENTRIES, side="right")) - 1)
        first, last = X.indptr[start], X.indptr[stop]
        rows = graph[X.indices[first:last]]
        rows.data *= np.repeat(X.data[first:last], np.diff(rows.indptr))
        histories = (rows.data, rows.indices, rows.indptr[X.indptr[start : stop + 1] - first])
        sparse.csr_array(histories, shape=(stop - start, graph.shape[1])).toarray(out=scores[start:stop])
        start = stop
    return scores


# What caches keep, by a key for X.


def _cooccurrence(
    X: sparse.csr_array, key: str | None, degree_exponent: float, sharpness: float
) -> tuple[sparse.csr_array, np.float32]:
    """Return the sharpened co-occurrence, and its mean row sum over items that have any, 1 where none has."""
    graph = sharpened_cooccurrence(X, degree_exponent, sharpness)
    sums = graph.sum(axis=1)
    return graph, np.float32(sums[sums > 0].mean()) if (sums > 0).any() else np.float32(1.0)


def _low_pass_factors(
    X: sparse.csr_array, key: str | None, n_components: int, random_state: Any
) -> tuple[np.ndarray, np.ndarray]:
    return low_pass_factors(X, n_components, random_state)
