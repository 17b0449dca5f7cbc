"""Times are compared in the unit they came in, and spans of time become numbers of that unit."""

import datetime as dt
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skgnnrec.interactions import Times, read_table, read_times

from ..strategies import UNITS, datetime_arrays, times


def read(values):
    """Read a column of times as estimators do."""
    table = {pl.Series: pl.DataFrame, pd.Series: pd.DataFrame}.get(type(values), dict)({"time": values})
    return read_times(read_table(table).values("time", "timestamp"), "The times")


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
@given(data=st.data())
def test_datetimes_keep_their_unit_and_order(unit, data):
    numbers = data.draw(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=5))
    values = np.array(numbers, dtype=np.int64).view(f"M8[{unit}]")
    found = read_times(values, "The times")
    assert found.unit == unit
    assert found.values.tolist() == numbers


@given(datetime_arrays(4))
def test_times_of_a_dict_keep_their_order(values):
    with suppress(ValueError):  # pandas has no weeks beyond some years
        found = read(values)
        assert_array_equal(np.argsort(found.values, kind="stable"), np.argsort(values.view(np.int64), kind="stable"))


@pytest.mark.parametrize(
    ("values", "numbers", "unit"),
    [
        ([3, 1, 2], [3, 1, 2], None),
        ([2**62, -(2**63)], [2**62, -(2**63)], None),
        ([1.5, -1e308], [1.5, -1e308], None),
        (np.array([1, 2], dtype=np.uint64), [1, 2], None),
        (pd.Series([1, 2], dtype="int64[pyarrow]"), [1, 2], None),
        (np.array(["2020-01-01", "2500-01-01"], dtype="M8[s]"), [1_577_836_800, 16_725_225_600], "s"),
        (pd.Series(np.array(["1600-01-01"], dtype="M8[s]")), [-11_676_096_000], "s"),
        ([dt.date(1, 1, 1), dt.date(2500, 1, 1)], [-719_162, 193_579], "D"),
        ([dt.datetime(1, 1, 1), dt.datetime(2500, 1, 1)], [-62_135_596_800_000_000, 16_725_225_600_000_000], "us"),
        (pd.Series(pd.to_datetime(["2024-01-01"])).dt.as_unit("ns"), [1_704_067_200_000_000_000], "ns"),
        (pd.Series(pd.to_datetime(["2024-01-01"])).dt.tz_localize("Asia/Tokyo"), [1_704_034_800_000_000], "us"),
        (pl.Series([dt.date(2500, 1, 1)]), [193_579], "D"),
        (pl.Series([dt.datetime(2024, 1, 1)]).dt.replace_time_zone("Asia/Tokyo"), [1_704_034_800_000_000], "us"),
        (pa.array([dt.datetime(2500, 1, 1)], pa.timestamp("ms", "UTC")), [16_725_225_600_000_000], "us"),
        (pa.array([10**12], pa.timestamp("s")), [10**12], "s"),
        (np.array([1, 2], dtype="M8[10s]"), [10, 20], "s"),
        (np.array(["2024", "2025"], dtype="M8[Y]"), [1_704_067_200, 1_735_689_600], "s"),
    ],
)
def test_times_of_all_libraries(values, numbers, unit):
    found = read(values)
    assert found == Times(found.values, unit)
    assert found.values.tolist() == numbers


def test_months_and_years_become_days():
    for unit, number in (("M", 648), ("Y", 54)):
        found = read_times(np.array([number]).view(f"M8[{unit}]"), "The times")
        assert (found.values.tolist(), found.unit) == ([19723], "D")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            ["2024-01-01"],
            r"datetimes or numbers; it holds values of type str. Convert strings first: pandas\.to_datetime$",
        ),
        (np.array(["2024-01-01"]), "it holds values of type str. Convert strings first"),
        (pd.Series(["2024"], dtype="category"), "it holds values of type str. Convert strings first"),
        ([True, False], "it holds values of type bool"),
        ([dt.timedelta(1)], "it holds values of type timedelta64"),
        ([dt.time(1)], "it holds values of type time"),
        ([Fraction(1, 3)], "it holds values of type Fraction"),
        (pd.period_range("2024", periods=1, freq="Y"), "it holds values of type Period"),
        ([1, "a"], "it holds values of type int, str. Convert strings first"),
        ([{}], "it holds values of type dict"),
        ([2**63], r"The times must hold times below 2 \*\* 63; got 9223372036854775808"),
        ([None], r"has missing values \(NaN\) in 1 of 1 rows: 0"),
        ([np.inf], "contains infinity in row 0"),
        (np.array([1, 2**62], dtype="M8[10s]"), r"times that datetime64\[s\] can hold, got .* in row 1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_time_is_named(values, match):
    with pytest.raises(ValueError, match=match):
        read(values)


@given(st.integers(1, 4).flatmap(times))
def test_all_errors_are_value_or_type_errors(values):
    with suppress(ValueError, TypeError):
        found = read(values)
        assert found.values.dtype in (np.int64, np.float64)
        assert np.isfinite(found.values).all()


# Spans ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("span", [dt.timedelta(days=14), np.timedelta64(14, "D"), "14D", 14 * 86_400, 14 * 86_400.0])
def test_a_span_is_exact_in_each_unit(unit, span):
    length = Times(np.zeros(1, dtype=np.int64), unit).span("half_life", span)
    per_span = {"W": 2, "D": 14, "h": 336, "m": 20_160, "s": 1_209_600}
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12}
    assert length == per_span.get(unit, 1_209_600 * per_second.get(unit, 1))


def test_spans_shorter_than_the_unit_are_fractions():
    assert Times(np.zeros(1, dtype=np.int64), "W").span("half_life", "1D") == Fraction(1, 7)


@pytest.mark.parametrize(("span", "expected"), [(3, 3), (0.5, Fraction(1, 2)), (np.float32(2), 2), (np.int8(2), 2)])
def test_numbers_are_spans_of_numbers(span, expected):
    assert Times(np.zeros(1), None).span("half_life", span) == expected
    assert Times(np.zeros(1), None).span("half_life", None) is None


@pytest.mark.parametrize(
    ("unit", "span", "match"),
    [
        (None, "3D", "half_life must be a number where times are numbers; got '3D'"),
        (None, dt.timedelta(3), "half_life must be a number where times are numbers"),
        ("s", "three days", "half_life must be a span of time such as \"30D\"; got 'three days'"),
        ("s", "", "half_life must be"),
        ("s", "-3D", "half_life must be positive; got '-3D'"),
        ("s", "0D", "half_life must be positive"),
        ("s", np.timedelta64("NaT"), "half_life must be positive"),
        ("s", np.timedelta64(1, "Y"), "half_life must be a span of time"),
        ("s", np.timedelta64(2**62, "W"), "half_life must be a span of time"),
    ],
)
def test_what_is_no_span_is_named(unit, span, match):
    with pytest.raises(ValueError, match=match):
        Times(np.zeros(1, dtype=np.int64), unit).span("half_life", span)


@pytest.mark.parametrize("unit", [None, *UNITS])
@pytest.mark.parametrize("span", [5e-324, 1.7e308, 10**400])
def test_extreme_spans_stay_floats(unit, span):
    length = float(Times(np.zeros(1, dtype=np.int64), unit).span("half_life", span))
    assert 0 < length < np.inf


def test_spans_are_described_in_seconds():
    assert Times(np.zeros(1, dtype=np.int64), "h").describe(2) == "7200 seconds"
    assert Times(np.zeros(1), None).describe(2.5) == "2.5"
