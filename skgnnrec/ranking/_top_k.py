"""The largest scores of each row, exact, with ties in the order of the columns."""

import numpy as np

__all__ = ["GROUPS_PER_K", "best_entries", "bound_of_kth", "top_k"]

GROUPS_PER_K = 32  # of columns: in so many groups, few of the k largest scores share one
CROWDED = 4  # times k scores of a row at the bound or above: only the first k of them are sorted


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
    lowest, _ = bound_of_kth(scores, k)
    chosen = scores >= lowest[:, None]
    counts = np.count_nonzero(chosen, axis=1)
    if counts.min() < k:  # a maximum is NaN where a score is, and no score is as large
        found, best = top_k(np.where(np.isnan(scores), np.float32(-np.inf), scores), k)
        columns[:, :k], values[:, :k] = found, best
        return columns, values
    for row in np.flatnonzero(counts > CROWDED * k):
        chosen[row] = False
        chosen[row, _first_best(scores[row], lowest[row], k)] = True
    entries = np.flatnonzero(chosen)
    found, best = best_entries(*np.divmod(entries, n_columns), scores.ravel()[entries], n_rows, k)
    columns[:, :k], values[:, :k] = found, best
    columns[values == -np.inf] = -1
    return columns, values


def bound_of_kth(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a lower bound of the k-th largest score of each row, and the largest score.

    The bound is the k-th largest of the maxima of groups of columns. A selection among all columns takes many times as
    long where most scores are equal, as those of sparse weights are.
    """
    while scores.shape[1] >= 2 * GROUPS_PER_K * k:
        half = scores.shape[1] // 2
        largest = np.maximum(scores[:, :half], scores[:, half : 2 * half])
        if scores.shape[1] % 2:
            np.maximum(largest[:, 0], scores[:, -1], out=largest[:, 0])
        scores = largest
    place = scores.shape[1] - k
    return np.partition(scores, place, axis=1)[:, place], scores.max(axis=1)


def _first_best(scores: np.ndarray, lowest: float, k: int) -> np.ndarray:
    """Return the columns of the k largest scores of a row, of which at least k are `lowest` or larger."""
    above = np.flatnonzero(scores > lowest)
    if len(above) >= k:
        lowest = np.partition(scores[above], len(above) - k)[len(above) - k]
        above = np.flatnonzero(scores > lowest)
    return np.append(above, np.flatnonzero(scores == lowest)[: k - len(above)])


def best_entries(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_rows: int, k: int) -> tuple:
    """Return `top_k` of entries that are sorted by row and column; all other scores are -inf."""
    if n_rows == 1 and len(rows) >= k:  # of one user, as a server asks for it
        order = np.argsort(-values, kind="stable")[:k]
        return columns[None, order], values[None, order]
    counts = np.bincount(rows, minlength=n_rows)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each entry in its row
    shape = (n_rows, max(k, int(counts.max(initial=0))))
    found, best = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=values.dtype)
    found[rows, place], best[rows, place] = columns, values
    order = np.argsort(-best, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(best, order, axis=1)
