"""Degrees of the bipartite graph of users and items, and matrices normalised by them."""

import numpy as np
from scipy import sparse

from skgnnrec.interactions import balance

__all__ = ["inverse_power", "item_degrees", "normalized_history", "popularity_scale", "rescale"]


def item_degrees(X: sparse.csr_array) -> np.ndarray:
    """Return the column sums, added up in float64: `X.sum` adds up in the type of X."""
    return np.bincount(X.indices, weights=X.data, minlength=X.shape[1]).astype(np.float64, copy=False)


def inverse_power(values: np.ndarray, exponent: float) -> np.ndarray:
    """Return values^-exponent in float64, and 0 where the value is 0: an isolated node has no edges to scale."""
    scale = np.zeros(len(values), dtype=np.float64)
    np.power(values, -float(exponent), out=scale, where=values > 0)
    return scale


def popularity_scale(item_counts: np.ndarray, exponent: float) -> np.ndarray:
    """Return the number of users of each item to a power, 1 for items without users."""
    return np.maximum(item_counts, 1).astype(np.float64) ** exponent


@np.errstate(under="ignore")
def rescale(X: sparse.csr_array, row_scale: np.ndarray, column_scale: np.ndarray) -> sparse.csr_array:
    """Return diag(row_scale) X diag(column_scale) in float32; it shares the indices of X."""
    data = X.data * np.repeat(row_scale, np.diff(X.indptr)) * column_scale[X.indices]
    return sparse.csr_array((data.astype(np.float32), X.indices, X.indptr), shape=X.shape)


def normalized_history(X: sparse.csr_array, item_degrees: np.ndarray) -> sparse.csr_array:
    """Return the edge weights of histories, D_u^{-1/2} X D_i^{-1/2} where X is binary."""
    return rescale(balance(X), np.ones(X.shape[0]), inverse_power(item_degrees, 0.5))
