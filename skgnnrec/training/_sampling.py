"""Which interactions a step learns from, and which items it sets against them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

__all__ = ["batches_of_users", "draw_items", "draw_unseen_items"]

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


def draw_unseen_items(
    X: sparse.csr_array, popularity: np.ndarray, exponent: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw items that a user does not have, for each interaction.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        The interactions, canonical.
    popularity : ndarray of shape (n_items,)
        Non-negative.
    exponent : float
        Items are drawn with probability proportional to popularity^exponent.
    n : int
        Items per interaction.
    rng : Generator
        The source.

    Returns
    -------
    items : ndarray of shape (X.nnz, n), int64
        The items; -1 for users who have all of them.
    """
    n_items = np.int64(X.shape[1])
    users = np.repeat(np.arange(X.shape[0], dtype=np.int64), np.diff(X.indptr))
    keys = users * n_items + X.indices  # sorted, as X is canonical
    asking = np.repeat(users, n)
    drawn = draw_items(popularity, exponent, len(asking), rng)
    open_places = np.flatnonzero(_is_in(asking * n_items + drawn, keys))
    for _ in range(MAX_ROUNDS):
        if not len(open_places):
            break
        drawn[open_places] = draw_items(popularity, exponent, len(open_places), rng)
        is_seen = _is_in(asking[open_places] * n_items + drawn[open_places], keys)
        open_places = open_places[is_seen]
    for user in np.unique(asking[open_places]):  # few: who has nearly all that is drawn
        unseen = np.setdiff1d(np.arange(n_items), X.indices[X.indptr[user] : X.indptr[user + 1]])
        places = open_places[asking[open_places] == user]
        drawn[places] = rng.choice(unseen, len(places)) if len(unseen) else -1
    return drawn.reshape(X.nnz, n)


def _is_in(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return which of the wanted keys are among the sorted ones."""
    places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    return keys[places] == wanted if len(keys) else np.zeros(len(wanted), dtype=bool)
