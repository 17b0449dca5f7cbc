"""Recommenders with smaller arrays."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar, Literal, overload

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec.interactions import check_interactions, refuse_log
from skgnnrec.ranking import ByRecency, Compression, Mixture, Scorer, SparseWeights, Sum, multiply
from skgnnrec.recommenders import BaseRecommender, LogRecommender, WrappingRecommender

__all__ = ["CompressedRecommender", "compress"]

Dtype = Literal["int8", "float16", "float32"]


class CompressedRecommender(WrappingRecommender):
    r"""A recommender whose scores are computed from smaller arrays.

    Parameters
    ----------
    recommender : BaseRecommender
        The recommender. A clone of it is fitted, and then compressed.
    dtype : {"int8", "float16", "float32"}, default="int8"
        The type of dense arrays: weights, factors and vectors of items. In int8 and float16, the values of a row are
        multiples of a unit of the row, which is the smallest power of two for which they fit. The values of sparse
        weights remain in float32: their positions take as much memory.
    n_largest : int, default=None
        The number of weights that are kept for each item that is recommended. The weights :math:`W_{ij}` of item j are
        kept whose :math:`|W_{ij}| \sqrt{1 + n_i}` is largest, where :math:`n_i` is the number of users of item i: with
        them, the mean error of the scores of all users is about smallest. None keeps all weights.
    rank : int, default=None
        The number of dimensions of factors that take the place of the weights: :math:`U V^T` is the matrix of that rank
        that is nearest to W, where the rows of W are weighted by :math:`\sqrt{1 + n_i}`. None does not factorise the
        weights.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The item embeddings, where those of users are a product of the history with a matrix, as in `RidgeRecommender`
        and `GraphFilterRecommender`.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors, where new items can be scored with them.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    See Also
    --------
    compress : Compresses a fitted recommender.

    Notes
    -----
    `n_largest` and `rank` need scores that contain a product of the history with a matrix of weights, as those of
    `RidgeRecommender`, of `GraphFilterRecommender` and of blends of them. New items are scored where the weights of an
    item without interactions are those of its nearest items by content, as in the same recommenders.

    The interactions of the fit are not kept. A compressed recommender therefore has no `partial_fit` and no `forget`:
    update the recommender that was compressed, and compress it again.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.compose import CompressedRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> rec = CompressedRecommender(RidgeRecommender(), n_largest=2, n_recommendations=1).fit(X)
    >>> rec.predict([[1, 0, 0, 0], [0, 0, 0, 1]])
    array([[1],
           [2]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **WrappingRecommender._parameter_constraints,
        "dtype": [StrOptions({"int8", "float16", "float32"})],
        "n_largest": [Interval(Integral, 1, None, closed="left"), None],
        "rank": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        recommender: BaseRecommender,
        *,
        dtype: Dtype = "int8",
        n_largest: int | None = None,
        rank: int | None = None,
        n_recommendations: int = 10,
    ) -> None:
        self.recommender = recommender
        self.dtype = dtype
        self.n_largest = n_largest
        self.rank = rank
        self.n_recommendations = n_recommendations

    @property
    def item_embedding_(self) -> np.ndarray:
        """Return the item embeddings."""
        if self._embedding_ is None:
            raise AttributeError(f"A compressed {type(self.recommender).__name__} has no item_embedding_.")
        return np.asarray(self._embedding_)

    @property
    def item_vectors_(self) -> np.ndarray | None:  # type: ignore[override]
        """Return the item vectors."""
        return None if self._by_content_ is None else np.asarray(self._by_content_.vectors)

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.n_largest is not None and self.rank is not None:
            raise ValueError(
                f"n_largest and rank exclude each other: got n_largest={self.n_largest}, rank={self.rank}."
            )

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        check_interactions(X, estimator=self, reset=True)
        self._compress(clone(self.recommender).fit(X))

    def _compress(self, fitted: BaseRecommender) -> None:
        """Take the compressed state of a fitted recommender."""
        compression = Compression(self.dtype, self.n_largest, self.rank, fitted._item_counts_)
        self._take_items_of(fitted)
        self._rank_decay_ = fitted._rank_decay_
        self._scorer_ = replace(fitted._scorer_, scorer=compression.of_scorer(fitted._scorer_.scorer))
        if not compression.n_reduced and (self.n_largest is not None or self.rank is not None):
            name = "rank" if self.n_largest is None else "n_largest"
            raise ValueError(
                f"{name} requires scores that are the product of the history with weights of items, as those of "
                f"RidgeRecommender and GraphFilterRecommender; those of {type(fitted).__name__} are not."
            )
        self._projection_ = self._embedding_ = self._by_content_ = None
        if hasattr(fitted, "_projection_"):
            self._projection_ = compression.of_matrix(fitted._projection_)
            self._embedding_ = compression.of_matrix(fitted.item_embedding_)
        by_content = getattr(fitted, "_by_content_", None)
        if by_content is not None:
            self._by_content_ = replace(by_content, vectors=compression.of_matrix(by_content.vectors))

    # The fitted recommender is not kept.
    _vectors_of = BaseRecommender._vectors_of
    _content_contributions = BaseRecommender._content_contributions

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        if self._by_content_ is None:
            raise ValueError(
                f"candidates holds {len(vectors)} new items, which a compressed {type(self.recommender).__name__} does "
                "not score: pass them to the recommender that was compressed."
            )
        shares, own = replace(self._by_content_, vectors=self.item_vectors_).of_new(vectors)
        used = np.flatnonzero(np.diff(shares.indptr))
        inner = self._scorer_.scorer
        fitted = (inner.scorer if isinstance(inner, ByRecency) else inner).take(used)
        return Sum((Mixture(fitted, sparse.csr_array(shares[used].T)), SparseWeights(own)))

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        if self._projection_ is None:
            raise ValueError(
                f"transform of a compressed {type(self.recommender).__name__} is not defined: call it on the "
                "recommender that was compressed."
            )
        return multiply(X, self._projection_)

    @property
    def _n_features_out(self) -> int:
        return self.item_embedding_.shape[1] if self._embedding_ is None else self._embedding_.shape[1]


@overload
def compress(
    recommender: BaseRecommender, *, dtype: Dtype = ..., n_largest: int | None = ..., rank: int | None = ...
) -> CompressedRecommender: ...
@overload
def compress(
    recommender: LogRecommender, *, dtype: Dtype = ..., n_largest: int | None = ..., rank: int | None = ...
) -> LogRecommender: ...
def compress(
    recommender: BaseRecommender | LogRecommender,
    *,
    dtype: Dtype = "int8",
    n_largest: int | None = None,
    rank: int | None = None,
) -> CompressedRecommender | LogRecommender:
    """Return a smaller recommender that gives about the same recommendations.

    By default, dense weights and factors take a quarter of their memory.

    Parameters
    ----------
    recommender : BaseRecommender or LogRecommender
        The fitted recommender. It is not changed.
    dtype : {"int8", "float16", "float32"}, default="int8"
        The type of dense arrays, as in `CompressedRecommender`.
    n_largest : int, default=None
        The number of weights that are kept for each item that is recommended; None keeps all of them. 100 to 400
        weights suffice for many catalogs.
    rank : int, default=None
        The number of dimensions of factors that take the place of the weights; None does not factorise them.

    Returns
    -------
    compressed : CompressedRecommender or LogRecommender
        The smaller recommender, fitted. Of a `LogRecommender`, it is a copy that holds the smaller recommender.

    Raises
    ------
    TypeError
        If `recommender` is no recommender.
    ValueError
        If `n_largest` or `rank` is given and the scores are no product of the history with weights of items.

    See Also
    --------
    compose.CompressedRecommender : Fits a recommender and compresses it.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender, compress
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> rec = RidgeRecommender(n_recommendations=1).fit(X)
    >>> compress(rec, dtype="float16").predict([[1, 0, 0, 0], [0, 0, 0, 1]])
    array([[1],
           [2]])
    """
    if not isinstance(recommender, BaseRecommender | LogRecommender):
        raise TypeError(f"recommender must be a recommender, got {type(recommender).__name__}.")
    options: dict[str, Any] = {"dtype": dtype, "n_largest": n_largest, "rank": rank}
    check_is_fitted(recommender, msg="recommender is a %(name)s that is not fitted: call its fit first.")
    if isinstance(recommender, LogRecommender):
        result = copy(recommender)
        result.recommender_ = compress(recommender.recommender_, **options)
        result.recommender = clone(result.recommender_)
        return result
    small = CompressedRecommender(clone(recommender), n_recommendations=recommender.n_recommendations, **options)
    small._validate_params()
    small._compress(recommender)
    return small
