"""What `InteractionAdapter` minimises: batches of pairs of texts, and the loss of telling partners apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from skgnnrec.adaptation._pairs import TextPairs
from skgnnrec.text.networks import TrainableEncoder
from skgnnrec.training import multiple_negatives_loss

__all__ = ["InteractionLearner"]

N_VALIDATION_PAIRS = 4  # of each held-out text: one would leave much to chance


class Pairs(NamedTuple):
    """Pairs of texts of a batch."""

    anchors: np.ndarray  # (n_pairs,), int64
    partners: np.ndarray  # (n_pairs,), int64


class InteractionLearner:
    """A `Learner` that tells the partners of texts apart.

    Parameters
    ----------
    encoder : TrainableEncoder
        The encoder.
    token_ids : sequence of ndarray of int32
        Token numbers of the texts.
    pairs : TextPairs
        What is learned from.
    held_out : ndarray of int64, shape (n_held_out,)
        Texts that no learned pair has.
    partners : TextPairs
        Draws the partners of the held-out texts.
    temperature : float
        What cosines are divided by.
    batch_size : int
        Pairs in a batch.
    seed : int
        Seeds the order and the partners; each epoch draws from its own stream.
    """

    def __init__(
        self,
        encoder: TrainableEncoder,
        token_ids: Sequence[np.ndarray],
        pairs: TextPairs,
        *,
        held_out: np.ndarray,
        partners: TextPairs,
        temperature: float,
        batch_size: int,
        seed: int,
    ) -> None:
        self._encoder, self._token_ids, self._pairs = encoder, token_ids, pairs
        self._temperature, self._batch_size, self._seed = temperature, batch_size, seed
        self.n_batches = len(_blocks(pairs.anchors, batch_size))
        rng = np.random.default_rng([seed])
        anchors = np.concatenate([rng.permutation(held_out) for _ in range(N_VALIDATION_PAIRS)])
        self._validation = [Pairs(block, partners.draw(block, rng)) for block in _blocks(anchors, batch_size)]

    def parameters(self) -> list[torch.Tensor]:
        """Return what is learned."""
        return self._encoder.parameters()

    def batches(self, epoch: int) -> Iterator[Pairs]:
        """Return the batches of an epoch, drawn from the seed and its number."""
        rng = np.random.default_rng([self._seed, epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        self._encoder.network.train()
        for anchors in _blocks(rng.permutation(self._pairs.anchors), self._batch_size):
            yield Pairs(anchors, self._pairs.draw(anchors, rng))

    def loss(self, batch: Pairs) -> torch.Tensor:
        """Return the loss of a batch."""
        texts, places = np.unique(np.concatenate(batch), return_inverse=True)
        vectors = self._encoder.embed([self._token_ids[text] for text in texts])  # each text once
        anchors, partners = torch.from_numpy(places).to(vectors.device).chunk(2)
        return multiple_negatives_loss(
            vectors.index_select(0, anchors),
            vectors.index_select(0, partners),
            self._temperature,
            torch.from_numpy(self._are_no_negatives(batch)).to(vectors.device),
        )

    def validate(self) -> float | None:
        """Return the negative mean loss on the pairs of the held-out texts."""
        if not self._validation:
            return None
        self._encoder.network.eval()
        with torch.no_grad():
            losses = [float(self.loss(pairs)) for pairs in self._validation]
        return -float(np.average(losses, weights=[len(pairs.anchors) for pairs in self._validation]))

    def _are_no_negatives(self, pairs: Pairs) -> np.ndarray:
        """Return for each anchor and each partner whether they could be a pair, or are the same text."""
        anchors, partners = pairs.anchors[:, None], pairs.partners[:, None]
        same = (anchors == pairs.partners) | (anchors == pairs.anchors) | (partners == pairs.partners)
        return same | self._pairs.are_alike(pairs.anchors, pairs.partners)


def _blocks(anchors: np.ndarray, size: int) -> list[np.ndarray]:
    """Return the anchors in blocks of about one size: a small one at the end would have few negatives."""
    n_blocks = max(1, round(len(anchors) / size))
    return [block for block in np.array_split(anchors, n_blocks) if len(block)]
