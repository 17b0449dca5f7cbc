"""Folders of results, of which a repeated call computes what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import joblib

from skgnnrec._files import replaced_file
from skgnnrec.distributed._shards import is_path

__all__ = ["check_folder", "fingerprints", "open_output", "remove_remains"]

MANIFEST = "call.json"


def check_folder(out: Any) -> Path:
    """Return the path of a folder, which may be new."""
    if not is_path(out):
        raise ValueError(f"out must be the path of a folder, got {out!r:.100}.")
    folder = Path(os.path.abspath(out))
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out must be the path of a folder; {str(folder)!r} is a file.")
    return folder


def open_output(folder: Path, **call: Any) -> Path:
    """Return the folder of the results of a call, created if necessary; what another call has written is refused."""
    content = {name: _digest(value) for name, value in call.items()}
    manifest = folder / MANIFEST
    if manifest.exists():
        before = json.loads(manifest.read_text(encoding="utf-8"))
        other = [name for name in content if before.get(name) != content[name]]
        if other:
            raise ValueError(
                f"out={str(folder)!r} has the results of a call with other arguments ({', '.join(other)}): pass a new "
                "folder, or remove this one."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"out must be a new or empty folder, or one of an interrupted call; got {str(folder)!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    remove_remains(folder)
    if not manifest.exists():
        with replaced_file(str(manifest)) as file:
            file.write(json.dumps(content).encode())
    return folder


def _digest(value: Any) -> str:
    try:
        return joblib.hash(value)
    except pickle.PicklingError:  # of functions and classes that have no module
        from ray import cloudpickle

        return hashlib.sha1(cloudpickle.dumps(value), usedforsecurity=False).hexdigest()


def remove_remains(folder: Path) -> None:
    """Remove the incomplete files of workers that were killed."""
    for path in folder.glob(".skgnnrec-*.part"):
        path.unlink(missing_ok=True)


def fingerprints(files: list[str]) -> list[tuple[str, int, int]]:
    """Return the path, the size and the time of change of files."""
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]
