"""Item-to-item ridge regression in closed form, on interactions and item vectors together."""

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import blas, lapack
from sklearn.utils._param_validation import Interval
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_memory

from skgnnrec._validation import check_memory as check_free_memory
from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders._base import BaseRecommender, Scorer

__all__ = ["RidgeRecommender"]

MIRROR_ROWS = 1024


def item_precision(X: sparse.csr_array, vectors: np.ndarray | None, ridge: float, weight: float) -> np.ndarray:
    """Return P = (XᵀX + w² F Fᵀ + λ I)^{-1}.

    One n × n float32 matrix is held, everything happens in its memory.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items), float32
        The interactions.
    vectors : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors F.
    ridge : float
        The number λ.
    weight : float
        The number w².

    Returns
    -------
    precision : ndarray of shape (n_items, n_items), float32
        Symmetric.
    """
    gram = np.asfortranarray((X.T @ X).toarray(order="F"))
    if vectors is not None:
        gram = blas.ssyrk(weight, vectors, beta=1.0, c=gram, lower=True, overwrite_c=True)
    gram[np.diag_indices_from(gram)] += ridge
    precision, failed = lapack.spotrf(gram, lower=True, overwrite_a=True, clean=False)
    if not failed:
        precision, failed = lapack.spotri(precision, lower=True, overwrite_c=True)
    if failed or not np.isfinite(precision.diagonal()).all():
        raise ValueError(
            f"The Gram matrix of {X.shape[1]} items is not positive definite in float32: raise alpha, which adds "
            f"{ridge:.3g} to its diagonal."
        )
    _mirror_lower(precision)
    return precision.T  # symmetric: the transpose of a Fortran array is the same matrix in C order


def _mirror_lower(A: np.ndarray) -> None:
    """Copy the lower triangle of A onto the upper one, in place."""
    for start in range(0, len(A), MIRROR_ROWS):
        stop = min(start + MIRROR_ROWS, len(A))
        A[:start, start:stop] = A[start:stop, :start].T
        corner = A[start:stop, start:stop]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T


def regression_weights(precision: np.ndarray) -> np.ndarray:
    """Return B with B_ij = -P_ij / P_jj and B_jj = 0, in the memory of P.

    Parameters
    ----------
    precision : ndarray of shape (n_items, n_items), float32
        The matrix P, overwritten.

    Returns
    -------
    weights : ndarray of shape (n_items, n_items), float32
        Column j predicts item j from all others.
    """
    precision /= -precision.diagonal().copy()
    np.fill_diagonal(precision, 0.0)
    return precision


class RidgeRecommender(BaseRecommender):
    r"""Predict each item from all others by ridge regression, with what is known of the items as further rows.

    The interactions X, as a binary matrix, stand on the item vectors F (centred, of unit length):
    Z = [X; w Fᵀ]. With :math:`P = (Z^T Z + \lambda I)^{-1}` the regression of each column on all others has the
    weights :math:`B_{ij} = -P_{ij} / P_{jj}`, :math:`B_{jj} = 0`, and a history x scores x B [1]_ [2]_. The vectors
    let items that nobody has touched borrow from those that resemble them.

    An item outside the catalog, of vector f, scores exactly as if it had stood in it without interactions (λ, w and
    the centre of the vectors unchanged): the inverse of the matrix bordered by it has, divided by minus its corner,
    the column :math:`w^2 P F f`. So :math:`M = w^2 P F` takes a history into the space of the item vectors
    (`transform`), where its dot product with the vector of any new item, or of a query, is that item's score.

    There is no iteration and no randomness with item vectors. Time grows with n_items³; 4 · n_items² bytes are kept, up
    to three times as many are needed in between, and the fit refuses what the machine cannot hold. 12,000 items take
    0.6 GB and, on two cores, some 15 s; 30,000 would take 3.6 GB. Above that use `GraphFilterRecommender`.

    Parameters
    ----------
    alpha : float, default=10.0
        Strength of the ridge, relative to the mean diagonal of XᵀX, which is the mean number of users per item:
        λ = alpha · mean diagonal. Positive.
    text_weight : float, default=3.0
        Weight of the item vectors, on the same scale: w² = text_weight · mean diagonal. Non-negative; 0 leaves the
        vectors out of the regression.
    embedding_dim : int, default=64
        Dimensions of `transform` where no item vectors are used; with vectors it has theirs.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.
    items : ItemCatalog, default=None
        The items. None learns from the interactions alone (EASE [1]_).
    item_encoder : transformer, default=None
        Turns the catalog's data into vectors: a `TextEmbedder`, a pipeline of `TfidfVectorizer` and `TruncatedSVD`,
        a `ColumnTransformer`. None takes the catalog's data as vectors.
    memory : str or object with the joblib.Memory interface, default=None
        Keeps encoded catalogs and factorisations, so that fits which differ only in what comes later (the weights in
        X, `n_recommendations`) do them once.
    random_state : int, RandomState instance or None, default=0
        Seeds the decomposition behind `transform` where no item vectors are used.

    Attributes
    ----------
    weights_ : ndarray of shape (n_items, n_items), float32
        The matrix B.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item vectors F; without, right singular vectors of X.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    GraphFilterRecommender : The choice for catalogs of any size.

    Notes
    -----
    The values of X do not enter the fit, only where they are positive; they weigh the row that is being scored. A
    history weighted by recency asks for what fits the latest items without changing what is known of all of them.

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
    >>> rec = RidgeRecommender(items=ItemCatalog(titles), item_encoder=TfidfVectorizer(), n_recommendations=1)
    >>> rec.fit(X).predict([[0, 1, 0, 0], [0, 0, 1, 0]])  # nobody has the tea spoon yet
    array([[0],
           [3]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "text_weight": [Interval(Real, 0, None, closed="left")],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha: float = 10.0,
        *,
        text_weight: float = 3.0,
        embedding_dim: int = 64,
        n_recommendations: int = 10,
        items: ItemCatalog | None = None,
        item_encoder: Any = None,
        memory: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.text_weight = text_weight
        self.embedding_dim = embedding_dim
        self.n_recommendations = n_recommendations
        self.items = items
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None) -> None:
        n_items = X.shape[1]
        check_free_memory(
            12 * n_items**2,  # the matrix, the sparse product it starts from, the blocks of the inversion
            f"RidgeRecommender with {n_items} items",
            "GraphFilterRecommender needs none of it.",
        )
        mean_diagonal = max(1.0, X.nnz / n_items)
        weight = self.text_weight * mean_diagonal
        invert = check_memory(self.memory).cache(item_precision)
        precision = invert(X, vectors, self.alpha * mean_diagonal, weight)
        if isinstance(precision, np.memmap):  # with mmap_mode, a cache hands out its file, not to be overwritten
            precision = np.array(precision)
        if vectors is not None:
            self.item_embedding_ = vectors
            self._projection = weight * (precision @ vectors)
            self.weights_ = regression_weights(precision)
        else:
            self.weights_ = regression_weights(precision)
            n_components = min(self.embedding_dim, *X.shape)
            decompose = check_memory(self.memory).cache(randomized_svd)
            _, _, Vt = decompose(X, n_components, random_state=self.random_state)
            self.item_embedding_ = np.ascontiguousarray(Vt.T, dtype=np.float32)
            self._projection = self.weights_ @ self.item_embedding_

    def _item_scorer(self, columns: np.ndarray | None) -> Scorer:
        weights = self.weights_ if columns is None else np.ascontiguousarray(self.weights_[:, columns])
        return lambda X: X @ weights

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        weights = self._projection @ vectors.T
        return lambda X: X @ weights

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return X @ self._projection
