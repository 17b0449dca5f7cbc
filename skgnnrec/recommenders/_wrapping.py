"""The part that all recommenders that wrap another one have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from skgnnrec.catalog import ItemCatalog
from skgnnrec.ranking import Scorer
from skgnnrec.recommenders._arguments import refuse_other_estimator
from skgnnrec.recommenders._base import BaseRecommender

__all__ = ["WrappingRecommender"]

# What is taken from the recommender inside.
KEPT = ("n_features_in_", "feature_names_in_", "_vocabulary_", "_encoder_", "_item_counts_")


class WrappingRecommender(BaseRecommender):
    """Base of recommenders that wrap another one: they have its catalog, its items and its embeddings."""

    recommender: BaseRecommender
    recommender_: BaseRecommender

    _parameter_constraints: ClassVar[dict] = {
        "recommender": [BaseRecommender],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    @property
    def catalog(self) -> ItemCatalog | None:  # type: ignore[override]
        """Return the catalog of the recommender."""
        return self.recommender.catalog

    @property
    def _reads_order(self) -> bool:  # type: ignore[override]
        return self.recommender._reads_order

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of the recommender.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``recommender__<parameter>`` is a parameter of the recommender, and so is ``catalog``.

        Returns
        -------
        self : object
            The estimator.
        """
        catalog = {"catalog": params.pop("catalog")} if "catalog" in params else {}
        super().set_params(**params)
        if catalog:
            self.recommender.set_params(**catalog)
        return self

    @property
    def item_embedding_(self) -> np.ndarray:
        """Return the item embeddings of the recommender."""
        return self.recommender_.item_embedding_

    @property
    def item_vectors_(self) -> np.ndarray | None:  # type: ignore[override]
        """Return the item vectors of the recommender."""
        return self.recommender_.item_vectors_

    def _validate_params(self) -> None:
        refuse_other_estimator(self, BaseRecommender)
        super(BaseRecommender, self)._validate_params()
        if not self._reads_users:
            self._refuse_data_of_users(self.recommender)
        self.recommender._validate_params()

    def _take_items_of(self, fitted: BaseRecommender) -> None:
        """Take what a fitted recommender knows of the items."""
        self.__dict__.update({name: getattr(fitted, name) for name in KEPT if hasattr(fitted, name)})
        self._rank_decay_ = None  # the scorer of the recommender weighs histories

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        """Do nothing: `_learn` fits the recommender."""

    def _scorer(self) -> Scorer:
        return self._scorer_

    def _vectors_of(self, catalog: ItemCatalog) -> Any:
        return self.recommender_._vectors_of(catalog)

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        return self.recommender_._by_recency(self.recommender_._new_item_scorer(vectors))

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self.recommender_._content_contributions(self.recommender_._weigh(X), columns)

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return self.recommender_._embed(self.recommender_._weigh(X))

    @property
    def _n_features_out(self) -> int:
        return self.recommender_._n_features_out
