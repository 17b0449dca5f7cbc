"""Loading a tokenizer and its network: from a folder, the local cache or the Hugging Face Hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import RLock, Thread
from typing import Any

import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    get_session,
    validate_repo_id,
)
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

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
    computing: Any = field(default_factory=RLock)


def load_model(
    model: str | os.PathLike[str],
    *,
    revision: str | None,
    trust_remote_code: bool,
    device: torch.device,
    dtype: torch.dtype,
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

    Returns
    -------
    text_model : TextModel
        The model in evaluation mode.

    Raises
    ------
    OSError
        If the model is absent, cannot be downloaded or has no safetensors weights.
    ValueError
        If its weights do not cover the network.
    """
    source = os.fspath(model)
    with _loading:
        return _load_once(source, revision, trust_remote_code, device, dtype, _folder_state(source))


@lru_cache(maxsize=_N_KEPT_MODELS)
def _load_once(
    source: str,
    revision: str | None,
    trust_remote_code: bool,
    device: torch.device,
    dtype: torch.dtype,
    folder_state: tuple[tuple[str, int, int], ...] | None,
) -> TextModel:
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    if folder_state is not None:
        return _read_model(source, device, dtype, local_files_only=True, **options)
    _check_hub_name(source)
    try:
        # What is cached is read without asking the hub: no waiting, and the same weights as last time.
        return _read_model(source, device, dtype, local_files_only=True, **options)
    except OSError:
        _check_hub_answers(source)
    return _read_model(source, device, dtype, local_files_only=False, **options)


def _folder_state(source: str) -> tuple[tuple[str, int, int], ...] | None:
    """Describe the files of a folder, so that a model saved anew into it is loaded anew; None for hub names."""
    if not os.path.isdir(source):
        return None
    files = (entry for entry in os.scandir(source) if entry.is_file())
    return tuple(sorted((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


def _check_hub_name(source: str) -> None:
    try:
        validate_repo_id(source)
    except HFValidationError:
        raise OSError(f"model must be an existing folder or a name on the Hugging Face Hub, got {source!r}.") from None


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


def _read_model(source: str, device: torch.device, dtype: torch.dtype, **options: Any) -> TextModel:
    with _quiet_transformers(options["local_files_only"]):
        network = _read_network(source, dtype, **options).to(device)
        tokenizer = _read_tokenizer(source, **options)
    position_limit = getattr(network.config, "max_position_embeddings", None)
    limits = [_stated_max_length(source, **options), tokenizer.model_max_length, position_limit]
    # Tokenizers without a maximum say 1e30.
    known_limits = [limit for limit in limits if limit is not None and limit < 1e9]
    return TextModel(
        tokenizer=tokenizer,
        network=network,
        device=device,
        embedding_dim=_measure_embedding_dim(network, device),
        # Decoders often have none, and the mask hides it anyway.
        pad_id=tokenizer.pad_token_id or 0,
        max_length=int(min(known_limits, default=_FALLBACK_MAX_LENGTH)),
        position_limit=position_limit,
    )


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
            source, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
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


def _stated_max_length(source: str, *, revision: str | None, local_files_only: bool, **_: Any) -> int | None:
    """Read how many tokens a model in the layout of sentence-transformers was trained to read."""
    name = "sentence_bert_config.json"
    try:
        path = Path(source) / name
        if not os.path.isdir(source):
            path = Path(hf_hub_download(source, name, revision=revision, local_files_only=local_files_only))
        return json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")
    except (FileNotFoundError, EntryNotFoundError):
        return None


def _measure_embedding_dim(network: Any, device: torch.device) -> int:
    """Embed one token: configurations name the length of the vectors differently, outputs do not."""
    with torch.inference_mode():
        token = torch.zeros((1, 1), dtype=torch.int64, device=device)
        return int(network(input_ids=token, attention_mask=token + 1).last_hidden_state.shape[-1])
