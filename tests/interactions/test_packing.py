"""Arrays of objects as bytes: what is packed comes out, value and type."""

import datetime as dt
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgnnrec.interactions import pack, unpack

from ..strategies import any_id, filled

COMMON = [
    "a",
    "\ud800 \N{SNOWMAN}",
    "",
    None,
    True,
    0,
    2**70,
    -0.0,
    1e308,
    float("inf"),
    b"\x00\xff",
    ("a", (1, b"b"), None),
    (),
    dt.date(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
    dt.time(1, 2, 3),
    dt.timedelta.max,
    Decimal("1.10"),
    UUID(int=7),
    pd.Timestamp(1),
    pd.Timestamp("2500-01-01"),
    pd.Timestamp(1, tz="Europe/Berlin"),
    pd.Timestamp("2024-01-01", tz=dt.timezone(dt.timedelta(hours=1))),
    np.datetime64(1, "ps"),
    np.datetime64("2024", "Y"),
    np.datetime64(3, ("s", 10)),
    np.timedelta64(1, "M"),
]


@pytest.mark.parametrize("value", COMMON, ids=lambda value: type(value).__name__)
def test_common_values_survive(value):
    packed = pack(filled([value, value]))
    assert packed["json"].dtype == np.uint8
    first, second = unpack(packed)
    assert type(first) is type(value)
    assert first == second == value
    assert str(first) == str(value)
    assert getattr(first, "fold", 0) == getattr(value, "fold", 0)


@given(st.lists(any_id | st.none()))
def test_ids_of_all_kinds_survive(ids):
    packed = pack(filled(ids))
    found = unpack(packed)
    assert isinstance(packed, dict)
    assert found.dtype == object
    assert found.tolist() == ids
    assert list(map(type, found)) == list(map(type, ids))


def test_missing_numbers_survive():
    assert np.isnan(unpack(pack(filled([float("nan")])))[0])


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {"a": 1},
        {"date": "2024-01-01"},
        pd.NaT,
        pd.NA,
        pd.Period("2024"),
        np.float32(1),
        dt.time(1, tzinfo=dt.UTC),
        object,
        type("Text", (str,), {})("a"),
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_objects_are_left_as_they_are(value):
    array = filled(["a", value])
    assert pack(array) is array
    assert unpack(array) is array


def test_arrays_without_objects_are_left_as_they_are():
    for array in (np.arange(3), np.array(["2024"], dtype="M8[s]"), np.zeros(0)):
        assert pack(array) is array
        assert unpack(array) is array


def test_a_string_takes_few_bytes():
    texts = filled([f"user-{n}" for n in range(1000)])
    assert pack(texts)["json"].nbytes < 12_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1, ",
        b"\xff",
        b"5",
        b'"abc"',
        b'{"date": "2024-01-01"}',
        b"[{}]",
        b'[{"date": 5}]',
        b'[{"date": "2024-99-99"}]',
        b'[{"module": "os"}]',
        b'[{"date": "2024-01-01", "time": "01:00"}]',
        b'[{"datetime": ["2024-01-01", "Nowhere/City", 0]}]',
        b'[{"Timestamp": [1, "parsec", null]}]',
        b'[{"Decimal": "x"}]',
        b'[{"timedelta": [1e300, 0, 0]}]',
        b"[" * 100_000,
    ],
)
def test_bytes_that_were_not_packed_are_refused(text):
    with pytest.raises(ValueError, match="The packed array cannot be read: "):
        unpack({"json": np.frombuffer(text, dtype=np.uint8)})


@pytest.mark.parametrize("packed", [{}, {"json": None}, {"json": b"[]"}, {"utf8": np.zeros(1)}])
def test_other_records_are_refused(packed):
    with pytest.raises(ValueError, match="The packed array cannot be read: "):
        unpack(packed)
