"""The network of an embedder in training."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from skgnnrec._device import resolve_dtype
from skgnnrec.text._encode import choose_max_length, count_own_tokens, count_prompt_tokens, make_batches, pool, tokenize
from skgnnrec.text._model import TextModel
from skgnnrec.text.finetuning._learned_weights import LearnedWeights, add_lora

__all__ = ["TrainableEncoder"]

# Tokens that pass through the network at once by default; the activations of all tokens of a step are kept anyway.
_BATCH_TOKENS = 4096


class TrainableEncoder:
    """A copy of a text model whose weights can be trained, in float32; `base` does not change.

    `reader` is the embedder that defines how texts are read and pooled. With `lora_rank`, two matrices of that rank are
    trained beside each linear layer instead of the weights themselves.
    """

    def __init__(self, base: TextModel, reader: Any, lora_rank: int | None, seed: int) -> None:
        if base.layout.is_static:
            raise ValueError(
                f"model={os.fspath(reader.model)!r} must be a network that can be trained, got a static model, a "
                "table of vectors."
            )
        network = copy.deepcopy(base.network)
        n_all = sum(parameter.numel() for _, parameter in _used_parameters(network))
        if lora_rank is not None:
            network = add_lora(network, lora_rank, seed)
        self._model, self._lora_rank = replace(base, network=network), lora_rank
        reading = reader._read_settings(base.layout)
        self._prompt, self._pooling = reading.prompt, reading.pooling or base.pooling
        self._max_length = choose_max_length(base, reader.max_length, self._prompt)
        skips_prompt = self._prompt and not base.layout.includes_prompt
        self._n_skipped = count_prompt_tokens(base, self._prompt) if skips_prompt else 0
        self._batch_tokens = reader.batch_tokens or _BATCH_TOKENS
        self.tokenizer, self.device, self.subfolder = base.tokenizer, base.device, base.layout.path
        self._dtype = resolve_dtype(reader.dtype, base.device)
        self.n_trainable = sum(parameter.numel() for parameter in self.parameters())
        self.trainable_share = self.n_trainable / n_all

    @property
    def network(self) -> Any:
        """Return the network without the wrapper of peft."""
        network = self._model.network
        return network if self._lora_rank is None else network.get_base_model()

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters that are trained."""
        return [parameter for _, parameter in _used_parameters(self._model.network) if parameter.requires_grad]

    def learned(self) -> LearnedWeights:
        """Return the present weights."""
        if self._lora_rank is None:
            state = dict(_used_parameters(self._model.network))
        else:
            from peft import get_peft_model_state_dict

            state = get_peft_model_state_dict(self._model.network)
        arrays = {name: value.detach().float().cpu().numpy().copy() for name, value in state.items()}
        return LearnedWeights(arrays, self._lora_rank)

    def tokenize(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the token numbers of texts as the embedder reads them; none for texts without a token of their own."""
        with self._model.computing:
            token_ids = tokenize(self._model, [self._prompt + text for text in texts], self._max_length)
            lengths = count_own_tokens(self._model, token_ids, self._prompt, self._max_length)
        return [ids[:length] for ids, length in zip(token_ids, lengths, strict=True)]

    def computing(self) -> Any:
        """Return the context to compute in: bfloat16 where the embedder uses it; the weights stay float32."""
        # Training in float16 would need scaled losses; it computes in float32.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._dtype is torch.bfloat16)

    def embed(self, token_ids: Sequence[np.ndarray]) -> torch.Tensor:
        """Return vectors of texts, (n_texts, embedding_dim) float32, not normalised; gradients flow through them."""
        batches = make_batches(np.array([len(ids) for ids in token_ids]), self._batch_tokens)
        parts = [self._embed_batch([token_ids[row] for row in batch]) for batch in batches]
        order = np.argsort(np.concatenate(batches), kind="stable")
        return torch.cat(parts).index_select(0, torch.from_numpy(order).to(self.device))

    def _embed_batch(self, token_ids: Sequence[np.ndarray]) -> torch.Tensor:
        rows = [torch.from_numpy(ids.astype(np.int64)) for ids in token_ids]
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).to(self.device)  # (n_texts, longest)
        padded = pad_sequence(rows, batch_first=True, padding_value=self._model.pad_id).to(self.device)
        with self.computing():
            output = self._model.network(input_ids=padded, attention_mask=mask.to(torch.int64))
        hidden = output.last_hidden_state[:, self._n_skipped :].float()
        pooled = pool(hidden, mask[:, self._n_skipped :], self._pooling)
        return pooled if self._model.head is None else self._model.head(pooled)


def _used_parameters(network: Any) -> list[tuple[str, torch.Tensor]]:
    """Return the parameters that vectors depend on: some networks carry a pooler that nothing reads."""
    return [(name, parameter) for name, parameter in network.named_parameters() if "pooler." not in name]
