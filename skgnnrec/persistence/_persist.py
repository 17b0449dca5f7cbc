"""Files of estimators: what skops writes of them, their arrays, and on request their text models."""

from __future__ import annotations

import io
import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import validate_parameter_constraints

from skgnnrec._files import replaced_file
from skgnnrec.catalog import ItemCatalog
from skgnnrec.exceptions import LoadError
from skgnnrec.interactions import naming
from skgnnrec.persistence._arrays import read_array, reading_arrays, without_arrays
from skgnnrec.persistence._container import FORMAT, Container, new_archive, opened, write_part
from skgnnrec.persistence._models import (
    REMOTE_CODE,
    describe_models,
    place_models,
    refer_to_models,
    refuse_remote_code,
    write_models,
)
from skgnnrec.persistence._skops import import_skops, start_import_of_skops
from skgnnrec.persistence._trust import names_in, trusted_names

__all__ = ["load", "save"]

ABOUT, ESTIMATOR = "skgnnrec.json", "estimator.skops"
PACKAGES = ("skgnnrec", "numpy", "scipy", "scikit-learn", "skops", "transformers", "tokenizers")


def save(estimator: Any, path: str | os.PathLike[str], *, include_models: bool = False) -> None:
    """Write an estimator to a file, without pickle.

    The file replaces an older one at once, when it is complete and on the disk: whenever the process is killed, there
    is either the old file or the new one.

    Parameters
    ----------
    estimator : estimator or ItemCatalog
        A recommender, a transformer of texts, or an estimator of scikit-learn that holds them, such as a pipeline or
        a search; fitted or not.
    path : str or path-like
        The file. Its folder must exist.
    include_models : bool, default=False
        Whether the file contains the language models of text embedders, so that it can be used without a network.
        With False it has their names and their fingerprints, and a model is read again when it is used.

    Raises
    ------
    TypeError
        If the estimator holds an object that cannot be saved, such as a lambda.
    OSError
        If the file cannot be written, or a model that is to be included is not on this machine.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    The file is a zip archive without compression. It contains what skops [1]_ writes of the estimator, each array as a
    file of NumPy, a description in ``skgnnrec.json`` with the versions of the packages, and a checksum of the whole. A
    process that is killed while it saves may leave a file ``.skgnnrec-….part`` in the folder, which can be deleted.

    References
    ----------
    .. [1] https://skops.readthedocs.io/en/stable/persistence.html

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender, load, save
    >>> rec = RidgeRecommender(n_recommendations=1).fit(np.tri(4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "ridge.skgnnrec")
    ...     save(rec, path)
    ...     loaded = load(path)
    >>> bool((loaded.predict(np.eye(4)) == rec.predict(np.eye(4))).all())
    True
    """
    if not isinstance(estimator, BaseEstimator | ItemCatalog):
        raise TypeError(f"estimator must be an estimator or an ItemCatalog, got {type(estimator).__name__}.")
    validate_parameter_constraints({"include_models": ["boolean"]}, {"include_models": include_models}, "save")
    with naming("path"):
        target = os.fsdecode(path)
    with _named_errors():
        stripped, arrays = without_arrays(estimator)
    models = refer_to_models(stripped) if include_models else {}
    content = _dump(stripped, arrays)
    about = {
        "format": FORMAT,
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "versions": _versions(),
        "models": describe_models(estimator, models),
    }
    with replaced_file(target) as file, new_archive(file) as archive:
        archive.writestr(ABOUT, json.dumps(about, indent=2))
        archive.writestr(ESTIMATOR, content)
        for number, array in enumerate(arrays):
            with write_part(archive, _array_name(number)) as part:
                np.lib.format.write_array(part, np.asarray(array), allow_pickle=False)
        write_models(archive, models)


def load(
    path: str | os.PathLike[str],
    *,
    trusted: Iterable[str | type] = (),
    models_dir: str | os.PathLike[str] | None = None,
) -> Any:
    """Read an estimator from a file of `save`.

    No code of the file is run. Types of this package, scikit-learn, NumPy and SciPy are made; others are refused.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of str or type, default=()
        Further types that the file may contain, such as your own transformers: ``"my_package.MyTransformer"``. The
        error names the types that are missing. ``"trust_remote_code"`` allows text embedders with
        ``trust_remote_code=True``, which run code that comes with their model.
    models_dir : str or path-like, default=None
        The folder in which language models of the file are unpacked, each in a subfolder that has the fingerprint as
        its name. A model that is there already is verified and used. None takes ``skgnnrec/models`` in the folder
        ``XDG_CACHE_HOME``, by default ``~/.cache``.

    Returns
    -------
    estimator : estimator or ItemCatalog
        The estimator, in the state in which it was saved.

    Raises
    ------
    LoadError
        If the file is damaged, truncated, of another kind or of a newer format, or contains types that are not trusted.
    OSError
        If the file cannot be read, or a model cannot be unpacked.

    See Also
    --------
    save : Writes the file.

    Notes
    -----
    A fitted text embedder without its model refuses other weights than those of its fit when it is used.

    Examples
    --------
    >>> import os, tempfile
    >>> from skgnnrec import ItemCatalog, load, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "catalog.skgnnrec")
    ...     save(ItemCatalog(["red mug", "blue mug"], ids=["r", "b"]), path)
    ...     load(path)
    ItemCatalog(n_items=2, ids='r'...'b')
    """
    validate_parameter_constraints({"models_dir": [str, os.PathLike, None]}, {"models_dir": models_dir}, "load")
    with naming("path"):
        name = os.fsdecode(path)
    if isinstance(trusted, str | bytes | type) or not isinstance(trusted, Iterable):
        raise TypeError(f"trusted must be a list of names or types, got {trusted!r}.")
    given = list(trusted)
    if not all(isinstance(kind, str | type) for kind in given):
        raise TypeError(f"trusted must hold names or types, got {', '.join({type(kind).__name__ for kind in given})}.")
    start_import_of_skops()
    with opened(name) as container:
        written = _read_about(name, container)
        estimator = _construct(name, container, [kind for kind in given if kind != REMOTE_CODE], written)
        if REMOTE_CODE not in given:
            refuse_remote_code(name, estimator)
        place_models(name, estimator, container, models_dir)
    return estimator


def _array_name(number: int) -> str:
    return f"arrays/{number}.npy"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn the errors of objects that cannot be copied, written or read, of any package, into a TypeError."""
    try:
        yield
    except MemoryError:
        raise
    except RecursionError as error:
        raise TypeError("The estimator cannot be saved: it holds an object that holds itself.") from error
    except Exception as error:
        raise TypeError(f"The estimator holds an object that cannot be saved: {error}") from error


def _dump(stripped: Any, arrays: list[np.ndarray]) -> bytes:
    """Return what skops writes of an object, after a check that it can be read again."""
    skops_io = import_skops()
    with _named_errors():
        content = skops_io.dumps(stripped)
        with reading_arrays(arrays.__getitem__):
            skops_io.loads(content, trusted=skops_io.get_untrusted_types(data=content))
    return content


def _read_about(path: str, container: Container) -> str:
    """Return the versions that a file was written with, as text."""
    try:
        versions = json.loads(bytes(container.view(ABOUT)))["versions"]
        return ", ".join(f"{name} {number}" for name, number in versions.items())
    except (BadZipFile, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LoadError(f"{path!r} is no file of skgnnrec.save: it has no description.") from error


def _construct(path: str, container: Container, trusted: list[str | type], written: str) -> Any:
    """Return the object of a file, if all its types are trusted."""
    skops_io = import_skops()
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        content = io.BytesIO(container.view(ESTIMATOR))
        with ZipFile(content) as archive:
            inner = Container(memoryview(content.getbuffer()), archive)
            names = trusted_names(names_in(bytes(inner.view("schema.json"))))
        with reading_arrays(lambda number: read_array(container.view(_array_name(number)))):
            return skops_io.load(content, trusted=[*names, *trusted])
    except UntrustedTypesFoundException as error:
        reason = str(error).splitlines()[0].rpartition(": ")[2]
        raise LoadError(
            f"{path!r} contains types that are not trusted: {reason} load(path, trusted=[...]) takes the names of the "
            "types that you trust."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # of a type of another version, or of a crafted file
        raise LoadError(
            f"{path!r} cannot be loaded: {type(error).__name__}: {error}. It was written with {written}; here are "
            f"{', '.join(f'{name} {number}' for name, number in _versions().items())}."
        ) from error
