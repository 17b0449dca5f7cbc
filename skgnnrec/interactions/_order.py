"""The order of histories: larger values of a row are later."""

import numpy as np
from scipy import sparse

SMALLEST_WEIGHT = 1e-30  # an old interaction stays one

__all__ = ["has_order", "places_from_end", "weigh_by_rank"]


def has_order(X: sparse.csr_array) -> bool:
    """Return whether the values of any row differ."""
    filled = X.indptr[:-1][np.diff(X.indptr) > 0]
    if not len(filled):
        return False
    return bool((np.maximum.reduceat(X.data, filled) > np.minimum.reduceat(X.data, filled)).any())


def places_from_end(X: sparse.csr_array) -> np.ndarray:
    """Return for each entry the number of distinct larger values in its row, int64."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.lexsort((-X.data, rows))
    rows, values = rows[order], X.data[order]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = rows[1:] != rows[:-1]
    is_new = is_first.copy()
    is_new[1:] |= values[1:] != values[:-1]
    place = np.cumsum(is_new)
    first = np.maximum.accumulate(np.where(is_first, place, 0))
    result = np.empty(len(order), dtype=np.int64)
    result[order] = place - first
    return result


def weigh_by_rank(X: sparse.csr_array, decay: float) -> sparse.csr_array:
    """Return histories with the value decay^r of an entry with r distinct larger values in its row, float32."""
    with np.errstate(under="ignore"):
        data = np.maximum(float(decay) ** places_from_end(X), SMALLEST_WEIGHT).astype(np.float32)
    return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)
