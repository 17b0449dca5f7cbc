"""Networks of text models for those who train them.

A door of its own beside the package's: importing it imports torch and transformers.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForMaskedLM

from skgnnrec._device import resolve_dtype
from skgnnrec.text._encode import choose_max_length, count_prompt_tokens, make_batches, pool, tokenize
from skgnnrec.text._model import TextModel, _quiet_transformers
from skgnnrec.text._network import bears, prepare_for_cpu

__all__ = ["LearnedWeights", "MaskedLM", "TrainableEncoder", "save_model"]

# LoRA's matrices are added times this: the ratio of lora_alpha to the rank, as it is commonly set.
_LORA_SCALE = 2
# Tokens that pass through the network at once where the embedder leaves it open. All of a step's are in memory anyway.
_BATCH_TOKENS = 4096
# What sentence-transformers calls the kinds of pooling.
_POOLING_NAMES = {
    "mean": "mean_tokens",
    "cls": "cls_token",
    "max": "max_tokens",
    "last": "lasttoken",
    "weighted_mean": "weightedmean_tokens",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
}

_building = RLock()


@dataclass(frozen=True, eq=False)
class LearnedWeights:
    """What training changed of a network: arrays only, so that it can be pickled, copied and hashed.

    Attributes
    ----------
    arrays : dict of str to ndarray of float32
        The weights by their names: all that were trained, or those of LoRA.
    lora_rank : int or None
        The rank of LoRA's matrices, None where the network's own weights were trained.
    """

    arrays: dict[str, np.ndarray]
    lora_rank: int | None

    def put_into(self, base: TextModel, dtype: str, *, packed: bool = False) -> TextModel:
        """Return a model with the learned weights; built once for as long as these weights live.

        Parameters
        ----------
        base : TextModel
            The model that training started from, in float32; it stays as it is.
        dtype : {"auto", "float32", "bfloat16", "float16"}
            Floating-point type of the result.
        packed : bool, default=False
            Whether to lay out the weights for fast inference, after which they cannot be trained.

        Returns
        -------
        model : TextModel
            The model in evaluation mode.
        """
        with _building:
            of_these = _built.setdefault(self, {})
            if of_these.get((dtype, packed), (None,))[0] is not base:
                of_these[dtype, packed] = base, self._build(base, dtype, packed)
            return of_these[dtype, packed][1]

    def save_lora(self, base: TextModel, folder: Path) -> None:
        """Write LoRA's matrices and their configuration, in the format of peft."""
        self._with_lora(base).save_pretrained(folder)

    def _build(self, base: TextModel, dtype: str, packed: bool) -> TextModel:
        if self.lora_rank is None:
            network = copy.deepcopy(base.network)
            network.load_state_dict({name: torch.tensor(a) for name, a in self.arrays.items()}, strict=False)
        else:
            network = self._with_lora(base).merge_and_unload()
        resolved = resolve_dtype(dtype, base.device)
        if dtype == "auto" and not bears(network.eval(), base.tokenizer, resolved, base.pooling, base.position_limit):
            resolved = torch.float32
        network = network.to(base.device, resolved).eval()
        if packed and base.device.type == "cpu":
            prepare_for_cpu(network, base.position_limit)
        return replace(base, network=network, computing=RLock())

    def _with_lora(self, base: TextModel) -> Any:
        from peft import set_peft_model_state_dict

        assert self.lora_rank is not None
        network = _add_lora(copy.deepcopy(base.network), self.lora_rank, 0)
        set_peft_model_state_dict(network, {name: torch.tensor(a) for name, a in self.arrays.items()})
        return network


_built: WeakKeyDictionary[LearnedWeights, dict[tuple[str, bool], tuple[TextModel, TextModel]]] = WeakKeyDictionary()


class TrainableEncoder:
    """A copy of a text model whose weights are learned further, in float32.

    Parameters
    ----------
    base : TextModel
        The model to start from, in float32; it stays as it is.
    reader : TextEmbedder
        Says how texts are read and pooled, and in which floating-point type to compute.
    lora_rank : int or None
        None trains all weights; a number trains two matrices of that rank beside each linear layer.
    seed : int
        Seeds LoRA's matrices.

    Raises
    ------
    ValueError
        If the model is static: it has no layers.
    """

    def __init__(self, base: TextModel, reader: Any, lora_rank: int | None, seed: int) -> None:
        if base.layout.is_static:
            raise ValueError(f"model={os.fspath(reader.model)!r} is static, a table of vectors: nothing to train.")
        network = copy.deepcopy(base.network)
        n_all = sum(parameter.numel() for _, parameter in _used_parameters(network))
        if lora_rank is not None:
            network = _add_lora(network, lora_rank, seed)
        self._model, self._lora_rank = replace(base, network=network), lora_rank
        reading = reader._read_settings(base.layout)
        self._prompt, self._pooling = reading.prompt, reading.pooling or base.pooling
        self._max_length = choose_max_length(base, reader.max_length)
        skips_prompt = reading.prompt and not base.layout.includes_prompt
        self._n_skipped = count_prompt_tokens(base, reading.prompt, self._max_length) if skips_prompt else 0
        self._batch_tokens = reader.batch_tokens or _BATCH_TOKENS
        self.tokenizer, self.device, self.subfolder = base.tokenizer, base.device, base.layout.path
        self._dtype = resolve_dtype(reader.dtype, base.device)
        self.n_trainable = sum(parameter.numel() for parameter in self.parameters())
        self.trainable_share = self.n_trainable / n_all

    @property
    def network(self) -> Any:
        """Return the network itself, without the wrapper around LoRA's."""
        network = self._model.network
        return network if self._lora_rank is None else network.get_base_model()

    def parameters(self) -> list[torch.Tensor]:
        """Return what is learned."""
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
        """Return the token numbers of texts, read as the embedder reads them, prompt included."""
        with self._model.computing:
            return tokenize(self._model, [self._prompt + text for text in texts], self._max_length)

    def computing(self) -> Any:
        """Return the context to compute in: bfloat16 where the processor has it, the weights staying float32."""
        # float16 would need its losses scaled to be trained in; it computes in float32.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._dtype is torch.bfloat16)

    def embed(self, token_ids: Sequence[np.ndarray]) -> torch.Tensor:
        """Return the vectors of texts, through which gradients flow.

        Parameters
        ----------
        token_ids : sequence of ndarray of int32
            Token numbers of each text.

        Returns
        -------
        vectors : Tensor of float32, shape (n_texts, embedding_dim)
            One vector a text, not normalised.
        """
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


class MaskedLM:
    """An encoder under the head of a masked language model, which guesses hidden tokens.

    Where the model's files hold no such head, as those of sentence-transformers do not, it starts at random, its
    output tied to the embeddings of the tokens.

    Parameters
    ----------
    encoder : TrainableEncoder
        The encoder.
    reader : TextEmbedder
        Names the model whose files may hold the head.
    seed : int
        Seeds a head that starts at random.

    Raises
    ------
    ValueError
        If the model has no form as a masked language model.
    """

    def __init__(self, encoder: TrainableEncoder, reader: Any, seed: int) -> None:
        source = os.fspath(reader.model)
        if encoder.tokenizer.mask_token is None:
            raise ValueError(f"The tokenizer of model={source!r} must have a mask token to hide others behind.")
        with torch.random.fork_rng(devices=[]), _quiet_transformers(True):
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
        # Only hidden places reach the head: the vocabulary is as much work as the rest of a small network.
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


def save_model(model: TextModel, reader: Any, folder: Path) -> None:
    """Write a model in the layout of sentence-transformers: the network, and how vectors are made of its output.

    Parameters
    ----------
    model : TextModel
        The model.
    reader : TextEmbedder
        Says how texts are pooled and whether vectors are normalised.
    folder : Path
        An existing folder.
    """
    reading = reader._read_settings(model.layout)
    with _quiet_transformers(True):
        model.network.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
    dense = [] if model.head is None else list(zip(model.head[::2], model.head[1::2], strict=True))
    steps = ["Transformer", "Pooling", *(["Dense"] * len(dense)), *(["Normalize"] if reading.normalize else [])]
    paths = ["", *(f"{place}_{step}" for place, step in enumerate(steps) if place)]
    for path in paths[1:]:
        (folder / path).mkdir(exist_ok=True)
    pooling = reading.pooling or model.pooling
    prompts = {"prompts": {"default": reading.prompt}, "default_prompt_name": "default"} if reading.prompt else {}
    contents: dict[str, Any] = {
        "modules.json": [
            {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{step}"}
            for place, (step, path) in enumerate(zip(steps, paths, strict=True))
        ],
        "sentence_bert_config.json": {"max_seq_length": reader.max_length or model.max_length, "do_lower_case": False},
        "config_sentence_transformers.json": prompts,
        f"{paths[1]}/config.json": {
            "word_embedding_dimension": model.network.config.hidden_size,
            "include_prompt": model.layout.includes_prompt,
            **{f"pooling_mode_{name}": kind == pooling for kind, name in _POOLING_NAMES.items()},
        },
    }
    for path, (linear, activation) in zip(paths[2:], dense, strict=False):
        contents[f"{path}/config.json"] = _save_dense(linear, activation, folder / path)
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _save_dense(linear: torch.nn.Linear, activation: torch.nn.Module, folder: Path) -> dict[str, Any]:
    """Write the weights of a layer that follows pooling, and return its settings."""
    weights = {f"linear.{name}": value.contiguous() for name, value in linear.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    return {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"{type(activation).__module__}.{type(activation).__name__}",
    }


def _used_parameters(network: Any) -> list[tuple[str, torch.Tensor]]:
    """Return the parameters that vectors depend on: some networks carry a pooler that nothing reads."""
    return [(name, parameter) for name, parameter in network.named_parameters() if "pooler." not in name]


def _add_lora(network: Any, rank: int, seed: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError('lora_rank needs the package peft: pip install "skgnnrec[lora]".') from error
    config = LoraConfig(
        r=rank, lora_alpha=_LORA_SCALE * rank, target_modules="all-linear", exclude_modules=r".*pooler.*"
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.simplefilter("ignore", FutureWarning)  # of a name in transformers that peft still asks for
        return get_peft_model(network, config)


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
        raise ValueError(f"model={source!r} has no form as a masked language model in transformers.") from error
