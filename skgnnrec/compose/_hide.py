"""Interactions that are hidden from the recommenders by whose candidates a ranker is trained."""

import numpy as np
from scipy import sparse

from skgnnrec.interactions import has_order, hide_from_fit, row_of_each

__all__ = ["hide_last_step"]


def hide_last_step(X: sparse.csr_array, max_users: int) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]:
    """Return what `hide_from_fit` does, but hide the last step of ordered rows; rows with one step remain."""
    # Items of one basket predict each other too well: a ranker has to learn from whole baskets that are hidden.
    if not has_order(X):
        return hide_from_fit(X, max_users)
    rows = row_of_each(X)
    smallest, largest = np.full(X.shape[0], np.inf), np.zeros(X.shape[0])
    np.minimum.at(smallest, rows, X.data)
    np.maximum.at(largest, rows, X.data)
    is_hidden = (X.data == largest[rows]) & (X.data > smallest[rows])
    training, hidden = _keep(X, ~is_hidden), _keep(X, is_hidden)
    users = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(hidden.indptr)))[:max_users]
    return training, training[users], hidden[users]


def _keep(X: sparse.csr_array, is_kept: np.ndarray) -> sparse.csr_array:
    ends = np.append(0, np.cumsum(is_kept))[X.indptr]
    return sparse.csr_array((X.data[is_kept], X.indices[is_kept], ends), shape=X.shape)
