"""Rating targets: numbers that are finite in float32, of any container; all else is refused with its row."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from skgnnrec import GNNRatingRegressor
from skgnnrec.recommenders.ratings._targets import check_ratings

LARGEST = float(np.finfo(np.float32).max)


def check(y):
    return check_ratings(y, "GNNRatingRegressor")


@pytest.mark.parametrize(
    "y",
    [
        [1, 2, 5],
        (1.0, 2.0, 5.0),
        np.array([1, 2, 5], dtype=np.int8),
        np.array([1, 2, 5], dtype=np.uint64),
        np.array([1, 2, 5], dtype=np.float16),
        np.array([1, 2, 5], dtype=np.longdouble),
        np.array([1, 2.0, np.int64(5)], dtype=object),
        [Decimal(1), Fraction(2), 5],
        pd.Series([1, 2, 5], index=[7, 8, 9]),
        pd.Series([1, 2, 5], dtype="Int64"),
        pd.Series([1, 2, 5], dtype="category"),
    ],
)
def test_numbers_of_any_container_are_taken(y):
    ratings = check(y)
    assert_array_equal(ratings, [1.0, 2.0, 5.0])
    assert ratings.dtype == np.float64


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_other_libraries_are_taken(library):
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    make = module.Series if library == "polars" else module.array
    assert_array_equal(check(make([1, 2, 5])), [1.0, 2.0, 5.0])
    with pytest.raises(ValueError, match=r"y has missing values \(NaN\) in 1 of 3 rows: 1\."):
        check(make([1, None, 5]))
    with pytest.raises(ValueError, match="y must hold numbers, got a str in row 0: 'good'"):
        check(make(["good", "bad"]))


def test_booleans_are_numbers():
    assert_array_equal(check([True, False]), [1.0, 0.0])
    assert_array_equal(check(np.array([np.True_, 3], dtype=object)), [1.0, 3.0])


def test_a_column_vector_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        assert_array_equal(check([[1.0], [2.0]]), [1.0, 2.0])


def test_the_largest_numbers_of_float32_are_taken():
    assert_array_equal(check([LARGEST, -LARGEST]), [LARGEST, -LARGEST])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e300, r"1e\+300"),
        (-1e39, r"-1e\+39"),
        (np.inf, "inf"),
        (-np.inf, "-inf"),
        (10**400, "inf"),
        (-(10**400), "-inf"),
        (Fraction(10**400), "inf"),
        (Decimal("1e999"), "inf"),
        (2 * LARGEST, r"6\.80565e\+38"),
    ],
)
def test_numbers_beyond_float32_are_refused_with_their_row(value, shown):
    with pytest.raises(ValueError, match=rf"y must hold numbers that are finite in float32, .* got {shown} in row 2\."):
        check([1.0, 2.0, value, 3.0])


@pytest.mark.parametrize(
    "y",
    [
        [1.0, np.nan],
        [1.0, None],
        [1.0, pd.NA],
        [1.0, pd.NaT],
        [1, Decimal("nan")],
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.0, None]),
    ],
)
def test_missing_values_are_refused_with_their_rows(y):
    with pytest.raises(ValueError, match=r"y has missing values \(NaN\) in 1 of 2 rows: 1\."):
        check(y)


DAY = datetime.date(2024, 5, 1)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ([DAY, DAY], "a date in row 0: '2024-05-01'"),
        ([1.0, datetime.datetime(2024, 5, 1)], "a datetime in row 1: '2024-05-01 00:00:00'"),
        ([1.0, datetime.timedelta(days=1)], "a timedelta in row 1: '1 day, 0:00:00'"),
        (np.array(["2024-05-01", "2024-05-02"], dtype="M8[D]"), "a datetime64 in row 0: '2024-05-01'"),
        (np.array([1, 2], dtype="m8[s]"), "a timedelta64 in row 0: '1 seconds'"),
        (pd.Series(pd.to_datetime(["2024-05-01"])), "a datetime64 in row 0: '2024-05-01"),
        (pd.Series(pd.to_datetime(["2024-05-01"], utc=True)), "a Timestamp in row 0: '2024-05-01 00:00:00"),
        (pd.Series(pd.to_timedelta([1], unit="D")), "a timedelta64 in row 0"),
        (pd.period_range("2024", periods=2), "a Period in row 0: '2024"),
        (["1", "2"], "a str in row 0: '1'"),
        (np.array(["1", "2"]), "a str in row 0: '1'"),
        ([1, "2"], "a str in row 1: '2'"),
        (np.array([1, "2"], dtype=object), "a str in row 1: '2'"),
        (pd.Series(["good", "bad"], dtype="category"), "a str in row 0: 'good'"),
        ([b"1"], "a bytes in row 0"),
        (np.array([[1], None], dtype=object), "a list in row 0"),
        (np.array([1j, 1], dtype=object), "a complex in row 0: '1j'"),
    ],
)
def test_values_that_are_no_numbers_are_refused_with_their_row(y, match):
    with pytest.raises(ValueError, match=f"y must hold numbers, got {match}"):
        check(y)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "GNNRatingRegressor requires y to be passed, but the target y is None"),
        (3.0, r"y must be an array-like of shape \(n_ratings,\), got a float"),
        ("abc", r"y must be an array-like of shape \(n_ratings,\), got a str"),
        ({1: 2}, r"y must be an array-like of shape \(n_ratings,\), got a dict"),
        ({1.0, 2.0}, r"y must be an array-like of shape \(n_ratings,\), got a set"),
        (sparse.csr_array([[1.0]]), r"y must be an array-like of shape \(n_ratings,\), got a csr_array"),
        ([[1, 2], [3]], "y must hold one number per row, got sequences of different lengths"),
        ([[1, 2], [3, 4]], r"y should be a 1d array, got an array of shape \(2, 2\)"),
        (np.array([1 + 2j]), "Complex data not supported"),
    ],
)
def test_other_containers_are_refused(y, match):
    with pytest.raises(ValueError, match=match):
        check(y)


@given(st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.decimals(), st.text()), min_size=1))
def test_any_list_gives_finite_ratings_or_a_value_error(y):
    try:
        ratings = check(y)
    except ValueError:
        return
    assert len(ratings) == len(y)
    assert np.isfinite(ratings.astype(np.float32)).all()


@given(st.lists(st.floats(-LARGEST, LARGEST, width=32), min_size=1, max_size=6))
def test_predictions_of_any_finite_ratings_are_finite(y):
    X = np.column_stack([np.arange(len(y)) // 2, np.arange(len(y)) % 3])
    model = GNNRatingRegressor(embedding_dim=2, max_iter=2).fit(X, y)
    with np.errstate(all="raise"):
        assert np.isfinite(model.predict([*X, [99, 0], [0, 99]])).all()
