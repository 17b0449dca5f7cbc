"""Graphs of users: read from matrices and from pairs of ids, and turned into shares of the histories of friends."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.interactions import Vocabulary, as_ids, check_interactions, row_of_each

__all__ = ["check_number_of_users", "read_friends", "read_lists_of_friends", "smooth_histories", "to_shares"]


def read_friends(friends: Any) -> tuple[Vocabulary, sparse.csr_array]:
    """Return the users of a graph and the matrix of their friends, without users who are their own friends."""
    if sparse.issparse(friends):
        graph = check_interactions(friends, input_name="friends")
        if graph.shape[0] != graph.shape[1]:
            raise ValueError(f"friends must be a matrix of users x users; got one of shape {graph.shape}.")
        members = Vocabulary(np.arange(graph.shape[0]))
    else:
        members, graph = _read_pairs(friends)
    is_other = graph.indices != row_of_each(graph)
    ends = np.append(0, np.cumsum(is_other))[graph.indptr]
    return members, sparse.csr_array((graph.data[is_other], graph.indices[is_other], ends), shape=graph.shape)


def _read_pairs(friends: Any) -> tuple[Vocabulary, sparse.csr_array]:
    """Return the users of pairs of ids, and their matrix, which counts repeated pairs once."""
    if hasattr(friends, "to_numpy"):  # a DataFrame
        friends = friends.to_numpy()
    if isinstance(friends, np.ndarray) and friends.ndim == 2 and friends.shape[1] == 2:
        left: Any = friends[:, 0]
        right: Any = friends[:, 1]
    else:
        pairs = list(friends) if isinstance(friends, list | tuple) else []
        if not pairs or any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):
            raise ValueError(
                "friends must be a sparse matrix of users x users, or pairs of ids: a table of two columns or a list "
                f"of tuples; got a {type(friends).__name__}, {friends!r:.100}."
            )
        left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    users, others = as_ids(left, "The first column of friends"), as_ids(right, "The second column of friends")
    if users.dtype != others.dtype:
        users, others = users.astype(object), others.astype(object)
    members, places = Vocabulary.of(np.concatenate([users, others]))
    n = len(members)
    keys = np.unique(places[: len(users)] * n + places[len(users) :])
    return members, sparse.csr_array((np.ones(len(keys), dtype=np.float32), (keys // n, keys % n)), shape=(n, n))


def read_lists_of_friends(friends: Any, n_rows: int, users: Vocabulary) -> sparse.csr_array:
    """Return the friends of the users of rows, a matrix or a list of ids each, as a matrix with the users of the fit.

    Friends who were not in the fit have no history, and are left out.
    """
    if sparse.issparse(friends):
        graph = check_interactions(friends, input_name="friends")
        if graph.shape != (n_rows, len(users)):
            raise ValueError(
                f"friends has shape {graph.shape}, expected {(n_rows, len(users))}: the rows of X and the users of the "
                "fit."
            )
        return graph
    lists = list(friends) if isinstance(friends, Iterable) and not isinstance(friends, str | bytes) else []
    if len(lists) != n_rows or any(isinstance(some, str | bytes) or not isinstance(some, Iterable) for some in lists):
        raise ValueError(
            f"friends must be a sparse matrix or a list with a list of ids for each of {n_rows} rows of X; got a "
            f"{type(friends).__name__} of {len(lists)} entries."
        )
    ids = [as_ids(list(some), f"Entry {row} of friends") for row, some in enumerate(lists)]
    flat: list[Any] = list(chain.from_iterable(some.tolist() for some in ids))
    columns = users.positions(flat, "friends") if flat else np.zeros(0, dtype=np.int64)
    rows = np.repeat(np.arange(n_rows), [len(some) for some in ids])
    keys = np.unique(rows[columns >= 0] * len(users) + columns[columns >= 0])
    entries = (np.ones(len(keys), dtype=np.float32), (keys // len(users), keys % len(users)))
    return sparse.csr_array(entries, shape=(n_rows, len(users)))


def to_shares(graph: sparse.csr_array, has_history: np.ndarray, weight: float) -> sparse.csr_array:
    """Return the rows of a graph, without users who have no history, divided by their sums and times a weight."""
    is_kept = has_history[graph.indices]
    ends = np.append(0, np.cumsum(is_kept))[graph.indptr]
    kept = sparse.csr_array((graph.data[is_kept], graph.indices[is_kept], ends), shape=graph.shape)
    sums = np.asarray(kept.sum(axis=1, dtype=np.float64)).ravel()
    data = weight * kept.data / np.repeat(np.where(sums > 0, sums, 1), np.diff(kept.indptr))
    return sparse.csr_array((data.astype(np.float32), kept.indices, kept.indptr), shape=graph.shape)


def smooth_histories(X: sparse.csr_array, shares: sparse.csr_array, n_steps: int) -> sparse.csr_array:
    """Return Z with Z_0 = X and Z_k = X + shares Z_{k-1}, after some steps."""
    smoothed = X
    for _ in range(n_steps):
        smoothed = sparse.csr_array(X + shares @ smoothed)
        smoothed.sort_indices()
    return smoothed


def check_number_of_users(n_given: int, n_rows: int, name: str) -> None:
    """Refuse data of other users than those of the rows, where these are not named."""
    if n_given != n_rows:
        raise ValueError(f"{name} has {n_given} users, X {n_rows} rows: pass users=, the users of the rows of X.")
