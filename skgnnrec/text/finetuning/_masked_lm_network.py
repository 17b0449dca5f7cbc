"""A masked language model on top of an encoder in training."""

from __future__ import annotations

import os
from typing import Any

import torch
from transformers import AutoModelForMaskedLM

from skgnnrec.encoding import quiet_transformers
from skgnnrec.text.finetuning._encoder import TrainableEncoder

__all__ = ["MaskedLM"]


class MaskedLM:
    """An encoder under the head of a masked language model, which predicts hidden tokens.

    Where the files of the model hold no such head, as those of sentence-transformers, it starts at random; its output
    is tied to the embeddings of the tokens.
    """

    def __init__(self, encoder: TrainableEncoder, reader: Any, seed: int) -> None:
        source = os.fspath(reader.model)
        if encoder.tokenizer.mask_token is None:
            raise ValueError(f"The tokenizer of model={source!r} must have a mask token, which replaces hidden tokens.")
        with torch.random.fork_rng(devices=[]), quiet_transformers(True):
            torch.manual_seed(seed)
            self.model, report = _read_masked_lm(source, reader, encoder.subfolder)
            prefix = self.model.base_model_prefix
            setattr(self.model, prefix, encoder.network)
            self.model.tie_weights()
        self.model.to(encoder.device)
        self.head_is_new = any(not key.startswith(f"{prefix}.") for key in report["missing_keys"])
        inside = {id(parameter) for parameter in encoder.network.parameters()}
        self.head = [parameter for parameter in self.model.parameters() if id(parameter) not in inside]
        self._encoder = encoder
        # Only hidden tokens reach the head: its product with the vocabulary costs as much as a small network.
        encoder.network.register_forward_hook(self._select_hidden)
        self._places: torch.Tensor | None = None

    def loss(self, batch: Any) -> tuple[torch.Tensor, int]:
        """Return the sum of -log p of the hidden tokens of a batch, and their number."""
        labels = batch["labels"].to(self._encoder.device)
        self._places = labels != -100
        inputs = {name: batch[name].to(self._encoder.device) for name in ("input_ids", "attention_mask")}
        try:
            with self._encoder.computing():
                logits = self.model(**inputs).logits  # (1, n_hidden, n_tokens)
        finally:
            hidden, self._places = labels[self._places], None
        return torch.nn.functional.cross_entropy(logits[0].float(), hidden, reduction="sum"), len(hidden)

    def _select_hidden(self, network: Any, inputs: Any, output: Any) -> Any:
        if self._places is not None:
            output.last_hidden_state = output.last_hidden_state[self._places][None]
        return output


def _read_masked_lm(source: str, reader: Any, subfolder: str) -> Any:
    try:
        return AutoModelForMaskedLM.from_pretrained(
            source,
            revision=reader.revision,
            trust_remote_code=reader.trust_remote_code,
            dtype=torch.float32,
            use_safetensors=True,
            subfolder=subfolder,
            local_files_only=True,  # the encoder has been read before
            adapter_kwargs={"local_files_only": True},
            output_loading_info=True,
        )
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        raise ValueError(f"model={source!r} must have a masked language model in transformers, it has none.") from error
