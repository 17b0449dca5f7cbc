"""Policies of exploration: the order of candidates by what earlier lists have earned, and the chance to show others."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self
from zlib import crc32

import numpy as np
from scipy import sparse
from scipy.special import betainc, expit

from skgnnrec.ranking import Scorer, rank_block, to_unit_length
from skgnnrec.reranking._reranked import LOWEST, Candidates, Greedy, standardize_rows

__all__ = ["SLOPE", "EpsilonGreedy", "Exploration", "LinearBandit", "ThompsonSampling"]

ODDS_OF_RELEVANCE = 0.5  # logarithm of the factor of the odds of a reward, for a standard deviation of the relevance
SLOPE = 0.1  # of the expected reward in the relevance, before any reward is known (LinUCB)
N_POINTS = 192  # of the integral over the largest of several samples: errors are below 0.001
N_DEVIATIONS = 8  # beyond which a reward does not lie
BLOCK_VALUES = 1 << 20  # of the integrals of a block of users
BLOCK_USERS = 256  # at most: all scores of a block are in memory
DECIMALS = 12  # of estimated rewards: products of matrices of other shapes have other last digits


@dataclass(frozen=True, eq=False)
class Exploration(Greedy):
    """Chooses the candidate with the largest estimated reward, and with some probability one that is explored."""

    exploration: float
    n_candidates: int
    prior_weight: float
    seed: tuple[int, int] | None  # None draws anew in each call

    def values_per_candidate(self, n: int) -> int:
        return 4

    @abstractmethod
    def estimate(self, X: sparse.csr_array, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Return the expected rewards of candidates, and what their exploration needs: (n_rows, n_candidates, ...)."""

    @abstractmethod
    def explore(self, known: np.ndarray, is_left: np.ndarray, rng: np.random.Generator, chance: float) -> int:
        """Return the candidate that is explored for one user; `chance` is a number in [0, 1)."""

    def table(self, known: np.ndarray, is_left: np.ndarray, n: int) -> np.ndarray:
        """Return what the probabilities of exploring candidates need, at n places of a list."""
        return known

    @abstractmethod
    def chances(self, table: np.ndarray, is_left: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Return the probability that the asked candidate of each user is the one that is explored, (n_rows,)."""

    def choose(self, X: sparse.csr_array, candidates: Candidates, n: int) -> np.ndarray:
        expected, known = self.estimate(X, candidates)
        is_left = candidates.columns >= 0
        generators = self._generators(X)
        # Numbers for all places, so that a short list is the beginning of a long one.
        numbers = np.array([rng.random((is_left.shape[1], 2)) for rng in generators]).reshape(*is_left.shape, 2)
        rows = np.arange(len(is_left))
        chosen = np.empty((len(is_left), n), dtype=np.int64)
        for place in range(n):
            best = np.where(is_left, expected, LOWEST)
            np.put_along_axis(best, chosen[:, :place], -np.inf, axis=1)
            chosen[:, place] = best.argmax(axis=1)
            explores = (numbers[:, place, 0] < self.exploration) & is_left.any(axis=1)
            for row in np.flatnonzero(explores):
                chance = numbers[row, place, 1]
                chosen[row, place] = self.explore(known[row], is_left[row], generators[row], chance)
            is_left[rows, chosen[:, place]] = False
        return chosen

    def propensities(
        self, scorer: Scorer, X: sparse.csr_array, lists: np.ndarray, seen: sparse.csr_array | None
    ) -> np.ndarray:
        """Return the probability of each item of lists, given by columns, at its place after the items above."""
        found = np.zeros(lists.shape)
        n_values = N_POINTS * min(self.n_candidates, max(1, scorer.n_columns))
        step = min(BLOCK_USERS, max(1, BLOCK_VALUES // n_values))
        for start in range(0, len(lists), step):
            rows = slice(start, start + step)
            candidates = self.candidates(scorer, X[rows], None if seen is None else seen[rows])
            found[rows] = self._propensities(X[rows], candidates, lists[rows])
        return found

    def _propensities(self, X: sparse.csr_array, candidates: Candidates, lists: np.ndarray) -> np.ndarray:
        expected, known = self.estimate(X, candidates)
        is_left = candidates.columns >= 0
        found = np.zeros(lists.shape)
        if not is_left.shape[1]:
            return found
        table = self.table(known, is_left, lists.shape[1]) if self.exploration else known
        for place in range(lists.shape[1]):
            is_asked = (candidates.columns == lists[:, place, None]) & is_left
            asked = is_asked.argmax(axis=1)
            best = np.where(is_left, expected, -np.inf).argmax(axis=1)
            chance = self.chances(table, is_left, asked) if self.exploration else 0.0
            shown = (1 - self.exploration) * (asked == best) + self.exploration * chance
            found[:, place] = np.where(is_asked.any(axis=1), shown, 0.0)
            is_left &= ~is_asked
        return found

    def candidates(self, scorer: Scorer, X: sparse.csr_array, seen: sparse.csr_array | None) -> Candidates:
        """Return the candidates of users."""
        columns, scores = rank_block(scorer, X, min(self.n_candidates, scorer.n_columns), seen)
        return Candidates(columns, standardize_rows(scores))

    def _generators(self, X: sparse.csr_array) -> list[np.random.Generator]:
        """Return a generator of random numbers for each history, the same for the same history."""
        if self.seed is None:
            return [np.random.default_rng() for _ in range(X.shape[0])]
        indices, data, ends = X.indices.astype(np.int64), X.data.astype(np.float32), X.indptr
        found = []
        for start, end in pairwise(ends):
            code = crc32(data[start:end].tobytes(), crc32(indices[start:end].tobytes()))
            found.append(np.random.default_rng([*self.seed, code]))
        return found


@dataclass(frozen=True, eq=False)
class _Counting(Exploration):
    """Estimates the reward of a candidate from its relevance, and from the rewards of the item as they become known."""

    counts: np.ndarray  # (n_columns,): how often an item was shown
    sums: np.ndarray  # (n_columns,): the sum of its rewards
    base: float  # the mean reward

    def take(self, columns: np.ndarray) -> Self:
        return replace(self, counts=self.counts[columns], sums=self.sums[columns])

    def estimate(self, X: sparse.csr_array, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        prior = expit(np.log(self.base / (1 - self.base)) + ODDS_OF_RELEVANCE * candidates.relevance)
        won = self.prior_weight * prior + self.sums[candidates.columns]
        total = self.prior_weight + self.counts[candidates.columns]
        return won / total, np.stack([won, total - won], axis=2)


class EpsilonGreedy(_Counting):
    """Explores all candidates with the same probability."""

    def explore(self, known: np.ndarray, is_left: np.ndarray, rng: np.random.Generator, chance: float) -> int:
        left = np.flatnonzero(is_left)
        return int(left[int(chance * len(left))])

    def chances(self, table: np.ndarray, is_left: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return 1 / np.maximum(is_left.sum(axis=1), 1)


class ThompsonSampling(_Counting):
    """Explores a candidate with the probability that its reward is the largest, by a sample of each reward."""

    def explore(self, known: np.ndarray, is_left: np.ndarray, rng: np.random.Generator, chance: float) -> int:
        left = np.flatnonzero(is_left)
        return int(left[rng.beta(known[left, 0], known[left, 1]).argmax()])

    @np.errstate(under="ignore")
    def table(self, known: np.ndarray, is_left: np.ndarray, n: int) -> np.ndarray:
        """Return the distribution functions of the rewards of candidates, where the largest one of those left lies."""
        won, lost = known[..., 0], known[..., 1]
        total = won + lost
        mean, deviation = won / total, np.sqrt(won * lost / (total**2 * (total + 1)))
        lows = np.where(is_left, mean - N_DEVIATIONS * deviation, 0.0)
        place = max(0, lows.shape[1] - n)  # n - 1 candidates are above the last place
        low = np.partition(lows, place, axis=1)[:, place].clip(0, 1)
        high = np.where(is_left, mean + N_DEVIATIONS * deviation, 0.0).max(axis=1).clip(0, 1)
        # More points near the lower end: the density of a reward that is rarely earned is infinite at zero.
        points = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, N_POINTS + 1) ** 2  # (n_rows, n_points)
        points[:, 0], points[:, -1] = 0.0, 1.0
        return betainc(won[:, :, None], lost[:, :, None], points[:, None])  # (n_rows, n_candidates, n_points)

    @np.errstate(under="ignore")
    def chances(self, table: np.ndarray, is_left: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Return the integrals of the density of one reward times the distribution functions of the others."""
        own = table[np.arange(len(asked)), asked]
        others = np.where(is_left[:, :, None], table, 1.0)
        others[np.arange(len(asked)), asked] = 1.0
        both = others.prod(axis=1)
        return (np.diff(own, axis=1) * (both[:, 1:] + both[:, :-1]) / 2).sum(axis=1)


@dataclass(frozen=True, eq=False)
class LinearBandit(Exploration):
    """Estimates rewards by a ridge regression, and explores the candidate with the largest upper confidence bound."""

    vectors: np.ndarray  # (n_columns, n_components): of candidates
    of_history: np.ndarray  # (n_items, n_components): of the items of histories
    weights: np.ndarray  # (n_features,)
    inverse: np.ndarray  # (n_features, n_features): of the regularised Gram matrix
    confidence: float

    @classmethod
    def learned(
        cls, settings: dict[str, Any], vectors: np.ndarray, of_history: np.ndarray, sums: tuple, confidence: float
    ) -> LinearBandit:
        """Return the policy for sums over what was shown: of x xᵀ and of rewards times x."""
        gram, moments = sums
        prior = np.zeros(len(moments))
        prior[1] = SLOPE
        penalty = settings["prior_weight"]
        inverse = np.linalg.inv(gram + penalty * np.eye(len(prior)))
        weights = inverse @ (moments + penalty * prior)
        return cls(
            **settings,
            vectors=vectors,
            of_history=of_history,
            weights=weights,
            inverse=inverse,
            confidence=confidence,
        )

    def values_per_candidate(self, n: int) -> int:
        return 4 + 3 * len(self.weights)

    def take(self, columns: np.ndarray) -> LinearBandit:
        return replace(self, vectors=self.vectors[columns])

    def features(self, X: sparse.csr_array, candidates: Candidates) -> np.ndarray:
        """Return (1, relevance, vector of the item, the same times that of the user), (n_rows, n_candidates, ...)."""
        users = to_unit_length(X[:, : len(self.of_history)] @ self.of_history)  # without queries
        items = self.vectors[candidates.columns].astype(np.float64)
        relevance = candidates.relevance[..., None]
        return np.concatenate([np.ones_like(relevance), relevance, items, items * users[:, None]], axis=2)

    def estimate(self, X: sparse.csr_array, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        features = self.features(X, candidates)
        expected = np.round(features @ self.weights, DECIMALS)
        squares = (features @ self.inverse * features).sum(axis=2)
        bound = np.round(expected + self.confidence * np.sqrt(np.maximum(squares, 0)), DECIMALS)
        return expected, bound[..., None]

    def explore(self, known: np.ndarray, is_left: np.ndarray, rng: np.random.Generator, chance: float) -> int:
        return int(np.where(is_left, known[:, 0], -np.inf).argmax())

    def chances(self, table: np.ndarray, is_left: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return (np.where(is_left, table[..., 0], -np.inf).argmax(axis=1) == asked).astype(np.float64)
