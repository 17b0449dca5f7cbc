"""Batches, parts of histories, and negative sampling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from skgnnrec.interactions import row_of_each

__all__ = ["batches_of", "draw_past", "draw_unseen_items", "keys_of"]

MAX_ROUNDS = 20  # of drawing again the items that a user has, before the unseen items are listed


def batches_of(n: int, batch_size: int, rng: np.random.Generator, n_total: int | None = None) -> Iterator[np.ndarray]:
    """Yield the numbers below n in random order, in batches of about `batch_size`; batch sizes differ by at most 1.

    With `n_total`, there are as many batches as this number would give: workers share batches of `batch_size`.
    """
    n_total = n if n_total is None else n_total
    if n_total:
        yield from np.array_split(rng.permutation(n), max(1, round(n_total / batch_size)))


def draw_past(X: sparse.csr_array, rng: np.random.Generator) -> np.ndarray:
    """Return which entries of X are before a random moment in the second half of their row.

    Larger values of a row are later; equal values are in random order. At least one entry of a row is before the
    moment, and of two or more at least one is not.
    """
    rows, lengths = row_of_each(X), np.diff(X.indptr)
    order = np.lexsort((rng.random(X.nnz), X.data, rows))
    place = np.arange(X.nnz) - X.indptr[rows]
    cut = rng.integers(lengths // 2, np.maximum(lengths, 1))
    is_past = np.empty(X.nnz, dtype=bool)
    is_past[order] = place < np.maximum(cut, 1)[rows]
    return is_past


def keys_of(X: sparse.csr_array) -> np.ndarray:
    """Return a sorted int64 key for each entry of a canonical X: row * n_items + column."""
    return row_of_each(X).astype(np.int64) * np.int64(X.shape[1]) + X.indices


def draw_unseen_items(
    users: np.ndarray, seen: np.ndarray, n_items: int, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw n items for each entry of `users` that the user does not have, (n_users, n); -1 for users with all items.

    `seen` are the keys of the interactions, from `keys_of`.
    """
    repeated = np.repeat(users.astype(np.int64), n)
    drawn = rng.integers(0, n_items, len(repeated))
    open_places = np.flatnonzero(_is_in(repeated * n_items + drawn, seen))
    for _ in range(MAX_ROUNDS):
        if not len(open_places):
            break
        drawn[open_places] = rng.integers(0, n_items, len(open_places))
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
