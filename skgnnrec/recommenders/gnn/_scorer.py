"""The scorers of a trained graph: arrays without torch objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from skgnnrec._device import torch_settings
from skgnnrec.graph import inverse_power, message_passing, normalized_history
from skgnnrec.interactions import balance, row_of_each
from skgnnrec.ranking import UserFactors, row_lengths, to_unit_length
from skgnnrec.recommenders._trained_scores import comparable

__all__ = ["AttentionFactors", "graph_factors"]

BLOCK_USERS = 4096  # histories whose attention is computed at once


def graph_factors(
    items: np.ndarray,
    sources: np.ndarray,
    layers: list[np.ndarray] | None,
    item_degrees: np.ndarray,
    *,
    is_cosine: bool,
    keep_input: bool,
) -> UserFactors:
    """Return the scorer of item embeddings, (n_items, dim), for users that are sums of the sources.

    With `layers`, users attend to their histories instead.
    """
    factors = comparable(items, is_cosine)
    if layers is not None:
        # Attention uses no projection; a layer stands for it, which takes no further memory.
        return AttentionFactors(layers[0], factors, is_cosine, tuple(layers), item_degrees, keep_input)
    # The degree of the item in the weight of an edge is the same for all users.
    projection = (inverse_power(item_degrees, 0.5)[:, None] * sources).astype(np.float32)
    return UserFactors(projection, factors, is_cosine)


@dataclass(frozen=True, eq=False)
class AttentionFactors(UserFactors):
    """The dot product of users with candidates, where users attend to the items of their histories in each layer."""

    layers: tuple[np.ndarray, ...]  # item embeddings in each layer of the training graph, (n_items, dim), float32
    item_degrees: np.ndarray  # in the training graph, (n_items,)
    keep_input: bool  # whether layer 0 is part of the mean over the layers

    @np.errstate(under="ignore")
    def embed(self, X: sparse.csr_array) -> np.ndarray:
        users = np.zeros((X.shape[0], self.items.shape[1]), dtype=np.float32)
        for rows, embedded, _ in self._attend(X):
            users[rows] = embedded
        return to_unit_length(users) if self.is_cosine else users

    @np.errstate(under="ignore")
    def attention(self, X: sparse.csr_array) -> sparse.csr_array:
        """Return the attention of each user to each item of the history, the mean over the layers; rows sum to 1."""
        weights = [np.mean(by_layer[1:], axis=0) for _, _, by_layer in self._attend(X)]
        return _like(X, np.concatenate([np.zeros(0, dtype=np.float32), *weights]))

    @np.errstate(under="ignore")
    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        """Return the contributions for the attention that the whole history leads to."""
        parts = []
        for rows, users, by_layer in self._attend(X):
            block = X[rows]
            owner = row_of_each(block)
            candidates = self.items[columns[rows][owner]].astype(np.float64)
            layers = list(zip(self.layers, by_layer, strict=True))[0 if self.keep_input else 1 :]
            dots = [weights * np.einsum("nd,nd->n", items[block.indices], candidates) for items, weights in layers]
            length = row_lengths(users) if self.is_cosine else np.ones(len(users))
            parts.append(np.mean(dots, axis=0) / np.where(length > 0, length, 1)[owner])
        return _like(X, np.concatenate([np.zeros(0), *parts]))

    def _attend(self, X: sparse.csr_array) -> Iterator[tuple[slice, np.ndarray, list[np.ndarray]]]:
        """Yield blocks of users: their rows, their embeddings and the weights of their items in each layer."""
        for start in range(0, X.shape[0], BLOCK_USERS):
            rows = slice(start, start + BLOCK_USERS)
            yield rows, *self._attend_in_block(X[rows])

    def _attend_in_block(self, X: sparse.csr_array) -> tuple[np.ndarray, list[np.ndarray]]:
        import torch

        from skgnnrec.recommenders.gnn._model import attend

        if not X.nnz:
            return np.zeros((X.shape[0], self.items.shape[1]), dtype=np.float32), [X.data for _ in self.layers]
        # Torch copies the embeddings: of one user only those of the history.
        columns, places = np.unique(X.indices, return_inverse=True)
        X = sparse.csr_array((X.data, places, X.indptr), shape=(X.shape[0], len(columns)))
        history = normalized_history(X, self.item_degrees[columns])
        with torch_settings(), torch.no_grad():
            users, attention = attend(
                message_passing(history),
                [torch.tensor(layer[columns]) for layer in self.layers],
                self.keep_input,
                torch.tensor(balance(X).data),
            )
            return users.numpy(), [history.data, *(weights.numpy() for weights in attention)]


def _like(X: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)
