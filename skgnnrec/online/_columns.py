"""Columns of a log: numbers, and the users of the rows."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skgnnrec.interactions import Vocabulary, as_ids


def read_numbers(values: Any, name: str, shape: str, n_dimensions: int = 1) -> NDArray[np.float64]:
    """Return an array of finite numbers as float64."""
    expected = f"{name} must be an array of numbers of shape {shape}"
    if isinstance(values, set | frozenset | Mapping):
        raise ValueError(f"{expected}; got a {type(values).__name__}.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{expected}; got rows of different lengths.") from error
    if array.ndim != n_dimensions:
        got = f"shape {array.shape}" if array.ndim else f"a {type(values).__name__}"
        raise ValueError(f"{expected}; got {got}.")
    if array.dtype.kind not in "biuf" and not all(value is None or isinstance(value, Real) for value in array.flat):
        raise ValueError(f"{expected}; got values of dtype {array.dtype}.")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} contains {'NaN' if np.isnan(numbers).any() else 'infinity'}.")
    return numbers


def user_codes(users: Any, name: str, n_rows: int) -> tuple[NDArray[np.int64], int]:
    """Return the number of the user of each row, and the number of users."""
    ids = as_ids(users, name)
    if len(ids) != n_rows:
        raise ValueError(f"{name} must hold one id for each of {n_rows} rows; got {len(ids)} ids.")
    vocabulary, codes = Vocabulary.of(ids)
    return codes, len(vocabulary)
