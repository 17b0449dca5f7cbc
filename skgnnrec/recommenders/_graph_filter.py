"""Graph filters in closed form: co-occurrence, its low-pass part, and neighbours by content."""

from numbers import Integral, Real
from typing import Any, ClassVar

import joblib
import numpy as np
from scipy import sparse
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_memory as check_cache

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import (
    SimilarityGraph,
    Spectrum,
    Statistics,
    most_pairs,
    pairs_that_fit,
    popularity_scale,
    rescale,
    ridge_response,
    sharpened_cooccurrence,
    spectrum_of,
    spectrum_of_sums,
    tail_slope,
)
from skgnnrec.interactions import binarize, row_of_each
from skgnnrec.ranking import LowRank, PopularityTerm, Scorer, SparseWeights, Sum, round_for_exact_sums
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._new_items import ItemsByContent, known_items
from skgnnrec.recommenders._popularity_weight import enough_users, weight_for_users_left_out
from skgnnrec.recommenders._sparse_inverse import mean_column_length
from skgnnrec.recommenders._updates import ClosedForm

__all__ = ["GraphFilterRecommender"]

POPULARITY_WEIGHTS, USUAL_WEIGHT = (0.0, 20.0, 200.0, 1000.0), 20.0


class GraphFilterRecommender(ClosedForm):
    r"""Filter the history of a user on the graph of interactions and of item content.

    With the binary interactions X and the degrees D, the normalised interactions :math:`N = D_u^{-a} X D_i^{a-1}` have
    the singular values σ, of which the largest is set to 1. The filter multiplies the part of a history along each
    right singular vector by its response

    .. math:: h(\sigma^2) = \frac{\sigma^2}{\sigma^2 + \alpha} + \text{low-pass term},

    which is the response of a ridge regression: smooth signals, shared by many users, pass; noise does not. The
    leading `n_components` singular vectors V have this response exactly, the others the line :math:`c \sigma^2` that is
    nearest to it, for which the co-occurrence counts :math:`P = N^T N` suffice. The scores of a history x are x W,

    .. math:: W = D_i^{-b} \left(c P^{\circ s} + V \, \mathrm{diag}(h(\sigma^2) - c \sigma^2) \, V^T\right) D_i^{b}
                  + \beta K.

    The exponent b raises the scores of popular items. K is the symmetric normalised graph of the nearest neighbours of
    each item by its content. Histories of rare items say little: the scores also contain the popularity of items, with
    a weight that falls with the number e(x) of users of the items in the history,

    .. math:: \text{score}(x) = x W + \pi \left(\frac{m}{m + e(x)}\right)^2 (x D_i^{-b} q) \, (D_i^b q)^T, \quad
                  q = d_i^{1/2} / \lVert d_i^{1/2} \rVert.

    The vector q is the first singular vector of N for a = 1/2, and m is 50 or a fortieth of the users, if that is less.

    W is never a dense matrix: memory is that of the pairs of items that share a user, plus n_items · n_components.
    Where memory does not suffice for all pairs, those of each item with the largest cosines are kept, as many as fit.

    Items without interactions, new ones and those of the catalog, have the weights of their nearest items by content:
    the mean of the weights of the 20 nearest, in proportion to the fourth power of the cosine. A neighbour in the
    history counts itself too. `new_item_scale` multiplies the scores of new items, so that they neither vanish among
    the others nor displace them.

    The filter generalises GF-CF [1]_ (a linear response and an ideal low-pass), Turbo-CF [2]_ (the elementwise power s
    in the place of the spectrum) and ChebyCF [3]_ (a polynomial response and the exponent b). With
    ``popularity_weight=0``, these settings are close to the published ones for Gowalla:

    - Turbo-CF: ``degree_exponent=0.6, sharpness=0.7, n_components=0, popularity_exponent=0``;
    - ChebyCF: ``alpha=1, low_pass_weight=1, popularity_exponent=0.4``.

    Parameters
    ----------
    alpha : float, default=0.3
        The value of σ² at which the response is one half. Small values keep more of the weak signals. Positive.
    low_pass_weight : float, default=1.5
        The low-pass term of the leading components, relative to their smallest response: with 1, that response is
        doubled. Non-negative.
    popularity_exponent : float, default=0.3
        The exponent b: the larger it is, the more popular the recommended items. Between -1 and 1.
    popularity_weight : float or "auto", default="auto"
        The weight π of popularity for histories with few users. Non-negative. "auto" is 20 where the items of the
        histories have many users: the weight changes little there. Elsewhere it chooses 0, 20, 200 or 1,000 by the
        interactions of at most 1,000 users, in a fit to the other users. That doubles the time of the fit.
    degree_exponent : float, default=0.5
        The exponent a, between 0 and 1. The larger it is, the less the pairs of an active user count; the exponent of
        popular items is 1 - a.
    sharpness : float, default=1.0
        The elementwise exponent s of the co-occurrences. Below 1 it raises the weight of rare co-occurrences, above 1
        that of frequent ones. Positive. Other values than 1 have no exact response.
    n_components : int, default=512
        The number of singular vectors; at most a quarter of the number of users and of items is used. With 0 the
        co-occurrences count alone, and there is no `transform`.
    content_weight : float, default=0.2
        The weight β, relative to the mean row sum of the co-occurrences. Non-negative; with 0 the content is not used.
    n_neighbors : int, default=20
        Neighbours of each item in K.
    new_item_scale : float, default=1.25
        Factor of the scores of new items. Positive.
    rank_decay : float, default=None
        With a number d between 0 and 1, the value of an interaction with r distinct larger values in the history
        becomes :math:`d^r` in all histories that are scored. With None, histories keep their values.
    binary : bool, default=True
        If True, every positive value of X counts as one in the fit. If False, X is used with its values, such as
        ratings or quantities.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog, default=None
        The items. None learns from the interactions alone.
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs, co-occurrence and decompositions between fits. Fits that differ only in the response or
        in the weights of the parts then compute them once.
    random_state : int, RandomState instance or None, default=0
        Seeds the decomposition.

    Attributes
    ----------
    graph_ : csr_array of shape (n_items, n_items), float32
        The sparse part of W: co-occurrences plus β K.
    item_embedding_ : ndarray of shape (n_items, n_components), float32
        The items in the space of `transform`: the dot product with the embedding of a user is the spectral part of the
        score.
    singular_values_ : ndarray of shape (n_components,), float64
        The singular values σ, descending from 1.
    response_ : ndarray of shape (n_components,), float64
        The response h(σ²) of the leading components.
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
    By default, the fit only uses which values of X are positive. The values are weights of the histories that are
    scored.

    References
    ----------
    .. [1] Y. Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021.
    .. [2] J.-D. Park, Y.-M. Shin, W.-Y. Shin, "Turbo-CF: Matrix decomposition-free graph filtering for fast
           recommendation", SIGIR 2024.
    .. [3] C. Kim et al., "Graph spectral filtering with Chebyshev interpolation for recommendation", SIGIR 2025.

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
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "popularity_exponent": [Interval(Real, -1, 1, closed="both")],
        "popularity_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "degree_exponent": [Interval(Real, 0, 1, closed="both")],
        "sharpness": [Interval(Real, 0, None, closed="neither")],
        "low_pass_weight": [Interval(Real, 0, None, closed="left")],
        "rank_decay": [Interval(Real, 0, 1, closed="neither"), None],
        "binary": ["boolean"],
        "n_components": [Interval(Integral, 0, None, closed="left")],
        "content_weight": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "new_item_scale": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        alpha: float = 0.3,
        low_pass_weight: float = 1.5,
        popularity_exponent: float = 0.3,
        popularity_weight: float | str = "auto",
        degree_exponent: float = 0.5,
        sharpness: float = 1.0,
        n_components: int = 512,
        content_weight: float = 0.2,
        n_neighbors: int = 20,
        new_item_scale: float = 1.25,
        rank_decay: float | None = None,
        binary: bool = True,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.popularity_exponent = popularity_exponent
        self.popularity_weight = popularity_weight
        self.degree_exponent = degree_exponent
        self.sharpness = sharpness
        self.low_pass_weight = low_pass_weight
        self.n_components = n_components
        self.content_weight = content_weight
        self.n_neighbors = n_neighbors
        self.new_item_scale = new_item_scale
        self.rank_decay = rank_decay
        self.binary = binary
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _reads_values(self) -> bool:
        return not self.binary

    def _exponent_of_sums(self) -> float | None:
        if not self.binary:
            raise ValueError(
                "GraphFilterRecommender(binary=False) learns from more than which items users have: set binary=True."
            )
        return 2 * float(self.degree_exponent)

    @np.errstate(under="ignore")
    def _fit_interactions(
        self,
        X: sparse.csr_array,
        vectors: np.ndarray | None,
        previous: Any,
        statistics: Statistics | None = None,
    ) -> None:
        cache = check_cache(self.memory)
        n_users = X.shape[0] if statistics is None else statistics.n_users
        n_components = min(int(self.n_components), max(1, min(n_users, X.shape[1]) // 4))
        if statistics is not None:
            self._item_counts_ = statistics.item_counts
            found = spectrum_of_sums(statistics, n_components, self.random_state)
            graph, mass = _graph(statistics, self.sharpness)
        else:
            X = binarize(X) if self.binary else X
            # Hashed once for both caches.
            key = None if self.memory is None else joblib.hash(X)
            cooccurrence, spectrum = (cache.cache(part, ignore=["X"]) for part in (_cooccurrence, _spectrum))
            found = spectrum(X, key, self.degree_exponent, n_components, self.random_state)
            graph, mass = cooccurrence(X, key, self.degree_exponent, self.sharpness)
        slope = tail_slope(float(found.values[-1:].sum()), self.alpha)
        popularity = popularity_scale(self._item_counts_, self.popularity_exponent)
        scale = np.float32(slope / found.largest)
        self.graph_ = rescale(graph, scale / popularity, popularity)
        response = ridge_response(found.values, self.alpha)
        self.singular_values_ = np.sqrt(found.values)
        self.response_ = response + self.low_pass_weight * response[-1:]
        weights = self.response_ - (slope * found.values if self.sharpness == 1 else 0.0)
        self._projection_ = (found.vectors * weights / popularity[:, None]).astype(np.float32)
        items = (found.vectors * popularity[:, None]).astype(np.float32)
        first = np.sqrt(self._item_counts_ / max(self._item_counts_.sum(), 1))
        self._enough_ = enough_users(n_users)
        self._popularity_share_ = self._chosen_popularity_weight(X, statistics) * first / popularity
        self._popularity_ = (first * popularity).astype(np.float32)
        if vectors is not None:
            similarity = cache.cache(SimilarityGraph.build)(vectors, int(self.n_neighbors))
            is_known = known_items(self._item_counts_)
            length = mean_column_length(self.graph_, self._projection_, items, is_known)
            self._by_content_ = ItemsByContent(vectors, is_known, length, float(self.new_item_scale))
            self._neighbors_ = np.float32(self.content_weight * mass * scale) * similarity.adjacency
            self.graph_ = self.graph_ + self._neighbors_
            mixture, own = self._by_content_.mixture()
            self.graph_, items = sparse.csr_array(self.graph_ @ mixture + own), mixture.T @ items
            self._popularity_ = mixture.T @ self._popularity_
        self.item_embedding_ = round_for_exact_sums(items, items.shape[1], axis=1)

    def _chosen_popularity_weight(self, X: sparse.csr_array, statistics: Statistics | None) -> float:
        if self.popularity_weight != "auto":
            return float(self.popularity_weight)
        if statistics is not None:
            return USUAL_WEIGHT
        return weight_for_users_left_out(self, X, self._item_counts_, POPULARITY_WEIGHTS, USUAL_WEIGHT)

    def _scorer(self) -> Scorer:
        return self._sum_of(self.graph_, self.item_embedding_, self._popularity_)

    def _sum_of(self, graph: sparse.csr_array, items: np.ndarray, popularity: np.ndarray) -> Scorer:
        terms: list[Scorer] = [SparseWeights(graph)]
        if items.shape[1]:
            terms.append(LowRank(self._projection_, items))
        if self._popularity_share_.any():
            terms.append(PopularityTerm(self._popularity_share_, self._item_counts_, popularity, self._enough_))
        return Sum(tuple(terms)) if len(terms) > 1 else terms[0]

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        if self.item_vectors_ is None or not X.nnz:
            return np.zeros(X.nnz)
        return X.data * np.asarray(self._neighbors_[X.indices, columns[row_of_each(X)]]).ravel()

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        shares, own = self._by_content_.of_new(vectors)
        items = round_for_exact_sums(shares.T @ self.item_embedding_, self._n_features_out, axis=1)
        return self._sum_of(sparse.csr_array(self.graph_ @ shares + own), items, shares.T @ self._popularity_)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        if not self._n_features_out:
            raise ValueError("transform requires singular vectors: n_components > 0.")
        return X @ self._projection_


# Functions that a cache keeps, by a key for X.


def _cooccurrence(
    X: sparse.csr_array, key: str | None, degree_exponent: float, sharpness: float
) -> tuple[sparse.csr_array, np.float32]:
    max_pairs = pairs_that_fit(most_pairs(X), X.shape[1])
    return _graph(Statistics.accumulate(X, 2 * degree_exponent, max_pairs), sharpness)


def _graph(statistics: Statistics, sharpness: float) -> tuple[sparse.csr_array, np.float32]:
    """Return the sharpened co-occurrence, and its mean row sum over items with any, 1 where no item has any."""
    graph = sharpened_cooccurrence(statistics, sharpness)
    sums = graph.sum(axis=1)
    return graph, np.float32(sums[sums > 0].mean()) if (sums > 0).any() else np.float32(1.0)


def _spectrum(
    X: sparse.csr_array, key: str | None, degree_exponent: float, n_components: int, random_state: Any
) -> Spectrum:
    return spectrum_of(X, degree_exponent, n_components, random_state)
