"""The JSON files of a model, each value checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["ReadSettings", "Settings", "load_settings", "load_tensors"]

# The largest settings are lists of labels or languages; tokenizers are not read here.
_LARGEST_BYTES = 1 << 24
_SHOWN_CHARACTERS = 80


class Settings:
    """The content of a JSON file; a value of a wrong type raises a ValueError that names the file and the key."""

    def __init__(self, name: str, content: Any, *, exists: bool = True) -> None:
        self.name, self.content, self.exists = name, content, exists

    def text(self, key: str) -> str | None:
        """Return a string, None where the key is absent."""
        return self._value(key, "a string", lambda value: isinstance(value, str))

    def flag(self, key: str) -> bool | None:
        """Return True or False, None where the key is absent."""
        return self._value(key, "true or false", lambda value: isinstance(value, bool))

    def count(self, key: str, limit: int | None = None) -> int | None:
        """Return a positive integer, None where the key is absent."""
        expected = "a positive integer" if limit is None else f"an integer from 1 to {limit}"
        return self._value(key, expected, lambda value: _is_count(value) and (limit is None or value <= limit))

    def texts(self, key: str) -> list[str]:
        """Return a list of strings, for a string the list of it alone; empty where the key is absent."""
        value = self._value(
            key,
            "a string or a list of strings",
            lambda value: (
                isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))
            ),
        )
        return [value] if isinstance(value, str) else list(value or ())

    def names(self, key: str) -> dict[str, str]:
        """Return an object of strings, empty where the key is absent."""
        return (
            self._value(
                key,
                "an object of strings",
                lambda value: isinstance(value, dict) and all(isinstance(part, str) for part in value.values()),
            )
            or {}
        )

    def shown(self) -> str:
        """Return the content, shortened, for a message."""
        return _shown(self.content)

    def keys(self) -> list[str]:
        """Return the keys of the file."""
        return list(self._object())

    def parts(self) -> Iterator[Settings]:
        """Yield the elements of a file that holds a list."""
        if not isinstance(self.content, list):
            raise ValueError(f"{self.name} must hold a list, got {_shown(self.content)}.")
        for number, part in enumerate(self.content):
            yield Settings(f"Element {number} of {self.name}", part)

    def required(self, key: str) -> str:
        """Return a string, or raise a ValueError where the key is absent."""
        value = self.text(key)
        if value is None:
            raise ValueError(f"{self.name} must have a string under {key!r}, got nothing.")
        return value

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.content, dict):
            raise ValueError(f"{self.name} must hold an object, got {_shown(self.content)}.")
        return self.content

    def _value(self, key: str, expected: str, is_valid: Callable[[Any], bool]) -> Any:
        value = self._object().get(key)
        if value is not None and not is_valid(value):
            raise ValueError(f"{self.name} must have {expected} under {key!r}, got {_shown(value)}.")
        return value


ReadSettings = Callable[[str], Settings]


def load_settings(path: Path) -> Settings:
    """Return the content of a JSON file, empty settings where there is no such file."""
    if not path.is_file():
        return Settings(f"{str(path)!r}", {}, exists=False)
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError(f"{str(path)!r} must have at most {_LARGEST_BYTES:,} bytes, got {path.stat().st_size:,}.")
    try:
        return Settings(f"{str(path)!r}", json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} must hold JSON, got: {error}.") from error


def load_tensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} must hold tensors in the format of safetensors, got: {error}.") from error


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _shown(value: Any) -> str:
    shown = repr(value) if not isinstance(value, int) or abs(value) < 10**_SHOWN_CHARACTERS else "a huge number"
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."
