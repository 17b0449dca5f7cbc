"""Loading a tokenizer and its network: from a folder, the local cache or the Hugging Face Hub."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
from transformers import AutoModel, AutoTokenizer

from skgnnrec._device import ForkSafeLock, torch_settings
from skgnnrec.encoding import named_errors, quiet_transformers
from skgnnrec.text._description import Description, describe_model
from skgnnrec.text._hub import check_hub_answers, check_hub_name, hub_answers, settings_are_unknown, without_telemetry
from skgnnrec.text._layout import Layout, read_layout
from skgnnrec.text._network import read_dense, read_static
from skgnnrec.text._packing import prepare_for_cpu
from skgnnrec.text._probing import find_position_limit, is_causal, measure_embedding_dim, tolerates
from skgnnrec.text._settings import Settings, load_settings

__all__ = ["TextModel", "load_model"]

# One model to embed the catalog and one to compare it with; more would only hold memory.
_N_KEPT_MODELS = 2
# Read by models that state no limit of their own (relative positions and a tokenizer without a maximum).
_FALLBACK_MAX_LENGTH = 512
# Tokenizers without a maximum state 1e30.
_NO_LIMIT = 10**9
# Sizes of a network, which have to be positive integers of this range.
_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size")
_LARGEST_SIZE = 1 << 31


@dataclass(frozen=True, eq=False)
class TextModel:
    """A tokenizer and its network, ready to compute on one device."""

    tokenizer: Any
    network: Any  # token numbers to one vector a token
    device: torch.device
    embedding_dim: int
    pad_id: int  # the token that fills up the shorter texts of a batch
    max_length: int  # tokens of a text that the model is meant to read
    position_limit: int | None  # tokens of a text that the network can read at most
    layout: Layout = field(default_factory=Layout)
    pooling: str = "mean"  # the pooling of the settings, else the last token of decoders and the mean of others
    head: Any = None  # the layers from the pooled vector to that of the model
    dropped_id: int | None = None  # the token that is left out of every text
    description: Description | None = None  # of the files that were read, None where they are not known
    # Held while texts are embedded: tokenizers are not safe in threads, and torch uses all cores already.
    computing: ForkSafeLock = field(default_factory=ForkSafeLock)


def load_model(
    model: str | os.PathLike[str],
    *,
    revision: str | None,
    trust_remote_code: bool,
    device: torch.device,
    dtype: torch.dtype,
    packed: bool = False,
    checked: bool = False,
) -> TextModel:
    """Return a model in evaluation mode, one of the few that this process keeps or a newly loaded one.

    With `packed`, weights are laid out for fast inference and cannot be trained; with `checked`, float32 takes the
    place of a `dtype` that would change the vectors. An absent model raises OSError, files that do not fit ValueError.
    """
    source = os.fspath(model)
    key = (source, revision, trust_remote_code, device, dtype, packed, checked)
    with _loading, torch_settings():
        before = describe_model(source, revision, strict=False)
        kept = _kept.get(key)
        if kept is None or kept.description != before:
            options = {"packed": packed, "checked": checked, "trust_remote_code": trust_remote_code}
            kept = _load(source, before, device, dtype, revision=revision, **options)
        _kept[key] = kept
        _kept.move_to_end(key)
        while len(_kept) > _N_KEPT_MODELS:
            _kept.popitem(last=False)
        return kept


_loading = ForkSafeLock()
_kept: OrderedDict[tuple[Any, ...], TextModel] = OrderedDict()


def _load(
    source: str, before: Description | None, device: torch.device, dtype: torch.dtype, **options: Any
) -> TextModel:
    """Load a model and describe the files that were read."""
    revision = options["revision"]
    is_folder = os.path.isdir(source)
    read = partial(_read_model, source, device, dtype, **options)
    loaded = read(local_files_only=True) if is_folder else _load_from_hub(source, revision, read)
    after = describe_model(source, revision, strict=False)
    if is_folder and after != before:
        raise OSError(f"model={source!r} was changed while it was read; load it again.")
    return replace(loaded, description=after)


def _load_from_hub(source: str, revision: str | None, read: partial[TextModel]) -> TextModel:
    check_hub_name(source)
    if settings_are_unknown(source, revision) and hub_answers():
        return read(local_files_only=False)
    try:
        # What is cached is read without asking the hub: no waiting, and the same weights as last time.
        with without_telemetry():
            return read(local_files_only=True)
    except OSError:
        check_hub_answers(source)
    return read(local_files_only=False)


def _read_model(
    source: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    packed: bool,
    checked: bool,
    revision: str | None,
    local_files_only: bool,
    trust_remote_code: bool,
) -> TextModel:
    find = partial(_find_file, source, revision=revision, local_files_only=local_files_only)
    read = partial(_read_settings, find)
    with named_errors(source, "its settings, tokenizer and weights"):
        layout = read_layout(read)
        head = read_dense(find, read, layout)
        if layout.is_static:
            network, tokenizer, dropped_id = read_static(find, layout)
            pooling, position_limit = "mean", None
        else:
            folder = f"{layout.path}/" if layout.path else ""
            stored_as = _check_config(read(f"{folder}config.json"))
            # More digits than a network was stored with say nothing.
            checked = checked and dtype is not torch.float32 and stored_as == "float32"
            options = {"revision": revision, "local_files_only": local_files_only, "subfolder": layout.path}
            options["trust_remote_code"] = trust_remote_code
            with quiet_transformers(local_files_only):
                network = _read_network(source, torch.float32 if checked else dtype, **options)
                tokenizer = _read_tokenizer(source, **options)
            position_limit, dropped_id = find_position_limit(network), None
            pooling = layout.pooling or ("last" if is_causal(network, network.device) else "mean")
            if checked and tolerates(network, tokenizer, dtype, pooling, position_limit):
                network = network.to(dtype)
            if packed and device.type == "cpu":
                prepare_for_cpu(network, position_limit)
        max_length = _shortest_limit(layout.max_length, tokenizer.model_max_length, position_limit)
        network, head = network.to(device), head if head is None else head.to(device)
        embedding_dim = measure_embedding_dim(network, head, device)
    return TextModel(
        tokenizer=tokenizer,
        network=network,
        device=device,
        embedding_dim=embedding_dim,
        # Decoders often have none, and the mask hides it anyway.
        pad_id=tokenizer.pad_token_id or 0,
        max_length=max_length,
        position_limit=position_limit,
        layout=layout,
        pooling=pooling,
        head=head,
        dropped_id=dropped_id,
    )


def _check_config(config: Settings) -> str:
    """Raise ValueError for values that no network can have, and return the floating-point type of the weights."""
    config.text("model_type")
    for name in _SIZES:
        config.count(name, _LARGEST_SIZE)
    return config.text("dtype") or config.text("torch_dtype") or "float32"


def _shortest_limit(stated: int | None, of_tokenizer: Any, of_positions: int | None) -> int:
    if isinstance(of_tokenizer, bool) or not isinstance(of_tokenizer, int | float) or not of_tokenizer >= 1:
        raise ValueError(
            f"tokenizer_config.json must have a positive number under 'model_max_length', got {of_tokenizer!r}."
        )
    limits = [limit for limit in (stated, of_tokenizer, of_positions) if limit is not None and limit < _NO_LIMIT]
    return int(min(limits, default=_FALLBACK_MAX_LENGTH))


def _find_file(source: str, name: str, *, revision: str | None, local_files_only: bool) -> Path:
    if os.path.isdir(source):
        path = Path(source) / name
        if not path.is_file():
            raise FileNotFoundError(f"model={source!r} must have the file {name!r}.")
        return path
    return Path(hf_hub_download(source, name, revision=revision, local_files_only=local_files_only))


def _read_settings(find: partial[Path], name: str) -> Settings:
    try:
        return load_settings(find(name))
    except (FileNotFoundError, EntryNotFoundError):
        return Settings(repr(name), {}, exists=False)


def _read_tokenizer(source: str, **options: Any) -> Any:
    with named_errors(source, "the files of its tokenizer, such as tokenizer_config.json,"):
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        # Without its files, transformers makes a tokenizer without words, and every text would have the same vector.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise OSError(f"model={source!r} must come with the files of its tokenizer, its vocabulary is empty.")
    return tokenizer


def _read_network(source: str, dtype: torch.dtype, **options: Any) -> Any:
    # Heads that the file lacks are drawn at random; the user's random numbers must not move with that.
    with torch.random.fork_rng(devices=[]), named_errors(source, "config.json and the weights"):
        network, report = AutoModel.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            # Where peft is installed, transformers asks the hub for adapters, whatever the options say.
            adapter_kwargs={"local_files_only": options["local_files_only"]},
            **options,
        )
    gaps = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if gaps:
        raise ValueError(
            f"The weights of model={source!r} must cover its network, {len(gaps)} are missing, such as {gaps[0]!r}."
        )
    if getattr(network.config, "is_encoder_decoder", False):
        network = network.get_encoder()
    # Decoders would keep keys and values for a text that is never continued.
    network.config.use_cache = False
    return network.eval()
