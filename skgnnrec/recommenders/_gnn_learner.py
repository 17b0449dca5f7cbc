"""What `GNNRecommender` minimises: batches of users, the loss of a batch, the score on what is held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from skgnnrec._holdout import row_of_each
from skgnnrec.graph import MessagePassing, message_passing
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders._base import count_users
from skgnnrec.recommenders._gnn_answers import popularity_bias
from skgnnrec.recommenders._gnn_model import GraphEncoder, Spread
from skgnnrec.training import (
    batches_of_interactions,
    batches_of_users,
    bpr_loss,
    contrast_loss,
    draw_items,
    draw_unseen_items,
    keys_of,
    sampled_softmax_loss,
    softmax_loss,
)

__all__ = ["Batch", "RankingLearner", "Validation"]

BLOCK_USERS = 512  # held-out users ranked at once


class Batch(NamedTuple):
    """Some interactions, and their users."""

    users: torch.Tensor  # (n_batch,)
    rows: torch.Tensor  # (n_interactions,): the user, counted in the batch
    columns: torch.Tensor  # (n_interactions,): the item
    graph: MessagePassing | None = None  # of these users, where their interactions are all in the batch
    weights: torch.Tensor | None = None  # (n_interactions,): the edge weight in that graph
    negatives: torch.Tensor | None = None  # of BPR (n_interactions, n_negatives), of a sampled softmax (n_negatives,)
    clashes: tuple[torch.Tensor, torch.Tensor] | None = None  # shared negatives that a user has: user, negative


class Validation(NamedTuple):
    """Users with something held out."""

    history: sparse.csr_array  # (n_users, n_items), normalised
    rows: np.ndarray  # (n_users,): in the matrix that is learned from
    held_out: sparse.csr_array  # (n_users, n_items)
    k: int


class RankingLearner:
    """A `Learner` that ranks a user's items before others.

    Parameters
    ----------
    encoder : GraphEncoder
        Holds the parameters.
    history : csr_array of shape (n_users, n_items)
        The normalised interactions.
    first_row : int
        The first user to learn from; the ones before are in the graph only.
    seed : int
        Seeds batches, negatives and noise; each epoch draws from its own stream.
    loss : {"softmax", "bpr"}
        The loss.
    batch_size : int
        Interactions in a batch.
    n_negatives : int or None
        Items that an interaction (BPR) or a batch (softmax) is set against; None takes all items, for the softmax.
    negative_exponent : float
        Negatives are drawn with probability proportional to popularity^exponent.
    temperature : float
        What cosines are divided by.
    contrast_weight : float
        Weight of the contrast between the first layer and the last.
    noise : float
        Length of the noise in each layer, where there is contrast.
    popularity_exponent : float
        The prior of the answers that the validation ranks, with the softmax.
    validation : Validation or None
        What scores are taken on.
    """

    def __init__(
        self,
        encoder: GraphEncoder,
        history: sparse.csr_array,
        *,
        first_row: int,
        seed: int,
        loss: str,
        batch_size: int,
        n_negatives: int | None,
        negative_exponent: float,
        temperature: float,
        contrast_weight: float,
        noise: float,
        popularity_exponent: float,
        validation: Validation | None,
    ) -> None:
        self.encoder, self._history, self._first_row = encoder, history, first_row
        self._device, self._seed = encoder.inputs.device, seed
        self._loss, self._batch_size = loss, batch_size
        self._n_negatives, self._negative_exponent = n_negatives, negative_exponent
        self._temperature, self._contrast_weight, self._noise = temperature, contrast_weight, noise
        self._seen = keys_of(history) if loss == "bpr" else np.zeros(0, dtype=np.int64)
        self._popularity = count_users(history).astype(np.float64)
        # Items that nobody has are no negatives: they are new, not disliked.
        self._warm_columns = np.flatnonzero(self._popularity)
        self._warm = torch.tensor(self._warm_columns, device=self._device)
        self._bias = torch.zeros(history.shape[1], device=self._device)
        if loss == "softmax":
            bias, _ = popularity_bias(self._popularity, popularity_exponent, temperature)
            self._bias = torch.tensor(bias, device=self._device)
        self._validation = validation
        self._generator = torch.Generator(device=self._device)

    def parameters(self) -> list[torch.Tensor]:
        """Return what is learned."""
        return list(self.encoder.inputs.learned.values())

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch, drawn from the seed and its number."""
        rng = np.random.default_rng([self._seed, epoch])
        self._generator.manual_seed(int(rng.integers(2**62)))
        if self._loss == "softmax":  # the normaliser is a user's: all of her items share it
            for users in batches_of_users(self._history[self._first_row :], self._batch_size, rng):
                yield self._users_with_rivals(self._first_row + users, rng)
        else:  # rivals are an interaction's own: steps over many users are the better sample
            first = self._history.indptr[self._first_row]
            for places in batches_of_interactions(self._history.nnz - first, self._batch_size, rng):
                yield self._interactions_with_rivals(first + places, rng)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch."""
        spread = self.encoder.spread(self._noise if self._contrast_weight else 0.0, self._generator)
        users = self._users_of(spread, batch)
        ranking = self._softmax(users, spread, batch) if self._loss == "softmax" else _bpr(users, spread, batch)
        if not self._contrast_weight:
            return ranking
        return ranking + self._contrast_weight * self._contrast(users, spread, batch)

    def validate(self) -> float | None:
        """Return the mean NDCG on what is held out."""
        if self._validation is None:
            return None
        history, rows, held_out, k = self._validation
        found = []
        with torch.no_grad():
            spread = self.encoder.spread()
            items = self.compared(spread.items)
            for start in range(0, len(rows), BLOCK_USERS):
                block = history[start : start + BLOCK_USERS]
                users = self._users_of(spread, self._make_users(block, rows[start : start + BLOCK_USERS]))
                scores = self.compared(users) @ items.T + self._bias  # (block, n_items)
                scores[self._put(row_of_each(block)), self._put(block.indices)] = -torch.inf
                found.append(scores.topk(min(k, scores.shape[1]), dim=1).indices.cpu().numpy())
        return float(ndcg_at_k(held_out, np.vstack(found)))

    def compared(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors as the loss compares them: of length one for the softmax, which knows cosines."""
        return F.normalize(vectors, dim=1) if self._loss == "softmax" else vectors

    def _interactions_with_rivals(self, places: np.ndarray, rng: np.random.Generator) -> Batch:
        asking, columns = self._seen[places] // self._history.shape[1], self._history.indices[places]
        users, rows = np.unique(asking, return_inverse=True)
        n_negatives = self._n_negatives or 1
        drawn = draw_unseen_items(asking, self._seen, self._popularity, self._negative_exponent, n_negatives, rng)
        return Batch(self._put(users), self._put(rows), self._put(columns), negatives=self._put(drawn))

    def _users_with_rivals(self, users: np.ndarray, rng: np.random.Generator) -> Batch:
        history = self._history[users]
        batch = self._make_users(history, users)
        if self._n_negatives is None:
            return batch
        popularity = self._popularity[self._warm_columns]
        drawn = self._warm_columns[draw_items(popularity, self._negative_exponent, self._n_negatives, rng)]
        clashes = history[:, drawn].tocoo().coords
        return batch._replace(negatives=self._put(drawn), clashes=(self._put(clashes[0]), self._put(clashes[1])))

    def _make_users(self, history: sparse.csr_array, users: np.ndarray) -> Batch:
        graph = message_passing(history, device=self._device)
        rows, columns = self._put(row_of_each(history)), self._put(history.indices)
        weights = torch.tensor(history.data, device=self._device)
        return Batch(self._put(users), rows, columns, graph, weights)

    def _softmax(self, users: torch.Tensor, spread: Spread, batch: Batch) -> torch.Tensor:
        items = F.normalize(spread.items, dim=1)
        positive = users.index_select(0, batch.rows)  # (n_interactions, dim)
        if spread.users is None:  # the item to be found is no part of the history that finds it
            assert batch.weights is not None  # all interactions of its users are in the batch
            positive = positive - batch.weights[:, None] * F.embedding(batch.columns, spread.items)
        positive = F.normalize(positive, dim=1)
        scores = (positive * F.embedding(batch.columns, items)).sum(dim=1) / self._temperature
        users = F.normalize(users, dim=1)
        if batch.negatives is None:
            return softmax_loss(users, items.index_select(0, self._warm), scores, batch.rows, self._temperature)
        others = users @ F.embedding(batch.negatives, items).T / self._temperature  # (n_batch, n_negatives)
        assert batch.clashes is not None
        others = others.index_put(batch.clashes, others.new_tensor(-torch.inf))
        return sampled_softmax_loss(scores, others, batch.rows)

    def _users_of(self, spread: Spread, batch: Batch) -> torch.Tensor:
        """Return the users of a batch, (n_batch, dim)."""
        if spread.users is not None:
            return F.embedding(batch.users, spread.users)
        if batch.graph is not None:
            return batch.graph.to_users(spread.items)
        return F.embedding(batch.users, self.encoder.graph.to_users(spread.items))

    def _contrast(self, users: torch.Tensor, spread: Spread, batch: Batch) -> torch.Tensor:
        assert spread.layers is not None  # noise is spread layer by layer
        first_users, first_items = (layers[1] for layers in spread.layers)
        columns = torch.unique(batch.columns)
        of_users = contrast_loss(F.embedding(batch.users, first_users), users, self._temperature)
        items = F.embedding(columns, spread.items)
        return of_users + contrast_loss(F.embedding(columns, first_items), items, self._temperature)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.int64, device=self._device)


def _bpr(users: torch.Tensor, spread: Spread, batch: Batch) -> torch.Tensor:
    assert batch.negatives is not None
    users = users.index_select(0, batch.rows)  # (n_interactions, dim)
    positive = (users * F.embedding(batch.columns, spread.items)).sum(dim=1)
    is_drawn = batch.negatives >= 0
    items = F.embedding(batch.negatives.clamp(min=0), spread.items)  # (n_interactions, n_negatives, dim)
    negative = (users[:, None] * items).sum(dim=2)
    # Who has every item has no negative: the loss of minus infinity is zero.
    return bpr_loss(positive, negative.masked_fill(~is_drawn, -torch.inf))
