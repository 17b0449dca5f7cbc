"""What the files of a model say about it, read without loading it: pooling, prompts, and a fingerprint.

The layout is that of sentence-transformers: ``modules.json`` lists the steps from a text to its vector, each with a
folder of settings. A folder without it is a plain network of transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["POOLINGS", "Layout", "Reading", "describe_model", "folder_state", "read_json", "read_layout"]

POOLINGS = ("mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len")
# What sentence-transformers calls them, in the order of its older settings.
_POOLING_NAMES = {
    "cls": "cls",
    "cls_token": "cls",
    "max": "max",
    "max_tokens": "max",
    "mean": "mean",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "weightedmean_tokens": "weighted_mean",
    "lasttoken": "last",
}
# Prompts that a model may do without.
_KNOWN_PROMPTS = {"query": "", "document": ""}
# Models of static vectors state a limit or read everything.
_STATIC_MAX_LENGTH = 1 << 15
# Files that vectors depend on; what else lies in a folder (pictures, other formats of the weights) does not count.
_FINGERPRINTED = {".json", ".safetensors", ".txt", ".model", ".py"}


@dataclass(frozen=True)
class Layout:
    """How a model makes a vector out of a text.

    Attributes
    ----------
    path : str
        Folder of the network, "" for the model's own.
    is_static : bool
        Whether the network is a table of vectors, one a token.
    pooling : str or None
        One of `POOLINGS`, None where nothing is stated, or the name of another one.
    includes_prompt : bool
        Whether the prompt's tokens are pooled.
    normalize : bool or None
        Whether vectors have length 1; None where nothing is stated.
    dense : tuple of str
        Folders of the layers that follow pooling.
    prompts : mapping of str to str
        Prompts by name.
    default_prompt : str
        The prompt of a text that names none.
    max_length : int or None
        Tokens of a text that the model was trained to read.
    lower_case : bool
        Whether texts are put into lower case.
    """

    path: str = ""
    is_static: bool = False
    pooling: str | None = None
    includes_prompt: bool = True
    normalize: bool | None = None
    dense: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    max_length: int | None = None
    lower_case: bool = False

    def prompt(self, name: str) -> str:
        """Return the prompt of a name, "" where a model has none for queries or documents."""
        prompts = {**_KNOWN_PROMPTS, **self.prompts}
        if name not in prompts:
            raise ValueError(f"prompt_name must be one of the model's {sorted(prompts)}, got {name!r}.")
        return prompts[name]


class Reading(NamedTuple):
    """What the settings of an embedder come to for a model."""

    prompt: str
    pooling: str | None  # None where the network decides
    normalize: bool


def read_layout(read: Callable[[str], Any]) -> Layout:
    """Read the settings of a model.

    Parameters
    ----------
    read : callable
        Returns what a JSON file of the model holds, None where there is no such file.

    Returns
    -------
    layout : Layout
        The settings.

    Raises
    ------
    ValueError
        If a step is none that can be taken here.
    """
    steps = read("modules.json")
    if steps is None:
        return _plain_layout(read)
    found: dict[str, Any] = {"normalize": False, "path": None}
    for step in steps:
        # Names of modules moved between releases, those of classes did not.
        kind = step["type"].rpartition(".")[2]
        path = step["path"].strip("./")
        if kind in ("Transformer", "StaticEmbedding") and found["path"] is None:
            found.update(_network_settings(read, path, kind == "StaticEmbedding"))
        elif kind == "Pooling":
            found.update(_pooling_settings(read(f"{path}/config.json") or {}))
        elif kind == "Dense":
            found["dense"] = (*found.get("dense", ()), path)
        elif kind == "Normalize":
            found["normalize"] = True
        elif kind != "Dropout":
            raise ValueError(f"The model has a step that is not supported, {step['type']!r}.")
    if found["path"] is None:
        raise ValueError("The model must have a network, its modules.json lists none.")
    stated = read("config_sentence_transformers.json") or {}
    prompts = stated.get("prompts") or {}
    default = prompts.get(stated.get("default_prompt_name"), "")
    return Layout(**found, prompts=prompts, default_prompt=default)


def _plain_layout(read: Callable[[str], Any]) -> Layout:
    config = read("config.json") or {}
    if config.get("model_type") == "model2vec" or "StaticModel" in (config.get("architectures") or ()):
        return Layout(**_network_settings(read, "", True), normalize=bool(config.get("normalize")))
    return Layout(**_network_settings(read, "", False))


def _network_settings(read: Callable[[str], Any], path: str, is_static: bool) -> dict[str, Any]:
    prefix = f"{path}/" if path else ""
    if is_static:
        stated = (read(f"{prefix}config.json") or {}).get("max_length") or _STATIC_MAX_LENGTH
        return {"path": path, "is_static": True, "pooling": "mean", "max_length": stated}
    stated = read(f"{prefix}sentence_bert_config.json") or {}
    return {
        "path": path,
        "max_length": stated.get("max_seq_length"),
        "lower_case": bool(stated.get("do_lower_case")),
    }


def _pooling_settings(stated: Mapping[str, Any]) -> dict[str, Any]:
    modes = stated.get("pooling_mode") or [
        name.removeprefix("pooling_mode_")
        for name, on in stated.items()
        if name.startswith("pooling_mode_") and on is True
    ]
    modes = [modes] if isinstance(modes, str) else list(modes) or ["mean"]
    name = "+".join(_POOLING_NAMES.get(mode, mode) for mode in modes)
    return {"pooling": name, "includes_prompt": stated.get("include_prompt", True)}


def describe_model(source: str, revision: str | None, *, strict: bool = True) -> tuple[Layout, str] | None:
    """Describe a model whose files are here.

    Parameters
    ----------
    source : str
        A folder, or a name on the Hugging Face Hub.
    revision : str or None
        A branch, tag or commit on the hub.
    strict : bool, default=True
        Whether a model of the hub of which only the network is here, so that it may have settings, counts as absent.

    Returns
    -------
    described : tuple of Layout and str, or None
        The settings, and a fingerprint of all files that vectors depend on. None where the model is not here.
    """
    folder = source if os.path.isdir(source) else _find_snapshot(source, revision, strict)
    if folder is None:
        return None
    return _describe_folder(folder, folder_state(folder))


def folder_state(folder: str) -> tuple[tuple[str, int, int], ...]:
    """Return names, times and sizes of a folder's files, which change when a model is saved anew into it."""
    files = [Path(entry.path) for entry in os.scandir(folder) if entry.is_file()]
    files += [Path(entry.path) for inner in os.scandir(folder) if inner.is_dir() for entry in _files_in(inner.path)]
    states = ((path, path.stat()) for path in files)
    return tuple(sorted((os.path.relpath(path, folder), state.st_mtime_ns, state.st_size) for path, state in states))


def _files_in(folder: str) -> list[os.DirEntry[str]]:
    return [entry for entry in os.scandir(folder) if entry.is_file()]


@lru_cache(maxsize=8)
def _describe_folder(folder: str, state: tuple[tuple[str, int, int], ...]) -> tuple[Layout, str]:
    layout = read_layout(lambda name: read_json(Path(folder) / name))
    folders = {"", layout.path, *layout.dense}
    digest = hashlib.sha256()
    for name, _, _ in state:
        path = Path(folder) / name
        # Settings count wherever they lie, weights of other formats in folders of their own do not.
        if path.suffix in _FINGERPRINTED and (path.suffix == ".json" or str(Path(name).parent).strip(".") in folders):
            with path.open("rb") as file:
                digest.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return layout, digest.hexdigest()


def read_json(path: Path) -> Any:
    """Read a file of settings.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    settings : object or None
        What it holds; None where there is no such file.

    Raises
    ------
    OSError
        If it is no JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OSError(f"The settings of the model cannot be read, {str(path)!r}: {error}.") from error


def _find_snapshot(source: str, revision: str | None, strict: bool) -> str | None:
    """Find the folder where the hub's client keeps the model."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        settings, network = (
            try_to_load_from_cache(source, name, revision=revision) for name in ("modules.json", "config.json")
        )
    except HFValidationError:
        return None
    # None: not known to be there or not.
    if strict and settings is None:
        return None
    known = [path for path in (settings, network) if isinstance(path, str)]
    return str(Path(known[0]).parent) if known else None
