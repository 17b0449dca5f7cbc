"""Batches of users and interactions, and negative sampling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each

__all__ = ["batches_of_interactions", "batches_of_users", "draw_items", "draw_unseen_items", "keys_of"]

MAX_ROUNDS = 20  # of drawing again the items that a user has, before the unseen items are listed


def batches_of_users(X: sparse.csr_array, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the rows of X in random order, in batches of about `batch_size` interactions; empty rows are left out.

    A step then reads each history once, however many interactions it has.
    """
    users = rng.permutation(np.flatnonzero(np.diff(X.indptr)))
    ends = np.cumsum(np.diff(X.indptr)[users])
    if not len(users):
        return
    n_batches = max(1, round(ends[-1] / batch_size))
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], n_batches + 1)[1:-1])
    yield from (batch for batch in np.split(users, cuts) if len(batch))


def batches_of_interactions(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the numbers below n in random order, in batches of about `batch_size`; batch sizes differ by at most 1."""
    if n:
        yield from np.array_split(rng.permutation(n), max(1, round(n / batch_size)))


def draw_items(popularity: np.ndarray, exponent: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n items with replacement, with probability proportional to popularity^exponent.

    An exponent of 0 draws uniformly from all items; with another one, items without popularity are never drawn.
    """
    if exponent == 0 or not popularity.any():
        return rng.integers(0, len(popularity), n)
    shares = popularity / popularity.max()  # whose powers do not overflow
    with np.errstate(under="ignore"):
        weights = np.power(shares, exponent, where=popularity > 0, out=np.zeros(len(popularity)))
    return rng.choice(len(popularity), n, p=weights / weights.sum())


def keys_of(X: sparse.csr_array) -> np.ndarray:
    """Return a sorted int64 key for each entry of a canonical X: row * n_items + column."""
    return row_of_each(X).astype(np.int64) * np.int64(X.shape[1]) + X.indices


def draw_unseen_items(
    users: np.ndarray, seen: np.ndarray, popularity: np.ndarray, exponent: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw n items for each entry of `users` that the user does not have, (n_users, n); -1 for users with all items.

    `seen` are the keys of the interactions, from `keys_of`; probabilities are those of `draw_items`.
    """
    n_items = np.int64(len(popularity))
    repeated = np.repeat(users.astype(np.int64), n)
    drawn = draw_items(popularity, exponent, len(repeated), rng)
    open_places = np.flatnonzero(_is_in(repeated * n_items + drawn, seen))
    for _ in range(MAX_ROUNDS):
        if not len(open_places):
            break
        drawn[open_places] = draw_items(popularity, exponent, len(open_places), rng)
        is_seen = _is_in(repeated[open_places] * n_items + drawn[open_places], seen)
        open_places = open_places[is_seen]
    for user in np.unique(repeated[open_places]):  # the few users who have nearly all items that are drawn
        first, last = np.searchsorted(seen, [user * n_items, (user + 1) * n_items])
        unseen = np.setdiff1d(np.arange(n_items), seen[first:last] - user * n_items)
        places = open_places[repeated[open_places] == user]
        drawn[places] = rng.choice(unseen, len(places)) if len(unseen) else -1
    return drawn.reshape(len(users), n)


def _is_in(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return which of the wanted keys are among the sorted ones."""
    places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    return keys[places] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
