"""The part that recommenders with trained embeddings share: settings of the training, further fits, scores."""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import StrOptions

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.graph import count_users
from skgnnrec.ranking import Scorer
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._trained_scores import comparable, score_with_bias

__all__ = ["TrainedRecommender"]

LARGEST_STEP = 1e30  # beyond it, torch refuses step sizes and penalties with errors of its own


class TrainedRecommender(BaseRecommender):
    """Base of the recommenders that are trained by gradient descent.

    A concrete recommender defines its training (`_trained`). The fitted attributes `_factors_`, `_parameters_`,
    `item_bias_` and `_new_item_bias_` hold arrays, and `_factors_` is the scorer of the items without their bias.
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseRecommender._parameter_constraints,
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "id_embedding": ["boolean"],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "n_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "popularity_exponent": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"adam", "adamw"})],
        "alpha": [Interval(Real, 0, LARGEST_STEP, closed="both")],
        "learning_rate_init": [Interval(Real, 0, LARGEST_STEP, closed="right")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str],
        "checkpoint_dir": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }

    _how_to_use_items: ClassVar[str] = "a fit with it"

    id_embedding: bool
    max_iter: int
    warm_start: bool
    item_bias_: np.ndarray
    loss_curve_: list[float]
    validation_scores_: list[float]

    @abstractmethod
    def _trained(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any, **options: Any) -> dict:
        """Return the fitted attributes after a training on X.

        The options are `max_iter`, the parameters to start from with the positions of the items among them (`start`),
        and those of `_with_earlier_users`.
        """

    def _with_earlier_users(self, further: sparse.csr_array) -> tuple[sparse.csr_array, dict[str, Any]]:
        """Return what a further training learns from, and its options."""
        return further, {}

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one epoch on further users.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of further users, with the items of the fit. A user of an earlier call counts as a further
            user. The first call is a fit of one epoch.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The fitted recommender.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those of the fit.
        """
        task = self._init_callback_context(max_subtasks=1)
        task.call_on_fit_task_begin(estimator=self)
        is_first = not hasattr(self, "n_iter_")
        with new_state(self, keep=not is_first) as fresh:
            if is_first:
                fresh._learn(X, previous=self, max_iter=1)
            else:
                fresh._learn_further(fresh._check_histories(X), previous=self)
            task.call_on_fit_task_end(estimator=fresh)
        return self

    def _max_epochs(self) -> int:
        return self.max_iter

    def _uses_items(self) -> bool:
        return True

    def _fit_interactions(
        self,
        X: sparse.csr_array,
        vectors: np.ndarray | None,
        previous: Any,
        max_iter: int | None = None,
        **options: Any,
    ) -> None:
        start = None
        if self.warm_start and hasattr(previous, "n_iter_"):
            from skgnnrec.recommenders._item_inputs import OF_EACH_ITEM, match_items

            places = np.arange(X.shape[1])
            if previous._parameters_.keys() & set(OF_EACH_ITEM):
                places = match_items(previous._vocabulary_, self._vocabulary_, previous.n_features_in_, X.shape[1])
            start = previous._parameters_, places
        max_iter = self.max_iter if max_iter is None else max_iter
        self._train(X, vectors, previous, max_iter=max_iter, start=start, **options)

    def _learn_further(self, further: sparse.csr_array, previous: Any) -> None:
        """Train for one epoch on further users, from the current parameters."""
        losses, scores = self.loss_curve_, self.validation_scores_
        start = self._parameters_, np.arange(self.n_features_in_)
        X, options = self._with_earlier_users(further)
        self._item_counts_ = self._item_counts_ + count_users(further)
        self._train(X, self.item_vectors_, previous, max_iter=1, start=start, **options)
        self.loss_curve_ = losses + self.loss_curve_
        self.validation_scores_ = scores + self.validation_scores_
        self.n_iter_ = len(self.loss_curve_)
        self._scorer_ = self._with_fallback(self._scorer())

    def _train(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any, **options: Any) -> None:
        """Train and set the fitted attributes."""
        if vectors is None and not self.id_embedding:
            raise ValueError("id_embedding=False requires catalog=ItemCatalog(...), got catalog=None.")
        self.__dict__.update(self._trained(X, vectors, previous, **options))

    def _scorer(self) -> Scorer:
        return score_with_bias(self._factors_, self.item_bias_)

    def _new_item_scorer(self, vectors: np.ndarray) -> Scorer:
        from skgnnrec.recommenders._trained_items import embed_new_items

        assert self.item_vectors_ is not None  # the base refuses new items otherwise
        items = embed_new_items(self._parameters_, self.item_vectors_, self._item_counts_, vectors)
        items = comparable(items, getattr(self._factors_, "is_cosine", True))
        bias = np.full(len(items), self._new_item_bias_, dtype=np.float32)
        return score_with_bias(replace(self._factors_, items=items), bias)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return self._factors_.embed(X)
