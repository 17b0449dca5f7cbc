"""RollingWindows and LeaveLastOut: the rows that they hold out, in every form of a log."""

import contextlib
import datetime
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skgnnrec import LogRecommender, PopularityRecommender
from skgnnrec.metrics import RankingScorer
from skgnnrec.model_selection import LeaveLastOut, RollingWindows, check_leakage

DAYS = np.array([3, 0, 9, 10, 5, 7, 8, 1])
LOG = pd.DataFrame({"user": [1, 1, 2, 2, 3, 1, 3, 4], "item": list("abcabcab"), "day": DAYS})


def splits(splitter, log=LOG):
    return [(train.tolist(), test.tolist()) for train, test in splitter.split(log)]


# Rolling windows ------------------------------------------------------------------------------------------------------


def test_windows_of_known_length():
    assert splits(RollingWindows("day", n_splits=2, test_size=2)) == [
        ([0, 1, 4, 7], [5, 6]),
        ([0, 1, 4, 5, 6, 7], [2, 3]),
    ]


def test_windows_divide_the_log_by_default():
    assert splits(RollingWindows("day", n_splits=1)) == [([0, 1, 4, 7], [2, 3, 5, 6])]


def test_training_windows_and_gaps():
    assert splits(RollingWindows("day", n_splits=1, test_size=2, train_size=3)) == [([5, 6], [2, 3])]
    assert splits(RollingWindows("day", n_splits=1, test_size=2, gap=2)) == [([0, 1, 4, 7], [2, 3])]
    assert splits(RollingWindows("day", n_splits=1, test_size=2, gap=3, train_size=4)) == [([0, 4], [2, 3])]


DATES = pd.to_datetime(LOG["day"], unit="D")
FORMS_OF_DATES = {
    "nanoseconds": LOG.assign(day=DATES),
    "seconds": LOG.assign(day=DATES.astype("datetime64[s]")),
    "zone": LOG.assign(day=DATES.dt.tz_localize("Europe/Rome")),
    "dates": LOG.assign(day=DATES.dt.date),
    "year 2500": LOG.assign(day=DATES.astype("datetime64[s]") + np.timedelta64(530 * 365, "D")),
    "year 1500": LOG.assign(day=DATES.astype("datetime64[s]") - np.timedelta64(470 * 365, "D")),
    "pyarrow column": LOG.assign(day=DATES.astype("timestamp[us][pyarrow]")),
    "pyarrow column, zone": LOG.assign(day=DATES.dt.tz_localize("UTC").astype("timestamp[ms, tz=UTC][pyarrow]")),
    "polars": pl.DataFrame({**LOG.to_dict("list"), "day": DATES.to_numpy()}),
    "polars, zone": pl.DataFrame({**LOG.to_dict("list"), "day": DATES.to_numpy()}).with_columns(
        pl.col("day").dt.replace_time_zone("Europe/Rome")
    ),
    "polars dates": pl.DataFrame({**LOG.to_dict("list"), "day": DATES.dt.date.tolist()}),
    "pyarrow": pa.table({**LOG.to_dict("list"), "day": DATES.to_numpy()}),
    "pyarrow dates": pa.table({**LOG.to_dict("list"), "day": DATES.dt.date.tolist()}),
    "dict": {**LOG.to_dict("list"), "day": DATES.to_numpy()},
    "dict of dates": {**LOG.to_dict("list"), "day": DATES.dt.date.tolist()},
}


@pytest.mark.parametrize("form", FORMS_OF_DATES)
@pytest.mark.parametrize(
    "length", ["2D", pd.Timedelta("2D"), datetime.timedelta(2), np.timedelta64(2, "D"), 2 * 86_400]
)
def test_windows_of_datetimes(form, length):
    expected = splits(RollingWindows("day", n_splits=2, test_size=2))
    assert splits(RollingWindows("day", n_splits=2, test_size=length), FORMS_OF_DATES[form]) == expected


@pytest.mark.parametrize("form", FORMS_OF_DATES)
def test_last_interactions_by_datetimes(form):
    assert splits(LeaveLastOut("user", "day"), FORMS_OF_DATES[form]) == splits(LeaveLastOut("user", "day"))


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        lambda log: log.to_numpy().tolist(),
        lambda log: log.to_dict("list"),
        lambda log: pl.DataFrame(log.to_dict("list")),
        lambda log: pa.table(log.to_dict("list")),
        lambda log: log.astype({"day": "Int64"}),
        lambda log: log.astype({"day": "float32"}),
        lambda log: log.astype({"day": "int64[pyarrow]"}),
    ],
)
def test_forms_of_a_log(form):
    expected = splits(RollingWindows("day", n_splits=2, test_size=2))
    assert splits(RollingWindows(2, n_splits=2, test_size=2), form(LOG)) == expected
    assert splits(LeaveLastOut(0, 2), form(LOG)) == splits(LeaveLastOut("user", "day"))


def test_numbers_in_another_unit():
    expected = splits(RollingWindows("day", n_splits=2, test_size=2))
    assert splits(RollingWindows("day", n_splits=2, test_size=0.5), LOG.assign(day=DAYS / 4)) == expected


def test_nanoseconds_are_not_rounded():
    times = 1_700_000_000_000_000_000 + np.arange(10)
    log = pd.DataFrame({"time": times})
    assert splits(RollingWindows("time", n_splits=1, test_size=3), log) == [(list(range(7)), [7, 8, 9])]


@pytest.mark.parametrize("step", [0.1, 0.3, 1 / 3, 0.7, 1e12])
@pytest.mark.parametrize("start", [0.0, -5.0, 1.7e9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_at_rounded_edges_are_tested_once(step, start, dtype):
    if dtype == np.float32 and start > 0:
        start /= 1e6
    times = (start + step * np.arange(14)).astype(dtype)
    for n_splits in (1, 3, 10):
        found = splits(RollingWindows("time", n_splits=n_splits, test_size=step), pd.DataFrame({"time": times}))
        assert [test for _, test in found] == [[row] for row in range(14 - n_splits, 14)]
        assert [train for train, _ in found] == [list(range(row)) for row in range(14 - n_splits, 14)]
    two = RollingWindows("time", n_splits=2, test_size=2 * step, train_size=2 * step)
    assert splits(two, pd.DataFrame({"time": times})) == [([8, 9], [10, 11]), ([10, 11], [12, 13])]


@pytest.mark.parametrize(("length", "unit"), [(0.1, "ns"), (0.3, "us"), (0.7, "ms")])
def test_fractions_of_seconds_are_exact(length, unit):
    times = np.datetime64("2024-01-01", unit) + (np.timedelta64(round(1000 * length), "ms") * np.arange(8))
    found = splits(RollingWindows("time", n_splits=5, test_size=length), pd.DataFrame({"time": times}))
    assert [test for _, test in found] == [[3], [4], [5], [6], [7]]


UNITS = [1, 2**57, 0.1, 1 / 3, 0.7, 1e-300, 1e300, 86_400.0]


@given(
    st.lists(st.integers(0, 20), max_size=20),
    st.sampled_from(UNITS),
    st.sampled_from([0, 1, -7, 1000]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([None, 1, 3]),
)
def test_the_unit_of_times_does_not_matter(steps, unit, start, length, n_splits, gap):
    steps = np.array([*steps, *range(21)])
    log = pd.DataFrame({"time": (steps + start) * unit if unit != 2**57 else steps * unit})
    spans = {"test_size": length, "train_size": 3, "gap": gap}
    windows = RollingWindows("time", n_splits=n_splits, **spans)
    scaled = {name: None if span is None else span * unit for name, span in spans.items()}
    found = splits(RollingWindows("time", n_splits=n_splits, **scaled), log)
    assert found == splits(windows, pd.DataFrame({"time": steps}))
    # Each row of the covered span is in one window.
    expected = np.flatnonzero(steps > 20 - n_splits * length).tolist()
    assert sorted(row for _, test in found for row in test) == expected


times_of_any_kind = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=20),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20),
    st.lists(st.floats(0, 1), min_size=10, max_size=60),
    st.lists(st.integers(-20, 20), min_size=10, max_size=60),
)
lengths = st.one_of(st.none(), st.integers(1, 2**62), st.floats(1e-300, 1e300), st.sampled_from([0.05, 0.1, 0.2]))


@given(times_of_any_kind, lengths, st.integers(1, 12), st.sampled_from([None, 0.1, 2, 1e-300]))
@example([0, 1, 2**62], None, 3, None)
@example([-(2**63), 2**63 - 1, 0, 5], 2**61, 4, 2)
@example([-1.7e308, 1.7e308, 0.0], None, 2, None)
@example([5e-324, 0.0, 1e-323], None, 1, None)
def test_no_row_of_any_time_is_in_two_windows(times, length, n_splits, gap):
    values = np.array(times)
    windows = RollingWindows("time", n_splits=n_splits, test_size=length, gap=gap).split(pd.DataFrame({"time": values}))
    tested = np.array([], dtype=int)
    with contextlib.suppress(ValueError):  # a window without interactions
        for train, test in windows:
            assert not len(tested) or values[tested].max() < values[test].min()
            assert values[train].max() < values[test].min()
            tested = np.append(tested, test)
    assert len(np.unique(tested)) == len(tested)


def test_times_at_both_ends_of_the_range_of_floats():
    log = pd.DataFrame({"time": [-1e308, 0.0, 1e308, 1.5e308]})
    assert splits(RollingWindows("time", n_splits=2), log) == [([0], [1]), ([0, 1], [2, 3])]
    with pytest.raises(ValueError, match=r"The log spans more than 1\.79769e\+308, a window 2\.77778e\+307"):
        splits(RollingWindows("time", n_splits=8), log)


@given(
    st.lists(st.integers(-60, 60), min_size=2, max_size=30),
    st.one_of(st.none(), st.integers(1, 25)),
    st.integers(1, 6),
    st.one_of(st.none(), st.integers(1, 25)),
    st.one_of(st.none(), st.integers(1, 9)),
)
def test_windows_by_definition(days, length, n_splits, train_size, gap):
    log = pd.DataFrame({"day": days})
    span = Fraction(max(days) - min(days), n_splits + 1) if length is None else Fraction(length)
    expected = []
    for window in range(n_splits):
        start = max(days) - (n_splits - window) * span
        end_of_train = start - (gap or 0)
        begin_of_train = -np.inf if train_size is None else end_of_train - train_size
        train = [row for row, day in enumerate(days) if begin_of_train < day <= end_of_train]
        test = [row for row, day in enumerate(days) if start < day <= start + span]
        expected.append((train, test))
    windows = RollingWindows("day", n_splits=n_splits, test_size=length, train_size=train_size, gap=gap)
    if all(train and test for train, test in expected):
        assert splits(windows, log) == expected
    else:
        with pytest.raises(
            ValueError, match=r"The (training|test) part of window \d of n_splits=\d has no interaction"
        ):
            splits(windows, log)


@given(st.lists(st.integers(0, 50), min_size=5, max_size=40), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3))
def test_windows_do_not_leak(days, n_splits, size, gap):
    days = [*days, *range(100)]  # no window is empty
    log = pd.DataFrame({"user": np.arange(len(days)), "item": 0, "day": days})
    for train, test in RollingWindows("day", n_splits=n_splits, test_size=size, gap=gap or None).split(log):
        assert log["day"][train].max() + gap < log["day"][test].min()
        assert log["day"][test].max() - log["day"][test].min() < size
        counts = check_leakage(log.iloc[train], log.iloc[test], user="user", item="item", timestamp="day")
        assert counts == {"n_held_out": len(test), "n_shared": 0, "n_early": 0}


# Leave-last-out -------------------------------------------------------------------------------------------------------


def test_last_interactions_of_each_user():
    assert splits(LeaveLastOut("user", "day")) == [([0, 1, 2, 4, 7], [3, 5, 6])]
    assert splits(LeaveLastOut("user", "day", n_last=2)) == [([1, 2, 4, 7], [0, 3, 5, 6])]


def test_the_lowest_of_rows_with_the_same_time_is_the_last():
    log = pd.DataFrame({"user": ["a", "a", "a"], "day": [5, 5, 1]})
    assert splits(LeaveLastOut("user", "day"), log) == [([0, 2], [1])]


# Both -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("splitter", [RollingWindows("timestamp", n_splits=3), LeaveLastOut("user_id", "timestamp")])
def test_in_scikit_learn(tastes, splitter):
    log = tastes.events.sample(frac=1, random_state=0)  # rows may be in any order
    model = LogRecommender(PopularityRecommender(), user="user_id", item="item_id", timestamp="timestamp")
    n_splits = splitter.get_n_splits()
    assert n_splits == len(list(splitter.split(log)))
    assert np.isfinite(cross_val_score(model, log, cv=splitter)).all()
    search = GridSearchCV(
        model, {"rank_decay": [0.8, 1.0]}, cv=splitter, scoring=RankingScorer("ndcg", k=5), n_jobs=2
    ).fit(log)
    assert search.n_splits_ == n_splits
    assert repr(clone(splitter, safe=False)) == repr(splitter)


@pytest.mark.parametrize(
    ("make", "log", "message"),
    [
        (lambda: RollingWindows("day", n_splits=0), LOG, "The 'n_splits' parameter of RollingWindows must be an int"),
        (lambda: RollingWindows("day", test_size=0), LOG, "The 'test_size' parameter of RollingWindows must be"),
        (lambda: RollingWindows("day", test_size="2D"), LOG, "test_size must be a number where times are numbers"),
        (
            lambda: RollingWindows("when"),
            LOG,
            r"timestamp='when' is not a column of X, which has 3 .*: 'user', 'item', 'd",
        ),
        (lambda: RollingWindows(7), LOG, r"timestamp=7 is not a column of X"),
        (
            lambda: RollingWindows("item"),
            LOG,
            r"timestamp='item' of X must hold datetimes or numbers; .* type str\. Convert",
        ),
        (
            lambda: RollingWindows("day"),
            LOG.assign(day=DATES - DATES[1]),
            "must hold datetimes or numbers; .* timedelta",
        ),
        (lambda: RollingWindows("day", n_splits=9), LOG, r"The test part of window 0 of n_splits=9 has no interaction"),
        (
            lambda: RollingWindows("day", n_splits=1, test_size=11),
            LOG,
            "The training part of .* spans 10, a window 11: use",
        ),
        (
            lambda: RollingWindows("day", test_size="20D"),
            FORMS_OF_DATES["zone"],
            "spans 864000 seconds, a window 1.728e",
        ),
        (
            lambda: RollingWindows("day"),
            LOG.assign(day=5),
            "The test part of window 0 of n_splits=5 .* spans 0, a window 0:",
        ),
        (lambda: RollingWindows("day"), LOG[:0], r"Found 0 sample\(s\) .* a minimum of 1 is required"),
        (
            lambda: RollingWindows("day"),
            LOG.assign(day=np.nan),
            r"timestamp='day' of X has missing values .* 8 of 8 rows",
        ),
        (
            lambda: RollingWindows("day"),
            LOG.assign(day=pd.NaT),
            r"timestamp='day' of X has missing values .* 8 of 8 rows",
        ),
        (lambda: RollingWindows("day"), LOG.assign(day=np.inf), "timestamp='day' of X contains infinity"),
        (lambda: LeaveLastOut("user", "day", n_last=0), LOG, "The 'n_last' parameter of LeaveLastOut must be an int"),
        (
            lambda: LeaveLastOut("day", "day"),
            LOG,
            "X must have a user with two or more interactions; got none among 8 us",
        ),
        (lambda: LeaveLastOut("who", "day"), LOG, "user='who' is not a column of X"),
    ],
)
def test_errors_name_the_cause(make, log, message):
    with pytest.raises(ValueError, match=message):
        list(make().split(log))


@pytest.mark.parametrize(
    ("length", "message"),
    [("soon", 'test_size must be a span of time such as "30D"'), ("-2D", "must be positive; got")],
)
def test_spans_are_checked(length, message):
    log = LOG.assign(day=pd.to_datetime(LOG["day"], unit="D"))
    with pytest.raises(ValueError, match=message):
        list(RollingWindows("day", test_size=length).split(log))


def test_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(LOG))
    for splitter in (RollingWindows("day", n_splits=2, test_size=2), LeaveLastOut("user", "day")):
        for parts, shuffled in zip(splitter.split(LOG), splitter.split(LOG.iloc[order]), strict=True):
            for part, same in zip(parts, shuffled, strict=True):
                assert_array_equal(part, np.sort(order[same]))


@pytest.mark.parametrize("splitter", [RollingWindows("day"), LeaveLastOut("user", "day")])
def test_lazy_tables_are_refused(splitter):
    with pytest.raises(TypeError, match=r"X is a lazy table, LazyFrame: call X\.collect\(\) first"):
        splits(splitter, pl.DataFrame(LOG.to_dict("list")).lazy())
