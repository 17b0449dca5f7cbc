"""Updates of closed forms: further users are learned, and users are forgotten, without the data of the others."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec._fitted_state import new_state
from skgnnrec.graph import Statistics, count_users
from skgnnrec.interactions import Vocabulary, binarize, find_rows, first_few
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._header import header_of

__all__ = ["ClosedForm", "updated"]


class ClosedForm(BaseRecommender):
    """Base of recommenders that learn in closed form, and can learn and forget users afterwards.

    They keep the rows that they have learned from, which take less memory than the sums that are computed from them.
    """

    _histories_: sparse.csr_array | None  # None after a fit to statistics

    def _exponent_of_sums(self) -> float | None:
        """Return the user exponent of the co-occurrences that a fit needs, None where item counts suffice."""
        raise ValueError(
            f"{type(self).__name__} learns from more than item counts and co-occurrences: use RidgeRecommender, "
            "GraphFilterRecommender, ContentRecommender or PopularityRecommender."
        )

    def _fit_statistics(self, statistics: Statistics, vocabulary: Vocabulary | None) -> Self:
        """Learn from the sums over users, without their interactions: updates are not possible afterwards."""
        X = header_of(self, len(statistics.item_counts), vocabulary)
        self._validate_params()
        with new_state(self) as fresh:
            fresh._learn(X, previous=self, statistics=statistics)
            fresh._histories_ = None
        return self

    def _learned_rows(self) -> sparse.csr_array:
        if self._histories_ is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted to statistics and keeps no histories of users: "
                "partial_fit and forget need a fit to X."
            )
        return self._histories_

    def _reads_values(self) -> bool:
        """Return whether a fit depends on the values of X."""
        return False

    def _remember(self, X: sparse.csr_array) -> None:
        self._keeps_values_ = self._reads_values()
        self._histories_ = X if self._keeps_values_ else binarize(X)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the interactions of further users.

        The result is that of a fit to all users together, with the encoded items of the first fit. If the recommender
        is not fitted, it is fitted.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of further users, with the columns of the fit. To replace the history of a user, `forget`
            the old one.
        y : Ignored
            Not used.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those of the fit.
        """
        if not hasattr(self, "_histories_"):
            return self.fit(X)
        self._learned_rows()
        further = self._check_histories(X)
        with new_state(self, keep=True) as fresh:
            fresh._change(np.zeros(0, dtype=np.int64), further)
        return self

    def forget(self, X: Any) -> Self:
        """Forget users: the result is that of a fit to the other users, with the encoded items of the first fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions of the users, as they were learned. Each row must have been a row of `fit` or
            `partial_fit`, as often as it occurs here.

        Returns
        -------
        self : object
            The recommender.

        Raises
        ------
        ValueError
            If a row was not learned, or if no user would remain. Then nothing is forgotten.
        """
        rows = self._check_histories(X)
        found = find_rows(self._learned_rows(), rows, with_values=self._keeps_values_)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            raise ValueError(
                f"X has {len(unknown)} rows that were not learned, or not so often: rows {first_few(unknown)}. forget "
                "takes the rows that were passed to fit or partial_fit."
            )
        if len(found) == self._learned_rows().shape[0]:
            raise ValueError(f"X has all {len(found)} users that were learned, and no user would remain.")
        with new_state(self, keep=True) as fresh:
            fresh._change(found, rows[:0])
        return self

    def _change(self, forgotten: np.ndarray, further: sparse.csr_array) -> None:
        """Leave out some of the rows and add others."""
        before = self._learned_rows()
        kept = np.ones(before.shape[0], dtype=bool)
        kept[forgotten] = False
        added = further if self._keeps_values_ else binarize(further)
        self._histories_ = sparse.vstack([before[np.flatnonzero(kept)], added], format="csr")
        self._item_counts_ = count_users(self._histories_)
        self._update(before[forgotten], added)
        self._scorer_ = self._with_fallback(self._scorer())

    def _become(self, X: sparse.csr_array) -> None:
        """Replace the rows that were learned by those of X; equal rows remain."""
        kept = find_rows(X, self._learned_rows(), with_values=self._keeps_values_)
        is_new = np.ones(X.shape[0], dtype=bool)
        is_new[kept[kept >= 0]] = False
        with new_state(self, keep=True) as fresh:
            fresh._change(np.flatnonzero(kept < 0), X[np.flatnonzero(is_new)])

    def _update(self, removed: sparse.csr_array, added: sparse.csr_array) -> None:
        """Learn from `_histories_`, from which some rows were removed and to which others were added."""
        self._fit_interactions(self._learned_rows(), self.item_vectors_, self)


def updated(
    fitted: BaseRecommender, unfitted: BaseRecommender, before: sparse.csr_array, X: sparse.csr_array, users: Any
) -> BaseRecommender:
    """Return a copy of a recommender that has learned X in the place of the rows before."""
    changed = copy(fitted)
    if hasattr(changed, "_become"):
        changed._become(X, **changed._about(users))
    elif hasattr(changed, "partial_fit") and not hasattr(changed, "forget"):  # trained
        rows = np.flatnonzero(find_rows(before, X, with_values=False) < 0)
        changed.partial_fit(X[rows], **changed._about(None if users is None else users[rows]))
    else:
        changed = clone(unfitted).fit(X, **changed._about(users))
    return changed
