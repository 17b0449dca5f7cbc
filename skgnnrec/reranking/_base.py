"""The part that all re-rankers have in common."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec._fitted_state import new_state
from skgnnrec.catalog import ItemCatalog
from skgnnrec.interactions import Vocabulary, check_interactions, column_vocabulary, refuse_log
from skgnnrec.ranking import Scorer
from skgnnrec.recommenders import BaseRecommender, WrappingRecommender
from skgnnrec.reranking._reranked import Order, Reranked

__all__ = ["COLUMN", "N_CANDIDATES", "STRENGTH", "BaseReranker"]

STRENGTH = [Interval(Real, 0, 1, closed="both")]
N_CANDIDATES = [Interval(Integral, 1, None, closed="left")]
COLUMN = [str, Interval(Integral, None, None, closed="neither")]


def _can(method: str) -> Any:
    """Return a check that the recommender has a method."""
    return lambda reranker: hasattr(reranker.recommender, method)


def _histories_of(recommender: BaseRecommender) -> sparse.csr_array | None:
    """Return the histories that a recommender, or the first one inside it, has learned; None where it keeps none."""
    inside = [getattr(recommender, "recommender_", None), *getattr(recommender, "recommenders_", ())]
    inner = next((part for part in inside if part is not None), None)
    return getattr(recommender, "_histories_", None) if inner is None else _histories_of(inner)


class BaseReranker(WrappingRecommender):
    """Base of re-rankers: recommenders that put the candidates of another recommender into another order.

    A concrete re-ranker defines the order of candidates (`_order`) and, where it reads the catalog, what it keeps of it
    (`_read_catalog`).
    """

    @abstractmethod
    def _order(self, columns: np.ndarray, catalog: ItemCatalog | None) -> Order:
        """Return the order of candidates: fitted items by their columns; -1 is a new item, a row of the catalog."""

    def _read_interactions(self, X: sparse.csr_array) -> None:
        """Keep what the order needs of the interactions of the fit; nothing here."""

    def _read_catalog(self, catalog: ItemCatalog | None) -> None:
        """Keep what the order needs of the aligned catalog; nothing here."""

    def _learn(self, X: Any, previous: Any, **options: Any) -> None:
        refuse_log(X)
        vocabulary = column_vocabulary(X)
        checked = check_interactions(X, estimator=self, reset=True)
        fitted = clone(self.recommender).fit(X)
        self.recommender_ = fitted
        self._take_items_of(fitted)
        self._read_interactions(checked)
        self._read_catalog(self._aligned_catalog(vocabulary, checked.shape[1]))
        self._take_order()

    def _required(self, catalog: ItemCatalog | None, name: str) -> ItemCatalog:
        """Return the catalog, which a parameter with one of its columns requires."""
        if catalog is None:
            raise ValueError(
                f"{name}={getattr(self, name)!r} must name a column of the catalog, but the recommender, a "
                f"{type(self.recommender).__name__}, has none: pass catalog=ItemCatalog(...) to it."
            )
        return catalog

    def _take_order(self) -> None:
        order = self._order(np.arange(self.n_features_in_), None)
        self._scorer_ = Reranked(self.recommender_._scorer_, order)  # type: ignore[assignment]

    @available_if(_can("partial_fit"))
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the interactions of further users, as the recommender does.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of further users, with the columns of the fit.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The re-ranker.
        """
        return self.fit(X) if not hasattr(self, "recommender_") else self._change("partial_fit", X)

    @available_if(_can("forget"))
    def forget(self, X: Any) -> Self:
        """Forget users, as the recommender does.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of the users, as they were learned.

        Returns
        -------
        self : object
            The re-ranker.
        """
        check_is_fitted(self)
        return self._change("forget", X)

    def _change(self, method: str, X: Any) -> Self:
        """Call a method of a copy of the fitted recommender, and replace it if the call succeeds."""
        with new_state(self, keep=True) as fresh:
            fresh.recommender_ = getattr(copy(self.recommender_), method)(X)
            fresh._item_counts_ = fresh.recommender_._item_counts_
            histories = _histories_of(fresh.recommender_)
            if histories is not None:
                fresh._read_interactions(histories)
            fresh._take_order()
        return self

    @available_if(_can("forget"))
    def _become(self, X: sparse.csr_array) -> None:
        """Replace what was learned by X, as the recommender does; rewards remain."""
        with new_state(self, keep=True) as fresh:
            fresh.recommender_ = copy(self.recommender_)
            if hasattr(fresh.recommender_, "_become"):
                fresh.recommender_._become(X)
            else:
                fresh.recommender_ = clone(self.recommender).fit(X)
            fresh._item_counts_ = fresh.recommender_._item_counts_
            fresh._read_interactions(X)
            fresh._take_order()

    def _candidates(self, candidates: Any) -> tuple[Scorer, np.ndarray, Vocabulary | None]:
        if candidates is None:
            return super()._candidates(None)
        scorer, columns, vocabulary = self.recommender_._candidates(candidates)
        catalog = candidates if isinstance(candidates, ItemCatalog) else None
        return Reranked(scorer, self._order(columns, catalog)), columns, vocabulary

    def _steered(
        self, X: sparse.csr_array, scorer: Any, columns: np.ndarray, candidates: Any, query: Any, weight: float
    ) -> tuple[Scorer, sparse.csr_array]:
        steered, X = self.recommender_._steered(X, scorer.scorer, columns, candidates, query, weight)
        return Reranked(steered, scorer.order), X
