"""Which types a file may hold: those of this package, scikit-learn, NumPy and SciPy, and what the user trusts."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skgnnrec.persistence._arrays import StoredArray, StoredMatrix, StoredTimedelta

__all__ = ["names_in", "trusted_names"]

# Where an estimator of scikit-learn keeps objects that are no estimators. A type of SciPy can run text from its state.
SCIKIT_LEARN_MODULES = (
    "sklearn.callback.",
    "sklearn.gaussian_process.kernels.",
    "sklearn.metrics._scorer.",
    "sklearn.model_selection._",
    "sklearn.utils._bunch.",
)
SCIPY_MODULES = ("scipy.interpolate._bsplines.",)
# Functions are only looked up; what is given to them later is not known here.
FUNCTION_MODULES = (
    "skgnnrec.metrics.",
    "sklearn.metrics.",
    "sklearn.feature_selection.",
    "scipy._lib.array_api_compat.",  # in splines
)
# Types whose call has no effect but the new object.
CONSTRUCTORS = {
    *(f"{kind.__module__}.{kind.__name__}" for kind in (StoredArray, StoredMatrix, StoredTimedelta)),
    *("builtins.frozenset", "builtins.range", "decimal.Decimal", "uuid.UUID"),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
}
CALLED = "ConstructorFromReduceNode"  # calls a type; all other loaders set attributes
LOOKED_UP = "FunctionNode"


def names_in(schema: bytes) -> set[tuple[str, str, str]]:
    """Return the module and the name of each type in the description of an object by skops, and how it is made."""
    return {
        (str(node["__module__"]), str(node["__class__"]), str(node.get("__loader__")))
        for node in _nodes(json.loads(schema))
        if "__class__" in node and "__module__" in node
    }


def _nodes(value: Any) -> Iterator[dict]:
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, dict):
            yield found
        stack.extend(found.values() if isinstance(found, dict) else found if isinstance(found, list) else ())


def trusted_names(found: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return the names that are trusted in all their uses; skops refuses the others."""
    found = set(found)
    doubtful = {(module, name) for module, name, loader in found if not _is_trusted(module, name, loader)}
    return sorted({f"{module}.{name}" for module, name, _ in found if (module, name) not in doubtful})


def _is_trusted(module: str, name: str, loader: str) -> bool:
    path = f"{module}.{name}"
    if loader == CALLED or path in CONSTRUCTORS:
        return path in CONSTRUCTORS
    found = _defined(module, name)
    if loader == LOOKED_UP:
        return callable(found) and not isinstance(found, type) and path.startswith(FUNCTION_MODULES)
    if not isinstance(found, type):
        return False
    if _is_compiled(found):
        return found in (np.ndarray, np.dtype) or issubclass(found, np.generic)
    if path.startswith("skgnnrec."):
        return True
    is_estimator = path.startswith("sklearn.") and issubclass(found, BaseEstimator)
    return is_estimator or path.startswith((*SCIKIT_LEARN_MODULES, *SCIPY_MODULES))


def _defined(module: str, name: str) -> Any:
    """Return what a module of these packages defines by a name; None where it does not, or has it from elsewhere."""
    parts = module.split(".")
    if parts[0] not in ("skgnnrec", "sklearn", "numpy", "scipy") or any(
        part in ("tests", "conftest") or part.startswith("__") for part in parts
    ):
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    is_own = getattr(found, "__module__", None) == module and getattr(found, "__qualname__", None) == name
    return found if is_own else None


def _is_compiled(kind: type) -> bool:
    """Return whether compiled code reads the state of the instances of a type, and may trust it."""
    is_static = any(not base.__flags__ & HEAP_TYPE for base in kind.__mro__ if base.__module__ != "builtins")
    return is_static or any("_cython" in name for name in dir(kind))


HEAP_TYPE = 1 << 9  # a flag of CPython: the type comes from a class statement
