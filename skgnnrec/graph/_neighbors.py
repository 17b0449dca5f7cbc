"""The graph of similar items: the nearest neighbours of each item by the cosine of their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from skgnnrec._memory import check_memory
from skgnnrec.graph._degrees import inverse_power, rescale

__all__ = ["SimilarityGraph", "nearest_items"]

NOISE = 1e-6  # a smaller cosine of float32 vectors may be a rounding error; alone in its row it would get full weight
EDGE_BYTES = 56  # for each edge: measured peak of the search and of the sparse arrays made from it


@dataclass(frozen=True, eq=False)
class SimilarityGraph:
    """The symmetric normalised graph of the nearest neighbours of each item.

    With S_ij = max(0, cos(v_i, v_j)) where one of the two is among the nearest neighbours of the other, and
    d_i = sum_j S_ij, the adjacency is K_ij = S_ij / sqrt(d_i d_j).
    """

    vectors: np.ndarray  # (n_items, n_dimensions), float32: of unit length, or zero for items without neighbours
    n_neighbors: int
    adjacency: sparse.csr_array  # K, (n_items, n_items), float32
    scale: np.ndarray  # d_i^{-1/2}, (n_items,)

    @classmethod
    def build(cls, vectors: np.ndarray, n_neighbors: int) -> SimilarityGraph:
        """Return the graph of the items with these vectors."""
        directed = _similarities(vectors, vectors, n_neighbors + 1)  # each item is among its own neighbours
        directed = directed - sparse.diags_array(directed.diagonal(), format="csr")
        directed.eliminate_zeros()
        symmetric = directed.maximum(directed.T).tocsr()
        scale = inverse_power(symmetric.sum(axis=1), 0.5)
        return cls(vectors, n_neighbors, rescale(symmetric, scale, scale), scale)


def nearest_items(
    fitted: np.ndarray, is_known: np.ndarray, new: np.ndarray, n_neighbors: int, power: float
) -> sparse.csr_array:
    """Return the weights of the nearest known items of each new item, (n_fitted, n_new), float32.

    The weights of a new item are cosines to a power, divided by their sum.
    """
    known = np.flatnonzero(is_known & fitted.any(axis=1))  # a zero vector would be nearer than one at 61 degrees
    similarities = _similarities(new, fitted[known], n_neighbors)
    similarities.data **= np.float32(power)
    similarities = rescale(similarities, inverse_power(similarities.sum(axis=1), 1.0), np.ones(len(known)))
    shape = (len(new), len(fitted))
    return sparse.csr_array((similarities.data, known[similarities.indices], similarities.indptr), shape).T.tocsr()


def _similarities(vectors: np.ndarray, fitted: np.ndarray, n_neighbors: int) -> sparse.csr_array:
    """Return the positive cosines of vectors with their nearest fitted vectors, (n_vectors, n_fitted), float32."""
    shape, n_neighbors = (len(vectors), len(fitted)), min(n_neighbors, len(fitted))
    check_memory(
        EDGE_BYTES * len(vectors) * n_neighbors,
        f"The graph of {n_neighbors} neighbours of each of {len(vectors)} items",
        "Lower n_neighbors.",
    )
    if not len(vectors) or not len(fitted):
        return sparse.csr_array(shape, dtype=np.float32)
    index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(fitted)
    distances, neighbors = index.kneighbors(vectors)
    # For unit vectors |a - b|^2 = 2 - 2 cos(a, b). A zero vector has distance 1 from all, and no similarity.
    cosines = 1.0 - 0.5 * distances.astype(np.float64) ** 2
    cosines[cosines < NOISE] = 0.0
    cosines[~vectors.any(axis=1)] = 0.0
    cosines[~np.asarray(fitted.any(axis=1))[neighbors]] = 0.0
    rows = np.repeat(np.arange(len(vectors)), n_neighbors)
    edges = sparse.csr_array((cosines.ravel().astype(np.float32), (rows, neighbors.ravel())), shape=shape)
    edges.eliminate_zeros()
    return edges
