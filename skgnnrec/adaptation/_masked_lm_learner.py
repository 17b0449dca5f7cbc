"""What `MaskedLMAdapter` minimises: batches of texts with hidden tokens, and the loss of guessing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from skgnnrec.text.networks import MaskedLM, TrainableEncoder

__all__ = ["MaskedLMLearner"]

SORTED_BATCHES = 16  # batches whose texts are sorted by length together: little padding, and the order stays random


class MaskedLMLearner:
    """A `Learner` that guesses hidden tokens.

    Parameters
    ----------
    encoder : TrainableEncoder
        The encoder.
    masked_lm : MaskedLM
        The encoder under its head.
    train, held_out : sequence of ndarray of int32
        Token numbers of the texts; with none held out, or no token of them hidden, there are no scores.
    mask_probability : float
        The share of tokens to be guessed.
    batch_size : int
        Texts in a batch.
    seed : int
        Seeds the order and the masks; each epoch draws from its own stream.
    """

    def __init__(
        self,
        encoder: TrainableEncoder,
        masked_lm: MaskedLM,
        train: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        *,
        mask_probability: float,
        batch_size: int,
        seed: int,
    ) -> None:
        self._encoder, self._masked_lm, self._train = encoder, masked_lm, train
        self._batch_size, self._seed = batch_size, seed
        self._collate = DataCollatorForLanguageModeling(encoder.tokenizer, mlm_probability=mask_probability)
        self.n_batches = -(-len(train) // batch_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # the same tokens are hidden after every epoch
            blocks = _blocks_by_length(held_out, np.arange(len(held_out)), batch_size)
            hidden = [self._hide([held_out[row] for row in block]) for block in blocks]
        # Of a few short texts no token may be hidden, and a loss of nothing would look perfect.
        self._held_out = hidden if any((batch["labels"] >= 0).any() for batch in hidden) else []

    def parameters(self) -> list[torch.Tensor]:
        """Return what is learned."""
        return [*self._encoder.parameters(), *self._masked_lm.head]

    def batches(self, epoch: int) -> Iterator[Any]:
        """Return the batches of an epoch, drawn from the seed and its number."""
        rng = np.random.default_rng([self._seed, epoch])
        torch.manual_seed(int(rng.integers(2**62)))
        self._masked_lm.model.train()
        order = rng.permutation(len(self._train))
        reach = SORTED_BATCHES * self._batch_size
        for start in range(0, len(order), reach):
            blocks = _blocks_by_length(self._train, order[start : start + reach], self._batch_size)
            for place in rng.permutation(len(blocks)):
                yield self._hide([self._train[row] for row in blocks[place]])

    def loss(self, batch: Any) -> torch.Tensor:
        """Return the mean loss of a batch."""
        total, n_hidden = self._masked_lm.loss(batch)
        return total / max(1, n_hidden)  # short texts may go without a hidden token

    def validate(self) -> float | None:
        """Return the negative mean loss on what is held out."""
        if not self._held_out:
            return None
        self._masked_lm.model.eval()
        with torch.no_grad():
            parts = [self._masked_lm.loss(batch) for batch in self._held_out]
        return -float(sum(total for total, _ in parts)) / sum(n_hidden for _, n_hidden in parts)

    def _hide(self, token_ids: Sequence[np.ndarray]) -> Any:
        return self._collate([{"input_ids": ids.tolist(), "attention_mask": [1] * len(ids)} for ids in token_ids])


def _blocks_by_length(token_ids: Sequence[np.ndarray], rows: np.ndarray, size: int) -> list[np.ndarray]:
    by_length = rows[np.argsort([len(token_ids[row]) for row in rows], kind="stable")]
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
