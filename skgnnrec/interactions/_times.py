"""Times of interactions, compared in the unit they came in, and spans of time."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skgnnrec._constraints import Interval

__all__ = ["SPAN", "Times", "conversion_to_times", "read_times"]

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

    def followed_by(self, others: "Times") -> "Times":
        """Return these times and others; datetimes are compared in the finer unit."""
        if (self.unit is None) != (others.unit is None):
            kinds = ["numbers" if times.unit is None else "datetimes" for times in (self, others)]
            raise ValueError(f"The times of the fit are {kinds[0]}, the further ones {kinds[1]}.")
        if self.unit == others.unit:
            return Times(np.concatenate([self.values, others.values]), self.unit)
        both = [times.values.view(f"datetime64[{times.unit}]") for times in (self, others)]
        finer = np.result_type(*both)
        joined = [times.astype(finer) for times in both]
        if any((back.astype(times.dtype) != times).any() for back, times in zip(joined, both, strict=True)):
            raise ValueError(f"The times of the fit and the further ones do not fit into the unit {finer}.")
        return Times(np.concatenate(joined).view(np.int64), str(np.datetime_data(finer)[0]))

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


def conversion_to_times(data: Any, name: str, label: Any = None) -> str:
    """Return the code that turns strings into times: in the column of a table, or without a label in all columns."""
    library = type(data).__module__.partition(".")[0]
    if library == "polars":
        columns = "all()" if label is None else f"col({label!r})"
        return f"{name} = {name}.with_columns(polars.{columns}.str.to_datetime())"
    first = f"{name} = {name}.to_pandas(); " if library == "pyarrow" else ""
    if isinstance(data, np.ndarray | list):
        return f"{name}.astype('datetime64[s]')" if label is None else f"pandas.to_datetime({name}[:, {label}])"
    if label is None:
        return f"{first}{name} = {name}.apply(pandas.to_datetime)"
    return f"{first}{name}[{label!r}] = pandas.to_datetime({name}[{label!r}])"


def read_times(values: NDArray[Any], name: str, conversion: str = "pandas.to_datetime") -> Times:
    """Return an array of datetimes or numbers as times; `conversion` is the code that makes times of strings."""
    if values.dtype.kind == "M":
        return _read_datetimes(values, name)
    if values.dtype.kind == "u" and len(values) and values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must hold times below 2 ** 63; got {values.max()}.")
    if values.dtype.kind in "iu":
        return Times(values.astype(np.int64), None)
    if values.dtype.kind == "f":
        return Times(values.astype(np.float64), None)
    kinds = sorted({type(value).__name__ for value in values[:1000]})
    hint = f" Convert strings first: {conversion}" if {"str", "str_"} & set(kinds) else ""
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
