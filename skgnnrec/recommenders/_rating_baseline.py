"""What a rating is before anything is learned of tastes: how generous the user, how good the item; and its level."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg

__all__ = ["Biases", "Pairs", "fit_biases", "level_edges", "merge_repeats"]

N_SWEEPS = 20  # between users and items; the last ones move no bias by a thousandth of a rating


class Pairs(NamedTuple):
    """Ratings: users and items as positions, one entry each."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray

    def take(self, rows: np.ndarray) -> Pairs:
        """Return some of the ratings."""
        return Pairs(self.users[rows], self.items[rows], self.ratings[rows])


class Biases(NamedTuple):
    """How far above 0 a user rates and an item is rated."""

    users: np.ndarray  # (n_users,)
    items: np.ndarray  # (n_items,)

    def __call__(self, pairs: Pairs) -> np.ndarray:
        """Return the sum of the two for each pair."""
        return self.users[pairs.users] + self.items[pairs.items]


def merge_repeats(pairs: Pairs, n_items: int) -> Pairs:
    """Return each pair of a user and an item once, sorted, with the mean of its ratings.

    Parameters
    ----------
    pairs : Pairs
        The ratings.
    n_items : int
        The number of items.

    Returns
    -------
    pairs : Pairs
        Sorted by user, then item.
    """
    keys, place, counts = np.unique(pairs.users * n_items + pairs.items, return_inverse=True, return_counts=True)
    users, items = np.divmod(keys, n_items)
    return Pairs(users, items, np.bincount(place, pairs.ratings, len(keys)) / counts)


def level_edges(ratings: np.ndarray, n_levels: int) -> np.ndarray:
    """Return the ratings at which a new level begins.

    Parameters
    ----------
    ratings : ndarray of shape (n_ratings,)
        The ratings.
    n_levels : int
        Levels at most.

    Returns
    -------
    edges : ndarray of shape (at most n_levels - 1,)
        Ascending; the level of a rating is the number of edges that are not above it. Each distinct rating is a level
        where there are no more than `n_levels`, else a level holds about the same number of ratings.
    """
    distinct = np.unique(ratings)
    if len(distinct) <= n_levels:
        return distinct[1:]
    # Edges are ratings that occur, so that levels stay the same when ratings are shifted or stretched.
    edges = np.unique(np.quantile(ratings, np.arange(1, n_levels) / n_levels, method="higher"))
    return edges[edges > distinct[0]]


def fit_biases(pairs: Pairs, n_users: int, n_items: int, alpha: float, vectors: np.ndarray | None) -> Biases:
    """Return the biases that minimise a damped squared error, by turns of users and items.

    Minimised is Σ (r_ui - b_u - b_i)² + alpha (Σ b_u² + Σ d_i² + |m|²), with b_i = F_i · m + d_i where there are item
    vectors F and b_i = d_i elsewhere: what the vectors explain is shared with items that nobody has rated.

    Parameters
    ----------
    pairs : Pairs
        The ratings, their mean subtracted.
    n_users, n_items : int
        How many there are.
    alpha : float
        Strength of the damping: so many ratings of 0 are added to each user and item.
    vectors : ndarray of shape (n_items, n_dimensions) or None
        The item vectors F.

    Returns
    -------
    biases : Biases
        0 for whom nothing is known.
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
        # With d_i eliminated, m is a ridge regression of the items' means, each weighted by alpha * shrinkage.
        shared = 0.0 if of_vectors is None else of_vectors(means)
        b_items = shared + shrinkage * (means - shared)
        b_users = np.bincount(users, ratings - b_items[items], n_users) / (counts_u + alpha)
    return Biases(b_users, b_items)


def ridge(vectors: np.ndarray, weights: np.ndarray, alpha: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that takes targets to the fitted values of a weighted ridge regression on the vectors.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, n_dimensions)
        The regressors F.
    weights : ndarray of shape (n_items,)
        Non-negative weights D of the squared errors.
    alpha : float
        Strength of the ridge, positive.

    Returns
    -------
    fitted : callable
        Takes y to F (Fᵀ D F + alpha I)⁻¹ Fᵀ D y, of shape (n_items,).
    """
    F = vectors.astype(np.float64)
    D = weights[:, None]
    if F.shape[1] <= F.shape[0]:
        factor = linalg.cho_factor(F.T @ (D * F) + alpha * np.eye(F.shape[1]))
        return lambda y: F @ linalg.cho_solve(factor, F.T @ (weights * y))
    root = np.sqrt(weights)
    G = root[:, None] * F  # more dimensions than items: the same solution from the products of the items
    factor = linalg.cho_factor(G @ G.T + alpha * np.eye(len(G)))
    return lambda y: F @ (G.T @ linalg.cho_solve(factor, root * y))
