"""Item-to-item ridge regression in closed form, on interactions and item vectors together."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import blas, lapack
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_memory as check_cache

from skgnnrec._memory import check_memory
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import Statistics, popularity_scale
from skgnnrec.ranking import DenseWeights, Scorer
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._new_items import ItemsByContent, known_items

__all__ = ["RidgeRecommender"]

MIRROR_ROWS = 1024


def sphere_kernel(cosines: np.ndarray, gamma: float) -> np.ndarray:
    """Return (exp(γ(cos - 1)) - exp(-γ)) / (1 - exp(-γ)) in place: the cosine for γ = 0, sharper for larger γ.

    The kernel is 1 for equal vectors and 0 for orthogonal ones. Its series in the cosine has positive coefficients:
    it is positive semidefinite.
    """
    if gamma == 0:
        return cosines
    cosines -= 1.0
    cosines *= gamma
    np.expm1(cosines, out=cosines)  # exp would lose the digits of the cosine for small γ
    cosines /= np.float32(-np.expm1(-gamma))
    cosines += 1.0
    return cosines


def scaled_gram(statistics: Statistics, item_exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Return D_i^{-c} C D_i^{-c} in Fortran order, float32, and the scale D_i^{-c}, 1 for items without users."""
    scale = popularity_scale(statistics.item_counts, -item_exponent).astype(np.float32)
    gram = np.asfortranarray(statistics.cooccurrence.astype(np.float32).toarray(order="F"))
    if statistics.user_exponent:
        gram *= np.float32(statistics.unit)
    if item_exponent:
        gram *= scale[:, None]
        gram *= scale
    return gram, scale


def solve(gram: np.ndarray, vectors: np.ndarray | None, gamma: float, weight: float, ridge: float) -> np.ndarray:
    """Return P = (G + w² K + λ I)^{-1}, symmetric float32, in the memory of G.

    K is the kernel of the item vectors, w² the weight and λ the ridge.
    """
    if vectors is not None and gamma == 0:
        gram = blas.ssyrk(weight, vectors, beta=1.0, c=gram, lower=True, overwrite_c=True)
    elif vectors is not None:
        for start in range(0, len(gram), MIRROR_ROWS):
            rows = slice(start, start + MIRROR_ROWS)
            gram[rows] += np.float32(weight) * sphere_kernel(vectors[rows] @ vectors.T, gamma)
    gram[np.diag_indices_from(gram)] += ridge
    precision, failed = lapack.spotrf(gram, lower=True, overwrite_a=True, clean=False)
    if not failed:
        precision, failed = lapack.spotri(precision, lower=True, overwrite_c=True)
    if failed or not np.isfinite(precision.diagonal()).all():
        raise ValueError(
            f"The Gram matrix of {len(gram)} items is not positive definite in float32: raise alpha, which adds "
            f"{ridge:.3g} to its diagonal."
        )
    _mirror_lower(precision)
    return precision.T  # symmetric: the transpose of a Fortran array is the same matrix in C order


def regression_weights(precision: np.ndarray) -> np.ndarray:
    """Return B with B_ij = -P_ij / P_jj and B_jj = 0, in the memory of P; column j predicts item j from the others."""
    precision /= -precision.diagonal().copy()
    np.fill_diagonal(precision, 0.0)
    return precision


def _precision_of(
    X: sparse.csr_array,
    vectors: np.ndarray | None,
    *,
    user_exponent: float,
    item_exponent: float,
    gamma: float,
    content_weight: float,
    alpha: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return P, the scale of the items D_i^{-c} and w²; λ and w² are relative to the mean diagonal of the Gram."""
    gram, scale = scaled_gram(Statistics.accumulate(X, user_exponent), item_exponent)
    mean_diagonal = float(gram.diagonal().mean(dtype=np.float64)) or 1.0
    weight = content_weight * mean_diagonal
    return solve(gram, vectors, gamma, weight, alpha * mean_diagonal), scale, weight


def _mirror_lower(A: np.ndarray) -> None:
    """Copy the lower triangle of A onto the upper one, in place."""
    for start in range(0, len(A), MIRROR_ROWS):
        stop = min(start + MIRROR_ROWS, len(A))
        A[:start, start:stop] = A[start:stop, :start].T
        corner = A[start:stop, start:stop]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T


class RidgeRecommender(BaseRecommender):
    r"""Predict each item from all others by ridge regression, on interactions and item vectors together.

    With the binary interactions X, the degrees D and the item vectors F (centred, of unit length), the Gram matrix is

    .. math:: G = D_i^{-c} X^T D_u^{-a} X D_i^{-c} + w^2 k(F, F) + \lambda I,

    where the kernel k of the vectors takes the place of further users. With :math:`P = G^{-1}`, the regression of each
    column on all others has the weights :math:`B_{ij} = -P_{ij} / P_{jj}`, :math:`B_{jj} = 0`. The scores of a history
    x are :math:`x D_i^{-c} B D_i^{c}` [1]_ [2]_. The kernel is

    .. math:: k(f, g) = \frac{e^{\gamma \cos(f, g)} - 1}{e^{\gamma} - 1},

    the cosine for γ = 0, and closer to the nearest items for larger γ.

    Items without interactions, new ones and those of the catalog, have the weights of their nearest items by content:
    the mean of the weights of the 20 nearest, in proportion to the fourth power of the cosine. A neighbour in the
    history counts itself too. `new_item_scale` multiplies the scores of new items, so that they neither vanish among
    the others nor displace them.

    With item vectors there is neither iteration nor randomness. Time grows with n_items³. The fit keeps 4 · n_items²
    bytes and needs up to three times as many while it runs; it raises an error where the machine has less. 12,000 items
    take 0.6 GB and, on two cores, about 15 s; 30,000 items would take 3.6 GB. Use `GraphFilterRecommender` for larger
    catalogs.

    Parameters
    ----------
    alpha : float, default=10.0
        Strength of the ridge, relative to the mean diagonal of the part of G that comes from X: λ = alpha · mean
        diagonal. Positive.
    content_weight : float, default=3.0
        Weight of the item vectors, on the same scale: w² = content_weight · mean diagonal. Non-negative; with 0 the
        vectors are not used.
    gamma : float, default=0.5
        The coefficient γ of the kernel. Non-negative; 0 is the linear kernel.
    new_item_scale : float, default=1.25
        Factor of the scores of new items. Positive.
    user_exponent : float, default=0.0
        The exponent a: the larger it is, the less a user with many items counts. Non-negative.
    item_exponent : float, default=0.0
        The exponent c: above 0 it raises the scores of popular items, below 0 it lowers them. Between -1 and 1.
    embedding_dim : int, default=64
        Dimensions of `transform` where no item vectors are used; with vectors it has their dimensions.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    catalog : ItemCatalog, default=None
        The items. None learns from the interactions alone (EASE [1]_).
    item_encoder : transformer, default=None
        Turns the data of the catalog into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and
        `TruncatedSVD`, a `ColumnTransformer`. None takes the data of the catalog as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs and inverses between fits. Fits that differ only in the weights of X or in
        `n_recommendations` then compute them once.
    random_state : int, RandomState instance or None, default=0
        Seeds the decomposition for `transform` where no item vectors are used.

    Attributes
    ----------
    weights_ : ndarray of shape (n_items, n_items), float32
        The matrix B.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item vectors F where they are used, else right singular vectors of X.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors F, where they are used.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GraphFilterRecommender : For catalogs of any size.

    Notes
    -----
    The fit only uses which values of X are positive. The values are weights of the histories that are scored: with
    weights by recency, the recommendations follow the latest items, and the fit is the same.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    .. [2] O. Jeunen, J. Van Balen, B. Goethals, "Closed-form models for collaborative filtering with
           side-information", RecSys 2020, for the linear kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skgnnrec import ItemCatalog, RidgeRecommender
    >>> titles = ["red mug", "blue mug", "tea pot", "tea spoon"]
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]])
    >>> rec = RidgeRecommender(catalog=ItemCatalog(titles), item_encoder=TfidfVectorizer(), n_recommendations=1)
    >>> rec.fit(X).predict([[0, 1, 0, 0], [0, 0, 1, 0]])  # nobody has the tea spoon yet
    array([[0],
           [3]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "content_weight": [Interval(Real, 0, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "new_item_scale": [Interval(Real, 0, None, closed="neither")],
        "user_exponent": [Interval(Real, 0, None, closed="left")],
        "item_exponent": [Interval(Real, -1, 1, closed="both")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha: float = 10.0,
        *,
        content_weight: float = 3.0,
        gamma: float = 0.5,
        new_item_scale: float = 1.25,
        user_exponent: float = 0.0,
        item_exponent: float = 0.0,
        embedding_dim: int = 64,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.content_weight = content_weight
        self.gamma = gamma
        self.new_item_scale = new_item_scale
        self.user_exponent = user_exponent
        self.item_exponent = item_exponent
        self.embedding_dim = embedding_dim
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    @np.errstate(under="ignore")
    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        n_items = X.shape[1]
        check_memory(
            12 * n_items**2,  # the matrix, the sparse product it starts from, the blocks of the inversion
            f"RidgeRecommender with {n_items} items",
            "GraphFilterRecommender takes catalogs of any size.",
        )
        cache = check_cache(self.memory)
        settings = ("user_exponent", "item_exponent", "gamma", "content_weight", "alpha")
        precision, scale, weight = cache.cache(_precision_of)(
            X, vectors, **{name: float(getattr(self, name)) for name in settings}
        )
        if isinstance(precision, np.memmap):  # with mmap_mode, a cache returns its file, which must not be changed
            precision = np.array(precision)
        if vectors is not None:
            self.item_embedding_ = vectors
            self._projection_ = np.float32(weight) * scale[:, None] * (precision @ vectors)
        self.weights_ = regression_weights(precision)
        self.weights_ *= scale[:, None]
        self.weights_ /= scale
        if vectors is None:
            n_components = min(self.embedding_dim, *X.shape)
            _, _, Vt = cache.cache(randomized_svd)(X, n_components, random_state=self.random_state)
            self.item_embedding_ = np.ascontiguousarray(Vt.T, dtype=np.float32)
            self._projection_ = self.weights_ @ self.item_embedding_
        else:
            is_known = known_items(self._item_counts_)
            length = _mean_length(self.weights_, is_known)
            self._by_content_ = ItemsByContent(vectors, is_known, length, float(self.new_item_scale))
            self.weights_[:, self._by_content_.cold] = self._mix(*self._by_content_.of_cold())

    def _mix(self, shares: sparse.csr_array, own: sparse.csr_array) -> np.ndarray:
        """Return the weights of items that consist of shares of others, (n_items, n_mixed)."""
        return self.weights_ @ shares + own.toarray()

    def _scorer(self) -> Scorer:
        return DenseWeights(self.weights_)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        check_memory(
            12 * len(self.weights_) * len(vectors),
            f"Weights of {len(vectors)} new items",
            "Pass fewer candidates at a time.",
        )
        return DenseWeights(self._mix(*self._by_content_.of_new(vectors)))

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return X @ self._projection_


def _mean_length(weights: np.ndarray, is_counted: np.ndarray) -> float:
    """Return the mean Euclidean length of some columns, 1 where they are zero."""
    lengths = np.sqrt(np.einsum("ij,ij->j", weights, weights, dtype=np.float64))[is_counted]
    return float(lengths.mean()) or 1.0
