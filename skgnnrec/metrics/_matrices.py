"""Checks of the matrices that metrics take: held-out interactions, histories and item data."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from skgnnrec.interactions import check_indices, check_interactions


def check_held_out(y_true: Any, name: str = "y_true") -> sparse.csr_array[Any]:
    """Return held-out interactions as CSR with verified indices; duplicates and zeros may remain."""
    options = {"accept_sparse": "csr", "input_name": name, "ensure_min_samples": 0, "ensure_min_features": 0}
    return sparse.csr_array(_check(y_true, name, lambda X: check_array(X, **options)))


def check_histories(X: Any, name: str) -> sparse.csr_array[Any]:
    """Return a matrix of non-negative values as canonical CSR of float32."""
    return _check(X, name, lambda numbers: check_interactions(numbers, input_name=name))


def check_vectors(X: Any, name: str) -> Any:
    """Return a matrix of finite values as float64, dense or CSR."""
    return _check(X, name, lambda numbers: check_array(numbers, accept_sparse="csr", dtype=np.float64, input_name=name))


def check_one_row_each(lists: NDArray[np.int64], matrix: Any, name: str) -> None:
    """Refuse lists and a matrix of different numbers of users."""
    if len(lists) != matrix.shape[0]:
        raise ValueError(
            f"recommended and {name} must have one row per user; got {len(lists)} and {matrix.shape[0]} rows."
        )


def _check(X: Any, name: str, check: Any) -> Any:
    """Return a checked matrix; every error names the argument."""
    try:
        numbers = _as_numbers(X, name)
        with np.errstate(all="ignore"):
            return check(numbers)
    except OverflowError as error:
        raise ValueError(f"{name} holds a number too large for dtype('float64').") from error
    except ValueError as error:
        if name in str(error):
            raise
        raise ValueError(f"{name}: {error}") from error


def _as_numbers(X: Any, name: str) -> Any:
    """Return X if it is a sparse matrix or a DataFrame, else as an array of numbers with two dimensions."""
    expected = f"{name} must be a matrix of numbers with two dimensions, dense or sparse"
    if isinstance(X, set | frozenset | Mapping) and not sparse.issparse(X):  # DOK matrices are mappings
        raise ValueError(f"{expected}; got a {type(X).__name__}.")
    if sparse.issparse(X):
        if X.ndim != 2:
            raise ValueError(f"{expected}; got {X.ndim} dimension(s).")
        X = check_indices(X, name)
        # In small integers and booleans the sum of duplicates would wrap.
        return X.astype(np.float64) if X.dtype.kind in "biu" and X.dtype.itemsize < 8 else X
    try:
        array = X if hasattr(X, "iloc") else np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{expected}; got rows of different lengths.") from error
    if array.ndim != 2:
        got = f"{array.ndim} dimension(s)" if array.ndim else f"a {type(X).__name__}"
        raise ValueError(f"{expected}; got {got}.")
    if array is X and hasattr(X, "iloc"):
        return X
    if array.dtype == object and all(value is None or isinstance(value, Real) for value in array.flat):
        return array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{expected}; got values of dtype {array.dtype}.")
    return array
