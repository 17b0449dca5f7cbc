"""The training of `MaskedLMFineTuner`: batches of texts with hidden tokens, and their loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from skgnnrec.text.finetuning._encoder import TrainableEncoder
from skgnnrec.text.finetuning._masked_lm_network import MaskedLM

__all__ = ["MaskedLMLearner"]

SORTED_BATCHES = 16  # batches whose texts are sorted by length together: little padding in a random order


class MaskedLMLearner:
    """A `Learner` of a masked language model, from the token numbers of texts.

    Without held-out texts, or if none of their tokens is hidden, there are no scores. Each epoch draws its order and
    masks from a stream of its own.
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
        # In a few short texts no token may be hidden, and an empty loss of 0 would look perfect.
        self._held_out = hidden if any((batch["labels"] >= 0).any() for batch in hidden) else []

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters that are trained."""
        return [*self._encoder.parameters(), *self._masked_lm.head]

    def batches(self, epoch: int) -> Iterator[Any]:
        """Return the batches of an epoch, which depend on the seed and the number of the epoch."""
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
        """Return the mean loss over the hidden tokens of a batch."""
        total, n_hidden = self._masked_lm.loss(batch)
        return total / max(1, n_hidden)  # a batch of short texts may have no hidden token

    def validate(self) -> float | None:
        """Return the negative mean loss on the held-out texts, None without such texts."""
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
