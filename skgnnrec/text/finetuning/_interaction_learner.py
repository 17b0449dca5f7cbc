"""The training of `InteractionFineTuner`: batches of pairs of texts, and their loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from skgnnrec.text.finetuning._encoder import TrainableEncoder
from skgnnrec.text.finetuning._pairs import TextPairs
from skgnnrec.training import multiple_negatives_loss

__all__ = ["InteractionLearner"]

N_VALIDATION_PAIRS = 4  # of each held-out text; the score of one pair would be noisy


class Pairs(NamedTuple):
    """The pairs of texts of a batch."""

    anchors: np.ndarray  # (n_pairs,), int64
    partners: np.ndarray  # (n_pairs,), int64


class InteractionLearner:
    """A `Learner` of text vectors in which partners are similar.

    `pairs` has the pairs that are trained on, none of them with a text of `held_out`; `partners` draws the partners of
    the held-out texts. Each epoch draws from a stream of its own.
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
        """Return the parameters that are trained."""
        return self._encoder.parameters()

    def batches(self, epoch: int) -> Iterator[Pairs]:
        """Return the batches of an epoch, which depend on the seed and the number of the epoch."""
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
        """Return the negative mean loss on pairs of the held-out texts, None without such texts."""
        if not self._validation:
            return None
        self._encoder.network.eval()
        with torch.no_grad():
            losses = [float(self.loss(pairs)) for pairs in self._validation]
        return -float(np.average(losses, weights=[len(pairs.anchors) for pairs in self._validation]))

    def _are_no_negatives(self, pairs: Pairs) -> np.ndarray:
        """Return which anchors and partners are the same text or could be a pair, (n_pairs, n_pairs)."""
        anchors, partners = pairs.anchors[:, None], pairs.partners[:, None]
        same = (anchors == pairs.partners) | (anchors == pairs.anchors) | (partners == pairs.partners)
        return same | self._pairs.are_alike(pairs.anchors, pairs.partners)


def _blocks(anchors: np.ndarray, size: int) -> list[np.ndarray]:
    """Return the anchors in blocks of about equal size: a small last block would have few negatives."""
    n_blocks = max(1, round(len(anchors) / size))
    return [block for block in np.array_split(anchors, n_blocks) if len(block)]
