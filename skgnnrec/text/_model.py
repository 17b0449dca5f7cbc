"""Loading a tokenizer and its network: from a folder, the local cache or the Hugging Face Hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from threading import RLock, Thread
from typing import Any

import torch
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    get_session,
    validate_repo_id,
)
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from skgnnrec.text._layout import Layout, folder_state, read_json, read_layout
from skgnnrec.text._network import bears, is_causal, prepare_for_cpu, read_dense, read_static

# One model to embed the catalog and one to compare it with; more would only hold memory.
_N_KEPT_MODELS = 2
# Read by models that state no limit of their own (relative positions and a tokenizer without a maximum).
_FALLBACK_MAX_LENGTH = 512
# With the import of the libraries before it and the error after it, this keeps a failure under two seconds.
_HUB_TIMEOUT_S = 1.2

_loading = RLock()


@dataclass(frozen=True, eq=False)
class TextModel:
    """A tokenizer and its network, ready to compute on one device.

    Attributes
    ----------
    tokenizer : transformers tokenizer
        Turns texts into token numbers.
    network : torch.nn.Module
        Turns token numbers into one vector a token.
    device : torch.device
        Where the network computes.
    embedding_dim : int
        Length of the vectors.
    pad_id : int
        Token number that fills up shorter texts of a batch.
    max_length : int
        Tokens of a text that the model is meant to read.
    position_limit : int or None
        Tokens of a text that the network can read at most.
    layout : Layout
        The settings that come with the model.
    pooling : str
        How it pools: as the settings say, else the last token of a decoder and the mean of others.
    head : torch.nn.Module or None
        Layers from the pooled vector to the model's.
    dropped_id : int or None
        Token number that is left out of every text.
    computing : RLock
        Held while texts are embedded. Tokenizers are not safe in threads, and torch fills the cores already.
    """

    tokenizer: Any
    network: Any
    device: torch.device
    embedding_dim: int
    pad_id: int
    max_length: int
    position_limit: int | None
    layout: Layout = field(default_factory=Layout)
    pooling: str = "mean"
    head: Any = None
    dropped_id: int | None = None
    computing: Any = field(default_factory=RLock)


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
    """Load a model, or take it from the few that this process keeps.

    Parameters
    ----------
    model : str or path-like
        A folder, or a name on the Hugging Face Hub.
    revision : str or None
        A branch, tag or commit of the hub's repository.
    trust_remote_code : bool
        Whether code that comes with the model may run.
    device : torch.device
        Where to compute.
    dtype : torch.dtype
        Floating-point type of the weights.
    packed : bool, default=False
        Whether to lay out the weights for fast inference, after which they cannot be trained.
    checked : bool, default=False
        Whether to take float32 for a model that does not bear `dtype`.

    Returns
    -------
    text_model : TextModel
        The model in evaluation mode.

    Raises
    ------
    OSError
        If the model is absent, cannot be downloaded or has no safetensors weights.
    ValueError
        If its weights do not cover the network, or it has a step that is not supported.
    """
    source = os.fspath(model)
    with _loading:
        # A model saved anew into its folder is loaded anew.
        state = folder_state(source) if os.path.isdir(source) else None
        return _load_once(source, revision, trust_remote_code, device, dtype, packed, checked, state)


@lru_cache(maxsize=_N_KEPT_MODELS)
@torch.inference_mode(mode=False)  # what is kept may be trained later, wherever it was asked for first
def _load_once(
    source: str,
    revision: str | None,
    trust_remote_code: bool,
    device: torch.device,
    dtype: torch.dtype,
    packed: bool,
    checked: bool,
    state: tuple[tuple[str, int, int], ...] | None,
) -> TextModel:
    options: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "packed": packed,
        "checked": checked,
    }
    if state is not None:
        return _read_model(source, device, dtype, local_files_only=True, **options)
    _check_hub_name(source)
    if _settings_are_unknown(source, revision) and not constants.HF_HUB_OFFLINE and _hub_answers():
        return _read_model(source, device, dtype, local_files_only=False, **options)
    try:
        # What is cached is read without asking the hub: no waiting, and the same weights as last time.
        return _read_model(source, device, dtype, local_files_only=True, **options)
    except OSError:
        _check_hub_answers(source)
    return _read_model(source, device, dtype, local_files_only=False, **options)


def _check_hub_name(source: str) -> None:
    try:
        validate_repo_id(source)
    except HFValidationError:
        raise OSError(f"model must be an existing folder or a name on the Hugging Face Hub, got {source!r}.") from None


def _settings_are_unknown(source: str, revision: str | None) -> bool:
    """Tell whether the network is here, but not whether settings of sentence-transformers belong to it."""
    cached = (try_to_load_from_cache(source, name, revision=revision) for name in ("config.json", "modules.json"))
    network, settings = cached
    return isinstance(network, str) and settings is None


def _check_hub_answers(source: str) -> None:
    """Fail at once where there is no hub; its own client would retry for half a minute."""
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE forbids a download"
    elif not _hub_answers():
        reason = f"{constants.ENDPOINT} did not answer within {_HUB_TIMEOUT_S} seconds"
    else:
        return
    raise OSError(
        f"model={source!r} is neither a folder nor in the local cache of the Hugging Face Hub, and {reason}. "
        f"Pass the folder of a downloaded model, or run 'hf download {source}' where there is a network."
    )


def _hub_answers() -> bool:
    """Ask the hub for any answer, in a thread because looking up a host name knows no timeout."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(constants.ENDPOINT, timeout=_HUB_TIMEOUT_S))
        except Exception:
            # Whatever went wrong in between, the hub is out of reach.
            return

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_HUB_TIMEOUT_S)
    return bool(answers)


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
    layout = read_layout(read)
    head = read_dense(find, read, layout)
    if layout.is_static:
        network, tokenizer, dropped_id = read_static(find, layout)
        pooling, position_limit = "mean", None
    else:
        options = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": trust_remote_code}
        # Of a network that was stored with few digits, more of them say nothing.
        checked = checked and dtype is not torch.float32 and _stored_dtype(read, layout) == "float32"
        with _quiet_transformers(local_files_only):
            network = _read_network(source, torch.float32 if checked else dtype, subfolder=layout.path, **options)
            tokenizer = _read_tokenizer(source, subfolder=layout.path, **options)
        position_limit, dropped_id = getattr(network.config, "max_position_embeddings", None), None
        pooling = layout.pooling or ("last" if is_causal(network, network.device) else "mean")
        if checked and bears(network, tokenizer, dtype, pooling, position_limit):
            network = network.to(dtype)
        if packed and device.type == "cpu":
            prepare_for_cpu(network, position_limit)
    # Tokenizers without a maximum say 1e30.
    limits = [layout.max_length, tokenizer.model_max_length, position_limit]
    known_limits = [limit for limit in limits if limit is not None and limit < 1e9]
    network, head = network.to(device), head if head is None else head.to(device)
    return TextModel(
        tokenizer=tokenizer,
        network=network,
        device=device,
        embedding_dim=_measure_embedding_dim(network, head, device),
        # Decoders often have none, and the mask hides it anyway.
        pad_id=tokenizer.pad_token_id or 0,
        max_length=int(min(known_limits, default=_FALLBACK_MAX_LENGTH)),
        position_limit=position_limit,
        layout=layout,
        pooling=pooling,
        head=head,
        dropped_id=dropped_id,
    )


def _stored_dtype(read: Callable[[str], Any], layout: Layout) -> str:
    config = read(f"{layout.path}/config.json" if layout.path else "config.json") or {}
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _find_file(source: str, name: str, *, revision: str | None, local_files_only: bool) -> Path:
    if os.path.isdir(source):
        path = Path(source) / name
        if not path.is_file():
            raise FileNotFoundError(f"model={source!r} must have the file {name!r}.")
        return path
    return Path(hf_hub_download(source, name, revision=revision, local_files_only=local_files_only))


def _read_settings(find: Callable[[str], Path], name: str) -> Any:
    try:
        return read_json(find(name))
    except (FileNotFoundError, EntryNotFoundError):
        return None


@contextmanager
def _quiet_transformers(local_files_only: bool) -> Iterator[None]:
    """Silence the bar and the report of every load; downloads keep their bars, gaps in weights are errors."""
    verbosity = transformers_logging.get_verbosity()
    hide_bar = local_files_only and transformers_logging.is_progress_bar_enabled()
    hub_bars_hidden = are_progress_bars_disabled()
    transformers_logging.set_verbosity_error()
    if hide_bar:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if hide_bar:
            transformers_logging.enable_progress_bar()
        if hub_bars_hidden:
            disable_progress_bars()


def _read_tokenizer(source: str, **options: Any) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except ValueError as error:
        raise OSError(f"The tokenizer of model={source!r} cannot be read: {error}") from error
    # Without its files, transformers makes a tokenizer that knows no word and gives every text one vector.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise OSError(f"model={source!r} must come with the files of its tokenizer, its vocabulary is empty.")
    return tokenizer


def _read_network(source: str, dtype: torch.dtype, **options: Any) -> Any:
    # Heads that the file lacks are drawn at random; the user's random numbers must not move with that.
    with torch.random.fork_rng(devices=[]):
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


def _measure_embedding_dim(network: Any, head: Any, device: torch.device) -> int:
    """Embed one token: configurations name the length of the vectors differently, outputs do not."""
    with torch.inference_mode():
        token = torch.zeros((1, 1), dtype=torch.int64, device=device)
        vector = network(input_ids=token, attention_mask=token + 1).last_hidden_state[0].float()
        return int((vector if head is None else head(vector)).shape[-1])
