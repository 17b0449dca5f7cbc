"""Which interactions a step learns from, and which items it sets against them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from skgnnrec._holdout import row_of_each

__all__ = ["batches_of_interactions", "batches_of_users", "draw_items", "draw_unseen_items", "keys_of"]

MAX_ROUNDS = 20  # of drawing again what a user has, before her unseen items are listed


def batches_of_users(X: sparse.csr_array, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the users in random order, so many at once that they have about `batch_size` interactions.

    A step then reads each history once, whatever the number of its interactions.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        The interactions. Users without any are left out.
    batch_size : int
        Interactions in a batch, at least 1; the last interactions of the batch's last user may exceed it.
    rng : Generator
        Draws the order.

    Yields
    ------
    users : ndarray of shape (n_batch,), int64
        Rows of X, at least one.
    """
    users = rng.permutation(np.flatnonzero(np.diff(X.indptr)))
    ends = np.cumsum(np.diff(X.indptr)[users])
    if not len(users):
        return
    n_batches = max(1, round(ends[-1] / batch_size))
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], n_batches + 1)[1:-1])
    yield from (batch for batch in np.split(users, cuts) if len(batch))


def batches_of_interactions(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the interactions in random order, `batch_size` at a time.

    Parameters
    ----------
    n : int
        The number of interactions.
    batch_size : int
        Interactions in a batch, about: batches of an epoch differ by one at most.
    rng : Generator
        Draws the order.

    Yields
    ------
    interactions : ndarray of shape (n_batch,), int64
        Their places, at least one.
    """
    if n:
        yield from np.array_split(rng.permutation(n), max(1, round(n / batch_size)))


def draw_items(popularity: np.ndarray, exponent: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw items with probability proportional to popularity^exponent.

    Parameters
    ----------
    popularity : ndarray of shape (n_items,)
        Non-negative.
    exponent : float
        0 draws uniformly, from all items; above 0 items without popularity are never drawn.
    n : int
        The number of items.
    rng : Generator
        The source.

    Returns
    -------
    items : ndarray of shape (n,), int64
        The items, drawn with replacement.
    """
    if exponent == 0 or not popularity.any():
        return rng.integers(0, len(popularity), n)
    chances = np.cumsum(np.power(popularity, exponent, where=popularity > 0, out=np.zeros(len(popularity))))
    drawn = np.searchsorted(chances, rng.random(n) * chances[-1], side="right")
    return np.minimum(drawn, np.flatnonzero(popularity)[-1])  # rounding may reach the end


def keys_of(X: sparse.csr_array) -> np.ndarray:
    """Return one number for each interaction, sorted: its row times the number of items, plus its column.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        The interactions, canonical.

    Returns
    -------
    keys : ndarray of shape (X.nnz,), int64
        The numbers.
    """
    return row_of_each(X).astype(np.int64) * np.int64(X.shape[1]) + X.indices


def draw_unseen_items(
    users: np.ndarray, seen: np.ndarray, popularity: np.ndarray, exponent: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw items that a user does not have, for each of some users.

    Parameters
    ----------
    users : ndarray of shape (n_draws,), int64
        The users; one may come several times.
    seen : ndarray of shape (n_interactions,), int64
        What each user has, from `keys_of`.
    popularity : ndarray of shape (n_items,)
        Non-negative.
    exponent : float
        Items are drawn with probability proportional to popularity^exponent.
    n : int
        Items per draw.
    rng : Generator
        The source.

    Returns
    -------
    items : ndarray of shape (n_draws, n), int64
        The items; -1 for users who have all of them.
    """
    n_items = np.int64(len(popularity))
    asking = np.repeat(users.astype(np.int64), n)
    drawn = draw_items(popularity, exponent, len(asking), rng)
    open_places = np.flatnonzero(_is_in(asking * n_items + drawn, seen))
    for _ in range(MAX_ROUNDS):
        if not len(open_places):
            break
        drawn[open_places] = draw_items(popularity, exponent, len(open_places), rng)
        is_seen = _is_in(asking[open_places] * n_items + drawn[open_places], seen)
        open_places = open_places[is_seen]
    for user in np.unique(asking[open_places]):  # few: who has nearly all that is drawn
        first, last = np.searchsorted(seen, [user * n_items, (user + 1) * n_items])
        unseen = np.setdiff1d(np.arange(n_items), seen[first:last] - user * n_items)
        places = open_places[asking[open_places] == user]
        drawn[places] = rng.choice(unseen, len(places)) if len(unseen) else -1
    return drawn.reshape(len(users), n)


def _is_in(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return which of the wanted keys are among the sorted ones."""
    places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    return keys[places] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
