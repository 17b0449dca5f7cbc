"""The gate that every interaction matrix passes, and the check before a large allocation."""

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_non_negative, validate_data

from skgnnrec.exceptions import MemoryLimitError

__all__ = ["available_memory", "check_indices", "check_interactions", "check_memory", "column_ids"]

MAX_ITEMS = np.iinfo(np.int32).max
SMALL = 1 << 20  # bytes that every machine has


def check_interactions(
    X: Any, *, estimator: BaseEstimator | None = None, reset: bool = False, input_name: str = "X"
) -> sparse.csr_array:
    """Return interactions as a canonical float32 CSR array that can be trusted.

    Indices in range and sorted, no duplicates (they are summed), no explicit zeros, finite after the cast to
    float32, non-negative. `X` itself is never modified, the result may share memory with it.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        The interactions.
    estimator : estimator, default=None
        Where given, the number and the names of the columns are recorded in it (`reset=True`) or compared with
        what it recorded.
    reset : bool, default=False
        Whether `estimator` records the columns of `X`.
    input_name : str, default="X"
        What error messages call the matrix.

    Returns
    -------
    X : csr_array of shape (n_users, n_items), float32
        The checked interactions.

    Raises
    ------
    ValueError
        If `X` is not such a matrix; the message names the cause.
    """
    with np.errstate(over="ignore"):  # 1e300 becomes inf in float32 and is reported as such, not warned about
        if sparse.issparse(X):
            X = check_indices(X, input_name)
            if X.format == "coo" and X.dtype.kind in "biuf":
                X = X.astype(np.float32)  # scipy sums duplicates on the way to CSR: int8 would wrap, bool lose count
        if estimator is None:
            X = check_array(X, accept_sparse="csr", dtype=np.float32, input_name=input_name)
        elif reset or not _is_as_fitted(X, estimator):  # who serves one user waits for these checks
            X = validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype=np.float32)
    X = _canonical(X, input_name)
    # After duplicates are summed, as some formats do it on conversion: a correction of -1 on 3 counts 2 in all of them.
    check_non_negative(X, type(estimator).__name__ if estimator is not None else input_name)
    return X


def _is_as_fitted(X: Any, estimator: BaseEstimator) -> bool:
    """Tell whether scikit-learn's checks would pass X on as it is: what does not fit in is for them to name."""
    return (
        not hasattr(estimator, "feature_names_in_")
        and sparse.issparse(X)
        and X.format == "csr"
        and X.dtype == np.float32
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == getattr(estimator, "n_features_in_", None)
        and bool(np.isfinite(X.data).all())
    )


def check_indices(X: Any, input_name: str) -> Any:
    """Refuse indices that point outside the matrix: scipy's products would follow them into foreign memory."""
    if X.ndim == 2 and X.shape[1] > MAX_ITEMS:
        raise ValueError(f"{input_name} has {X.shape[1]} columns; at most {MAX_ITEMS} items are supported.")
    # A single id gone astray makes a matrix of billions of rows.
    check_memory(16 * sum(X.shape), f"{input_name} of shape {X.shape}", "Number users and items from 0 without gaps.")
    if X.format == "lil" and any(len(columns) != len(data) for columns, data in zip(X.rows, X.data, strict=True)):
        raise ValueError(f"{input_name} is not a valid LIL matrix: its rows and data differ in length.")
    if X.format in ("csr", "csc", "bsr"):
        try:
            if X.format == "csr" and X.ndim == 2 and _is_within(X):
                return _view(X)
            X = copy.copy(X)  # check_format sets attributes; the caller's object keeps its own
            X.check_format(full_check=True)
        except ValueError as error:
            raise ValueError(f"{input_name} is not a valid {X.format.upper()} matrix: {error}.") from error
        return X
    X = X.tocoo()
    for index, size, axis in zip(X.coords, X.shape, ("row", "column"), strict=False):
        if len(index) and (index.min() < 0 or index.max() >= size):
            raise ValueError(
                f"{input_name} has {axis} indices from {index.min()} to {index.max()}, its shape is {X.shape}."
            )
    return X


def _canonical(X: Any, input_name: str) -> sparse.csr_array:
    # No object of the caller's: `check_indices` has made a view or a copy. What is cached about its format stays on it.
    X = X if isinstance(X, sparse.csr_array) else sparse.csr_array(X)
    if not X.has_canonical_format or not X.data.all():
        X = X.copy()
        with np.errstate(over="ignore"):  # the sum of duplicates is checked below
            X.sum_duplicates()
        X.eliminate_zeros()
        if not np.isfinite(X.data).all():
            raise ValueError(f"{input_name} contains duplicates whose sum is too large for dtype('float32').")
    return X


def _view(X: Any) -> sparse.csr_array:
    """Return a CSR matrix of the same memory; indices are narrow where they can be, half of what products read."""
    dtype = np.int32 if max(X.nnz, X.shape[1]) <= MAX_ITEMS else np.int64
    parts = (X.data, X.indices.astype(dtype, copy=False), X.indptr.astype(dtype, copy=False))
    return sparse.csr_array(parts, shape=X.shape)


def _is_within(X: sparse.csr_array) -> bool:
    """Tell whether all indices of a CSR matrix point into it, in less time than scipy needs to name what does not."""
    if not len(X.indices):
        return not X.indptr.any()
    ends = X.indptr
    return bool(X.indices.min() >= 0 and X.indices.max() < X.shape[1] and (ends[1:] >= ends[:-1]).all())


def column_ids(X: Any) -> np.ndarray | None:
    """Return the item ids that a DataFrame's columns carry, None where they only count from 0."""
    if not hasattr(X, "columns"):
        return None
    names = list(X.columns)
    if names == list(range(len(names))):
        return None
    ids = np.empty(len(names), dtype=object)
    ids[:] = names
    # Strings would be cut to one width, tuples (the columns of a MultiIndex) become a table.
    return ids if any(isinstance(name, str | tuple) for name in names) else np.asarray(names)


def available_memory() -> int | None:
    """Return the bytes of memory this process may still hope for, None where the system does not say."""
    try:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:  # a container's limit counts where it is lower than the machine's memory
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        free = min(free, int(limit)) if limit != "max" else free
    except (OSError, ValueError):
        pass
    return free


def check_memory(needed: int, what: str, instead: str) -> None:
    """Refuse an allocation that the machine cannot hold, before it is made.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        What the memory is for.
    instead : str
        What the user can do about it.

    Raises
    ------
    MemoryLimitError
        If `needed` is more than the machine has.
    """
    if needed <= SMALL:  # who serves one user waits for the question
        return
    available = available_memory()
    if available is not None and needed > available:
        gib = 1 << 30
        raise MemoryLimitError(
            f"{what} needs {needed / gib:.1f} GiB of memory, this machine has {available / gib:.1f} GiB. {instead}"
        )
