"""What is known of a model without loading it: its settings, and a fingerprint of its files."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from skgnnrec.encoding import FileState, digest_of, file_states, is_settled, joined_digest
from skgnnrec.text._layout import Layout, read_layout
from skgnnrec.text._settings import load_settings

__all__ = ["CHECKSUMS", "Description", "describe_model", "model_files", "write_checksums"]

# The file with the checksums of the files that were saved with it.
CHECKSUMS = "skgnnrec_checksums.json"
# Files that no vector depends on: documents, pictures, and weights in formats that are not read here.
_NOT_READ = {
    *("", ".md", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".lock", ".gz", ".zip"),
    *(".bin", ".onnx", ".h5", ".msgpack", ".ot", ".pt", ".pth", ".ckpt", ".gguf", ".tflite", ".xml", ".pyc"),
}


class Description(NamedTuple):
    """The settings of a model and the digests of its files."""

    layout: Layout
    fingerprint: str  # of all files that vectors depend on
    weights: str  # of the weights alone, which are the same on all machines


def describe_model(source: str, revision: str | None, *, strict: bool = True) -> Description | None:
    """Describe a model, a folder or a name on the Hugging Face Hub; None where its files are not on this machine.

    With `strict`, a model of the hub counts as absent where it is not known whether it has settings.
    """
    folder = source if os.path.isdir(source) else _find_snapshot(source, revision, strict)
    if folder is None:
        return None
    states = file_states(folder)
    describe: Callable[..., Description] = _describe_folder if is_settled(states) else _describe_folder.__wrapped__
    return describe(folder, tuple(sorted(states.items())))


def model_files(source: str, revision: str | None, layout: Layout) -> dict[str, Path]:
    """Return the files that vectors of a described model depend on, by their names in its folder."""
    folder = source if os.path.isdir(source) else _find_snapshot(source, revision, strict=False)
    if folder is None:
        raise OSError(f"model={source!r} is not on this machine.")
    return {name: Path(folder) / name for name in _names_read(sorted(file_states(folder)), layout)}


@lru_cache(maxsize=8)
def _describe_folder(folder: str, state: tuple[tuple[str, FileState], ...]) -> Description:
    layout = read_layout(lambda name: load_settings(Path(folder) / name))
    names = [name for name, _ in state]
    if "adapter_config.json" in names and posixpath.join(layout.path, "config.json") not in names:
        raise ValueError(
            f"model={folder!r} has LoRA's matrices without their model: save(folder, merge=True) writes a whole model."
        )
    digests = {name: _digest(folder, name) for name in _names_read(names, layout)}
    _check_digests(folder, digests)
    weights = {name: digest for name, digest in digests.items() if name.endswith(".safetensors")}
    return Description(layout, joined_digest(digests), joined_digest(weights))


def _names_read(names: list[str], layout: Layout) -> list[str]:
    folders = {"", layout.path, *layout.dense}
    # Settings count in any folder, weights only in those that are read.
    names = [name for name in names if name.endswith(".json") or posixpath.dirname(name) in folders]
    return [name for name in names if posixpath.splitext(name)[1] not in _NOT_READ and name != CHECKSUMS]


def write_checksums(folder: str | os.PathLike[str], names: list[str]) -> None:
    """Write the checksums of files into their folder; they are compared whenever a model is read from it."""
    content = {"sha256": {name: _digest(os.fspath(folder), name) for name in sorted(names)}}
    (Path(folder) / CHECKSUMS).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _check_digests(folder: str, digests: Mapping[str, str]) -> None:
    """Raise ValueError if a file is not the one whose checksum was written."""
    stated = load_settings(Path(folder) / CHECKSUMS)
    checksums = stated.names("sha256")
    if stated.exists and not checksums:
        raise ValueError(f"{stated.name} must have the checksums of files under 'sha256', got none.")
    for name, checksum in checksums.items():
        digest = digests.get(name)
        if digest != checksum:
            raise ValueError(
                f"{str(Path(folder) / name)!r} must have the SHA-256 {checksum}, got {digest or 'no such file'}: it is "
                f"damaged. If you changed it on purpose, delete {stated.name}."
            )


def _digest(folder: str, name: str) -> str:
    return digest_of(Path(folder) / name)


def _find_snapshot(source: str, revision: str | None, strict: bool) -> str | None:
    """Return the folder in which the client of the hub keeps a model."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        settings, network = (
            try_to_load_from_cache(source, name, revision=revision) for name in ("modules.json", "config.json")
        )
    except HFValidationError:
        return None
    # The client answers None where it does not know whether the repository has the file.
    if strict and settings is None:
        return None
    known = [path for path in (settings, network) if isinstance(path, str)]
    return str(Path(known[0]).parent) if known else None
