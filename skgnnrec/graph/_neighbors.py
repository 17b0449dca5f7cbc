"""The graph of items that resemble each other: k nearest neighbours by the cosine of their vectors."""

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from skgnnrec.graph._degrees import inverse_power, normalize

__all__ = ["SimilarityGraph"]


class SimilarityGraph:
    """The symmetric normalised graph of each item's nearest neighbours.

    With S_ij = max(0, cos(v_i, v_j)) where i is among the nearest neighbours of j or j among those of i, and
    d_i = sum_j S_ij, the adjacency is K_ij = S_ij / sqrt(d_i d_j). An item outside the graph is joined to it by the
    same rule, without changing it.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, n_dimensions), float32
        Unit vectors; a zero vector has no neighbours.
    n_neighbors : int
        Neighbours per item.

    Attributes
    ----------
    adjacency : csr_array of shape (n_items, n_items), float32
        The matrix K.
    """

    def __init__(self, vectors: np.ndarray, n_neighbors: int) -> None:
        self._index = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(vectors)
        n_items = len(vectors)
        directed = self._similarities(vectors, min(n_neighbors + 1, n_items))  # each item also finds itself
        directed = directed - sparse.diags_array(directed.diagonal(), format="csr")
        directed.eliminate_zeros()
        symmetric = directed.maximum(directed.T).tocsr()
        self._scale = inverse_power(symmetric.sum(axis=1), 0.5)
        self.adjacency = normalize(symmetric, self._scale, self._scale)

    def join(self, vectors: np.ndarray) -> sparse.csr_array:
        """Return the edges of new items to the items of the graph.

        Parameters
        ----------
        vectors : ndarray of shape (n_new, n_dimensions), float32
            Unit vectors of items outside the graph.

        Returns
        -------
        edges : csr_array of shape (n_items, n_new), float32
            Column j holds the edges of new item j, as if it stood in the graph.
        """
        similarities = self._similarities(vectors, min(self._index.n_neighbors, len(self._scale)))
        own_scale = inverse_power(similarities.sum(axis=1), 0.5)
        return normalize(similarities, own_scale, self._scale).T.tocsr()

    def _similarities(self, vectors: np.ndarray, n_neighbors: int) -> sparse.csr_array:
        n_items = self._index.n_samples_fit_
        if not len(vectors):
            return sparse.csr_array((0, n_items), dtype=np.float32)
        distances, neighbors = self._index.kneighbors(vectors, n_neighbors=n_neighbors)
        # For unit vectors |a - b|^2 = 2 - 2 cos(a, b); a zero vector is at distance 1 from all and counts as unlike.
        cosines = np.maximum(0.0, 1.0 - 0.5 * distances.astype(np.float64) ** 2)
        cosines[~vectors.any(axis=1)] = 0.0
        empty = ~self._index._fit_X.any(axis=1)
        cosines[empty[neighbors]] = 0.0
        rows = np.repeat(np.arange(len(vectors)), n_neighbors)
        edges = sparse.csr_array(
            (cosines.ravel().astype(np.float32), (rows, neighbors.ravel())), shape=(len(vectors), n_items)
        )
        edges.eliminate_zeros()
        return edges
