"""The largest scores of each row, exact, with ties in the order of the columns."""

import numpy as np

__all__ = ["best_entries", "kth_largest", "top_k"]


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the k largest scores of each row, best first, and these scores.

    Scores of -inf and NaN do not count: rows with fewer than k other scores end in column -1 and score -inf.
    """
    n_rows, n_columns = scores.shape
    columns = np.full((n_rows, k), -1, dtype=np.int64)
    values = np.full((n_rows, k), -np.inf, dtype=scores.dtype)
    k = min(k, n_columns)
    if not k or not n_rows:
        return columns, values
    lowest = kth_largest(scores, k)
    chosen = scores >= lowest[:, None]
    surplus = np.count_nonzero(chosen, axis=1) - k
    if (surplus < 0).any():  # a sort takes NaN for the largest value, a comparison does not
        found, best = top_k(np.where(np.isnan(scores), np.float32(-np.inf), scores), k)
        columns[:, :k], values[:, :k] = found, best
        return columns, values
    for row in np.flatnonzero(surplus):  # scores that tie with the k-th: the first columns are kept
        chosen[row, np.flatnonzero(scores[row] == lowest[row])[-surplus[row] :]] = False
    found = (np.flatnonzero(chosen) % n_columns).reshape(n_rows, k)
    best = np.take_along_axis(scores, found, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    columns[:, :k] = np.take_along_axis(found, order, axis=1)
    values[:, :k] = np.take_along_axis(best, order, axis=1)
    columns[values == -np.inf] = -1
    return columns, values


def kth_largest(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the k-th largest score of each row."""
    place = scores.shape[1] - k
    return np.partition(scores, place, axis=1)[:, place]


def best_entries(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_rows: int, k: int) -> tuple:
    """Return `top_k` of entries that are sorted by row and column; all other scores are -inf."""
    counts = np.bincount(rows, minlength=n_rows)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each entry in its row
    shape = (n_rows, max(k, int(counts.max(initial=0))))
    found, best = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=values.dtype)
    found[rows, place], best[rows, place] = columns, values
    order = np.argsort(-best, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(best, order, axis=1)
