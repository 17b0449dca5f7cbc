"""Folders of models that sentence-transformers and `TextEmbedder` read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from skgnnrec.encoding import file_states, quiet_transformers
from skgnnrec.text._description import write_checksums
from skgnnrec.text._model import TextModel
from skgnnrec.text.finetuning._learned_weights import LearnedWeights

__all__ = ["save_lora", "save_model"]

# The names of poolings in sentence-transformers.
_POOLING_NAMES = {
    "mean": "mean_tokens",
    "cls": "cls_token",
    "max": "max_tokens",
    "last": "lasttoken",
    "weighted_mean": "weightedmean_tokens",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
}


def save_model(model: TextModel, reader: Any, folder: Path) -> None:
    """Write a model into an existing folder, in the layout of sentence-transformers, with checksums.

    `reader` is the embedder that defines how texts are pooled and whether vectors are normalised.
    """
    before = file_states(folder)
    reading = reader._read_settings(model.layout)
    with quiet_transformers(True):
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
        "sentence_bert_config.json": {
            "max_seq_length": reader.max_length or model.max_length,
            "do_lower_case": model.layout.lower_case,
        },
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
    write_checksums(folder, [name for name, state in file_states(folder).items() if before.get(name) != state])


def save_lora(weights: LearnedWeights, base: TextModel, folder: Path) -> None:
    """Write LoRA's matrices and their configuration into an existing folder, in the format of peft, with checksums."""
    weights.with_lora(base).save_pretrained(folder)
    write_checksums(folder, [name for name in file_states(folder) if name.startswith("adapter_")])


def _save_dense(linear: torch.nn.Linear, activation: torch.nn.Module, folder: Path) -> dict[str, Any]:
    """Write the weights of a layer after pooling, and return its settings."""
    weights = {f"linear.{name}": value.contiguous() for name, value in linear.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    return {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"{type(activation).__module__}.{type(activation).__name__}",
    }
