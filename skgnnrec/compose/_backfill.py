"""Lists that further recommenders fill up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import ClassVar

import numpy as np
from scipy import sparse

from skgnnrec._constraints import Interval
from skgnnrec.compose._composition import BaseComposition
from skgnnrec.compose._lists import ByLists, select_rows, squash
from skgnnrec.interactions import row_of_each
from skgnnrec.ranking import Constant, Scorer, WithFallback, rank_block
from skgnnrec.recommenders import BaseRecommender

__all__ = ["BackfillRecommender"]

STEP = 2.0  # between the scores of one recommender and those of the next


@dataclass(frozen=True, eq=False)
class Backfilled(Scorer):
    """The scores of the first scorer where they are above its minimum, below them those of the next one, and so on."""

    parts: tuple[Scorer, ...]
    minima: np.ndarray  # (n_parts,), float64
    last: int  # the position of the scorer without minimum, whose candidates are all that are left

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.parts[0].n_columns

    def _placed(self, place: int, scores: np.ndarray) -> np.ndarray:
        """Return the scores of a part as scores of the whole, -inf where they are not above the minimum."""
        is_above = scores > (-np.inf if place == self.last else self.minima[place])
        with np.errstate(invalid="ignore", over="ignore"):  # of padding
            below = self.minima[0] - STEP * (place - 1) - squash(scores - self.minima[place])
        return np.where(is_above, below if place else scores, -np.inf)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        total = self._placed(0, self.parts[0].scores(X))
        for place, part in enumerate(self.parts[1:], 1):
            is_open = total == -np.inf
            if is_open.any():
                total = np.where(is_open, self._placed(place, part.scores(X)), total)
        return total.astype(np.float32)

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
        columns = np.full((X.shape[0], k), -1, dtype=np.int64)
        scores = np.full((X.shape[0], k), -np.inf, dtype=np.float32)
        n_found = np.zeros(X.shape[0], dtype=np.int64)
        for place, part in enumerate(self.parts):
            rows = np.flatnonzero(n_found < k)
            if not len(rows):
                break
            # Of 2k items, at most k - 1 are in the list already.
            found, own = rank_block(part, X[rows], k if place == 0 else 2 * k, select_rows(seen, rows))
            placed = self._placed(place, own)
            is_new = (placed > -np.inf) & ~_is_listed(found, columns[rows], self.n_columns)
            target = np.cumsum(is_new, axis=1) - 1 + n_found[rows, None]
            taken = np.nonzero(is_new & (target < k))
            columns[rows[taken[0]], target[taken]] = found[taken]
            scores[rows[taken[0]], target[taken]] = placed[taken]
            n_found[rows] = np.minimum(n_found[rows] + np.count_nonzero(is_new, axis=1), k)
        return columns, scores

    def take(self, columns: np.ndarray) -> Backfilled:
        return replace(self, parts=tuple(part.take(columns) for part in self.parts))

    def _is_of_first(self, X: sparse.csr_array, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of candidate ``columns[r]`` for each row r, and whether it is that of the first part."""
        scores = self.scores(X)[np.arange(X.shape[0]), columns].astype(np.float64)
        return scores, scores > self.minima[0] if self.last else np.ones(len(scores), dtype=bool)

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        _, is_first = self._is_of_first(X, columns)
        parts = self.parts[0].contributions(X, columns)
        return sparse.csr_array((parts.data * is_first[row_of_each(X)], X.indices, X.indptr), shape=X.shape)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        scores, is_first = self._is_of_first(X, columns)
        return np.where(is_first, self.parts[0].baseline(X, columns), scores)


def _is_listed(found: np.ndarray, listed: np.ndarray, n_columns: int) -> np.ndarray:
    """Return whether each item of a row is in a list of the same row."""
    offsets = np.arange(len(found))[:, None] * (n_columns + 1) + 1  # -1 is padding
    return np.isin(found + offsets, listed + offsets)


class BackfillRecommender(BaseComposition):
    r"""Recommend the items of the first recommender, and fill up its lists with those of the next ones.

    An item is taken from the first recommender if its score there is above `min_score`. All other items come after
    those: first the items whose score by the second recommender is above its `min_score`, and so on. The last
    recommender ranks the items that are left. Within each part, the items have the order of their recommender.

    Co-occurrence gives for example the score 0 to items without common users. A `ContentRecommender` can rank these
    items, and a `PopularityRecommender` those without similar content.

    Parameters
    ----------
    recommenders : list of (str, BaseRecommender)
        The recommenders with their names, the most important one first. Clones of them are fitted. Their parameters can
        be set as ``<name>__<parameter>``.
    min_score : float or array-like of shape (n_recommenders,), default=0.0
        The score above which an item belongs to a recommender, for all recommenders or for each of them. That of the
        last recommender has no effect.
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
    SwitchingRecommender : Selects one recommender for each user.
    BlendedRecommender : Adds up the scores of several recommenders.

    Notes
    -----
    The scores of the first recommender are kept. With the smallest score m of the first recommender, the score of an
    item of recommender k = 2, 3, ... is :math:`m - 2 (k - 2) - h(s - m_k)`, where s is its own score, :math:`m_k` its
    `min_score`, and h is positive and falls with s: :math:`h(t) = 1 / (1 + \log(1 + t))` for t ≥ 0 and
    :math:`1 + \log(1 - t)` below 0.

    New items are ranked by the recommenders that use a catalog. Users without history receive the popularity ranking.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import GraphFilterRecommender, PopularityRecommender
    >>> from skgnnrec.compose import BackfillRecommender
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    >>> related = GraphFilterRecommender(n_components=0)
    >>> rec = BackfillRecommender([("related", related), ("popular", PopularityRecommender())], n_recommendations=3)
    >>> rec.fit(X).predict([[0, 0, 1, 0]])  # item 3 has a common user
    array([[3, 0, 1]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "recommenders": [list],
        "min_score": [Interval(Real, None, None, closed="neither"), "array-like"],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    def __init__(
        self,
        recommenders: list[tuple[str, BaseRecommender]],
        *,
        min_score: float | Sequence[float] = 0.0,
        n_recommendations: int = 10,
    ) -> None:
        self.recommenders = recommenders
        self.min_score = min_score
        self.n_recommendations = n_recommendations

    def _validate_params(self) -> None:
        super()._validate_params()
        self._minima()

    def _minima(self) -> np.ndarray:
        n = len(self.recommenders)
        try:
            minima = np.asarray(self.min_score)
        except ValueError:  # lists of different lengths
            minima = np.empty((0, 0))
        minima = np.full(n, minima[()]) if minima.ndim == 0 else minima
        if minima.shape != (n,) or minima.dtype.kind not in "iuf" or not np.isfinite(minima).all():
            raise ValueError(
                f"min_score must be a finite number, or {n} of them, one for each recommender; got {self.min_score!r}."
            )
        return minima.astype(np.float64)

    def _with_fallback(self, scorer: Scorer) -> WithFallback:
        return ByLists(scorer, self._item_counts_.astype(np.float32))

    def _scorer(self) -> Scorer:
        parts = tuple(part._scorer_ for part in self.recommenders_)
        return Backfilled(parts, self._minima(), len(parts) - 1)

    def _combine(self, new: list[Scorer | None]) -> Scorer:
        known = [place for place, scorer in enumerate(new) if scorer is not None]
        n_columns = next(scorer.n_columns for scorer in new if scorer is not None)
        nothing = Constant(np.full(n_columns, -np.inf, dtype=np.float32))
        return Backfilled(tuple(scorer or nothing for scorer in new), self._minima(), known[-1])

    def _content_contributions(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        first = self.recommenders_[0]
        return first._content_contributions(first._weigh(X), columns)
