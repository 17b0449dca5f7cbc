"""Vectors of items by their users."""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from skgnnrec.ranking import to_unit_length

__all__ = ["vectors_of_users"]


@np.errstate(under="ignore")
def vectors_of_users(X: sparse.csr_array, n_dimensions: int) -> np.ndarray:
    """Return a vector of each item whose cosines are about those of the columns of X, of unit length."""
    counts = np.maximum(np.bincount(X.indices, minlength=X.shape[1]), 1)
    columns = sparse.csr_array((1 / np.sqrt(counts[X.indices]), X.indices, X.indptr), shape=X.shape)
    _, values, Vt = randomized_svd(columns, min(n_dimensions, *X.shape), random_state=0)
    return to_unit_length(np.ascontiguousarray((values[:, None] * Vt).T, dtype=np.float32))
