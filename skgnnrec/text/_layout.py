"""The settings of a model: pooling, prompts and limits.

The layout is that of sentence-transformers: ``modules.json`` lists the steps from a text to its vector, each with a
folder of settings. A folder without it is a plain network of transformers.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from skgnnrec.text._settings import ReadSettings, Settings

__all__ = ["POOLINGS", "Layout", "Reading", "read_layout"]

POOLINGS = ("mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len")
# The names of sentence-transformers, those of its older settings first.
_POOLING_NAMES = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean_tokens": "weighted_mean",
    "lasttoken": "last",
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "weightedmean": "weighted_mean",
}
# Prompts that can be asked for although a model does not have them.
_KNOWN_PROMPTS = {"query": "", "document": ""}
# Static models without a limit of their own read this many tokens.
_STATIC_MAX_LENGTH = 1 << 15


@dataclass(frozen=True)
class Layout:
    """How a model turns a text into a vector."""

    path: str = ""  # the folder of the network inside the folder of the model
    is_static: bool = False  # the network is a table of vectors, one for each token
    pooling: str | None = None  # one of POOLINGS or the name of another one, None where the model states none
    includes_prompt: bool = True  # whether the tokens of the prompt are pooled
    normalize: bool | None = None  # whether vectors have length 1, None where the model does not say
    dense: tuple[str, ...] = ()  # the folders of the layers after pooling
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    max_length: int | None = None  # tokens of a text that the model was trained to read
    lower_case: bool = False

    def prompt(self, name: str) -> str:
        """Return the prompt of a name; "query" and "document" are "" where the model has no such prompt."""
        prompts = {**_KNOWN_PROMPTS, **self.prompts}
        if name not in prompts:
            raise ValueError(f"prompt_name must be one of the model's {sorted(prompts)}, got {name!r}.")
        return prompts[name]


class Reading(NamedTuple):
    """The settings of an embedder, with those of the model where the embedder leaves them open."""

    prompt: str
    pooling: str | None  # None where the network decides
    normalize: bool


def read_layout(read: ReadSettings) -> Layout:
    """Return the layout of a model; `read` returns the settings in one of its files."""
    modules = read("modules.json")
    if not modules.exists:
        return _plain_layout(read)
    found: dict[str, Any] = {"normalize": False, "path": None}
    for step in modules.parts():
        # The modules of sentence-transformers were moved between its releases, the classes kept their names.
        kind = step.required("type").rpartition(".")[2]
        path = _inside(step)
        if kind in ("Transformer", "StaticEmbedding") and found["path"] is None:
            found.update(_network_settings(read, path, kind == "StaticEmbedding"))
        elif kind == "Pooling":
            found.update(_pooling_settings(read(f"{path}/config.json")))
        elif kind == "Dense":
            found["dense"] = (*found.get("dense", ()), path)
        elif kind == "Normalize":
            found["normalize"] = True
        elif kind != "Dropout":
            raise ValueError(f"{step.name} has a type that is not supported, {step.required('type')!r}.")
    if found["path"] is None:
        raise ValueError(f"{modules.name} must list a network (Transformer or StaticEmbedding), got none.")
    stated = read("config_sentence_transformers.json")
    prompts = stated.names("prompts")
    default = prompts.get(stated.text("default_prompt_name") or "", "")
    return Layout(**found, prompts=prompts, default_prompt=default)


def _inside(step: Settings) -> str:
    """Return the folder of a step, which must lie in that of the model."""
    path = posixpath.normpath(step.required("path"))
    if path.startswith(("/", "..")) or "\\" in path or "\0" in path:
        raise ValueError(f"{step.name} must have a folder inside the model under 'path', got {path!r}.")
    return "" if path == "." else path


def _plain_layout(read: ReadSettings) -> Layout:
    config = read("config.json")
    if config.text("model_type") == "model2vec" or "StaticModel" in config.texts("architectures"):
        return Layout(**_network_settings(read, "", True), normalize=bool(config.flag("normalize")))
    return Layout(**_network_settings(read, "", False))


def _network_settings(read: ReadSettings, path: str, is_static: bool) -> dict[str, Any]:
    prefix = f"{path}/" if path else ""
    if is_static:
        stated = read(f"{prefix}config.json").count("max_length") or _STATIC_MAX_LENGTH
        return {"path": path, "is_static": True, "pooling": "mean", "max_length": stated}
    settings = read(f"{prefix}sentence_bert_config.json")
    return {
        "path": path,
        "max_length": settings.count("max_seq_length"),
        "lower_case": bool(settings.flag("do_lower_case")),
    }


def _pooling_settings(stated: Settings) -> dict[str, Any]:
    modes = stated.texts("pooling_mode") or [
        key.removeprefix("pooling_mode_")
        for key in stated.keys()  # noqa: SIM118  these are settings, not a dict
        if key.startswith("pooling_mode_") and stated.flag(key)
    ]
    name = "+".join(_POOLING_NAMES.get(mode, mode) for mode in modes or ["mean"])
    return {"pooling": name, "includes_prompt": stated.flag("include_prompt") is not False}
