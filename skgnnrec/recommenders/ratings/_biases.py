"""The biases of users and items in ratings, and the levels of ratings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg

__all__ = ["Biases", "Pairs", "fit_biases", "level_edges", "merge_repeats"]

N_SWEEPS = 20  # over users and items; the last sweeps change no bias by 0.001 of a rating


class Pairs(NamedTuple):
    """Ratings of pairs of a user and an item, by position."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    def take(self, rows: np.ndarray) -> Pairs:
        """Return some of the ratings."""
        return Pairs(self.users[rows], self.items[rows], self.ratings[rows])


class Biases(NamedTuple):
    """The differences of users and of items from the mean rating."""

    users: np.ndarray  # (n_users,)
    items: np.ndarray  # (n_items,)

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """Return the sum of the biases of each pair."""
        return self.users[pairs.users] + self.items[pairs.items]


def merge_repeats(pairs: Pairs, n_items: int) -> Pairs:
    """Return each pair once, sorted by user and item, with the mean of its ratings."""
    keys, place, counts = np.unique(pairs.users * n_items + pairs.items, return_inverse=True, return_counts=True)
    users, items = np.divmod(keys, n_items)
    return Pairs(users, items, np.bincount(place, pairs.ratings, len(keys)) / counts)


def level_edges(ratings: np.ndarray, n_levels: int) -> np.ndarray:
    """Return the lowest rating of each level but the first, ascending, at most n_levels - 1.

    Each distinct rating is a level where there are at most `n_levels`. Otherwise each level holds about the same number
    of ratings.
    """
    distinct = np.unique(ratings)
    if len(distinct) <= n_levels:
        return distinct[1:]
    # The edges are ratings of the data, so that levels do not change when ratings are shifted or scaled.
    edges = np.unique(np.quantile(ratings, np.arange(1, n_levels) / n_levels, method="higher"))
    return edges[edges > distinct[0]]


def fit_biases(pairs: Pairs, n_users: int, n_items: int, alpha: float, vectors: np.ndarray | None) -> Biases:
    """Return the minimum of Σ (r_ui - b_u - b_i)² + alpha (Σ b_u² + Σ d_i² + |m|²) with b_i = F_i · m + d_i.

    The ratings have mean 0. Without item vectors F, b_i = d_i. Users and items are updated in turn.
    """
    users, items, ratings = pairs
    counts_u = np.bincount(users, minlength=n_users)
    counts_i = np.bincount(items, minlength=n_items)
    shrinkage = counts_i / (counts_i + alpha)
    of_vectors = None if vectors is None else ridge(vectors, alpha * shrinkage, alpha)
    b_users = np.zeros(n_users)
    b_items = np.zeros(n_items)
    for _ in range(N_SWEEPS):
        means = np.bincount(items, ratings - b_users[users], n_items) / np.maximum(counts_i, 1)
        # After elimination of d_i, m is a ridge regression of the means of the items with weights alpha * shrinkage.
        shared = 0.0 if of_vectors is None else of_vectors(means)
        b_items = shared + shrinkage * (means - shared)
        b_users = np.bincount(users, ratings - b_items[items], n_users) / (counts_u + alpha)
    return Biases(b_users, b_items)


def ridge(vectors: np.ndarray, weights: np.ndarray, alpha: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that maps targets y, (n_items,), to the fitted values of a weighted ridge regression.

    The fitted values are F (Fᵀ D F + alpha I)⁻¹ Fᵀ D y, with F the vectors and D the weights (n_items,), non-negative.
    """
    F = vectors.astype(np.float64)
    D = weights[:, None]
    if F.shape[1] <= F.shape[0]:
        factor = linalg.cho_factor(F.T @ (D * F) + alpha * np.eye(F.shape[1]))
        return lambda y: F @ linalg.cho_solve(factor, F.T @ (weights * y))
    root = np.sqrt(weights)
    G = root[:, None] * F  # more dimensions than items: the same solution, by an n_items × n_items system
    factor = linalg.cho_factor(G @ G.T + alpha * np.eye(len(G)))
    return lambda y: F @ (G.T @ linalg.cho_solve(factor, root * y))
