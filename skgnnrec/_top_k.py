"""The largest scores of each row: exact, ties by position, most columns looked at once."""

import numpy as np

__all__ = ["best_columns", "contenders", "group_maxima", "sort_entries"]

LOWEST = np.finfo(np.float32).min  # that is a score: below is what is not eligible
GROUP = 16  # columns that stand behind the largest of them
WIDE = 8192  # columns, from where on groups save more time than they take
FEW_ROWS = 3  # up to so many are sorted one by one: what numpy does for one row takes longer than the row
CLOSE = 4  # times as many entries as are asked for may be told apart at once; a row with more is sorted by itself


def best_columns(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the k largest scores of each row, best first, ties by position, and these scores.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns), float32
        The scores; columns at -inf are not eligible.
    k : int
        The number of columns to return, at least 1.

    Returns
    -------
    columns : ndarray of shape (n_rows, k), int64
        Column positions, -1 where a row has fewer than k eligible columns.
    values : ndarray of shape (n_rows, k), float32
        Their scores, -inf where there is no column.
    """
    n_rows, n_columns = scores.shape
    if n_rows <= FEW_ROWS or k > n_columns:
        columns = np.full((n_rows, k), -1, dtype=np.int64)
        values = np.full((n_rows, k), -np.inf, dtype=scores.dtype)
        alone = np.arange(n_rows)
    else:
        maxima = group_maxima(scores, k)
        kth = np.partition(maxima, maxima.shape[1] - k, axis=1)[:, maxima.shape[1] - k]
        entries, crowded = contenders(scores, maxima, kth, CLOSE * k)
        columns, values = sort_entries(entries, scores[entries], n_rows, k)
        alone = np.flatnonzero(crowded)
    for row in alone:
        _sort_row(scores[row], columns[row], values[row])
    return columns, values


def group_maxima(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the largest score of each group of columns; the k-th of these is not above the k-th of all.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns), float32
        The scores, in C order.
    k : int
        How many are asked for, at most `n_columns`.

    Returns
    -------
    maxima : ndarray of shape (n_rows, n_groups), float32
        Group g is every n_groups-th column from g on, up to the last that fill a group; each column left has a group
        of its own. Where groups do not pay, `scores`.
    """
    n_rows, n_columns = scores.shape
    n_groups = n_columns // GROUP
    if n_columns < max(WIDE, 4 * GROUP * k) or not scores.flags.c_contiguous:
        return scores
    n_grouped = n_groups * GROUP
    strides = (scores.strides[0], n_groups * scores.itemsize, scores.itemsize)
    groups = np.lib.stride_tricks.as_strided(scores, (n_rows, GROUP, n_groups), strides, writeable=False)
    maxima = np.empty((n_rows, n_groups + n_columns - n_grouped), dtype=scores.dtype)
    groups.max(axis=1, out=maxima[:, :n_groups])  # along the rows: as fast as they can be read
    maxima[:, n_groups:] = scores[:, n_grouped:]
    return maxima


def contenders(
    scores: np.ndarray, maxima: np.ndarray, bound: np.ndarray, most: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return where scores reach the bound of their row, and which rows are left out: too many do.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns), float32
        The scores.
    maxima : ndarray of shape (n_rows, n_groups), float32
        From `group_maxima`.
    bound : ndarray of shape (n_rows,), float32
        What is looked for; what is not eligible never reaches it.
    most : int
        How many entries a row may have.

    Returns
    -------
    entries : tuple of ndarray of shape (n_entries,), int64
        Rows and columns, in order.
    crowded : ndarray of shape (n_rows,), bool
        Rows that are left out.
    """
    n_rows, n_columns = scores.shape
    n_maxima = maxima.shape[1]
    bound = np.maximum(bound, LOWEST)
    rows, columns = _split(maxima >= bound[:, None])
    crowded = np.bincount(rows, minlength=n_rows) > most
    if n_maxima < n_columns:
        if crowded.any():
            kept = ~crowded[rows]
            rows, columns = rows[kept], columns[kept]
        n_groups = n_columns // GROUP
        is_grouped = columns < n_groups
        # The columns of the groups found, and among them those that reach the bound themselves.
        of_groups = columns[is_grouped, None] + n_groups * np.arange(GROUP)
        owners = np.repeat(rows[is_grouped], GROUP)
        values = scores[owners, of_groups.ravel()]
        kept = values >= bound[owners]
        alone = n_groups * GROUP + columns[~is_grouped] - n_groups
        rows = np.concatenate([owners[kept], rows[~is_grouped]])
        columns = np.concatenate([of_groups.ravel()[kept], alone])
        rows, columns = np.divmod(np.sort(rows * n_columns + columns), n_columns)
        crowded |= np.bincount(rows, minlength=n_rows) > most
    if crowded.any():
        kept = ~crowded[rows]
        rows, columns = rows[kept], columns[kept]
    return (rows, columns), crowded


def sort_entries(
    entries: tuple[np.ndarray, np.ndarray], values: np.ndarray, n_rows: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best of the entries of each row, best first, ties by position.

    Parameters
    ----------
    entries : tuple of ndarray of shape (n_entries,), int64
        Rows and columns, in order.
    values : ndarray of shape (n_entries,), float32
        The scores of the entries.
    n_rows : int
        The number of rows.
    k : int
        The number of columns to return.

    Returns
    -------
    columns : ndarray of shape (n_rows, k), int64
        Column positions, -1 where a row has fewer than k entries.
    values : ndarray of shape (n_rows, k), float32
        Their scores, -inf where there is no column.
    """
    rows, columns = entries
    counts = np.bincount(rows, minlength=n_rows)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (n_rows, max(k, int(counts.max(initial=0))))
    found = np.full(shape, -1, dtype=np.int64)
    found[rows, place] = columns
    best = np.full(shape, -np.inf, dtype=values.dtype)
    best[rows, place] = values
    # A row's columns are in order, and a stable sort leaves equal scores so.
    order = np.argsort(-best, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(best, order, axis=1)


def _split(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return np.nonzero(mask), in less time."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def _sort_row(scores: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
    """Put the best columns of one row and their scores into places that hold nothing yet."""
    k = min(len(columns), len(scores))
    if not k:
        return
    kth = np.partition(scores, len(scores) - k)[len(scores) - k]
    found = np.flatnonzero(scores >= max(kth, LOWEST))
    found = found[np.argsort(-scores[found], kind="stable")[:k]]
    columns[: len(found)], values[: len(found)] = found, scores[found]
