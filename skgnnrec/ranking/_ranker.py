"""Recommendations to one user at a time, without the checks and the copies of `recommend`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec._device import map_in_threads
from skgnnrec.interactions import weigh_by_rank
from skgnnrec.ranking._blocks import rank_block, rank_in_blocks
from skgnnrec.ranking._exact import round_for_exact_sums
from skgnnrec.ranking._scorers import (
    EPSILON,
    TINY,
    ByRecency,
    Constant,
    DenseWeights,
    LowRank,
    Scorer,
    SparseWeights,
    Sum,
    WithFallback,
)
from skgnnrec.ranking._top_k import GROUPS_PER_K, best_entries, bound_of_kth

__all__ = ["Ranker"]

# Scores of co-occurrence with a product of many dimensions: the product of most candidates is not needed.
MANY_DIMENSIONS, MANY_CANDIDATES = 128, 8192
STAGES = (0, 64, 192)  # the dimensions at which a part of the product begins
GUESSES = 64  # candidates at least whose exact scores bound the k-th best score
MOST_FAILURES = 20  # more than successes
LARGE_SHARE = 0.4  # of the candidates: above, the product of all of them is faster


class Ranker:
    """Rank the items for single users, as `recommend` does, in a fraction of its time.

    A ranker comes from the method `ranker` of a fitted recommender. It keeps the state of the fit: a later fit of the
    recommender does not change it. Calls can be made from several threads at once. Histories are positions of items,
    and so are the results; neither is validated beyond its range.

    Parameters
    ----------
    scorer : Scorer
        The scorer of the items.
    n_items : int
        The number of items that histories consist of.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> rank = RidgeRecommender().fit(np.tri(5)).ranker()
    >>> positions, scores = rank([0, 1], n=2)
    >>> positions
    array([2, 3])
    >>> rank.batch([[0, 1], [1]], n=2)[0]
    array([[2, 3],
           [0, 2]])
    """

    def __init__(self, scorer: Scorer, n_items: int) -> None:
        self._scorer, self._n_items = scorer, n_items
        self._ones = np.ones(n_items, dtype=np.float32)
        self._ones.flags.writeable = False
        self._pruned, self._n_pruned = _Pruned.of(scorer), 0
        self._uses_blas = _uses_blas(scorer)

    def __call__(
        self, positions: Any, weights: Any = None, n: int = 10, *, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best items for the user with a history.

        Parameters
        ----------
        positions : array-like of int, shape (n_history,)
            The items of the history, distinct, by position. With an empty history, the result is the popularity
            ranking.
        weights : array-like of float, shape (n_history,), default=None
            The weights of the items, positive; None weighs them equally.
        n : int, default=10
            The number of items.
        exclude_seen : bool, default=True
            Whether to leave out items of the history.

        Returns
        -------
        positions : ndarray of shape (n,), int64
            The items, best first, padded with -1.
        scores : ndarray of shape (n,), float32
            Their scores, -inf for padding.

        Raises
        ------
        IndexError
            If a position is out of range.
        """
        X = self._history(positions, weights)
        seen = X if exclude_seen else None
        if self._uses_blas:  # with one thread: more of them wait for each other longer than they compute
            ((columns, scores),) = map_in_threads(lambda marked: self._rank(X, n, marked), [seen])
        else:
            columns, scores = self._rank(X, n, seen)
        return columns[0], scores[0]

    def batch(
        self, histories: Sequence[Any], weights: Sequence[Any] | None = None, n: int = 10, *, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best items for several users.

        Parameters
        ----------
        histories : sequence of array-like of int, of length n_users
            The histories, each as in a call for one user.
        weights : sequence of array-like of float, of length n_users, default=None
            The weights of the items of each history; None weighs them equally.
        n : int, default=10
            The number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out items of the history.

        Returns
        -------
        positions : ndarray of shape (n_users, n), int64
            The items, best first, padded with -1.
        scores : ndarray of shape (n_users, n), float32
            Their scores, -inf for padding.

        Raises
        ------
        IndexError
            If a position is out of range.
        """
        lengths = np.fromiter(map(len, histories), dtype=np.int64, count=len(histories))
        columns = self._checked(np.concatenate([np.zeros(0, dtype=np.int32), *histories]))
        order = np.lexsort((columns, np.repeat(np.arange(len(lengths)), lengths)))
        values = np.ones(len(columns), dtype=np.float32)
        if weights is not None:
            values = np.concatenate([values[:0], *weights]).astype(np.float32)[order]
        ends = np.append(0, np.cumsum(lengths))
        X = sparse.csr_array((values, columns[order], ends), shape=(len(lengths), self._n_items))
        return rank_in_blocks(self._scorer, X, n, X if exclude_seen else None)

    def _rank(self, X: sparse.csr_array, n: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray]:
        pruned, found = self._pruned, None
        if pruned is not None and X.nnz:
            found = pruned.rank(X, n, seen)
            self._n_pruned += 1 if found else -1
            if self._n_pruned < -MOST_FAILURES:  # it is of no use for these scores
                self._pruned = None
        return found or rank_block(self._scorer, X, n, seen)

    def _history(self, positions: Any, weights: Any) -> sparse.csr_array:
        """Return a history as a row whose columns are sorted: sums in another order would have other digits."""
        columns = self._checked(positions)
        values = self._ones[: len(columns)]
        if weights is None:
            columns = np.sort(columns)
        else:
            order = columns.argsort()
            columns, values = columns[order], np.asarray(weights, dtype=np.float32)[order]
        ends = np.array([0, len(columns)], dtype=np.int32)
        return sparse.csr_array((values, columns, ends), shape=(1, self._n_items))

    def _checked(self, positions: Any) -> np.ndarray:
        """Return positions as an array; compiled code would read wherever a wrong one points."""
        columns = np.asarray(positions, dtype=np.int32)
        if len(columns) and (columns.min() < 0 or columns.max() >= self._n_items):
            raise IndexError(
                f"positions must be from 0 to {self._n_items - 1}, got {columns.min()} to {columns.max()}."
            )
        return columns


def _uses_blas(scorer: Scorer) -> bool:
    """Return whether the scores of one history may be a product of dense matrices."""
    if isinstance(scorer, WithFallback | ByRecency):
        return _uses_blas(scorer.scorer)
    if isinstance(scorer, Sum):
        return any(map(_uses_blas, scorer.terms))
    return not isinstance(scorer, Constant | DenseWeights | SparseWeights)


class _Pruned:
    """The best candidates by a sum of known scores and one product, without the product of most candidates.

    The product of a user with a candidate is at most the product of their lengths. Candidates whose known score is too
    low for that drop out. Then the first dimensions are multiplied for the others, and lengths bound the rest.
    """

    def __init__(self, sums: Sum, product: LowRank, decay: float | None) -> None:
        self._sums, self._product, self._decay = sums, product, decay
        self._ends = (*STAGES[1:], product.items.shape[1])
        # (n_columns,) for each stage: an upper bound of the length of a candidate in the dimensions from there on
        self._lengths = [_lengths(product.items[:, start:]) for start in (*STAGES, product.items.shape[1])]
        self._longest = float(self._lengths[0].max())

    @classmethod
    def of(cls, scorer: Scorer) -> _Pruned | None:
        """Return the pruning of a scorer, None where it would not be faster."""
        inner = scorer.scorer if isinstance(scorer, WithFallback) else scorer
        decay = inner.decay if isinstance(inner, ByRecency) else None
        inner = inner.scorer if isinstance(inner, ByRecency) else inner
        if not isinstance(inner, Sum):
            return None
        products = inner.products()
        if len(products) != 1 or len(inner.terms) < 2 or not isinstance(products[0], LowRank):
            return None
        n_columns, n_dimensions = products[0].items.shape
        is_large = n_columns >= MANY_CANDIDATES and n_dimensions >= MANY_DIMENSIONS
        return cls(inner, products[0], decay) if is_large else None

    @np.errstate(under="ignore", over="ignore", invalid="ignore")
    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the ranking of a history, None where too many candidates can be among the best."""
        X = X if self._decay is None else weigh_by_rank(X, self._decay)
        known = self._sums.known(X)[0]
        if seen is not None:
            known[seen.indices] = -np.inf
        user = round_for_exact_sums(self._product.embed(X), self._ends[-1], axis=1)[0]
        lengths = [
            float(np.linalg.norm(user[start:].astype(np.float64))) * 1.000001 for start in (*STAGES, *self._ends[-1:])
        ]
        lowest = self._lower_bound(known, user, k)
        largest = max(abs(float(known.max())), abs(lowest)) + lengths[0] * self._longest
        # Of a sum in float32 of the known score, a product and a bound of the rest.
        error = 1.01 * (len(user) + 8) * (EPSILON * largest + TINY)
        if not np.isfinite(lowest - error):
            return None
        columns = np.flatnonzero(known + np.float32(lengths[0]) * self._lengths[0] >= np.float32(lowest - error))
        if len(columns) > LARGE_SHARE * len(known):
            return None
        sums = known[columns]
        for start, end, length, bounds in zip(STAGES, self._ends, lengths[1:], self._lengths[1:], strict=True):
            sums += self._product.items[columns, start:end] @ user[start:end]
            is_kept = sums + np.float32(length) * bounds[columns] >= np.float32(lowest - error)
            columns, sums = columns[is_kept], sums[is_kept]
        lowest = max(lowest, float(bound_of_kth(sums[None], k)[0][0]) - error)
        columns = columns[sums >= np.float32(lowest - error)]
        return best_entries(np.zeros(len(columns), dtype=np.int64), columns, self._exact(known, user, columns), 1, k)

    def _lower_bound(self, known: np.ndarray, user: np.ndarray, k: int) -> float:
        """Return the k-th best of the exact scores of the candidates with the best known scores."""
        n_guesses = max(GUESSES, 2 * k)
        if n_guesses > len(known) // GROUPS_PER_K:
            return -np.inf
        columns = np.flatnonzero(known >= bound_of_kth(known[None], n_guesses)[0])[: 4 * n_guesses]
        scores = self._exact(known, user, columns)
        return float(np.partition(scores, len(scores) - k)[len(scores) - k])

    def _exact(self, known: np.ndarray, user: np.ndarray, columns: np.ndarray) -> np.ndarray:
        products = self._product.items[columns].astype(np.float64) @ user.astype(np.float64)
        return (known[columns] + products).astype(np.float32)


def _lengths(items: np.ndarray) -> np.ndarray:
    """Return upper bounds of the Euclidean lengths of rows, float32."""
    lengths = np.sqrt(np.einsum("ij,ij->i", items, items, dtype=np.float64))
    return np.nextafter((1.000001 * lengths).astype(np.float32), np.float32(np.inf))
