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
from skgnnrec.graph import Statistics
from skgnnrec.ranking import DenseWeights, Scorer
from skgnnrec.recommenders._base import BaseRecommender

__all__ = ["RidgeRecommender"]

MIRROR_ROWS = 1024


def solve(statistics: Statistics, vectors: np.ndarray | None, ridge: float, weight: float) -> np.ndarray:
    """Return P = (C + w² F Fᵀ + λ I)^{-1}, symmetric float32, with C = XᵀX, w² the weight and λ the ridge.

    One n_items × n_items matrix is held; all steps work in its memory.
    """
    gram = np.asfortranarray(statistics.cooccurrence.astype(np.float32).toarray(order="F"))
    if vectors is not None:
        gram = blas.ssyrk(weight, vectors, beta=1.0, c=gram, lower=True, overwrite_c=True)
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


def _accumulate_and_solve(X: sparse.csr_array, vectors: np.ndarray | None, ridge: float, weight: float) -> np.ndarray:
    return solve(Statistics.accumulate(X), vectors, ridge, weight)


def _mirror_lower(A: np.ndarray) -> None:
    """Copy the lower triangle of A onto the upper one, in place."""
    for start in range(0, len(A), MIRROR_ROWS):
        stop = min(start + MIRROR_ROWS, len(A))
        A[:start, start:stop] = A[start:stop, :start].T
        corner = A[start:stop, start:stop]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T


class RidgeRecommender(BaseRecommender):
    r"""Predict each item from all others by ridge regression, on interactions and item vectors together.

    The binary interactions X and the item vectors F (centred, of unit length) form one matrix
    :math:`Z = [X; w F^T]`. With :math:`P = (Z^T Z + \lambda I)^{-1}`, the regression of each column on all others has
    the weights :math:`B_{ij} = -P_{ij} / P_{jj}`, :math:`B_{jj} = 0`. The scores of a history x are x B [1]_ [2]_. The
    vectors give weights to items without interactions, by the items that they resemble.

    A new item with vector f has exactly the score that it would have as an item of the catalog without interactions
    (with the same λ, w and centre of the vectors): the inverse of the matrix that is bordered by the new item has the
    column :math:`w^2 P F f`, after division by minus its corner. Therefore :math:`M = w^2 P F` maps a history into the
    space of the item vectors (`transform`). The dot product with the vector of a new item is the score of that item.

    With item vectors there is neither iteration nor randomness. Time grows with n_items³. The fit keeps 4 · n_items²
    bytes and needs up to three times as many while it runs; it raises an error where the machine has less. 12,000 items
    take 0.6 GB and, on two cores, about 15 s; 30,000 items would take 3.6 GB. Use `GraphFilterRecommender` for larger
    catalogs.

    Parameters
    ----------
    alpha : float, default=10.0
        Strength of the ridge, relative to the mean diagonal of XᵀX, which is the mean number of users per item:
        λ = alpha · mean diagonal. Positive.
    content_weight : float, default=3.0
        Weight of the item vectors, on the same scale: w² = content_weight · mean diagonal. Non-negative; with 0 the
        vectors are not used.
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
           side-information", RecSys 2020.

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
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha: float = 10.0,
        *,
        content_weight: float = 3.0,
        embedding_dim: int = 64,
        n_recommendations: int = 10,
        catalog: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.content_weight = content_weight
        self.embedding_dim = embedding_dim
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        n_items = X.shape[1]
        check_memory(
            12 * n_items**2,  # the matrix, the sparse product it starts from, the blocks of the inversion
            f"RidgeRecommender with {n_items} items",
            "GraphFilterRecommender takes catalogs of any size.",
        )
        mean_diagonal = max(1.0, X.nnz / n_items)
        weight = self.content_weight * mean_diagonal
        cache = check_cache(self.memory)
        precision = cache.cache(_accumulate_and_solve)(X, vectors, self.alpha * mean_diagonal, weight)
        if isinstance(precision, np.memmap):  # with mmap_mode, a cache returns its file, which must not be changed
            precision = np.array(precision)
        if vectors is not None:
            self.item_embedding_ = vectors
            self._projection_ = weight * (precision @ vectors)
            self.weights_ = regression_weights(precision)
        else:
            self.weights_ = regression_weights(precision)
            n_components = min(self.embedding_dim, *X.shape)
            _, _, Vt = cache.cache(randomized_svd)(X, n_components, random_state=self.random_state)
            self.item_embedding_ = np.ascontiguousarray(Vt.T, dtype=np.float32)
            self._projection_ = self.weights_ @ self.item_embedding_

    def _scorer(self) -> Scorer:
        return DenseWeights(self.weights_)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        return DenseWeights(self._projection_ @ vectors.T)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return X @ self._projection_
