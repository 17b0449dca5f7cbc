"""Recommendations to one user of a log at a time, without the overhead of `recommend`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.interactions import Vocabulary
from skgnnrec.ranking import Ranker

__all__ = ["UserRanker"]


class UserRanker:
    """Rank the items for single users of a log, as `LogRecommender.recommend` does, in a fraction of its time.

    It comes from the method `ranker` of a fitted `LogRecommender`. It keeps the state of the fit: a later fit does not
    change it. Calls can be made from several threads at once.

    Parameters
    ----------
    ranker : Ranker
        The ranker of the recommender.
    users : Vocabulary
        The users of the fit.
    items : Vocabulary
        The items of the fit.
    interactions : csr_array of shape (n_users, n_items), float32
        The histories of the users.
    unknown_users : {"popular", "skip", "error"}
        How users outside the fit are treated.

    Examples
    --------
    >>> from skgnnrec import LogRecommender, PopularityRecommender
    >>> log = [["ann", "mug"], ["ann", "pot"], ["bob", "mug"], ["cy", "tray"], ["cy", "pot"]]
    >>> rank = LogRecommender(PopularityRecommender()).fit(log).ranker()
    >>> items, scores = rank("bob", n=1)
    >>> items
    array(['pot'], dtype=object)
    >>> rank.history(["pot", "tray"], n=1)[0]
    array(['mug'], dtype=object)
    """

    def __init__(
        self,
        ranker: Ranker,
        users: Vocabulary,
        items: Vocabulary,
        interactions: sparse.csr_array,
        unknown_users: str,
    ) -> None:
        self._ranker, self._users, self._items, self._interactions = ranker, users, items, interactions
        self._unknown_users = unknown_users
        self._names = items.names(np.arange(-1, len(items)))  # of position - 1, the padding, and of all items

    def __call__(self, user: Any, n: int = 10, *, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the best items for a user of the fit.

        Parameters
        ----------
        user : object
            The id of the user; `unknown_users` of the recommender defines what users outside the fit receive.
        n : int, default=10
            The number of items.
        exclude_seen : bool, default=True
            Whether to leave out items of the history.

        Returns
        -------
        items : ndarray of shape (n,)
            The ids of the items, best first, padded as in `recommend`.
        scores : ndarray of shape (n,), float32
            Their scores, -inf for padding.

        Raises
        ------
        ValueError
            If the user is unknown and `unknown_users` is "error".
        """
        row = int(self._users.positions([user], "user")[0])
        if row < 0 and self._unknown_users == "error":
            raise ValueError(f"The user {user!r} was not in the fit. unknown_users='popular' recommends popular items.")
        if row < 0 and self._unknown_users == "skip":
            return self._names[np.zeros(n, dtype=np.int64)], np.full(n, -np.inf, dtype=np.float32)
        X = self._interactions
        inside = slice(X.indptr[row], X.indptr[row + 1]) if row >= 0 else slice(0)
        return self._named(*self._ranker(X.indices[inside], X.data[inside], n, exclude_seen=exclude_seen))

    def history(
        self, items: Any, weights: Any = None, n: int = 10, *, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best items for a user with a given history.

        Parameters
        ----------
        items : array-like of shape (n_history,)
            The ids of the items of the history, distinct. Items that were not in the fit are left out.
        weights : array-like of float, shape (n_history,), default=None
            Their weights, positive; None weighs them equally.
        n : int, default=10
            The number of items.
        exclude_seen : bool, default=True
            Whether to leave out items of the history.

        Returns
        -------
        items : ndarray of shape (n,)
            The ids of the items, best first, padded as in `recommend`.
        scores : ndarray of shape (n,), float32
            Their scores, -inf for padding.
        """
        positions = self._items.positions(items, "items")
        known = positions >= 0
        kept = None if weights is None else np.asarray(weights, dtype=np.float32)[known]
        return self._named(*self._ranker(positions[known], kept, n, exclude_seen=exclude_seen))

    def _named(self, positions: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._names[positions + 1], scores
