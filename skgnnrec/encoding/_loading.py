"""Errors and silence while models are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["named_errors", "quiet_transformers"]


@contextmanager
def named_errors(source: str, files: str) -> Iterator[None]:
    """Turn the errors that libraries raise for files that do not fit into a ValueError that names the model."""
    try:
        yield
    except (OSError, ImportError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and source in str(error):
            raise
        raise ValueError(
            f"model={source!r} cannot be read: {files} must fit each other, got {type(error).__name__}: {error}"
        ) from error


@contextmanager
def quiet_transformers(local_files_only: bool) -> Iterator[None]:
    """Silence the bar and the report of every load; downloads keep their bars, gaps in weights are errors."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    hide_bar = local_files_only and logging.is_progress_bar_enabled()
    hub_bars_hidden = are_progress_bars_disabled()
    logging.set_verbosity_error()
    if hide_bar:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if hide_bar:
            logging.enable_progress_bar()
        if hub_bars_hidden:
            disable_progress_bars()
