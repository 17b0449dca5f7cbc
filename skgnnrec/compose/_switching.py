"""Another recommender for each kind of user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from skgnnrec._constraints import Interval
from skgnnrec.catalog import ItemCatalog
from skgnnrec.compose._composition import BaseComposition
from skgnnrec.compose._lists import ByLists, select_rows
from skgnnrec.interactions import row_of_each
from skgnnrec.ranking import Scorer, WithFallback, rank_block
from skgnnrec.recommenders import BaseRecommender

__all__ = ["SwitchingRecommender"]

Rule = Callable[[sparse.csr_array], Any]


@dataclass(frozen=True, eq=False)
class Switched(Scorer):
    """The scores of one of several scorers for each history."""

    parts: tuple[Scorer, ...]
    switch: np.ndarray | Rule  # lengths of histories in ascending order, or a function of the histories

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.parts[0].n_columns

    def choice(self, X: sparse.csr_array) -> np.ndarray:
        """Return the position of the scorer of each history."""
        if isinstance(self.switch, np.ndarray):
            return np.searchsorted(self.switch, np.diff(X.indptr), side="right")
        given = self.switch(X)
        chosen = np.asarray(given)
        chosen = chosen.astype(np.int64) if chosen.dtype.kind in "biu" else np.full(1, -1)
        if chosen.shape != (X.shape[0],) or ((chosen < 0) | (chosen >= len(self.parts))).any():
            raise ValueError(
                f"switch must return the position of a recommender, from 0 to {len(self.parts) - 1}, for each of "
                f"{X.shape[0]} histories; it returned {given!r:.80}."
            )
        return chosen

    def _rows(self, X: sparse.csr_array) -> list[tuple[int, np.ndarray]]:
        """Return the rows of each scorer that has any."""
        chosen = self.choice(X)
        return [(place, np.flatnonzero(chosen == place)) for place in np.unique(chosen)]

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        scores = np.empty((X.shape[0], self.n_columns), dtype=np.float32)
        for place, rows in self._rows(X):
            scores[rows] = self.parts[place].scores(X[rows])
        return scores

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
        columns = np.empty((X.shape[0], k), dtype=np.int64)
        scores = np.empty((X.shape[0], k), dtype=np.float32)
        for place, rows in self._rows(X):
            columns[rows], scores[rows] = rank_block(self.parts[place], X[rows], k, select_rows(seen, rows))
        return columns, scores

    def take(self, columns: np.ndarray) -> Switched:
        return replace(self, parts=tuple(part.take(columns) for part in self.parts))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        data, entry_rows = np.zeros(X.nnz), row_of_each(X)
        for place, rows in self._rows(X):
            data[np.isin(entry_rows, rows)] = self.parts[place].contributions(X[rows], columns[rows]).data
        return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        baseline = np.zeros(X.shape[0])
        for place, rows in self._rows(X):
            baseline[rows] = self.parts[place].baseline(X[rows], columns[rows])
        return baseline


class SwitchingRecommender(BaseComposition):
    """Recommend to each user by one of several recommenders, which depends on the history.

    Users with short histories can for example receive recommendations by content, and others by interactions.

    Parameters
    ----------
    recommenders : list of (str, BaseRecommender)
        The recommenders with their names. Clones of them are fitted, all of them to all users. Their parameters can be
        set as ``<name>__<parameter>``.
    switch : int, array-like of int of shape (n_recommenders - 1,) or callable, default=10
        Numbers are lengths of histories, positive and in ascending order. The first recommender ranks the items for
        users with fewer items than the first number, the second one for users with fewer items than the second number,
        and the last one for the others. A callable receives histories, a `csr_array` of shape (n_users, n_items), and
        returns the position of a recommender for each of them, as an array of integers or, for two recommenders, of
        booleans. The position of a user must depend on the history of this user only.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    recommenders_ : list of BaseRecommender
        The fitted recommenders.
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

    See Also
    --------
    BackfillRecommender : Fills the lists of one recommender with the items of others.

    Notes
    -----
    Users without history receive the popularity ranking, as from every recommender. Scores of users who are served by
    different recommenders have different units.

    To save a recommender with a callable, define the callable in a module; ``load(path, trusted=[...])`` names it.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import PopularityRecommender, RidgeRecommender
    >>> from skgnnrec.compose import SwitchingRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]])
    >>> rec = SwitchingRecommender([("popular", PopularityRecommender()), ("ridge", RidgeRecommender())], switch=2)
    >>> rec.fit(X).recommend([[0, 0, 0, 1], [0, 0, 2, 1]], 1)[0]  # one item: popularity
    array([[0],
           [0]])
    >>> rec.set_params(switch=1).fit(X).recommend([[0, 0, 0, 1]], 1)[0]
    array([[2]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommenders": [list],
        "switch": [Interval(Integral, 1, None, closed="left"), "array-like", callable],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    def __init__(
        self,
        recommenders: list[tuple[str, BaseRecommender]],
        *,
        switch: int | Sequence[int] | Rule = 10,
        n_recommendations: int = 10,
    ) -> None:
        self.recommenders = recommenders
        self.switch = switch
        self.n_recommendations = n_recommendations

    def _validate_params(self) -> None:
        super()._validate_params()
        self._rule()

    def _rule(self) -> np.ndarray | Rule:
        if callable(self.switch):
            return self.switch
        n = len(self.recommenders) - 1
        try:
            lengths = np.atleast_1d(np.asarray(self.switch))
        except ValueError:  # lists of different lengths
            lengths = np.empty(0)
        is_read = lengths.shape == (n,) and (n == 0 or lengths.dtype.kind in "iu")
        if not is_read or (lengths < 1).any() or (np.diff(lengths) < 0).any():
            raise ValueError(
                f"switch must be a callable or {n} positive integers in ascending order, one less than there are "
                f"recommenders; got {self.switch!r}."
            )
        return lengths.astype(np.int64)

    def _with_fallback(self, scorer: Scorer) -> WithFallback:
        return ByLists(scorer, self._item_counts_.astype(np.float32))

    def _scorer(self) -> Scorer:
        return Switched(tuple(part._scorer_ for part in self.recommenders_), self._rule())

    def _vectors_of(self, catalog: ItemCatalog) -> Any:
        return [part._vectors_of(catalog) for part in self.recommenders_]  # an error where one has no vectors

    def _combine(self, new: list[Scorer | None]) -> Scorer:
        return Switched(tuple(scorer for scorer in new if scorer is not None), self._rule())

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        content, entry_rows = np.zeros(X.nnz), row_of_each(X)
        switched: Any = self._scorer_.scorer
        chosen = switched.choice(X)
        for place, part in enumerate(self.recommenders_):
            rows = np.flatnonzero(chosen == place)
            own = part._weigh(X[rows])
            content[np.isin(entry_rows, rows)] = part._content_contributions(own, columns[rows])
        return content
