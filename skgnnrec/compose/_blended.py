"""Weighted sums of the scores of several recommenders."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import _BaseComposition, available_if
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.compose._weights import select_weights
from skgnnrec.graph import count_users
from skgnnrec.interactions import check_interactions, column_vocabulary, hide_from_fit, labelled_as, refuse_log
from skgnnrec.ranking import Scorer, Standardized, Sum
from skgnnrec.recommenders import BaseRecommender

__all__ = ["BlendedRecommender"]


def _all_can(method: str) -> Any:
    """Return a check that all recommenders of a blend have a method."""
    return lambda blend: all(hasattr(part, method) for _, part in blend.recommenders)


class BlendedRecommender(BaseRecommender, _BaseComposition):
    r"""Rank items by a weighted sum of the scores of several recommenders.

    Scores of different recommenders have different units. Therefore the scores of each recommender are standardised for
    each user: with the mean :math:`\mu_u` and the standard deviation :math:`\sigma_u` of the scores of user u over all
    fitted items,

    .. math:: s(u, i) = \sum_m w_m \frac{s_m(u, i) - \mu_{um}}{\sigma_{um}}.

    Parameters
    ----------
    recommenders : list of (str, BaseRecommender)
        The recommenders with their names. Clones of them are fitted. Their parameters can be set as
        ``<name>__<parameter>``.
    weights : {"auto"} or array-like of shape (n_recommenders,), default=None
        The weights w, non-negative. None weights all recommenders equally. With "auto", the fit hides a fifth of the
        interactions of each user (the latest ones where the values of a row of X differ), fits each recommender to the
        others, and selects the weights by the mean NDCG@n_recommendations of the hidden interactions [1]_. Then each
        recommender is fitted again, to all interactions.
    max_users : int, default=5000
        Users by whom the weights are selected.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommenders_ : list of BaseRecommender
        The fitted recommenders.
    weights_ : ndarray of shape (n_recommenders,), float64
        The weights, with sum 1.
    best_score_ : float
        With ``weights="auto"``: the mean NDCG on the hidden interactions.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The embeddings of the items by all recommenders, concatenated.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the first recommender that uses them.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    Notes
    -----
    New items are ranked by the recommenders that use a catalog; the others count as if all new items had their mean
    score. `transform` concatenates the embeddings of the recommenders.

    References
    ----------
    .. [1] R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", ICML 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GraphFilterRecommender, RidgeRecommender
    >>> from skgnnrec.compose import BlendedRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> rec = BlendedRecommender([("ridge", RidgeRecommender()), ("filter", GraphFilterRecommender())], weights=[3, 1])
    >>> rec.fit(X).weights_
    array([0.75, 0.25])
    >>> rec.recommend([[1, 0, 0, 0], [0, 0, 0, 1]], 1)[0]
    array([[1],
           [2]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommenders": [list],
        "weights": ["array-like", StrOptions({"auto"}), None],
        "max_users": [Interval(Integral, 1, None, closed="left")],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    def __init__(
        self,
        recommenders: list[tuple[str, BaseRecommender]],
        *,
        weights: Literal["auto"] | Sequence[float] | None = None,
        max_users: int = 5000,
        n_recommendations: int = 10,
    ) -> None:
        self.recommenders = recommenders
        self.weights = weights
        self.max_users = max_users
        self.n_recommendations = n_recommendations

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with `deep` also those of the recommenders.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the recommenders, by the name ``<name>__<parameter>``.

        Returns
        -------
        params : dict
            The parameters by name.
        """
        return self._get_params("recommenders", deep=deep)

    def set_params(self, **params: Any) -> BlendedRecommender:
        """Set parameters, also those of the recommenders.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``<name>__<parameter>`` is a parameter of a recommender, ``<name>`` replaces it.

        Returns
        -------
        self : object
            The recommender.
        """
        self._set_params("recommenders", **params)
        return self

    @property
    def catalog(self) -> ItemCatalog | None:  # type: ignore[override]
        """Return the catalog of the first recommender that has one."""
        return next((part.catalog for _, part in self.recommenders if part.catalog is not None), None)

    @property
    def item_embedding_(self) -> np.ndarray:
        """Return the embeddings of the items by all recommenders, concatenated."""
        return np.concatenate([part.item_embedding_ for part in self.recommenders_], axis=1)

    @property
    def item_vectors_(self) -> np.ndarray | None:  # type: ignore[override]
        """Return the item vectors of the first recommender that uses them."""
        return next((part.item_vectors_ for part in self.recommenders_ if part.item_vectors_ is not None), None)

    def _validate_params(self) -> None:
        super(BaseRecommender, self)._validate_params()
        for entry in self.recommenders:
            if not isinstance(entry, tuple) or len(entry) != 2 or not isinstance(entry[1], BaseRecommender):
                raise ValueError(f"recommenders must be a list of (name, recommender); got the entry {entry!r}.")
        if not self.recommenders:
            raise ValueError("recommenders must name one or more recommenders; got an empty list.")
        self._validate_names([name for name, _ in self.recommenders])
        for _, part in self.recommenders:
            part._validate_params()

    def _given_weights(self) -> np.ndarray:
        n = len(self.recommenders)
        try:
            weights = np.ones(n) if self.weights is None else np.asarray(self.weights)
        except ValueError:  # lists of different lengths
            weights = np.empty(0)
        weights = weights.astype(np.float64) if weights.dtype.kind in "iuf" else np.full(n, np.nan)
        if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(
                f"weights must be {n} non-negative numbers, one for each recommender and not all zero; "
                f"got {self.weights!r}."
            )
        return weights / weights.sum()

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        checked = check_interactions(X, estimator=self, reset=True)
        if isinstance(self.weights, str):
            self.weights_, self.best_score_ = self._selected_weights(X, checked)
        else:
            self.weights_ = self._given_weights()
        self.recommenders_ = [clone(part).fit(X) for _, part in self.recommenders]
        known = (part._vocabulary_ for part in self.recommenders_ if part._vocabulary_ is not None)
        self._vocabulary_ = next(known, vocabulary)
        self._encoder_ = next((part._encoder_ for part in self.recommenders_ if part._encoder_ is not None), None)
        self._item_counts_, self._rank_decay_ = count_users(checked), None
        self._scorer_ = self._with_fallback(self._scorer())

    def _selected_weights(self, X: Any, checked: sparse.csr_array) -> tuple[np.ndarray, float]:
        training, histories, held_out = hide_from_fit(checked, self.max_users)
        if not held_out.nnz:
            return np.full(len(self.recommenders), 1 / len(self.recommenders)), float("nan")
        parts = [clone(part).fit(labelled_as(X, training)) for _, part in self.recommenders]
        return select_weights([part._scorer_ for part in parts], histories, held_out, self.n_recommendations)

    @available_if(_all_can("partial_fit"))
    def partial_fit(self, X: Any, y: Any = None) -> BlendedRecommender:
        """Learn from the interactions of further users, with the weights of the first fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of further users, with the columns of the fit.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The recommender.
        """
        return self.fit(X) if not hasattr(self, "recommenders_") else self._change_each("partial_fit", X)

    @available_if(_all_can("forget"))
    def forget(self, X: Any) -> BlendedRecommender:
        """Forget users, with the weights of the first fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of the users, as they were learned.

        Returns
        -------
        self : object
            The recommender.
        """
        check_is_fitted(self)
        return self._change_each("forget", X)

    def _change_each(self, method: str, X: Any) -> BlendedRecommender:
        """Call a method of copies of the fitted recommenders, and replace them if all succeed."""
        with new_state(self, keep=True) as fresh:
            fresh.recommenders_ = [getattr(copy(part), method)(X) for part in self.recommenders_]
            fresh._item_counts_ = fresh.recommenders_[0]._item_counts_
            fresh._scorer_ = fresh._with_fallback(fresh._scorer())
        return self

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        """Do nothing: `_learn` fits the recommenders."""

    def _scorer(self) -> Scorer:
        parts = zip(self.weights_, self.recommenders_, strict=True)
        return Sum(tuple(Standardized(part._scorer_, part._scorer_, weight) for weight, part in parts if weight))

    def _vectors_of(self, catalog: ItemCatalog) -> Any:
        if self._encoder_ is None:
            return super()._vectors_of(catalog)  # an error
        return [None if part._encoder_ is None else part._vectors_of(catalog) for part in self.recommenders_]

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        parts = zip(self.weights_, self.recommenders_, vectors, strict=True)
        terms = tuple(
            Standardized(part._scorer_, part._by_recency(part._new_item_scorer(own)), weight)
            for weight, part, own in parts
            if weight and own is not None
        )
        if not terms:
            raise ValueError("candidates holds new items, but all recommenders with a catalog have the weight 0.")
        return Sum(terms)

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        content = np.zeros(X.nnz)
        for weight, part in zip(self.weights_, self.recommenders_, strict=True):
            scaled = Standardized(part._scorer_, part._scorer_, weight).contributions(X, columns).data
            total = part._scorer_.contributions(X, columns).data
            content += scaled * np.divide(
                part._content_contributions(part._weigh(X), columns), total, out=np.zeros(X.nnz), where=total != 0
            )
        return content

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return np.concatenate([part._embed(part._weigh(X)) for part in self.recommenders_], axis=1)

    @property
    def _n_features_out(self) -> int:
        return sum(part._n_features_out for part in self.recommenders_)
