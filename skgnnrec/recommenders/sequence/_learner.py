"""The training objective of `SequenceRecommender`: each step of a history predicts the items of the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from skgnnrec.graph import count_users, message_passing
from skgnnrec.interactions import places_from_end, row_of_each
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders._item_inputs import ItemInputs
from skgnnrec.recommenders.sequence._network import Operations, encode_steps
from skgnnrec.recommenders.sequence._scorer import steps_of
from skgnnrec.training import batches_of, draw_past, sampled_softmax_loss, softmax_loss, unit_rows

__all__ = ["Batch", "SequenceLearner", "Validation"]

BLOCK_USERS = 512  # held-out users ranked at once
BATCHES_BY_LENGTH = 16  # batches whose users are sorted by the length of their histories, for less padding


class Batch(NamedTuple):
    """The steps of some users, without the last one, and the items of the steps after them."""

    shares: sparse.csr_array  # (n_steps, n_items)
    places: torch.Tensor  # (n_users, n_longest): steps of each user, padded with step 0
    prefixes: torch.Tensor  # (n_prefixes,): places that are no padding, in the flattened order
    rows: torch.Tensor  # (n_targets,): the prefix of each target
    columns: np.ndarray  # (n_targets,): items
    negatives: np.ndarray | None = None  # (n_negatives,): items
    clashes: tuple[torch.Tensor, torch.Tensor] | None = None  # prefixes, and negatives that their users have


class Validation(NamedTuple):
    """Users with held-out interactions."""

    history: sparse.csr_array  # (n_users, n_items)
    held_out: sparse.csr_array  # (n_users, n_items)
    bias: np.ndarray  # of the scores of the items, (n_items,)
    k: int  # length of the lists that are scored


class SequenceLearner:
    """A learner that ranks the items of the next step above other items."""

    def __init__(
        self,
        inputs: ItemInputs,
        X: sparse.csr_array,
        *,
        head: str,
        max_length: int,
        batch_size: int,
        n_negatives: int | None,
        temperature: float,
        dropout: float,
        seed: int,
        validation: Validation | None,
    ) -> None:
        self.inputs, self._X, self._ages = inputs, X, places_from_end(X)
        self._head, self._max_length, self._batch_size = head, max_length, batch_size
        self._n_negatives, self._temperature, self._seed = n_negatives, temperature, seed
        self._dropout, self._device, self._validation = dropout, inputs.device, validation
        self._is_ordered = np.zeros(X.shape[0], dtype=bool)
        self._is_ordered[row_of_each(X)[self._ages > 0]] = True
        # Items without users are no negatives: they are new, not disliked.
        self._warm = np.flatnonzero(count_users(X))
        self._generator = torch.Generator(device=self._device)

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters."""
        return list(self.inputs.learned.values())

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; they depend on the seed and the epoch only."""
        rng = np.random.default_rng([self._seed, epoch])
        self._generator.manual_seed(int(rng.integers(2**62)))
        lengths = np.diff(self._X.indptr)
        users, batches = np.flatnonzero(lengths > 1), []
        for places in batches_of(len(users), BATCHES_BY_LENGTH * self._batch_size, rng):
            some = users[places]
            some = some[np.argsort(lengths[some], kind="stable")]
            batches += np.array_split(some, max(1, round(len(some) / self._batch_size)))
        for place in rng.permutation(len(batches)):
            yield self._batch(np.sort(batches[place]), rng)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch: the softmax over all items with users, or over sampled ones."""
        candidates = self._warm if batch.negatives is None else batch.negatives
        needed = np.unique(np.concatenate([batch.shares.indices, batch.columns, candidates]))
        vectors = self.inputs(self._put(needed))  # (n_needed, dim)
        shares = batch.shares[:, needed]
        outputs = self._encode(message_passing(shares, device=self._device).to_rows(vectors), batch.places, self._drop)
        users = unit_rows(F.embedding(batch.prefixes, outputs.flatten(0, 1)))
        items = unit_rows(vectors)
        targets = F.embedding(self._put(np.searchsorted(needed, batch.columns)), items)
        scores = (F.embedding(batch.rows, users) * targets).sum(dim=1) / self._temperature
        others = F.embedding(self._put(np.searchsorted(needed, candidates)), items)
        if batch.clashes is None:
            return softmax_loss(users, others, scores, batch.rows, self._temperature)
        negative = (users @ others.T / self._temperature).index_put(batch.clashes, users.new_tensor(-torch.inf))
        return sampled_softmax_loss(scores, negative, batch.rows)

    def validate(self) -> float | None:
        """Return the mean NDCG on the held-out interactions, None without any."""
        if self._validation is None:
            return None
        history, held_out, bias, k = self._validation
        found = []
        with torch.no_grad():
            vectors = self.inputs()
            items, prior = unit_rows(vectors), torch.tensor(bias, device=self._device)
            for start in range(0, history.shape[0], BLOCK_USERS):
                block = history[start : start + BLOCK_USERS]
                starts, shares = steps_of(block, places_from_end(block), self._max_length)
                steps = message_passing(shares, device=self._device).to_rows(vectors)
                places, _ = _pad(starts, np.diff(starts))
                outputs = self._encode(steps, self._put(places), lambda x: x)
                rows = torch.arange(len(outputs), device=self._device)
                users = unit_rows(outputs[rows, self._put(np.diff(starts) - 1)])
                scores = users @ items.T + prior  # (block, n_items)
                scores[self._put(row_of_each(block)), self._put(block.indices)] = -torch.inf
                found.append(scores.topk(min(k, scores.shape[1]), dim=1).indices.cpu().numpy())
        return float(ndcg_at_k(held_out, np.vstack(found)))

    def _batch(self, users: np.ndarray, rng: np.random.Generator) -> Batch:
        X = self._X[users]
        entries = np.concatenate([np.arange(*self._X.indptr[user : user + 2]) for user in users])
        # Users without order predict a random part of their items from the others.
        is_ordered = self._is_ordered[users][row_of_each(X)]
        ages = np.where(is_ordered, self._ages[entries], draw_past(X, rng))
        starts, items = steps_of(X, ages, self._max_length + 1)
        n_inputs = np.diff(starts) - 1
        places, prefixes = _pad(starts, n_inputs)
        is_first = np.zeros(items.shape[0], dtype=bool)
        is_first[starts[:-1]] = True
        later = items[np.flatnonzero(~is_first)]
        batch = Batch(items, self._put(places), self._put(prefixes), self._put(row_of_each(later)), later.indices)
        if self._n_negatives is None:
            return batch
        drawn = self._warm[rng.integers(0, len(self._warm), self._n_negatives)]
        owners = np.repeat(users, n_inputs)
        clashes = self._X[:, drawn][owners].tocoo().coords
        return batch._replace(negatives=drawn, clashes=(self._put(clashes[0]), self._put(clashes[1])))

    def _encode(self, steps: torch.Tensor, places: torch.Tensor, drop: Any) -> torch.Tensor:
        operations = Operations(torch, torch.matmul, drop)
        return encode_steps(operations, self._head, self.inputs.learned, F.embedding(places, steps))

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        if not self._dropout:
            return x
        kept = torch.rand(x.shape, generator=self._generator, device=self._device) >= self._dropout
        return x * kept / (1 - self._dropout)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.int64, device=self._device)


def _pad(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first steps of each row, (n_rows, n_longest), padded with 0, and the places of the others."""
    offsets = np.arange(lengths.max(initial=1))
    is_step = offsets < lengths[:, None]
    return np.where(is_step, starts[:-1, None] + offsets, 0), np.flatnonzero(is_step)
