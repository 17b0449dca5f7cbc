"""Item-to-item ridge regression in closed form, on interactions and item vectors together."""

from numbers import Integral, Real
from typing import Any, ClassVar

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_memory as check_cache

from skgnnrec._constraints import Interval
from skgnnrec._memory import check_memory
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import Statistics, inverse_power, leading_eigenvectors, popularity_scale, rescale
from skgnnrec.interactions import binarize, has_order
from skgnnrec.ranking import (
    DenseWeights,
    LowRank,
    PopularityTerm,
    Scorer,
    SparseWeights,
    Sum,
    round_for_exact_sums,
)
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._new_items import ItemsByContent, known_items
from skgnnrec.recommenders._popularity_weight import enough_users, weight_for_users_left_out
from skgnnrec.recommenders._regression import Regression, mean_length, next_item_weights, regress, regress_on
from skgnnrec.recommenders._ridge_popularity import POPULARITY_WEIGHTS, popularity_weight, shares_of_users
from skgnnrec.recommenders._sparse_inverse import (
    DENSE_BYTES,
    SparseRegression,
    chosen_solver,
    mean_column_length,
    regress_sparsely,
    regress_sparsely_on,
)
from skgnnrec.recommenders._updates import ClosedForm

__all__ = ["RidgeRecommender"]

# Of the regression on prefixes, relative to the mean diagonal of its own Gram matrix.
ORDER_ALPHA, ORDER_CONTENT = 3.0, 0.3
# Of the users that may change before λ and w², which are relative to the interactions, are computed anew.
UPDATED_SHARE = 0.02


class RidgeRecommender(ClosedForm):
    r"""Predict each item from all others by ridge regression, on interactions and item vectors together.

    With the binary interactions X, the degrees D and the item vectors F (centred, of unit length), the Gram matrix is

    .. math:: G = D_i^{-c} X^T D_u^{-a} X D_i^{-c} + w^2 k(F, F) + \lambda I,

    where the kernel k of the vectors takes the place of further users. With :math:`P = G^{-1}`, the regression of each
    column on all others has the weights :math:`B_{ij} = -P_{ij} / P_{jj}`, :math:`B_{jj} = 0`. The scores of a history
    x are :math:`x D_i^{-c} B D_i^{c}` [1]_ [2]_. The kernel is

    .. math:: k(f, g) = \frac{e^{\gamma \cos(f, g)} - 1}{e^{\gamma} - 1},

    the cosine for γ = 0, and closer to the nearest items for larger γ.

    Histories may have an order: larger values of a row of X are later. With `order_weight` > 0, a second regression
    learns from it. Its samples are the prefixes of the histories, in which the values are divided by the latest one,
    and its targets the items of the next step. Both use the kernel of the item vectors, and their sum is one matrix of
    weights.

    Histories of rare items say little. With `popularity_weight`, the scores also contain

    .. math:: \pi \, l \, \lVert x \rVert_1 \left(\frac{m}{m + e}\right)^2 \frac{d}{\lVert d \rVert},

    where e is the number of users of the items of x, d the number of users of each item, l the mean length of the
    columns of B, and m = 50 or a fortieth of the users, whichever is less.

    Items without interactions, new ones and those of the catalog, have the weights of their nearest items by content:
    the mean of the weights of the 20 nearest, in proportion to the fourth power of the cosine. A neighbour in the
    history counts itself too. `new_item_scale` multiplies the scores of new items, so that they neither vanish among
    the others nor displace them.

    With item vectors there is neither iteration nor randomness. With the dense solver, time grows with n_items³. The
    fit keeps 4 · n_items² bytes and needs up to three times as many while it runs; it raises an error where the machine
    has less. 12,000 items take 0.6 GB and, on two cores, about 15 s; 30,000 items would take 3.6 GB.

    The sparse solver is for larger catalogs. It solves for each column of
    :math:`(X^T D_u^{-a} X + \lambda I)^{-1}` on the `n_predictors` items with the largest cosines of co-occurrence
    alone. This is a sparse approximate inverse [4]_, which SANSA [5]_ introduced into recommendation. The linear kernel
    of item vectors takes the place of k(f, g). Its part of the inverse is of low rank, and follows from Woodbury's
    identity. Time and memory grow in proportion to n_items.

    Parameters
    ----------
    alpha : float, default=10.0
        Strength of the ridge, relative to the mean diagonal of the part of G that comes from X, over the items with
        users: λ = alpha · mean diagonal. Positive.
    content_weight : float, default=3.0
        Weight of the item vectors, on the same scale: w² = content_weight · mean diagonal. Non-negative; with 0 the
        vectors are not used.
    gamma : float, default=0.5
        The coefficient γ of the kernel. Non-negative; 0 is the linear kernel, which the sparse solver always uses.
    new_item_scale : float, default=1.25
        Factor of the scores of new items. Positive.
    user_exponent : float, default=0.0
        The exponent a: the larger it is, the less a user with many items counts. Non-negative.
    item_exponent : float, default=0.0
        The exponent c: above 0 it raises the scores of popular items, below 0 it lowers them. Between -1 and 1.
    popularity_exponent : float, default=0.0
        The exponent b of the factor :math:`d_i^b` of the scores of an item with d_i users. Above 0 it raises the scores
        of popular items. Between -1 and 1. It does not change the term of `popularity_weight`.
    popularity_weight : float or "auto", default="auto"
        The weight π of popularity for histories of items with few users. Non-negative. "auto" is 0 where the items of
        the histories have many users: the weight changes little there. Elsewhere it chooses 0, 3, 10, 30 or 100 by the
        exact scores of at most 1,000 interactions without their users; with the sparse solver, by those of a second fit
        to four fifths of the users. With fewer than 200 interactions it is 0.
    order_weight : float, default=0.0
        Weight of the regression of the next item. With 1, the weights of an item have the same mean length in both
        regressions. Non-negative. Values near 0.8 suit histories with an order. With 0, and where no row of X has
        different values, the order is not used. It doubles the time of the fit.
    solver : {"auto", "dense", "sparse"}, default="auto"
        How the weights are computed: by the inverse of the Gram matrix, or by a sparse approximate inverse. "auto" is
        "dense" for up to 30,000 items, if memory suffices, and with `order_weight` > 0, which the sparse solver does
        not support.
    n_predictors : int, default=64
        The number of items from which the sparse solver predicts each item, apart from the part of the item vectors.
        More items are closer to the dense solution; time grows with the square of their number.
    rank_decay : float, default=None
        With a number d between 0 and 1, the value of an interaction with r distinct larger values in the history
        becomes :math:`d^r`, in the fit and in all histories that are scored. With None, histories keep their values.
    binary : bool, default=True
        If True, every positive value of X counts as one in the regression on whole histories. If False, X is used with
        its values, such as ratings or quantities.
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
    weights_ : ndarray or csr_array of shape (n_items, n_items), float32
        The matrix B. With the sparse solver it is a sparse array, to which item vectors add a part of low rank.
    solver_ : {"dense", "sparse"}
        The solver of the fit.
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
    GraphFilterRecommender : For large catalogs and many new items.

    Notes
    -----
    By default, the fit only uses which values of X are positive. The values are weights of the histories that are
    scored: with weights by recency, the recommendations follow the latest items, and the fit is the same.

    The regression of the next item has the sums :math:`S^T S` and :math:`S^T T` over the prefixes S and the next items
    T. With :math:`Q = (S^T S + w^2 k(F, F) + \lambda I)^{-1}` and :math:`A = Q (S^T T + w^2 k(F, F))`, its weights are
    :math:`A - Q \, \mathrm{diag}(A_{jj} / Q_{jj})`, of which the diagonal is zero. It is related to SLIST [3]_, where
    prefixes are sessions.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    .. [2] O. Jeunen, J. Van Balen, B. Goethals, "Closed-form models for collaborative filtering with
           side-information", RecSys 2020, for the linear kernel.
    .. [3] M. Choi, J. Kim, J. Lee, H. Shim, J. Lee, "Session-aware linear item-item models for session-based
           recommendation", WWW 2021.
    .. [4] M. J. Grote, T. Huckle, "Parallel preconditioning with sparse approximate inverses", SIAM Journal on
           Scientific Computing 18(3), 1997.
    .. [5] M. Spišák et al., "Scalable approximate nonsymmetric autoencoder for collaborative filtering", RecSys 2023,
           which factorises the Gram matrix.

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
        "popularity_exponent": [Interval(Real, -1, 1, closed="both")],
        "popularity_weight": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "order_weight": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"auto", "dense", "sparse"})],
        "n_predictors": [Interval(Integral, 1, None, closed="left")],
        "rank_decay": [Interval(Real, 0, 1, closed="neither"), None],
        "binary": ["boolean"],
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
        popularity_exponent: float = 0.0,
        popularity_weight: float | str = "auto",
        order_weight: float = 0.0,
        solver: str = "auto",
        n_predictors: int = 64,
        rank_decay: float | None = None,
        binary: bool = True,
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
        self.popularity_exponent = popularity_exponent
        self.popularity_weight = popularity_weight
        self.order_weight = order_weight
        self.solver = solver
        self.n_predictors = n_predictors
        self.rank_decay = rank_decay
        self.binary = binary
        self.embedding_dim = embedding_dim
        self.n_recommendations = n_recommendations
        self.catalog = catalog
        self.item_encoder = item_encoder
        self.memory = memory
        self.random_state = random_state

    def _exponent_of_sums(self) -> float | None:
        if self.order_weight > 0 or not self.binary:
            name, needed = ("order_weight", 0) if self.order_weight > 0 else ("binary", True)
            raise ValueError(
                f"RidgeRecommender({name}={getattr(self, name)!r}) learns from more than which items users have: set "
                f"{name}={needed}."
            )
        return float(self.user_exponent)

    @np.errstate(under="ignore")
    def _fit_interactions(
        self,
        X: sparse.csr_array,
        vectors: np.ndarray | None,
        previous: Any,
        statistics: Statistics | None = None,
    ) -> None:
        n_items = X.shape[1]
        self.solver_ = chosen_solver(self.solver, self.order_weight, n_items)
        self._enough_ = enough_users(X.shape[0] if statistics is None else statistics.n_users)
        kernel = {"content_weight": float(self.content_weight), "alpha": float(self.alpha)}
        exponents = {name: float(getattr(self, name)) for name in ("user_exponent", "item_exponent")}
        histories = binarize(X) if self.binary else X
        if self.solver_ == "sparse":
            self._fit_sparsely(histories, vectors, statistics, {**exponents, **kernel})
            return
        kernel["gamma"] = float(self.gamma)
        has_steps = self.order_weight > 0 and has_order(X)
        check_memory(
            (DENSE_BYTES + 4 * has_steps) * n_items**2,  # with order, a further matrix
            f"RidgeRecommender with {n_items} items",
            'Use solver="sparse" with order_weight=0, or GraphFilterRecommender.',
        )
        cache = check_cache(self.memory)
        if statistics is not None:
            self._fit_sums(statistics, vectors, kernel)
            return
        found = cache.cache(regress)(histories, vectors, **exponents, **kernel)
        self.popularity_weight_ = self._chosen_popularity_weight(histories, vectors, found, {**exponents, **kernel})
        following = None
        if has_steps:
            kernel |= {"alpha": ORDER_ALPHA, "content_weight": ORDER_CONTENT if self.content_weight else 0.0}
            following = cache.cache(next_item_weights)(self._weigh(X), vectors, **kernel)
        if self.memory is not None:  # the result of a cache belongs to it, and may be a file
            found = found.copy()
        # An update is followed by others: it keeps the inverse for them.
        self._regression_, self._n_changed_ = (found if previous is self else None), 0
        self._set_weights(found, following, overwrite=self._regression_ is None)
        if vectors is None:
            self._embed_items(histories, None)

    def _embed_items(self, histories: sparse.csr_array, statistics: Statistics | None) -> None:
        """Set the embeddings where there are no item vectors: the spectrum of the interactions."""
        if statistics is not None:
            n_components = min(self.embedding_dim, len(statistics.item_counts))
            _, self.item_embedding_ = leading_eigenvectors(statistics.cooccurrence, n_components)
        else:
            n_components = min(self.embedding_dim, *histories.shape)
            decompose = check_cache(self.memory).cache(randomized_svd)
            _, _, Vt = decompose(histories, n_components, random_state=self.random_state)
            self.item_embedding_ = np.ascontiguousarray(Vt.T, dtype=np.float32)
        self._projection_ = self.weights_ @ self.item_embedding_

    def _fit_sparsely(
        self,
        histories: sparse.csr_array,
        vectors: np.ndarray | None,
        statistics: Statistics | None,
        settings: dict[str, float],
    ) -> None:
        self._regression_, self._n_changed_ = None, 0
        self.popularity_weight_ = 0.0 if self.popularity_weight == "auto" else float(self.popularity_weight)
        n_predictors = int(self.n_predictors)
        if statistics is not None:
            self._item_counts_ = statistics.item_counts
            del settings["user_exponent"]  # is in the statistics
            found = regress_sparsely_on(statistics, vectors, n_predictors=n_predictors, **settings)
        else:
            solve = check_cache(self.memory).cache(regress_sparsely)
            found = solve(histories, vectors, n_predictors=n_predictors, **settings)
            if self.popularity_weight == "auto":
                trial = clone(self).set_params(solver="sparse")
                self.popularity_weight_ = weight_for_users_left_out(
                    trial, histories, self._item_counts_, POPULARITY_WEIGHTS, otherwise=0.0
                )
        self._set_sparse_weights(found, vectors)
        if vectors is None:
            self._embed_items(histories, statistics)

    def _set_sparse_weights(self, found: SparseRegression, vectors: np.ndarray | None) -> None:
        """Set the sparse and the low-rank part of the weights of all items."""
        is_known = known_items(self._item_counts_)
        self._popularity_ = shares_of_users(self._item_counts_)
        self._popularity_length_ = mean_column_length(found.weights, found.left, found.right, is_known)
        popularity = popularity_scale(self._item_counts_, self.popularity_exponent).astype(np.float32)
        self.weights_ = rescale(found.weights, np.ones(len(popularity)), popularity)
        self._left_, right = found.left, popularity[:, None] * found.right
        if vectors is not None:
            self.item_embedding_, self._projection_ = vectors, found.projection
            length = mean_column_length(self.weights_, self._left_, right, is_known)
            self._by_content_ = ItemsByContent(vectors, is_known, length, float(self.new_item_scale))
            mixture, own = self._by_content_.mixture()
            self.weights_, right = sparse.csr_array(self.weights_ @ mixture + own), mixture.T @ right
            self._popularity_ = mixture.T @ self._popularity_
        self._right_ = round_for_exact_sums(right, right.shape[1], axis=1)

    def _fit_sums(self, statistics: Statistics, vectors: np.ndarray | None, kernel: dict[str, float]) -> None:
        self._item_counts_ = statistics.item_counts
        self.popularity_weight_ = 0.0 if self.popularity_weight == "auto" else float(self.popularity_weight)
        found = regress_on(statistics, vectors, item_exponent=float(self.item_exponent), **kernel)
        self._regression_, self._n_changed_ = None, 0
        self._set_weights(found, None, overwrite=True)
        if vectors is None:
            self._embed_items(statistics.cooccurrence, statistics)

    def _set_weights(self, found: Regression, following: np.ndarray | None, *, overwrite: bool) -> None:
        """Set the weights of all items, and with vectors the map of histories to embeddings."""
        self._diagonal_ = found.precision.diagonal().copy()
        self._ridge_, self._item_scale_ = found.ridge, found.scale
        self.weights_ = found.weights(overwrite=overwrite)
        is_known = known_items(self._item_counts_)
        if following is not None:
            ratio = mean_length(self.weights_, is_known) / mean_length(following, is_known)
            self.weights_ += np.float32(self.order_weight * ratio) * following
        self._popularity_length_ = mean_length(self.weights_, is_known)
        self._popularity_ = shares_of_users(self._item_counts_)
        if self.popularity_exponent:
            self.weights_ *= popularity_scale(self._item_counts_, self.popularity_exponent).astype(np.float32)
        if self.item_vectors_ is not None:
            assert found.projection is not None  # where there are vectors
            self.item_embedding_, self._projection_ = self.item_vectors_, found.projection
            length = mean_length(self.weights_, is_known)
            self._by_content_ = ItemsByContent(self.item_vectors_, is_known, length, float(self.new_item_scale))
            shares, own = self._by_content_.of_cold()
            self.weights_[:, self._by_content_.cold] = self._mix(shares, own)
            self._popularity_[self._by_content_.cold] = shares.T @ self._popularity_

    def _reads_values(self) -> bool:
        return not self.binary or self.order_weight > 0

    def _update(self, removed: sparse.csr_array, added: sparse.csr_array) -> None:
        """Update the inverse for few rows; solve again for many, for sums that depend on all rows, and at first."""
        n_changed = removed.shape[0] + added.shape[0]
        is_fixed = self.order_weight == 0 and self.item_exponent == 0
        limit = min(UPDATED_SHARE * self._learned_rows().shape[0], self.n_features_in_ / 8)
        if self._regression_ is None or not is_fixed or self._n_changed_ + n_changed > limit:
            super()._update(removed, added)
            return
        self._regression_ = self._regression_.update(removed, added)
        self._n_changed_ += n_changed
        self._enough_ = enough_users(self._learned_rows().shape[0])
        self._set_weights(self._regression_, None, overwrite=False)
        if self.item_vectors_ is None:
            self._projection_ = self.weights_ @ self.item_embedding_

    def _as_chosen(self) -> "RidgeRecommender":
        """Return a recommender whose parameters are the settings of the fit."""
        return self

    def _mix(self, shares: sparse.csr_array, own: sparse.csr_array) -> np.ndarray:
        """Return the weights of items that consist of shares of others, (n_items, n_mixed)."""
        return self.weights_ @ shares + own.toarray()

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        """Return what the contributions are more than (P G)_ij / (λ P_jj), the part of the interactions.

        P (G + w² K) = I - λ P. With the regression of the next item and the sparse solver, the parts cannot be told
        apart.
        """
        content = np.zeros(X.nnz)
        is_apart = self.solver_ == "dense" and not self.order_weight
        if self.item_vectors_ is None or not is_apart or self._histories_ is None:
            return content
        scale, popularity = self._item_scale_, popularity_scale(self._item_counts_, self.popularity_exponent)
        distinct, places = np.unique(columns, return_inverse=True)
        users = inverse_power(np.diff(self._histories_.indptr), self.user_exponent / 2)
        scaled = rescale(self._histories_, users, scale)
        gram = sparse.csc_array(scaled.T @ scaled[:, distinct])
        for row, (column, place) in enumerate(zip(columns, places, strict=True)):
            entries = slice(X.indptr[row], X.indptr[row + 1])
            items, known = X.indices[entries], gram.indices[gram.indptr[place] : gram.indptr[place + 1]]
            precision = -self.weights_[np.ix_(items, known)] * (scale * self._diagonal_ / popularity)[known]
            precision = np.where(items[:, None] == known, self._diagonal_[known], precision / scale[items][:, None])
            taught = precision @ gram.data[gram.indptr[place] : gram.indptr[place + 1]]
            taught *= scale[items] * popularity[column] / (scale[column] * self._ridge_ * self._diagonal_[column])
            content[entries] = np.where(items == column, 0, X.data[entries] * (self.weights_[items, column] - taught))
        return content

    def _chosen_popularity_weight(
        self, X: sparse.csr_array, vectors: np.ndarray | None, found: Regression, settings: dict[str, float]
    ) -> float:
        if self.popularity_weight != "auto":
            return float(self.popularity_weight)
        # The regression follows from the others: the cache need not hash a matrix of n_items².
        choose = check_cache(self.memory).cache(popularity_weight, ignore=["X", "found"])
        return choose(X, found, None if self.memory is None else joblib.hash((X, vectors, settings)))

    def _scorer(self) -> Scorer:
        if self.solver_ == "sparse":
            return self._sum_of(self._sparse_terms(self.weights_, self._right_), self._popularity_)
        return self._sum_of([DenseWeights(self.weights_)], self._popularity_)

    def _sparse_terms(self, weights: sparse.csr_array, items: np.ndarray) -> list[Scorer]:
        return [SparseWeights(weights), *([LowRank(self._left_, items)] if items.shape[1] else [])]

    def _sum_of(self, terms: list[Scorer], popularity: np.ndarray) -> Scorer:
        """Return the scorer of some columns: the weights, and the popularity where it has a weight."""
        if self.popularity_weight_:
            share = np.full(self.n_features_in_, self.popularity_weight_ * self._popularity_length_)
            terms = [*terms, PopularityTerm(share, self._item_counts_, popularity, self._enough_)]
        return Sum(tuple(terms)) if len(terms) > 1 else terms[0]

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        if self.solver_ == "dense":
            check_memory(
                12 * self.n_features_in_ * len(vectors),
                f"Weights of {len(vectors)} new items",
                "Pass fewer candidates at a time.",
            )
        shares, own = self._by_content_.of_new(vectors)
        terms: list[Scorer]
        if self.solver_ == "dense":
            terms = [DenseWeights(self._mix(shares, own))]
        else:
            items = round_for_exact_sums(shares.T @ self._right_, self._right_.shape[1], axis=1)
            terms = self._sparse_terms(sparse.csr_array(self.weights_ @ shares + own), items)
        return self._sum_of(terms, shares.T @ self._popularity_)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return X @ self._projection_
