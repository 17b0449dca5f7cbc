"""The part that all recommenders made of several others have in common."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.metaestimators import _BaseComposition, available_if
from sklearn.utils.validation import check_is_fitted

from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.graph import count_users
from skgnnrec.interactions import check_interactions, column_vocabulary, refuse_log
from skgnnrec.ranking import Scorer
from skgnnrec.recommenders import BaseRecommender, LogRecommender

__all__ = ["BaseComposition"]


def _all_can(method: str) -> Any:
    """Return a check that all recommenders have a method."""
    return lambda composition: all(hasattr(part, method) for _, part in composition._named())


class BaseComposition(BaseRecommender, _BaseComposition):
    """Base of recommenders that consist of several others.

    A concrete one defines how the scores of the fitted recommenders are combined (`_scorer`, and `_combine` where it
    ranks new items) and what it learns itself (`_prepare`).
    """

    _list_name: ClassVar[str] = "recommenders"  # the parameter with the recommenders

    recommenders_: list[BaseRecommender]

    def _combine(self, new: list[Scorer | None]) -> Scorer:
        """Return the scorer of new items from those of the recommenders, None where one does not use a catalog."""
        raise ValueError(
            f"candidates holds new items, which {type(self).__name__} does not rank: pass them to one of its "
            "recommenders."
        )

    def _prepare(self, X: Any, checked: sparse.csr_array) -> None:
        """Learn what is needed beside the fitted recommenders; nothing here."""

    def _named(self) -> list[tuple[str, BaseRecommender]]:
        return list(getattr(self, self._list_name))

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
        return self._get_params(self._list_name, deep=deep)

    def set_params(self, **params: Any) -> Self:
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
        self._set_params(self._list_name, **params)
        return self

    @property
    def catalog(self) -> ItemCatalog | None:  # type: ignore[override]
        """Return the catalog of the first recommender that has one."""
        return next((part.catalog for _, part in self._named() if part.catalog is not None), None)

    @property
    def _reads_order(self) -> bool:  # type: ignore[override]
        return any(part._reads_order for _, part in self._named())

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
        name = self._list_name
        for entry in getattr(self, name):
            if not isinstance(entry, tuple) or len(entry) != 2 or not isinstance(entry[1], BaseRecommender):
                cure = ""
                if isinstance(entry, tuple) and any(isinstance(part, LogRecommender) for part in entry):
                    cure = f" Put the {type(self).__name__} into the LogRecommender."
                raise ValueError(f"{name} must be a list of (name, recommender); got the entry {entry!r:.200}.{cure}")
        if not self._named():
            raise ValueError(f"{name} must name one or more recommenders; got an empty list.")
        self._validate_names([each for each, _ in self._named()])
        for _, part in self._named():
            self._refuse_data_of_users(part)
            part._validate_params()

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        checked = check_interactions(X, estimator=self, reset=True)
        self._vocabulary_ = vocabulary
        self._prepare(X, checked)
        self.recommenders_ = [clone(part).fit(X) for _, part in self._named()]
        known = (part._vocabulary_ for part in self.recommenders_ if part._vocabulary_ is not None)
        self._vocabulary_ = next(known, vocabulary)
        self._encoder_ = next((part._encoder_ for part in self.recommenders_ if part._encoder_ is not None), None)
        self._item_counts_, self._rank_decay_ = count_users(checked), None
        self._scorer_ = self._with_fallback(self._scorer())

    @available_if(_all_can("partial_fit"))
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the interactions of further users; only the recommenders inside are updated.

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
    def forget(self, X: Any) -> Self:
        """Forget users; only the recommenders inside are updated.

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

    def _change_each(self, method: str, X: Any) -> Self:
        """Call a method of copies of the fitted recommenders, and replace them if all succeed."""
        with new_state(self, keep=True) as fresh:
            fresh.recommenders_ = [getattr(copy(part), method)(X) for part in self.recommenders_]
            fresh._item_counts_ = fresh.recommenders_[0]._item_counts_
            fresh._scorer_ = fresh._with_fallback(fresh._scorer())
        return self

    def _fit_interactions(self, X: sparse.csr_array, vectors: np.ndarray | None, previous: Any) -> None:
        """Do nothing: `_learn` fits the recommenders."""

    def _vectors_of(self, catalog: ItemCatalog) -> Any:
        if self._encoder_ is None:
            return super()._vectors_of(catalog)  # an error
        return [None if part._encoder_ is None else part._vectors_of(catalog) for part in self.recommenders_]

    def _new_item_scorer(self, vectors: Any) -> Scorer:
        parts = zip(self.recommenders_, vectors, strict=True)
        return self._combine(
            [None if own is None else part._by_recency(part._new_item_scorer(own)) for part, own in parts]
        )

    def _embed(self, X: sparse.csr_array) -> np.ndarray:
        return np.concatenate([part._embed(part._weigh(X)) for part in self.recommenders_], axis=1)

    @property
    def _n_features_out(self) -> int:
        return sum(part._n_features_out for part in self.recommenders_)
