"""The largest scores of each row: exact, ties by position, most columns looked at once."""

import numpy as np

__all__ = ["best_columns", "contenders", "group_maxima", "sort_entries"]

LOWEST = np.finfo(np.float32).min  # that is a score: below is what is not eligible
GROUP = 16  # columns that stand behind the largest of them
WIDE = 8192  # columns, from where on groups save more time than they take
FEW_ROWS = 3  # up to so many are sorted one by one: what numpy does for one row takes longer than the row
CLOSE = 4  # times as many entries as are asked for may be told apart at once; a row with more is sorted by itself


def best_columns(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of `ranking.top_k`, and their scores: float32, -inf where there is no column."""
    n_rows, n_columns = scores.shape
    columns = np.full((n_rows, k), -1, dtype=np.int64)
    values = np.full((n_rows, k), -np.inf, dtype=scores.dtype)
    k = min(k, n_columns)
    if n_rows <= FEW_ROWS:
        for row in range(n_rows if k else 0):
            _sort_row(scores[row], columns[row, :k], values[row, :k])
    elif k:
        maxima = group_maxima(scores, k)
        entries, crowded = contenders(scores, maxima, _kth_largest(maxima, k), CLOSE * k)
        columns[:, :k], values[:, :k] = sort_entries(entries, scores[entries], n_rows, k)
        if crowded.any():
            columns[crowded, :k], values[crowded, :k] = _sort_ties(scores[crowded], k)
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
    bound = np.maximum(bound, LOWEST)
    rows, columns, crowded = _uncrowded(*_split(maxima >= bound[:, None]), n_rows, most)
    if maxima.shape[1] < n_columns:
        rows, columns, too = _uncrowded(*_open_groups(scores, rows, columns, bound), n_rows, most)
        crowded |= too
    return (rows, columns), crowded


def _uncrowded(
    rows: np.ndarray, columns: np.ndarray, n_rows: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the entries of rows that have no more than `most` of them, and which rows have more."""
    crowded = np.bincount(rows, minlength=n_rows) > most
    if crowded.any():
        kept = ~crowded[rows]
        rows, columns = rows[kept], columns[kept]
    return rows, columns, crowded


def _open_groups(
    scores: np.ndarray, rows: np.ndarray, groups: np.ndarray, bound: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns, in order, of the scores of some groups that reach the bound of their row."""
    n_columns = scores.shape[1]
    n_groups = n_columns // GROUP
    is_alone = groups >= n_groups  # a column that fills no group
    members = (groups[~is_alone, None] + n_groups * np.arange(GROUP)).ravel()
    owners = np.repeat(rows[~is_alone], GROUP)
    kept = scores[owners, members] >= bound[owners]
    rows = np.concatenate([owners[kept], rows[is_alone]])
    columns = np.concatenate([members[kept], groups[is_alone] + n_groups * (GROUP - 1)])
    return np.divmod(np.sort(rows * n_columns + columns), n_columns)


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
    place = _place_in_row(rows, n_rows)
    shape = (n_rows, max(k, int(place.max(initial=0)) + 1))
    found = np.full(shape, -1, dtype=np.int64)
    found[rows, place] = columns
    best = np.full(shape, -np.inf, dtype=values.dtype)
    best[rows, place] = values
    # A row's columns are in order, and a stable sort leaves equal scores so.
    order = np.argsort(-best, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(best, order, axis=1)


def _kth_largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return the k-th largest value of each row."""
    return np.partition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k]


def _split(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return np.nonzero(mask), in less time."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def _place_in_row(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the place of each entry among the entries of its row, for entries sorted by row."""
    counts = np.bincount(rows, minlength=n_rows)
    return np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def _sort_ties(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best of rows in which many columns tie with the k-th: the first of these."""
    n_rows, kth = len(scores), _kth_largest(scores, k)
    rows, columns = _split(scores >= np.maximum(kth, LOWEST)[:, None])
    tied = scores[rows, columns] == kth[rows]
    n_free = k - np.bincount(rows[~tied], minlength=n_rows)
    fits = ~tied
    fits[tied] = _place_in_row(rows[tied], n_rows) < n_free[rows[tied]]
    entries = rows[fits], columns[fits]
    return sort_entries(entries, scores[entries], n_rows, k)


def _sort_row(scores: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
    """Put the best columns of one row and their scores into places that hold nothing yet."""
    k = len(columns)
    kth = np.partition(scores, len(scores) - k)[len(scores) - k]
    found = np.flatnonzero(scores >= max(kth, LOWEST))
    found = found[np.argsort(-scores[found], kind="stable")[:k]]
    columns[: len(found)], values[: len(found)] = found, scores[found]
