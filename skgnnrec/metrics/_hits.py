"""Checks of truth and lists, and the one computation of hits that all ranking metrics share."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array

from skgnnrec._validation import check_indices

PADDING = -1


class Hits(NamedTuple):
    """Which recommended items were held out, and how many each user had."""

    is_hit: NDArray[np.bool_]  # (n_users, k)
    n_held_out: NDArray[np.int64]  # (n_users,)


def find_hits(y_true: Any, recommended: ArrayLike, k: int | None) -> Hits:
    """Look up the first `k` items of each list among the held-out items of the same user.

    Parameters
    ----------
    y_true : {array-like, sparse matrix} of shape (n_users, n_items)
        Held-out interactions; values > 0 are relevant.
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first, padded with -1.
    k : int or None
        Length of the list to look at; None takes all n.

    Returns
    -------
    hits : Hits
        ``is_hit`` of shape (n_users, k) and ``n_held_out`` of shape (n_users,).
    """
    truth = check_held_out(y_true)
    lists = check_recommended(recommended, truth.shape[1], k)
    check_one_row_each(lists, truth, "y_true")
    return look_up(lists, truth)


def look_up(lists: NDArray[np.int64], matrix: sparse.csr_array[Any]) -> Hits:
    """Look up checked lists, (n_users, k), in a checked matrix: which items are there, and how many each row has."""
    n_users, n_items = matrix.shape
    held_out, n_held_out = list_keys(matrix)
    # int64: users * items overflows int32 from some 46,000 of each.
    asked = np.where(lists == PADDING, -2, np.arange(n_users, dtype=np.int64)[:, None] * n_items + lists)
    found = np.append(held_out, -1)[np.searchsorted(held_out, asked)]
    return Hits(found == asked, n_held_out)


def check_one_row_each(lists: NDArray[np.int64], matrix: Any, name: str) -> None:
    """Refuse lists and a matrix of different numbers of users."""
    if len(lists) != matrix.shape[0]:
        raise ValueError(
            f"recommended and {name} must have one row per user; got {len(lists)} and {matrix.shape[0]} rows."
        )


def check_held_out(y_true: Any, name: str = "y_true") -> sparse.csr_array[Any]:
    """Return `y_true` as CSR with its indices verified; duplicates and zeros may remain."""
    n_dim = getattr(y_true, "ndim", None)
    if n_dim is not None and n_dim != 2:
        raise ValueError(f"{name} must have two dimensions, (n_users, n_items); got {n_dim}.")
    if sparse.issparse(y_true):
        y_true = check_indices(y_true, name)
    checked = check_array(y_true, accept_sparse="csr", input_name=name, ensure_min_samples=0, ensure_min_features=0)
    return sparse.csr_array(checked)


def check_recommended(
    recommended: ArrayLike, n_items: int, k: int | None, name: str = "recommended"
) -> NDArray[np.int64]:
    """Return the first `k` columns of the lists, verified in full, of shape (n_users, k)."""
    lists = _as_integer_table(recommended, name)
    n = lists.shape[1]
    if k is not None and k > n:
        raise ValueError(f"k must be at most the length of the lists; got k={k} and lists of {n} items.")
    _check_positions(lists, n_items, name)
    lists = lists.astype(np.int64, copy=False)
    _check_padding(lists, name)
    _check_distinct(lists, name)
    return lists[:, :k]


def indicator(lists: NDArray[np.int64], n_items: int) -> sparse.csr_array[Any]:
    """Return checked lists as a matrix of ones, users × items; padding leaves no entry."""
    listed = lists != PADDING
    indptr = np.append(0, np.cumsum(listed.sum(axis=1)))
    return sparse.csr_array((np.ones(indptr[-1]), lists[listed], indptr), shape=(len(lists), n_items))


def _as_integer_table(recommended: ArrayLike, name: str) -> NDArray[Any]:
    try:
        lists = np.asarray(recommended)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a table of shape (n_users, n); got lists of different lengths. "
            f"Pad the shorter ones with {PADDING} at the end."
        ) from error
    if lists.ndim != 2 or lists.shape[1] == 0:
        raise ValueError(f"{name} must have shape (n_users, n), n >= 1, one list per row; got shape {lists.shape}.")
    if lists.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold integers, the positions of items among the columns of y_true; got dtype "
            f"{lists.dtype}. Item ids have to be turned into positions first, by ItemCatalog.positions for example; "
            "rank_held_out of a recommender returns positions."
        )
    return lists


def _check_positions(lists: NDArray[Any], n_items: int, name: str) -> None:
    bad = (lists < PADDING) | (lists >= n_items)
    if bad.any():
        row, column = _first(bad)
        raise ValueError(
            f"{name} must hold item positions from 0 to {n_items - 1}, or {PADDING} as padding; got "
            f"{lists[row, column]} in row {row}, column {column}."
        )


def _check_padding(lists: NDArray[np.int64], name: str) -> None:
    is_padding = lists == PADDING
    gap = is_padding[:, :-1] & ~is_padding[:, 1:]
    if gap.any():
        row, column = _first(gap)
        raise ValueError(
            f"{name} must be padded with {PADDING} at the end of a row only; got {PADDING} before item "
            f"{lists[row, column + 1]} in row {row}, column {column}."
        )


def _check_distinct(lists: NDArray[np.int64], name: str) -> None:
    ascending = np.sort(lists, axis=1)
    twice = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] != PADDING)
    if twice.any():
        row, column = _first(twice)
        raise ValueError(
            f"{name} must name an item at most once per row; got item {ascending[row, column]} more "
            f"than once in row {row}."
        )


def _first(mask: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = np.unravel_index(np.argmax(mask), mask.shape)
    return int(row), int(column)


def list_keys(truth: sparse.csr_array[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one ascending key, user * n_items + item, per value > 0, and the number per user."""
    n_users, n_items = truth.shape
    users = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(truth.indptr))
    keys = users * n_items + truth.indices
    if not (keys[1:] > keys[:-1]).all():
        truth = truth.copy()
        # Flags are cached, so they may speak of indices that have changed since.
        truth.has_sorted_indices = truth.has_canonical_format = False
        truth.sum_duplicates()
        users = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(truth.indptr))
        keys = users * n_items + truth.indices
    is_relevant = truth.data > 0
    return keys[is_relevant], np.bincount(users[is_relevant], minlength=n_users)
