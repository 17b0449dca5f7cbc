"""Models of embedders in the files of estimators: packed by fingerprint, unpacked into a folder of that name."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from skgnnrec.exceptions import LoadError
from skgnnrec.image import ImageEmbedder
from skgnnrec.persistence._arrays import objects_in
from skgnnrec.persistence._container import Container, write_part
from skgnnrec.text import TextEmbedder

__all__ = ["REMOTE_CODE", "describe_models", "place_models", "refer_to_models", "refuse_remote_code", "write_models"]

REMOTE_CODE = "trust_remote_code"  # among the trusted names: the code that comes with a model
MARK = "in this file: "  # before the fingerprint, in the place of the name of a model
PREFIX = "models/"
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*){0,2}")
LARGEST_NUMBER = 200  # of files of a model

Models = dict[str, dict[str, Path]]  # the files of each model by name, by its fingerprint


def _embedders_in(value: Any) -> list[TextEmbedder | ImageEmbedder]:
    return [found for found in objects_in(value) if isinstance(found, TextEmbedder | ImageEmbedder)]


def refer_to_models(stripped: Any) -> Models:
    """Return the models of the embedders in an object that is to be saved, which then name them by fingerprint."""
    models: Models = {}
    for embedder in _embedders_in(stripped):
        fingerprint, files = embedder._files_of_model()
        for name in files:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(
                    f"model={os.fspath(embedder.model)!r} has the file {name!r}, which cannot be included."
                )
        models[fingerprint] = files
        embedder.model = MARK + fingerprint
        if isinstance(embedder, TextEmbedder):
            embedder.revision = None
    return models


def describe_models(estimator: Any, models: Models) -> list[dict[str, Any]]:
    """Return names and fingerprints of the models of an estimator, for the description of its file."""
    described = {}
    for embedder in _embedders_in(estimator):
        source = os.fspath(embedder.model)
        fingerprint = embedder._fingerprint()
        described[source] = {
            "model": source,
            "revision": getattr(embedder, "revision", None),
            "fingerprint": fingerprint,
            "included": fingerprint in models,
        }
    return list(described.values())


def write_models(archive: ZipFile, models: Models) -> None:
    """Write the files of models into an archive."""
    for fingerprint, files in models.items():
        for name, path in files.items():
            with write_part(archive, f"{PREFIX}{fingerprint}/{name}") as part, path.open("rb") as file:
                shutil.copyfileobj(file, part, 1 << 20)


def refuse_remote_code(path: str, estimator: Any) -> None:
    """Raise LoadError if a text embedder of a file would run the code that comes with its model."""
    if any(getattr(embedder, REMOTE_CODE, False) for embedder in _embedders_in(estimator)):
        raise LoadError(
            f"{path!r} contains a text embedder with trust_remote_code=True, which runs code of its model. "
            f"load(path, trusted=[{REMOTE_CODE!r}]) allows it."
        )


def place_models(path: str, estimator: Any, container: Container, models_dir: str | os.PathLike[str] | None) -> None:
    """Unpack the models of a file, and let its embedders read them where they are."""
    folders: dict[str, str] = {}
    for embedder in _embedders_in(estimator):
        source = embedder.model
        if isinstance(source, str) and source.startswith(MARK):
            if source not in folders:
                folders[source] = _unpack(path, source.removeprefix(MARK), container, _folder_of_models(models_dir))
            embedder.model = folders[source]


def _folder_of_models(given: str | os.PathLike[str] | None) -> Path:
    if given is not None:
        return Path(os.fsdecode(given))
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "skgnnrec" / "models"


def _unpack(path: str, fingerprint: str, container: Container, parent: Path) -> str:
    """Return the folder of a model, after unpacking it where it is absent."""
    prefix = f"{PREFIX}{fingerprint}/"
    names = [name.removeprefix(prefix) for name in container.names() if name.startswith(prefix)]
    is_bounded = len(names) <= LARGEST_NUMBER and all(FILE_NAME.fullmatch(name) for name in names)
    if not re.fullmatch(r"[0-9a-f]{64}", fingerprint) or not is_bounded:
        raise LoadError(f"{path!r} contains a model whose files have names that are not allowed.")
    digests = {name: hashlib.sha256(container.view(prefix + name)).hexdigest() for name in names}
    if _fingerprint_of(digests) != fingerprint:
        raise LoadError(f"{path!r} contains a model that does not have its fingerprint.")
    folder = parent / fingerprint
    if not folder.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        part = parent / f".{fingerprint[:16]}-{secrets.token_hex(8)}"
        try:
            for name in names:
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(container.view(prefix + name))
            _rename(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    found = {name: _digest(folder / name) for name in names}
    if found != digests:
        raise LoadError(f"The folder {str(folder)!r} of an unpacked model was changed: delete it, and load again.")
    return str(folder)


def _rename(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was faster
            raise


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "absent"


def _fingerprint_of(digests: dict[str, str]) -> str:
    """Return the digest that an embedder gives files with these digests."""
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
