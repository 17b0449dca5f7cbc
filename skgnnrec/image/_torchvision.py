"""Networks of torchvision, by the files of their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["read_torchvision"]


def read_torchvision(path: Path, device: torch.device, dtype: torch.dtype) -> tuple[Callable, Callable]:
    """Return the preparation of pixels and the network without its last layer, the one that scores the classes."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: of another build than torch
        raise ImportError(f"model={str(path)!r} needs torchvision of the build of torch, got: {error}.") from error
    name = _find_name(models.list_models(module=models), path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = models.get_model(name, weights=None)
    network.load_state_dict(state)
    _remove_last_linear(network, name)
    network = network.eval().to(device, dtype)
    weights = models.get_model_weights(name)
    entry = next((entry for entry in weights if entry.url.endswith(f"/{path.name}")), next(iter(weights)))
    transform = entry.transforms()

    def prepare(pixels: np.ndarray) -> torch.Tensor:
        return transform(torch.from_numpy(np.array(pixels)).permute(2, 0, 1))  # (3, height, width)

    return prepare, lambda images: network(images.to(dtype)).flatten(1)


def _find_name(known: list[str], path: Path) -> str:
    """Return the name of the network in the name of a file such as "resnet18-f37072fd.pth"."""
    found = [name for name in known if path.name.startswith(name)]
    if not found:
        raise ValueError(f"{str(path)!r} must be named as torchvision names it, such as 'resnet18-f37072fd.pth'.")
    return max(found, key=len)


def _remove_last_linear(network: Any, name: str) -> None:
    linears = [key for key, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    if not linears:
        raise ValueError(f"The network {name!r} of torchvision has no last linear layer that could be left out.")
    parent, _, last = linears[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, torch.nn.Identity())
