"""Image models of transformers, in folders; those with a tower of texts embed texts, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from skgnnrec.encoding import quiet_transformers

__all__ = ["read_transformers"]

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model")


def read_transformers(
    folder: str, device: torch.device, dtype: torch.dtype
) -> tuple[Callable, Callable, Callable[[Sequence[str]], torch.Tensor] | None]:
    """Return the preparation of pixels, the network, and the tower of texts if there is one."""
    from transformers import AutoImageProcessor, AutoModel

    # Parts that the file lacks are drawn at random; the user's random numbers must not move with that.
    with torch.random.fork_rng(devices=[]), quiet_transformers(True):
        # By Pillow: with torchvision, which may or may not be installed, vectors would differ a little.
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
        network, report = AutoModel.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    missing = sorted(report["missing_keys"])
    gaps = [key for key in missing if "pooler" not in key]
    if gaps:
        raise ValueError(
            f"The weights of model={folder!r} must cover its network, {len(gaps)} are missing, such as {gaps[0]!r}."
        )
    network = network.eval().to(device)

    def prepare(pixels: np.ndarray) -> torch.Tensor:
        return processor(images=[pixels], return_tensors="pt", input_data_format="channels_last")["pixel_values"][0]

    def embed(images: torch.Tensor) -> torch.Tensor:
        return _vectors_of(network, images.to(dtype), has_pooler=not missing)

    return prepare, embed, _read_text_tower(folder, network, device)


def _vectors_of(network: Any, images: torch.Tensor, *, has_pooler: bool) -> torch.Tensor:
    """Return the vectors of images: those of a common space, else pooled ones, the first token, or the mean."""
    if hasattr(network, "get_image_features"):
        return _pooled(network.get_image_features(pixel_values=images))
    output = network(pixel_values=images)
    pooled = getattr(output, "pooler_output", None)
    if pooled is not None and has_pooler:
        return pooled.flatten(1)
    hidden = output.last_hidden_state
    # Maps, (n_images, channels, height, width), or tokens, (n_images, n_tokens, dim).
    return hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden[:, 0]


def _pooled(features: Any) -> torch.Tensor:
    """Return the vectors in the output of a tower; releases of transformers differ in its type."""
    return features if isinstance(features, torch.Tensor) else features.pooler_output


def _read_text_tower(folder: str, network: Any, device: torch.device) -> Callable[[Sequence[str]], torch.Tensor] | None:
    has_tokenizer = any(os.path.isfile(os.path.join(folder, name)) for name in _TOKENIZER_FILES)
    if not has_tokenizer or not hasattr(network, "get_text_features"):
        return None
    from transformers import AutoTokenizer

    with quiet_transformers(True):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    length = network.config.text_config.max_position_embeddings

    def read_texts(texts: Sequence[str]) -> torch.Tensor:
        # Filled up to one length, as in the training of these models.
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        names = ("input_ids", "attention_mask")
        return _pooled(network.get_text_features(**{key: tokens[key].to(device) for key in names if key in tokens}))

    return read_texts
