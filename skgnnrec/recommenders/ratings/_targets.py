"""The gate that every rating target passes."""

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from skgnnrec.interactions import first_few, naming

__all__ = ["check_ratings"]

LARGEST = float(np.finfo(np.float32).max)


def check_ratings(y: Any, estimator_name: str) -> NDArray[np.float64]:
    """Return ratings as an array of shape (n_ratings,); refuse all but numbers that are finite in float32."""
    if y is None:
        raise ValueError(f"{estimator_name} requires y to be passed, but the target y is None.")
    try:
        values = np.asarray(y)
        if values.dtype.kind in "US":  # NumPy turns numbers beside texts into texts
            values = np.asarray(y, dtype=object)
    except ValueError as error:
        raise ValueError("y must hold one number per row, got sequences of different lengths.") from error
    if not values.ndim:
        raise ValueError(f"y must be an array-like of shape (n_ratings,), got a {type(y).__name__}.")
    with naming("y"):
        values = column_or_1d(values, warn=True)
    with np.errstate(over="ignore"):  # infinite values are refused below
        ratings = values.astype(np.float64) if values.dtype.kind in "biuf" else _as_numbers(values)
    missing = np.flatnonzero(np.isnan(ratings))
    if len(missing):
        raise ValueError(f"y has missing values (NaN) in {len(missing)} of {len(ratings)} rows: {first_few(missing)}.")
    large = np.flatnonzero(np.abs(ratings) > LARGEST)
    if len(large):
        raise ValueError(
            f"y must hold numbers that are finite in float32, from {-LARGEST:.6g} to {LARGEST:.6g}, got "
            f"{ratings[large[0]]:.6g} in row {large[0]}."
        )
    return ratings


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return objects as float64, NaN for missing ones; refuse dates, durations, texts and all that is no number."""
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        if any(value is missing for missing in (None, pd.NA, pd.NaT)):
            numbers[row] = np.nan
        elif isinstance(value, Real | Decimal | np.bool_) and not isinstance(value, np.timedelta64):
            numbers[row] = _as_float(value)
        else:
            raise ValueError(f"y must hold numbers, got a {type(value).__name__} in row {row}: {str(value)[:60]!r}.")
    return numbers


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer or a fraction beyond float64
        return np.inf if value > 0 else -np.inf
