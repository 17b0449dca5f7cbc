"""Splits of an interaction matrix into histories and held-out interactions, two matrices that add up to it."""

from numbers import Integral
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from skgnnrec.exceptions import EmptyHistoryWarning
from skgnnrec.interactions._order import has_order
from skgnnrec.interactions._warnings import warn_caller

__all__ = [
    "ENOUGH_HELD_OUT",
    "hide_from_fit",
    "hold_out_cold_items",
    "hold_out_future",
    "hold_out_last",
    "hold_out_share",
    "hold_out_share_of_users",
    "labelled_as",
    "row_of_each",
]

HIDDEN_SHARE, HIDDEN_SEED = 0.2, 0  # fixed: all candidates are compared on one split
USUAL_SHARE_OF_USERS, ENOUGH_HELD_OUT = 0.1, 1000  # interactions, by which training is judged


def hold_out_share(
    X: sparse.csr_array, share: float, random_state: Any = None
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Hold out a random share of each row of two or more interactions, at least one and never all."""
    # The draw depends on the seed and on the content of a row, not on its place: reordered rows are split in the same
    # way. Equal rows take their draws in order of appearance.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return _divide(X, _last_of_each_row(X, _draw_keys(X, seed), share))


def hold_out_share_of_users(
    X: sparse.csr_array,
    user_share: float | str,
    share: float,
    seed: int,
    first_row: int = 0,
    enough: int = ENOUGH_HELD_OUT,
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Hold out a share of the rows of some users, drawn from `first_row` on among those with two or more.

    The latest interactions of a row are held out, those with the largest values; equal values are in random order.
    With "auto", these are a tenth of the users; if X has no earlier rows, up to a half, until `enough` are held out.
    """
    users = first_row + np.flatnonzero(np.diff(X.indptr)[first_row:] > 1)
    if user_share == "auto":
        n_hideable = int(_count_of_rows(share, np.diff(X.indptr)[users].astype(np.int64)).sum())
        fewest = 0.0 if first_row else min(0.5, enough / max(1, n_hideable))
        user_share = max(USUAL_SHARE_OF_USERS, fewest)
    user_share = float(user_share)
    chosen = np.random.default_rng(seed).permutation(users)[: max(1, round(user_share * len(users)))]
    marked = np.zeros(X.nnz, dtype=bool)
    if len(chosen):
        order = np.empty(X.nnz, dtype=np.int64)
        order[np.lexsort((_draw_keys(X, seed), X.data))] = np.arange(X.nnz)
        marked = _last_of_each_row(X, order, share)
    return _divide(X, marked & np.isin(row_of_each(X), chosen))


def hold_out_last(X: sparse.csr_array, times: NDArray[Any], size: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Hold out the latest interactions of each row; of equal times, the higher item position counts as later."""
    return _divide(X, _last_of_each_row(X, times, size))


def hide_from_fit(X: sparse.csr_array, max_users: int) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]:
    """Return X without a fifth of each row, and of at most `max_users` rows what remains and what is hidden.

    The latest interactions are hidden where the values of any row differ, a random share elsewhere.
    """
    training, hidden = (
        hold_out_last(X, X.data, HIDDEN_SHARE) if has_order(X) else hold_out_share(X, HIDDEN_SHARE, HIDDEN_SEED)
    )
    users = np.random.default_rng(HIDDEN_SEED).permutation(np.flatnonzero(np.diff(hidden.indptr)))[:max_users]
    return training, training[users], hidden[users]


def hold_out_future(X: sparse.csr_array, times: NDArray[Any], size: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Hold out all interactions after one moment; those at the moment of the cut stay, so fewer may be held out."""
    n_held_out = _count_of_total(size, int(X.nnz), "interactions")
    # A partition, not a quantile: interpolating would round integer nanoseconds to multiples of 256.
    n_kept = int(X.nnz) - n_held_out
    cut = np.partition(times, n_kept - 1)[n_kept - 1]
    is_held_out = times > cut
    if not is_held_out.any():
        tied = np.count_nonzero(times == cut)
        raise ValueError(
            f"timestamps must differ enough to cut off test_size={size!r}; got {tied} of {X.nnz} "
            f"interactions at the last time, {cut}. Give finer timestamps or a larger test_size."
        )
    return _divide(X, is_held_out)


def hold_out_cold_items(
    X: sparse.csr_array, size: float, random_state: Any = None
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Hold out all interactions of randomly chosen items."""
    warm = np.unique(X.indices)
    n_cold = _count_of_total(size, len(warm), "items with interactions")
    is_cold = np.zeros(X.shape[1], dtype=bool)
    is_cold[check_random_state(random_state).permutation(warm)[:n_cold]] = True
    return _divide(X, is_cold[X.indices])


def labelled_as(X: Any, part: sparse.csr_array) -> Any:
    """Return a part of X as a DataFrame with the labels of X where X is one, else as it is."""
    if isinstance(X, pd.DataFrame):
        if any(isinstance(dtype, pd.SparseDtype) for dtype in X.dtypes):
            accessor: Any = pd.DataFrame.sparse
            return accessor.from_spmatrix(part, index=X.index, columns=X.columns)
        return pd.DataFrame(part.toarray(), index=X.index, columns=X.columns)
    frame = nw.from_native(X, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return part
    return nw.from_numpy(part.toarray(), schema=frame.columns, backend=frame.implementation).to_native()


def row_of_each(X: sparse.csr_array) -> NDArray[np.int64]:
    """Return the row of each stored value, in the order of ``X.data``."""
    return np.repeat(np.arange(X.shape[0], dtype=np.int64), np.diff(X.indptr))


def _last_of_each_row(X: sparse.csr_array, order: NDArray[Any], size: float) -> NDArray[np.bool_]:
    """Mark the stored values of each row that are highest in `order`, as many as `size` asks for."""
    rows = row_of_each(X)
    n_stored = np.diff(X.indptr).astype(np.int64)
    n_held_out = _count_of_rows(size, n_stored)
    if not n_held_out.any():
        warn_caller(
            f"Nothing is held out: none of the {X.shape[0]} users has two or more interactions.", EmptyHistoryWarning
        )
    # The sort keeps rows together: the values of a row stay at indptr[row]:indptr[row + 1], in ascending order.
    ascending = np.lexsort((order, rows))
    rank = np.arange(len(rows)) - X.indptr[rows]
    marked = np.zeros(len(rows), dtype=bool)
    marked[ascending] = rank >= (n_stored - n_held_out)[rows]
    return marked


def _count_of_rows(size: float, n_stored: NDArray[np.int64]) -> NDArray[np.int64]:
    if isinstance(size, Integral):
        wanted = np.full_like(n_stored, min(int(size), n_stored.max(initial=0)))
    else:
        wanted = np.rint(size * n_stored)
    at_most = np.maximum(n_stored - 1, 0)
    return np.minimum(np.maximum(wanted, 1), at_most).astype(np.int64)


def _count_of_total(size: float, total: int, what: str) -> int:
    wanted = int(size) if isinstance(size, Integral) else max(1, round(size * total))
    if total < 2 or (isinstance(size, Integral) and wanted >= total):
        raise ValueError(f"test_size={size!r} must leave some of the {what} on either side; X has {total} {what}.")
    return min(wanted, total - 1)


def _divide(X: sparse.csr_array, is_held_out: NDArray[np.bool_]) -> tuple[sparse.csr_array, sparse.csr_array]:
    return _keep(X, ~is_held_out), _keep(X, is_held_out)


def _keep(X: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    n_kept_before = np.concatenate([[0], np.cumsum(kept)]).astype(X.indptr.dtype)
    return sparse.csr_array((X.data[kept], X.indices[kept], n_kept_before[X.indptr]), shape=X.shape)


def _draw_keys(X: sparse.csr_array, seed: int) -> NDArray[np.uint64]:
    """Draw a pseudo-random 64-bit key for each stored value from the seed and the content of its row."""
    item_keys = _mix(X.indices.astype(np.uint64) + _mix(np.array([seed], dtype=np.uint64)))
    with np.errstate(over="ignore"):  # float32, so that both float dtypes draw alike
        value_bits = X.data.astype(np.float32).view(np.uint32)
    row_keys = _sum_rows(X, _mix(item_keys ^ value_bits))
    row_keys = _mix(row_keys + _mix(_count_earlier_equals(row_keys)))
    return _mix(item_keys ^ row_keys[row_of_each(X)])


def _sum_rows(X: sparse.csr_array, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Differences of a cumulative sum are exact modulo 2**64, and empty rows come out as 0.
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(keys, dtype=np.uint64)])
    return total[X.indptr[1:]] - total[X.indptr[:-1]]


def _count_earlier_equals(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    by_key = np.argsort(keys, kind="stable")
    first_of_each, counts = np.unique(keys[by_key], return_index=True, return_counts=True)[1:]
    earlier = np.empty(len(keys), dtype=np.uint64)
    earlier[by_key] = np.arange(len(keys)) - np.repeat(first_of_each, counts)
    return earlier


def _mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit keys one to one (the finalizer of SplitMix64, Steele et al. 2014)."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
