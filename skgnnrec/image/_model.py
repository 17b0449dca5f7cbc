"""Loading an image model: what prepares pixels, and the network that turns them into vectors."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skgnnrec._device import ForkSafeLock, torch_settings
from skgnnrec.encoding import named_errors
from skgnnrec.image._description import EFFICIENTNET, Description, describe_model
from skgnnrec.image._efficientnet import CROP, SIDE, fused_network, to_pixels
from skgnnrec.image._images import import_pillow
from skgnnrec.image._torchvision import read_torchvision
from skgnnrec.image._transformers import read_transformers

__all__ = ["ImageModel", "load_model"]

# One model to embed the catalog and one to compare it with; more would only hold memory.
_N_KEPT_MODELS = 2
# How far the vectors of an image may differ between two calls.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class ImageModel:
    """A network and the preparation of its input, ready to compute on one device."""

    prepare: Callable[[np.ndarray], torch.Tensor]  # pixels, (height, width, 3) uint8, to the input of one image
    network: Callable[[torch.Tensor], torch.Tensor]  # inputs to vectors, (n_images, embedding_dim)
    read_texts: Callable[[Sequence[str]], torch.Tensor] | None  # the tower of texts, if there is one
    device: torch.device
    embedding_dim: int
    description: Description
    computing: ForkSafeLock = field(default_factory=ForkSafeLock)


def load_model(model: str | os.PathLike[str], *, device: torch.device, dtype: torch.dtype) -> ImageModel:
    """Return a model in evaluation mode, one of the few that this process keeps or a newly loaded one."""
    source = os.fspath(model)
    key = (source, device, dtype)
    with _loading, torch_settings():
        before = describe_model(source)
        kept = _kept.get(key)
        if kept is None or kept.description != before:
            kept = _read(source, before, device, dtype)
            if describe_model(source) != before:
                raise OSError(f"model={source!r} was changed while it was read; load it again.")
        _kept[key] = kept
        _kept.move_to_end(key)
        while len(_kept) > _N_KEPT_MODELS:
            _kept.popitem(last=False)
        return kept


_loading = ForkSafeLock()
_kept: OrderedDict[tuple[Any, ...], ImageModel] = OrderedDict()


def _read(source: str, description: Description, device: torch.device, dtype: torch.dtype) -> ImageModel:
    read_texts = None
    with named_errors(source, "its settings and weights"):
        if description.kind == EFFICIENTNET:
            prepare, network = _read_efficientnet(Path(description.folder) / description.names[0], device, dtype)
        elif description.kind == "torchvision":
            prepare, network = read_torchvision(Path(description.folder) / description.names[0], device, dtype)
        else:
            prepare, network, read_texts = read_transformers(description.folder, device, dtype)
        embedding_dim = _measure_embedding_dim(source, prepare, network, device)
    return ImageModel(prepare, network, read_texts, device, embedding_dim, description)


def _read_efficientnet(path: Path, device: torch.device, dtype: torch.dtype) -> tuple[Callable, Callable]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = fused_network(state).to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image_module = import_pillow()

    def prepare(pixels: np.ndarray) -> torch.Tensor:
        height, width = pixels.shape[:2]
        side = CROP * min(height, width)
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
        square = image_module.fromarray(pixels).resize((SIDE, SIDE), image_module.Resampling.BICUBIC, box=box)
        return torch.from_numpy(np.array(square))  # (SIDE, SIDE, 3)

    def embed(images: torch.Tensor) -> torch.Tensor:
        return network(to_pixels(images).to(dtype, memory_format=torch.channels_last))

    return prepare, embed


def _measure_embedding_dim(source: str, prepare: Callable, network: Callable, device: torch.device) -> int:
    """Return the length of the vectors, after a look at those of two equal images."""
    image = prepare(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    images = torch.stack([image, image]).to(device)
    with torch.inference_mode():
        first, again = (network(images).float() for _ in range(2))
    if first.ndim != 2 or float((first - again).abs().max()) > _TOLERANCE * float(first.abs().max()):
        raise ValueError(
            f"model={source!r} must give one vector an image, the same in each call, got {tuple(first.shape)}: a model "
            "that hides parts of an image at random cannot be used."
        )
    return int(first.shape[1])
