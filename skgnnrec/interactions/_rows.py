"""Rows of a matrix found by their content."""

import numpy as np
from scipy import sparse

__all__ = ["find_rows", "row_keys"]

SEED = 7  # of the random numbers of the columns: keys are the same in every process


def find_rows(X: sparse.csr_array, rows: sparse.csr_array, *, with_values: bool) -> np.ndarray:
    """Return a position in X for each of some rows, no position twice; -1 for rows that X does not have (so often).

    Both are canonical. Without values, rows are equal if they have the same items.
    """
    all_keys, keys = (row_keys(part, with_values) for part in (X, rows))
    order = np.argsort(all_keys, kind="stable")
    # The n-th of some equal rows takes the n-th equal row of X.
    asked = np.argsort(keys, kind="stable")
    sorted_keys = keys[asked]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = sorted_keys[1:] != sorted_keys[:-1]
    repeat = np.arange(len(keys)) - np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    place = np.searchsorted(all_keys[order], sorted_keys) + repeat
    is_found = place < len(order)
    is_found[is_found] = all_keys[order[place[is_found]]] == sorted_keys[is_found]
    found = np.full(len(keys), -1)
    found[asked[is_found]] = order[place[is_found]]
    return found


def row_keys(X: sparse.csr_array, with_values: bool) -> np.ndarray:
    """Return a 64-bit key of the content of each row: equal rows have equal keys, others almost surely not."""
    rng = np.random.default_rng(SEED)
    columns = rng.integers(1, 2**63, X.shape[1], dtype=np.uint64)[X.indices]
    if with_values:
        bits = X.data.astype(np.float32).view(np.uint32).astype(np.uint64)
        columns = (columns ^ (bits * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
        columns ^= columns >> np.uint64(31)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(columns, dtype=np.uint64)])  # modulo 2^64
    return sums[X.indptr[1:]] - sums[X.indptr[:-1]]
