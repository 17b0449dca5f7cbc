"""Sums over the prefixes of ordered histories: what users had, and what they took next."""

import numpy as np
from scipy import sparse

from skgnnrec._memory import check_memory
from skgnnrec.interactions import places_from_end, row_of_each

__all__ = ["next_item_sums"]

SMALLEST_SHARE = 0.02  # of the latest value of a prefix: older entries hardly count
LONGEST_PREFIX = 64  # distinct values, where values do not decrease with age


def next_item_sums(X: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return SᵀS and SᵀT, (n_items, n_items), float64, for a matrix whose larger values are later.

    The entries of a row with a common value are one step. Each step but the last ends a prefix: a row of S holds the
    values of the prefix over its latest value, the row of T has ones at the items of the next step.
    """
    S, T = _prefixes(X)
    lengths = np.diff(S.indptr).astype(np.float64)
    n_pairs = min(float((lengths**2).sum()), float(X.shape[1]) ** 2)
    check_memory(int(32 * n_pairs), f"Sums over {S.shape[0]} prefixes of histories", "Pass order_weight=0.")
    St = S.T.tocsr()
    return sparse.csr_array(St @ S), sparse.csr_array(St @ T)


def _prefixes(X: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return S and T, (n_prefixes, n_items), float64."""
    rows, from_end = row_of_each(X), places_from_end(X)
    n_steps = np.zeros(X.shape[0], dtype=np.int64)
    np.maximum.at(n_steps, rows, from_end + 1)
    first = np.concatenate([[0], np.cumsum(np.maximum(n_steps - 1, 0))])
    step = n_steps[rows] - 1 - from_end  # 0 is the earliest
    starts = np.concatenate([[0], np.cumsum(n_steps)])
    values = np.zeros(starts[-1])  # of each step of each row
    values[starts[rows] + step] = X.data
    parts = []
    entries = np.arange(X.nnz)
    for age in range(LONGEST_PREFIX):
        entries = entries[step[entries] + age < n_steps[rows[entries]] - 1]
        share = X.data[entries] / values[starts[rows[entries]] + step[entries] + age]
        entries, share = entries[share >= SMALLEST_SHARE], share[share >= SMALLEST_SHARE]
        if not len(entries):
            break
        parts.append((share, first[rows[entries]] + step[entries] + age, X.indices[entries]))
    data, at, columns = (np.concatenate([part[n] for part in parts]) if parts else np.zeros(0) for n in range(3))
    shape = (int(first[-1]), X.shape[1])
    S = sparse.csr_array((data, (at.astype(np.int64), columns.astype(np.int64))), shape=shape)
    later = np.flatnonzero(step > 0)
    T = sparse.csr_array((np.ones(len(later)), (first[rows[later]] + step[later] - 1, X.indices[later])), shape=shape)
    return S, T
