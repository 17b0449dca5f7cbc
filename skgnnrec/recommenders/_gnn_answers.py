"""What a trained graph answers from: arrays, no torch objects, so that it can be pickled and served."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from skgnnrec._holdout import row_of_each
from skgnnrec.graph import inverse_power, normalize, normalized_history, user_scale
from skgnnrec.ranking import ProductScorer, largest_norm, round_for_exact_sums
from skgnnrec.recommenders._base import Scorer

__all__ = ["GraphAnswers", "popularity_bias"]

BLOCK_USERS = 4096  # histories that attention reads at once


def popularity_bias(popularity: np.ndarray, exponent: float, temperature: float) -> tuple[np.ndarray, float]:
    """Return what popularity adds to the cosine of each item: τ γ log(1 + n_i).

    In the probability exp(cosine / τ) of the softmax it is the prior (1 + n_i)^γ. An item that nobody has is new, not
    disliked: it gets the mean of the others.

    Parameters
    ----------
    popularity : ndarray of shape (n_items,)
        The number of users of each item.
    exponent : float
        The number γ.
    temperature : float
        The number τ.

    Returns
    -------
    bias : ndarray of shape (n_items,), float32
        Of the items.
    new_item_bias : float
        Of an item that nobody has; 0 where that is all of them.
    """
    bias = (temperature * exponent * np.log1p(popularity)).astype(np.float32)
    is_known = popularity > 0
    new_item_bias = float(bias[is_known].mean()) if is_known.any() else 0.0
    bias[~is_known] = new_item_bias
    return bias, new_item_bias


class GraphAnswers:
    """Users from their histories, and their scores of items.

    Parameters
    ----------
    items : ndarray of shape (n_items, dim), float32
        The mean over the layers of each item.
    layers : list of ndarray of shape (n_items, dim), float32, or None
        The items layer by layer, where users attend to them; None where a user is the normalised sum of `items`.
    item_degrees : ndarray of shape (n_items,)
        Degrees in the graph of the fit.
    bias : tuple of ndarray of shape (n_items,), float32, and float
        What is added to the score of each item, and to that of a new one; from `popularity_bias`.
    cosine : bool
        Whether scores are cosines.
    keep_input : bool
        Whether layer 0 is part of a user's mean over the layers.
    """

    def __init__(
        self,
        items: np.ndarray,
        layers: list[np.ndarray] | None,
        item_degrees: np.ndarray,
        bias: tuple[np.ndarray, float],
        *,
        cosine: bool,
        keep_input: bool,
    ) -> None:
        self._cosine, self._keep_input = cosine, keep_input
        self._item_degrees, self._layers = item_degrees, layers
        self.item_bias, self._new_item_bias = bias
        self.item_embedding = self.comparable(items)
        self._largest = largest_norm(self.item_embedding.T)
        # The item's part of the edge weights is the same for every user.
        self._projection = None if layers is not None else inverse_power(item_degrees, 0.5)[:, None] * items
        if self._projection is not None:
            self._projection = self._projection.astype(np.float32)

    def comparable(self, items: np.ndarray) -> np.ndarray:
        """Return items as they are compared with users, rounded so that sums over them are exact.

        Parameters
        ----------
        items : ndarray of shape (n_items, dim), float32
            Items.

        Returns
        -------
        items : ndarray of shape (n_items, dim), float32
            Of length one where scores are cosines.
        """
        items = _unit(items) if self._cosine else items
        return round_for_exact_sums(items.T, items.shape[1], axis=0).T

    def embed(self, X: sparse.csr_array) -> np.ndarray:
        """Return users.

        Parameters
        ----------
        X : csr_array of shape (n_users, n_items)
            Histories.

        Returns
        -------
        users : ndarray of shape (n_users, dim), float32
            Of length one where scores are cosines; zero for an empty history.
        """
        if self._projection is None:
            users, _ = self.attend(X)
        else:
            # Scaled first, in double precision: the sum of tiny weights has a reciprocal beyond single precision.
            users = normalize(X, user_scale(X), np.ones(X.shape[1])) @ self._projection
        return _unit(users) if self._cosine else users

    def attend(self, X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Return users and how much they attend to each item of the history, a block of histories at a time.

        Parameters
        ----------
        X : csr_array of shape (n_users, n_items)
            Histories.

        Returns
        -------
        users : ndarray of shape (n_users, dim), float32
            The mean over the layers.
        attention : ndarray of shape (X.nnz,), float32
            Weights of the items of each user.
        """
        import torch

        from skgnnrec.graph import message_passing
        from skgnnrec.recommenders._gnn_model import attend

        assert self._layers is not None  # asked for attention only
        layers = [torch.tensor(layer) for layer in self._layers]
        users = np.zeros((X.shape[0], layers[0].shape[1]), dtype=np.float32)
        attention = np.zeros(X.nnz, dtype=np.float32)
        with torch.no_grad():
            for start in range(0, X.shape[0], BLOCK_USERS):
                rows = slice(start, start + BLOCK_USERS)
                graph = message_passing(normalized_history(X[rows], self._item_degrees))
                said = normalize(X[rows], user_scale(X[rows]), np.ones(X.shape[1]))
                owner = torch.tensor(row_of_each(said))
                found, weights = attend(graph, layers, self._keep_input, torch.tensor(said.data), owner)
                users[rows] = found.numpy()
                attention[X.indptr[start] : X.indptr[start] + len(weights)] = weights.numpy()
        return users, attention

    def item_scorer(self, columns: np.ndarray | None) -> Scorer:
        """Return a function from histories to scores of items of the fit; None stands for all of them."""
        chosen = slice(None) if columns is None else columns
        return self._scorer(self.item_embedding[chosen], self.item_bias[chosen], self._largest)

    def new_item_scorer(self, items: np.ndarray) -> Scorer:
        """Return a function from histories to scores of items that nobody has, (n_candidates, dim)."""
        items = self.comparable(items)
        return self._scorer(items, np.float32(self._new_item_bias), largest_norm(items.T))

    def _scorer(self, items: np.ndarray, bias: np.ndarray | np.float32, largest: float) -> Scorer:
        def known(X: sparse.csr_array) -> np.ndarray:
            return np.broadcast_to(bias, (X.shape[0], len(items)))

        return ProductScorer(known, self.embed, items.T, largest)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
