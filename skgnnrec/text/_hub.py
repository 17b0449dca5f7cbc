"""Whether the Hugging Face Hub has a model, and whether it can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import get_session, validate_repo_id

__all__ = ["check_hub_answers", "check_hub_name", "hub_answers", "settings_are_unknown", "without_telemetry"]

# With the import of the libraries before it and the error after it, this keeps a failure under two seconds.
_TIMEOUT_S = 1.2


def check_hub_name(source: str) -> None:
    """Raise OSError if a string cannot be the name of a model on the hub."""
    try:
        validate_repo_id(source)
    except HFValidationError:
        raise OSError(f"model must be an existing folder or a name on the Hugging Face Hub, got {source!r}.") from None


def settings_are_unknown(source: str, revision: str | None) -> bool:
    """Return whether the cache of the hub has the network and does not know whether the model has settings."""
    cached = (try_to_load_from_cache(source, name, revision=revision) for name in ("config.json", "modules.json"))
    network, settings = cached
    return isinstance(network, str) and settings is None


def check_hub_answers(source: str) -> None:
    """Raise OSError at once if the hub cannot be reached; its own client would retry for half a minute."""
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE forbids a download"
    elif not hub_answers():
        reason = f"{constants.ENDPOINT} did not answer within {_TIMEOUT_S} seconds"
    else:
        return
    raise OSError(
        f"model={source!r} is neither a folder nor in the local cache of the Hugging Face Hub, and {reason}. "
        f"Pass the folder of a downloaded model, or run 'hf download {source}' where there is a network."
    )


def hub_answers() -> bool:
    """Return whether the hub gives any answer; False where downloads are forbidden."""
    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(get_session().head(constants.ENDPOINT, timeout=_TIMEOUT_S))
        except Exception:  # whatever went wrong, the hub cannot be reached
            return

    # In a thread, because the look-up of a host name has no timeout.
    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_TIMEOUT_S)
    return bool(answers)


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Read the cache of the hub without a connection: its client looks up telemetry headers even for cached files."""
    before = constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before
