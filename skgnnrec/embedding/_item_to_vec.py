"""Item embeddings by a factorisation of pointwise mutual information: item2vec in closed form."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec._memory import check_memory
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.interactions import (
    Vocabulary,
    binarize,
    check_interactions,
    column_vocabulary,
    first_few,
    places_from_end,
    refuse_log,
)

__all__ = ["ItemToVec"]

N_ITER, OVERSAMPLES = 4, 30  # of the randomised decomposition: the spectrum of mutual information falls slowly
PAIR_BYTES = 28  # for each pair of items: measured peak of counts, their coordinates and logarithms
RANK_TOLERANCE = 1e-6  # of the largest singular value: beyond it, vectors are rounding errors


def count_pairs(X: sparse.csr_array, window: int | None) -> sparse.csr_array:
    """Return in how many rows two items are near each other, (n_items, n_items), symmetric, float64."""
    n_items = X.shape[1]
    n_pairs = min(int(np.square(np.diff(X.indptr), dtype=np.int64).sum()), n_items**2)
    advice = "Set window, or leave out the longest rows."
    check_memory(PAIR_BYTES * n_pairs, f"The pairs of {n_items} items in {X.shape[0]} rows", advice)
    if window is None:
        B = binarize(X).astype(np.float64)
        counts = B.T @ B
    else:
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        places = places_from_end(X)
        keys, moments = np.unique(rows * (places.max(initial=0) + 1) + places, return_inverse=True)
        owners = keys // (places.max(initial=0) + 1)
        B = sparse.csr_array((np.ones(len(moments)), (moments, X.indices)), shape=(len(keys), n_items))
        counts = B.T @ B
        for distance in range(1, min(window, int(places.max(initial=0))) + 1):
            same = np.flatnonzero(owners[distance:] == owners[:-distance])  # the times of a row follow each other
            crossed = B[same].T @ B[same + distance]
            counts = counts + crossed + crossed.T
    return sparse.csr_array(counts)


def positive_information(counts: sparse.csr_array, n_negatives: int, smoothing: float) -> sparse.csr_array:
    """Return max(0, log(n_ij Σ_k n_k^α / (n_i n_j^α)) - log n_negatives) for the counts of pairs."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    logs = np.log(totals, out=np.zeros_like(totals), where=totals > 0)
    smoothed = np.where(totals > 0, np.exp(smoothing * logs), 0.0)
    context = smoothing * logs - np.log(smoothed.sum() or 1.0)
    data = np.log(counts.data) - np.repeat(logs, np.diff(counts.indptr)) - context[counts.indices]
    information = sparse.csr_array(
        (np.maximum(data - np.log(n_negatives), 0), counts.indices, counts.indptr), shape=counts.shape
    )
    information.eliminate_zeros()
    return information


@np.errstate(under="ignore")
def factorise(M: sparse.csr_array, n_components: int, random_state: Any) -> np.ndarray:
    """Return U √Σ of the leading singular values of M, (n_items, n_components), float32."""
    if not M.nnz:
        return np.zeros((M.shape[0], n_components), dtype=np.float32)
    U, strength, _ = randomized_svd(
        M.astype(np.float32), n_components, n_oversamples=OVERSAMPLES, n_iter=N_ITER, random_state=random_state
    )
    U[:, strength <= strength[0] * RANK_TOLERANCE] = 0.0
    return (U * np.sqrt(strength)).astype(np.float32)


class ItemToVec(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Embed items such that items in the same baskets have similar vectors (item2vec in closed form).

    Item2vec [1]_ trains the skip-gram model with negative sampling on baskets: a basket is a sentence, an item is a
    word. That model implicitly factorises the pointwise mutual information of pairs, shifted by the logarithm of the
    number of negatives [2]_. Here the positive part of this matrix is factorised directly, without training:

    .. math:: M_{ij} = \max\Big(0,\; \log \frac{n_{ij} \sum_k n_k^\alpha}{n_i\, n_j^\alpha} - \log k\Big)
        \approx U \Sigma W^T, \qquad V = U \Sigma^{1/2},

    where :math:`n_{ij}` is the number of rows with both items, :math:`n_i = \sum_j n_{ij}`, k is `n_negatives` and
    :math:`\alpha` is `smoothing` [3]_. Each item also forms a pair with itself. Without these pairs, two items that
    occur only with each other would share no context. The rows of V are the item vectors.

    Parameters
    ----------
    n_components : int, default=64
        Dimensions of the vectors. There are at most as many as items.
    window : int, default=None
        None takes all pairs of items in a row of X. A number takes pairs that are close in time: larger values in a
        row are later, and at most `window` distinct values lie from one item to the other. With 0, pairs have equal
        values, such as the items of a basket. Non-negative.
    n_negatives : int, default=1
        The number k of negatives of the skip-gram model. Larger numbers leave the strongest pairs. At least 1.
    smoothing : float, default=1.0
        The exponent :math:`\alpha` of the frequency of context items, in (0, 1]. Smaller values give rare context items
        less weight; .75 is that of word2vec.
    random_state : int, RandomState instance or None, default=0
        The seed of the randomised singular value decomposition.

    Attributes
    ----------
    item_vectors_ : ndarray of shape (n_items, n_components), float32
        The vectors of the items. Items that are in no row have the zero vector.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where X has labels of columns.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    skgnnrec.ContentRecommender : Recommends items whose vectors are close to those of the history.
    skgnnrec.GraphFilterRecommender : Its `item_embedding_` is a spectral embedding of the same matrix.

    Notes
    -----
    The memory is that of the pairs, at most n_items². Rows with thousands of items make most of them.

    The vectors are content for other recommenders: ``ItemCatalog(model.item_vectors_, ids=model.item_ids_)``. If
    a recommender with this catalog is evaluated, X must not contain the held-out interactions.

    References
    ----------
    .. [1] O. Barkan and N. Koenigstein, "Item2Vec: Neural item embedding for collaborative filtering", 2016,
       arXiv:1603.04259.
    .. [2] O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS 2014.
    .. [3] O. Levy, Y. Goldberg and I. Dagan, "Improving distributional similarity with lessons learned from word
       embeddings", TACL 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import ContentRecommender, ItemCatalog
    >>> from skgnnrec.embedding import ItemToVec
    >>> baskets = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1]])
    >>> model = ItemToVec(n_components=2).fit(baskets)
    >>> model.item_vectors_.shape
    (4, 2)
    >>> neighbors = ContentRecommender(catalog=ItemCatalog(model.item_vectors_)).fit(baskets)
    >>> neighbors.similar_items([0, 2], 1)[0]
    array([[1],
           [3]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 0, None, closed="left"), None],
        "n_negatives": [Interval(Integral, 1, None, closed="left")],
        "smoothing": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
    }

    item_vectors_: np.ndarray
    _vocabulary_: Vocabulary | None

    def __init__(
        self,
        n_components: int = 64,
        *,
        window: int | None = None,
        n_negatives: int = 1,
        smoothing: float = 1.0,
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.window = window
        self.n_negatives = n_negatives
        self.smoothing = smoothing
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vectors of items from baskets or histories.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_rows, n_items)
            The interactions, one row per basket or user: finite, non-negative, zero = absent. The columns of a
            DataFrame are the item ids.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        MemoryLimitError
            If the machine cannot hold the pairs of items.
        """
        with new_state(self) as fresh:
            refuse_log(X)
            fresh._vocabulary_ = column_vocabulary(X)
            checked = check_interactions(X, estimator=fresh, reset=True)
            counts = count_pairs(checked, None if self.window is None else int(self.window))
            information = positive_information(counts, int(self.n_negatives), float(self.smoothing))
            n_components = min(int(self.n_components), checked.shape[1])
            fresh.item_vectors_ = factorise(information, n_components, self.random_state)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the mean vector of the items of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_rows, n_items)
            Baskets or histories, with the columns of the fit. The values are the weights of the mean.

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_components), float32
            The weighted means of the item vectors; zeros for rows without items.

        Raises
        ------
        ItemAlignmentError
            If the columns of a DataFrame are not the items of the fit, in that order.
        """
        check_is_fitted(self)
        vocabulary = column_vocabulary(X)
        X = check_interactions(X, estimator=self).astype(np.float64)
        if vocabulary is not None and self._vocabulary_ is not None and not vocabulary.equals(self._vocabulary_):
            raise ItemAlignmentError(
                "The columns of X must be the items of the fit, in that order: X starts with "
                f"{first_few(vocabulary.ids[:3])}, the fit with {first_few(self._vocabulary_.ids[:3])}."
            )
        sums = np.asarray(X.sum(axis=1)).reshape(-1, 1)
        with np.errstate(under="ignore"):
            means = np.divide(
                X @ self.item_vectors_, sums, out=np.zeros((len(sums), self._n_features_out)), where=sums > 0
            )
            return means.astype(np.float32)

    @property
    def item_ids_(self) -> np.ndarray | None:
        """Return the item ids, None where items are known by position."""
        check_is_fitted(self)
        return None if self._vocabulary_ is None else self._vocabulary_.ids

    @property
    def _n_features_out(self) -> int:
        return int(self.item_vectors_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
