"""Times of interactions, compared in the unit they came in, and spans of time."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

__all__ = ["SPAN", "Times", "read_times"]

# What a parameter that is a span of time takes. np.timedelta64 counts as a number, which an interval cannot compare: it
# stands before it.
SPAN = [timedelta, np.timedelta64, str, Interval(Real, 0, None, closed="neither"), None]

# Parts of a second in each unit of datetime64.
PER_SECOND = {
    "W": Fraction(1, 604_800),
    "D": Fraction(1, 86_400),
    "h": Fraction(1, 3_600),
    "m": Fraction(1, 60),
    "s": Fraction(1),
    "ms": Fraction(10**3),
    "us": Fraction(10**6),
    "ns": Fraction(10**9),
    "ps": Fraction(10**12),
    "fs": Fraction(10**15),
    "as": Fraction(10**18),
}
SMALLEST, LARGEST = Fraction(np.finfo(np.float64).tiny), Fraction(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Times:
    """Times as int64, or as float64 where they were floats; `unit` is that of datetimes, None of plain numbers."""

    values: NDArray[Any]
    unit: str | None

    def span(self, name: str, given: Any) -> Fraction | None:
        """Return a span of time in the unit of the values; numbers stand for seconds where these are datetimes."""
        if given is None:
            return None
        if isinstance(given, Real) and not isinstance(given, np.timedelta64):
            length = Fraction(int(given)) if isinstance(given, Integral) else Fraction(float(given))
            return self._within_floats(length if self.unit is None else length * PER_SECOND[self.unit])
        if self.unit is None:
            raise ValueError(f"{name} must be a number where times are numbers; got {given!r}.")
        try:
            found = pd.Timedelta(given)
        except (ValueError, OverflowError) as error:
            raise ValueError(f'{name} must be a span of time such as "30D"; got {given!r}.') from error
        if not found > pd.Timedelta(0):
            raise ValueError(f"{name} must be positive; got {given!r}.")
        parts = Fraction(int(found.asm8.astype(np.int64)))
        return self._within_floats(parts / PER_SECOND[found.unit] * PER_SECOND[self.unit])

    @staticmethod
    def _within_floats(span: Fraction) -> Fraction:
        return min(max(span, SMALLEST), LARGEST)

    def describe(self, span: Any) -> str:
        """Return a span in the unit of the values as text: seconds where these are datetimes."""
        if span > LARGEST:  # of times at both ends of the range of float64
            return f"more than {float(LARGEST):g}"
        number = float(span)
        return f"{number:g}" if self.unit is None else f"{number / float(PER_SECOND[self.unit]):g} seconds"


def read_times(values: NDArray[Any], name: str) -> Times:
    """Return an array of datetimes or numbers as times."""
    if values.dtype.kind == "M":
        return _read_datetimes(values, name)
    if values.dtype.kind == "u" and len(values) and values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must hold times below 2 ** 63; got {values.max()}.")
    if values.dtype.kind in "iu":
        return Times(values.astype(np.int64), None)
    if values.dtype.kind == "f":
        return Times(values.astype(np.float64), None)
    kinds = sorted({type(value).__name__ for value in values[:1000]})
    hint = " Convert strings first, for example with pandas.to_datetime." if {"str", "str_"} & set(kinds) else ""
    raise ValueError(f"{name} must hold datetimes or numbers; it holds values of type {', '.join(kinds)}.{hint}")


def _read_datetimes(values: NDArray[Any], name: str) -> Times:
    unit, count = np.datetime_data(values.dtype)
    if unit in PER_SECOND and count == 1:
        return Times(values.astype(np.int64), unit)
    unit = unit if unit in PER_SECOND else "D"  # months and years have no fixed length
    found = values.astype(f"M8[{unit}]")
    is_exact = found.astype(values.dtype) == values
    if not is_exact.all():
        row = np.flatnonzero(~is_exact)[0]
        raise ValueError(f"{name} must hold times that datetime64[{unit}] can hold, got {values[row]} in row {row}.")
    return Times(found.astype(np.int64), unit)
