"""The training objective of `GNNRecommender`: batches, the loss of a batch, the score on held-out interactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from skgnnrec.graph import MessagePassing, count_users, message_passing
from skgnnrec.interactions import row_of_each
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders._trained_scores import popularity_bias
from skgnnrec.recommenders.gnn._model import Embeddings, GraphEncoder
from skgnnrec.training import (
    ALONE,
    Workers,
    batches_of,
    bpr_loss,
    contrast_loss,
    draw_past,
    draw_unseen_items,
    keys_of,
    sampled_softmax_loss,
    similarity_loss,
    softmax_loss,
    unit_rows,
)

__all__ = ["Batch", "RankingLearner", "Validation"]

BLOCK_USERS = 512  # held-out users ranked at once
FEWEST_USERS = 100  # by whom a popularity exponent is chosen; a choice by fewer would be noise


class Batch(NamedTuple):
    """Target items, and their users."""

    users: torch.Tensor  # (n_users,)
    rows: torch.Tensor  # (n_targets,): places in `users`
    columns: torch.Tensor  # (n_targets,): items
    past: MessagePassing | None = None  # the parts of the histories that predict the targets
    negatives: torch.Tensor | None = None  # BPR: (n_targets, n_negatives); sampled softmax: (n_negatives,)
    clashes: tuple[torch.Tensor, torch.Tensor] | None = None  # places of users and of negatives they have


class Validation(NamedTuple):
    """Users with held-out interactions."""

    history: sparse.csr_array  # (n_users, n_items), normalised
    rows: np.ndarray  # (n_users,): the users, as rows of the training matrix
    held_out: sparse.csr_array  # (n_users, n_items)
    k: int  # length of the lists that are scored


class RankingLearner:
    """A learner that ranks the items of a user above other items; its settings are parameters of `GNNRecommender`.

    The values of X order the histories, and `history` holds the weights of its edges. Users before `first_row` are only
    part of the graph. X holds the users of this worker, and the loss is the mean over the users of all `workers`.
    """

    def __init__(
        self,
        encoder: GraphEncoder,
        X: sparse.csr_array,
        history: sparse.csr_array,
        *,
        first_row: int,
        seed: int,
        loss: str,
        batch_size: int,
        n_negatives: int | None,
        temperature: float,
        contrast_weight: float,
        diversity_weight: float,
        noise: float,
        popularity_exponent: float,
        validation: Validation | None,
        workers: Workers = ALONE,
    ) -> None:
        self.encoder, self._X, self._history, self._first_row = encoder, X, history, first_row
        self._device, self._seed = encoder.inputs.device, seed
        self._loss, self._batch_size = loss, batch_size
        self._n_negatives, self._temperature = n_negatives, temperature
        self._contrast_weight, self._noise, self._diversity_weight = contrast_weight, noise, diversity_weight
        self._seen = keys_of(history) if loss == "bpr" else np.zeros(0, dtype=np.int64)
        self._workers = workers
        popularity = workers.total(count_users(history))
        # Items without users are no negatives of the softmax: they are new, not disliked.
        self._warm_columns = np.flatnonzero(popularity)
        self._warm = torch.tensor(self._warm_columns, device=self._device)
        self._bias = torch.zeros(history.shape[1], device=self._device)
        self._popularity, self._validation = popularity, validation
        if loss == "softmax":
            self._rank_by(popularity_exponent)
        self._generator = torch.Generator(device=self._device)

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters."""
        return list(self.encoder.inputs.learned.values())

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; they depend on the seed and the epoch only."""
        rng = np.random.default_rng([self._seed, epoch])
        self._generator.manual_seed(int(rng.integers(2**62)))
        if self._loss == "softmax":
            users = self._first_row + np.flatnonzero(np.diff(self._X.indptr)[self._first_row :] > 1)
            for places in self._batches_of(len(users), rng):
                yield self._batch_of_users(users[places], rng)
        else:
            first = self._history.indptr[self._first_row]
            for places in self._batches_of(self._history.nnz - first, rng):
                yield self._batch_of_interactions(first + places, rng)

    def _batches_of(self, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        return batches_of(n, self._batch_size, rng, int(self._workers.total(np.array(n))))

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch."""
        embeddings = self.encoder.propagate(self._noise if self._contrast_weight else 0.0, self._generator)
        if not len(batch.columns):  # where other workers have some, these need the gradients of all
            return self._workers.mean_loss(0.0 * (embeddings.items.sum() + embeddings.sources.sum()), 0)
        users = self._users_of(embeddings, batch.users, batch.past)
        loss = self._softmax(users, embeddings, batch) if self._loss == "softmax" else _bpr(users, embeddings, batch)
        if self._contrast_weight:
            loss = loss + self._contrast_weight * self._contrast(users, embeddings, batch)
        if self._diversity_weight:
            loss = loss + self._diversity_weight * self._similarity(users, embeddings, batch)
        return self._workers.mean_loss(loss, len(batch.columns))

    def validate(self) -> float | None:
        """Return the mean NDCG on the held-out interactions, None without any."""
        if self._validation is None:
            return None
        history, rows, held_out, k = self._validation
        found = []
        with torch.no_grad():
            embeddings = self.encoder.propagate()
            items = self._as_compared(embeddings.items)
            for start in range(0, len(rows), BLOCK_USERS):
                block = history[start : start + BLOCK_USERS]
                places = self._put(rows[start : start + BLOCK_USERS])
                users = self._users_of(embeddings, places, message_passing(block, device=self._device))
                scores = self._as_compared(users) @ items.T + self._bias  # (block, n_items)
                scores[self._put(row_of_each(block)), self._put(block.indices)] = -torch.inf
                found.append(scores.topk(min(k, scores.shape[1]), dim=1).indices.cpu().numpy())
        own = float(ndcg_at_k(held_out, np.vstack(found))) if found else 0.0
        return self._workers.mean(own, len(rows))

    def best_popularity_exponent(self, exponents: Sequence[float], otherwise: float) -> float:
        """Return the exponent with the best mean NDCG on the held-out interactions, `otherwise` with few users."""
        n_users = 0 if self._validation is None else int(self._workers.total(np.array(len(self._validation.rows))))
        if n_users < FEWEST_USERS or self._loss != "softmax":
            return otherwise
        scores = []
        for exponent in exponents:
            self._rank_by(exponent)
            scores.append(self.validate())
        return exponents[int(np.argmax(np.array(scores, dtype=np.float64)))]

    def _rank_by(self, popularity_exponent: float) -> None:
        bias, _ = popularity_bias(self._popularity, popularity_exponent, self._temperature)
        self._bias = torch.tensor(bias, device=self._device)

    def _as_compared(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors whose dot products are the scores: of length one for the softmax, which compares cosines."""
        return unit_rows(vectors) if self._loss == "softmax" else vectors

    def _batch_of_interactions(self, places: np.ndarray, rng: np.random.Generator) -> Batch:
        n_items = self._history.shape[1]
        owners, columns = self._seen[places] // n_items, self._history.indices[places]
        users, rows = np.unique(owners, return_inverse=True)
        drawn = draw_unseen_items(owners, self._seen, n_items, self._n_negatives or 1, rng)
        return Batch(self._put(users), self._put(rows), self._put(columns), negatives=self._put(drawn))

    def _batch_of_users(self, users: np.ndarray, rng: np.random.Generator) -> Batch:
        """Return the later interactions of some users as targets, and the earlier ones as the histories before them."""
        history, is_past = self._history[users], draw_past(self._X[users], rng)
        rows = row_of_each(history)
        targets = self._put(rows[~is_past]), self._put(history.indices[~is_past])
        ends = np.concatenate([[0], np.cumsum(is_past)])[history.indptr]
        past = sparse.csr_array((history.data[is_past], history.indices[is_past], ends), shape=history.shape)
        batch = Batch(self._put(users), *targets, past=message_passing(past, device=self._device))
        if self._n_negatives is None:
            return batch
        drawn = self._warm_columns[rng.integers(0, len(self._warm_columns), self._n_negatives)]
        clashes = history[:, drawn].tocoo().coords
        return batch._replace(negatives=self._put(drawn), clashes=(self._put(clashes[0]), self._put(clashes[1])))

    def _softmax(self, users: torch.Tensor, embeddings: Embeddings, batch: Batch) -> torch.Tensor:
        users, items = unit_rows(users), unit_rows(embeddings.items)
        scores = users.index_select(0, batch.rows) * F.embedding(batch.columns, items)  # (n_targets, dim)
        scores = scores.sum(dim=1) / self._temperature
        if batch.negatives is None:
            return softmax_loss(users, items.index_select(0, self._warm), scores, batch.rows, self._temperature)
        others = users @ F.embedding(batch.negatives, items).T / self._temperature  # (n_batch, n_negatives)
        assert batch.clashes is not None
        others = others.index_put(batch.clashes, others.new_tensor(-torch.inf))
        return sampled_softmax_loss(scores, others, batch.rows)

    def _users_of(self, embeddings: Embeddings, users: torch.Tensor, past: MessagePassing | None) -> torch.Tensor:
        """Return the embeddings of users, (n_users, dim): where they are sums, of their `past` or of all they have."""
        if embeddings.users is not None:
            return F.embedding(users, embeddings.users)
        if past is not None:
            return past.to_rows(embeddings.sources)
        return F.embedding(users, self.encoder.graph.to_rows(embeddings.sources))

    def _contrast(self, users: torch.Tensor, embeddings: Embeddings, batch: Batch) -> torch.Tensor:
        assert embeddings.layers is not None  # noise requires propagation layer by layer
        first_users, first_items = (layers[1] for layers in embeddings.layers)
        columns = torch.unique(batch.columns)
        of_users = contrast_loss(F.embedding(batch.users, first_users), users, self._temperature)
        items = F.embedding(columns, embeddings.items)
        return of_users + contrast_loss(F.embedding(columns, first_items), items, self._temperature)

    def _similarity(self, users: torch.Tensor, embeddings: Embeddings, batch: Batch) -> torch.Tensor:
        """Return the expected similarity of items that are recommended to the users of a batch."""
        columns = self._warm if batch.negatives is None else batch.negatives
        items = unit_rows(F.embedding(columns, embeddings.items))
        scores = (unit_rows(users) @ items.T + self._bias.index_select(0, columns)) / self._temperature
        if batch.clashes is not None:
            scores = scores.index_put(batch.clashes, scores.new_tensor(-torch.inf))
        features = self.encoder.inputs.features
        # Trained vectors are constants here: else the loss would move items apart instead of changing the lists.
        vectors = items.detach() if features is None else F.embedding(columns, features)
        return similarity_loss(scores, vectors)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.int64, device=self._device)


def _bpr(users: torch.Tensor, embeddings: Embeddings, batch: Batch) -> torch.Tensor:
    assert batch.negatives is not None
    users = users.index_select(0, batch.rows)  # (n_interactions, dim)
    positive = (users * F.embedding(batch.columns, embeddings.items)).sum(dim=1)
    is_drawn = batch.negatives >= 0
    items = F.embedding(batch.negatives.clamp(min=0), embeddings.items)  # (n_interactions, n_negatives, dim)
    negative = (users[:, None] * items).sum(dim=2)
    # Users with all items have no negatives; a score of minus infinity adds no loss.
    return bpr_loss(positive, negative.masked_fill(~is_drawn, -torch.inf))
