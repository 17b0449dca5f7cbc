"""Recommendation lists: their checks, and the hits that all ranking metrics share."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from skgnnrec.metrics._matrices import check_held_out, check_one_row_each

PADDING = -1


class Hits(NamedTuple):
    """The recommended items that are in a matrix, and the number of items of each user in the matrix."""

    is_hit: NDArray[np.bool_]  # (n_users, k)
    n_held_out: NDArray[np.int64]  # (n_users,)


def find_hits(y_true: Any, recommended: ArrayLike, k: int | None) -> Hits:
    """Find the first `k` items of each list among the held-out items of the same user."""
    truth = check_held_out(y_true)
    lists = check_recommended(recommended, truth.shape[1], k)
    check_one_row_each(lists, truth, "y_true")
    return look_up(lists, truth)


def look_up(lists: NDArray[np.int64], matrix: sparse.csr_array[Any]) -> Hits:
    """Find the items of checked lists in a checked matrix."""
    n_users, n_items = matrix.shape
    keys, n_held_out = pair_keys(matrix)
    # int64: users * items overflows int32 from some 46,000 of each.
    wanted = np.where(lists == PADDING, -2, np.arange(n_users, dtype=np.int64)[:, None] * n_items + lists)
    found = np.append(keys, -1)[np.searchsorted(keys, wanted)]
    return Hits(found == wanted, n_held_out)


def pair_keys(matrix: sparse.csr_array[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``user * n_items + item`` of each value > 0 in ascending order, and the number of values per user."""
    users, keys = _keys(matrix)
    if not (keys[1:] > keys[:-1]).all():
        matrix = matrix.copy()
        # The flags are cached and may be wrong if the indices have changed since.
        matrix.has_sorted_indices = matrix.has_canonical_format = False
        with np.errstate(all="ignore"):
            matrix.sum_duplicates()
        users, keys = _keys(matrix)
    is_relevant = matrix.data > 0
    return keys[is_relevant], np.bincount(users[is_relevant], minlength=matrix.shape[0])


def check_recommended(
    recommended: ArrayLike, n_items: int, k: int | None = None, name: str = "recommended"
) -> NDArray[np.int64]:
    """Return the first `k` columns of the lists, shape (n_users, k); all columns are verified."""
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
    """Return checked lists as a matrix of ones, users × items; padding has no entry."""
    is_item = lists != PADDING
    indptr = np.append(0, np.cumsum(is_item.sum(axis=1)))
    return sparse.csr_array((np.ones(indptr[-1]), lists[is_item], indptr), shape=(len(lists), n_items))


def _keys(matrix: sparse.csr_array[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n_users, n_items = matrix.shape
    users = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(matrix.indptr))
    return users, users * n_items + matrix.indices


def _as_integer_table(recommended: ArrayLike, name: str) -> NDArray[Any]:
    try:
        lists = np.asarray(np.ma.filled(recommended, PADDING))
    except ValueError as error:
        raise ValueError(
            f"{name} must be a table of shape (n_users, n); got lists of different lengths. "
            f"Pad the shorter ones with {PADDING} at the end."
        ) from error
    if lists.ndim != 2 or lists.shape[1] == 0:
        got = f"shape {lists.shape}" if lists.ndim else f"a {type(recommended).__name__}"
        raise ValueError(f"{name} must have shape (n_users, n), n >= 1, with one list per row; got {got}.")
    if lists.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must hold item positions, which are integers; got dtype {lists.dtype}. Convert item ids to "
            "positions first, for example with ItemCatalog.positions. The method rank_held_out of a recommender "
            "returns positions."
        )
    return lists


def _check_positions(lists: NDArray[Any], n_items: int, name: str) -> None:
    is_outside = (lists < PADDING) | (lists >= n_items)
    if is_outside.any():
        row, column = _first(is_outside)
        raise ValueError(
            f"{name} must hold item positions from 0 to {n_items - 1}, or {PADDING} as padding; got "
            f"{lists[row, column]} in row {row}, column {column}."
        )


def _check_padding(lists: NDArray[np.int64], name: str) -> None:
    is_padding = lists == PADDING
    is_gap = is_padding[:, :-1] & ~is_padding[:, 1:]
    if is_gap.any():
        row, column = _first(is_gap)
        raise ValueError(
            f"{name} must be padded with {PADDING} at the end of a row only; got {PADDING} before item "
            f"{lists[row, column + 1]} in row {row}, column {column}."
        )


def _check_distinct(lists: NDArray[np.int64], name: str) -> None:
    ascending = np.sort(lists, axis=1)
    is_repeated = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] != PADDING)
    if is_repeated.any():
        row, column = _first(is_repeated)
        raise ValueError(
            f"{name} must contain an item at most once per row; got item {ascending[row, column]} more "
            f"than once in row {row}."
        )


def _first(mask: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = np.unravel_index(np.argmax(mask), mask.shape)
    return int(row), int(column)
