"""Degrees of the bipartite graph of users and items, and matrices normalised by them."""

import numpy as np
from scipy import sparse

__all__ = ["degrees", "inverse_power", "normalize", "normalized_history", "user_scale"]


def degrees(X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted degrees of both sides of the graph.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Edge weights.

    Returns
    -------
    user_degrees : ndarray of shape (n_users,), float64
        Row sums.
    item_degrees : ndarray of shape (n_items,), float64
        Column sums.
    """
    user_degrees = np.add.reduceat(np.append(X.data, 0.0).astype(np.float64), X.indptr[:-1])
    user_degrees[np.diff(X.indptr) == 0] = 0.0  # reduceat returns a neighbour's value for an empty row
    item_degrees = np.bincount(X.indices, weights=X.data, minlength=X.shape[1])
    return user_degrees, item_degrees.astype(np.float64)  # of nothing, bincount returns integers


def inverse_power(values: np.ndarray, exponent: float) -> np.ndarray:
    """Return values^-exponent, 0 where the value is 0 (an isolated node has no edges to scale).

    Parameters
    ----------
    values : ndarray of shape (n,)
        Degrees, non-negative.
    exponent : float
        The exponent.

    Returns
    -------
    scale : ndarray of shape (n,), float64
        The scale of each node.
    """
    scale = np.zeros(len(values), dtype=np.float64)
    np.power(values, -exponent, out=scale, where=values > 0)
    return scale


def normalize(X: sparse.csr_array, row_scale: np.ndarray, column_scale: np.ndarray) -> sparse.csr_array:
    """Return diag(row_scale) X diag(column_scale) in float32, its pattern shared with X.

    Parameters
    ----------
    X : csr_array of shape (n_rows, n_columns)
        The matrix.
    row_scale : ndarray of shape (n_rows,)
        A factor per row.
    column_scale : ndarray of shape (n_columns,)
        A factor per column.

    Returns
    -------
    scaled : csr_array of shape (n_rows, n_columns), float32
        The scaled matrix.
    """
    data = X.data * np.repeat(row_scale, np.diff(X.indptr)) * column_scale[X.indices]
    return sparse.csr_array((data.astype(np.float32), X.indices, X.indptr), shape=X.shape)


def normalized_history(X: sparse.csr_array, item_degrees: np.ndarray) -> sparse.csr_array:
    """Return the edge weights of histories, D_u^{-1/2} X D_i^{-1/2} where X is binary.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Histories.
    item_degrees : ndarray of shape (n_items,)
        Degrees of the items in the graph.

    Returns
    -------
    history : csr_array of shape (n_users, n_items), float32
        Edge weights.
    """
    return normalize(X, user_scale(X), inverse_power(item_degrees, 0.5))


def user_scale(X: sparse.csr_array) -> np.ndarray:
    """Return sqrt(n) over the sum of a history's n weights: n^{-1/2} where all are 1, and blind to their unit.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        Histories.

    Returns
    -------
    scale : ndarray of shape (n_users,), float64
        The scale of each row, 0 where there is no history.
    """
    return np.sqrt(np.diff(X.indptr)) * inverse_power(degrees(X)[0], 1.0)
