"""Checks and conversions of interaction matrices."""

from collections.abc import Hashable, Iterator, Mapping
from numbers import Number
from typing import Any, cast

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_non_negative, validate_data

from skgnnrec.interactions._sparse import check_indices
from skgnnrec.interactions._tables import as_frame, naming
from skgnnrec.interactions._vocabulary import Vocabulary

__all__ = ["balance", "binarize", "check_interactions", "column_labels", "column_vocabulary", "shape_of"]

LARGEST_WEIGHT = float(np.float32(1e30))  # weighted sums of long histories stay finite in float32


def check_interactions(
    X: Any, *, estimator: BaseEstimator | None = None, reset: bool = False, input_name: str = "X"
) -> sparse.csr_array:
    """Return interactions as a canonical CSR array of finite, non-negative float32; `X` is never modified."""
    # The result may share memory with X. An estimator records its columns (`reset`) or compares them.
    X = _as_numbers(X, input_name)
    with np.errstate(all="ignore"):  # 1e300 becomes inf in float32, which is an error below; 1e-300 becomes 0
        if sparse.issparse(X):
            X = check_indices(X, input_name, np.float32)
        if estimator is None or reset or not _is_as_fitted(X, estimator):  # _check takes as long as serving one user
            X = _check(X, estimator, reset, input_name)
    X = _canonical(X, input_name)
    # After duplicates are summed, as some formats do on conversion: 3 and a correction of -1 count 2 in all of them.
    check_non_negative(X, type(estimator).__name__ if estimator is not None else input_name)
    if estimator is not None and X.data.max(initial=0) > LARGEST_WEIGHT:
        raise ValueError(
            f"{input_name} holds weights up to {X.data.max():g}; scores of weights above {LARGEST_WEIGHT:g} are beyond "
            f"float32. Divide {input_name} by a constant: the recommendations stay the same."
        )
    return X


def binarize(X: sparse.csr_array) -> sparse.csr_array:
    """Return X with ones as values; both share their indices."""
    return sparse.csr_array((np.ones_like(X.data), X.indices, X.indptr), shape=X.shape)


def balance(X: sparse.csr_array) -> sparse.csr_array:
    """Return histories whose weights are divided by their sum over the root of their number."""
    # Where all weights of a history of length n are equal, these are n^{-1/2}, whatever their unit.
    lengths = np.diff(X.indptr)
    # In float64: large weights have a sum beyond float32, tiny ones its reciprocal. The sum of scipy adds in float32.
    sums = np.bincount(np.repeat(np.arange(X.shape[0]), lengths), weights=X.data, minlength=X.shape[0])
    scale = np.divide(np.sqrt(lengths), sums, out=np.zeros(len(sums)), where=sums > 0)
    return sparse.csr_array(
        ((X.data * np.repeat(scale, lengths)).astype(np.float32), X.indices, X.indptr), shape=X.shape
    )


def shape_of(X: Any, input_name: str) -> tuple[int, ...]:
    """Return the shape of an array, a table or a list of rows; refuse other values by name."""
    if isinstance(X, Mapping) or not hasattr(X, "__len__"):  # a dict of columns; lazy tables are refused
        frame = as_frame(X, input_name)
        X = X if frame is None else frame
    shape = getattr(X, "shape", None)
    try:
        shape = shape if isinstance(shape, tuple) else np.asarray(X).shape
    except ValueError as error:
        raise ValueError(f"{input_name} must be a matrix, got rows of different lengths.") from error
    if not shape:
        raise ValueError(_expected_matrix(X, input_name))
    return shape


def column_labels(X: Any, input_name: str = "X") -> list[Hashable] | None:
    """Return the labels of the columns of a table, None for arrays and sparse matrices."""
    frame = as_frame(X, input_name)
    if frame is None:
        return None
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def column_vocabulary(X: Any, input_name: str = "X") -> Vocabulary | None:
    """Return the item ids that the columns of a table carry, None for arrays and sparse matrices."""
    labels = column_labels(X, input_name)
    return None if labels is None else Vocabulary(labels, f"The header of {input_name}")


def _as_numbers(X: Any, input_name: str) -> Any:
    """Return a table or a matrix; refuse times and masked values, which would be read as numbers."""
    X = frame if (frame := as_frame(X, input_name)) is not None else X
    if X is None or isinstance(X, str | bytes | set | frozenset | Number | Iterator):
        raise ValueError(_expected_matrix(X, input_name))
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(f"{input_name} has masked values. {input_name}.filled(0) reads them as no interactions.")
    if isinstance(X, pd.DataFrame) and not X.shape[1]:
        raise ValueError(f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
    allowed = "biufc" if sparse.issparse(X) else "biufcOSUT"  # scikit-learn refuses complex numbers by name
    for label, kind in _kinds(X).items():
        if kind not in allowed:
            where = "" if label is None else f" in the column {label!r}"
            found = {"M": "times", "m": "spans of time"}.get(kind, f"values of kind {kind!r}")
            raise ValueError(f"{input_name} must hold numbers, got {found}{where}.")
    if isinstance(X, pd.DataFrame) and len({isinstance(label, str) for label in X.columns}) > 1:
        # scikit-learn wants names that are all strings, or none. These are compared as ids.
        is_sparse, values = all(isinstance(kind, pd.SparseDtype) for kind in X.dtypes), cast(Any, X)
        return values.sparse.to_coo() if is_sparse else values.to_numpy()
    return X


def _expected_matrix(X: Any, input_name: str) -> str:
    return (
        f"{input_name} must be a matrix, users x items: an array, a sparse matrix or a DataFrame. Expected 2D array, "
        f"got an object of type {type(X).__name__}."
    )


def _check(X: Any, estimator: BaseEstimator | None, reset: bool, input_name: str) -> Any:
    """Return what scikit-learn makes of a matrix; its errors name the argument."""
    try:
        with naming(input_name):
            if estimator is None:
                return check_array(X, accept_sparse="csr", dtype=np.float32, input_name=input_name)
            return validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype=np.float32)
    except (ValueError, TypeError) as error:
        cause = str(error).removeprefix(f"{input_name}: ")
        if cause.startswith("setting an array element"):
            raise ValueError(
                f"{input_name} must hold numbers in rows of one length; the rows of the given {type(X).__name__} "
                "differ in their lengths, or hold no numbers."
            ) from error
        if cause.startswith(("could not convert", "float() argument")):
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{input_name} must hold numbers: {cause}") from error
        raise
    except OverflowError as error:
        raise ValueError(f"{input_name} holds an integer too large for dtype('float32').") from error
    except (MemoryError, Warning):
        raise
    except Exception as error:  # libraries of tables and tensors raise their own
        raise ValueError(f"{input_name} cannot be read as an array: {error}") from error


def _kinds(X: Any) -> dict[Hashable, str]:
    """Return the kind of the dtype of each column of a frame, or of an array under the label None."""
    if isinstance(X, pd.DataFrame):
        return {label: getattr(dtype, "kind", "O") for label, dtype in zip(X.columns, X.dtypes, strict=True)}
    # The search of narwhals takes as long as the recommendations to a user.
    frame = X if sparse.issparse(X) or isinstance(X, np.ndarray) else nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return {label: "M" if dtype.is_temporal() else "f" for label, dtype in frame.schema.items()}
    return {None: getattr(getattr(X, "dtype", None), "kind", "O")}


def _is_as_fitted(X: Any, estimator: BaseEstimator) -> bool:
    """Return whether the checks of scikit-learn would return X unchanged."""
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


def _canonical(X: Any, input_name: str) -> sparse.csr_array:
    # `check_indices` has made a new object, so that attributes about the format are not set on the caller's.
    X = sparse.csr_array(X, dtype=np.float32)
    if not X.has_canonical_format or not X.data.all():
        X = X.copy()
        with np.errstate(all="ignore"):  # the sum of duplicates is checked below
            X.sum_duplicates()
        X.eliminate_zeros()
        if not np.isfinite(X.data).all():
            raise ValueError(f"{input_name} contains duplicates whose sum is too large for dtype('float32').")
    return X
