"""RollingWindows and LeaveLastOut: what they hold out, in every form of a log."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skgnnrec import PopularityRecommender, TableRecommender
from skgnnrec.metrics import ndcg_at
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


@pytest.mark.parametrize(
    "form",
    [
        lambda log: log.assign(day=pd.to_datetime(log["day"], unit="D")),
        lambda log: log.assign(day=pd.to_datetime(log["day"], unit="D").dt.tz_localize("Europe/Rome")),
        lambda log: log.assign(day=pd.to_datetime(log["day"], unit="D").astype("datetime64[s]")),
    ],
)
@pytest.mark.parametrize("length", ["2D", pd.Timedelta("2D"), np.timedelta64(2, "D"), 2 * 86_400])
def test_datetimes(form, length):
    expected = splits(RollingWindows("day", n_splits=2, test_size=2))
    assert splits(RollingWindows("day", n_splits=2, test_size=length), form(LOG)) == expected


@pytest.mark.parametrize(
    "form", [np.asarray, lambda log: log.to_numpy().tolist(), lambda log: log.assign(day=DAYS / 4)]
)
def test_other_forms_of_a_log(form):
    size = 0.5 if isinstance(form(LOG), pd.DataFrame) else 2
    expected = splits(RollingWindows("day", n_splits=2, test_size=2))
    assert splits(RollingWindows(2, n_splits=2, test_size=size), form(LOG)) == expected


def test_nanoseconds_are_not_rounded():
    times = 1_700_000_000_000_000_000 + np.arange(10)
    log = pd.DataFrame({"time": times})
    assert splits(RollingWindows("time", n_splits=1, test_size=3), log) == [(list(range(7)), [7, 8, 9])]


@given(st.lists(st.integers(0, 50), min_size=5, max_size=40), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3))
def test_windows_never_leak_and_never_overlap(days, n_splits, size, gap):
    days = [*days, *range(100)]  # no window is empty
    log = pd.DataFrame({"user": np.arange(len(days)), "item": 0, "day": days})
    columns = {"user": "user", "item": "item", "timestamp": "day"}
    tested = []
    for train, test in RollingWindows("day", n_splits=n_splits, test_size=size, gap=gap or None).split(log):
        assert log["day"][train].max() + gap < log["day"][test].min()
        assert log["day"][test].max() - log["day"][test].min() < size
        counts = check_leakage(log.iloc[train], log.iloc[test], **columns)
        assert counts == {"n_held_out": len(test), "n_shared": 0, "n_early": 0}
        tested.extend(test)
    assert len(set(tested)) == len(tested)


# Leave-last-out -------------------------------------------------------------------------------------------------------


def test_last_interactions_of_each_user():
    assert splits(LeaveLastOut("user", "day")) == [([0, 1, 2, 4, 7], [3, 5, 6])]
    assert splits(LeaveLastOut("user", "day", n_last=2)) == [([1, 2, 4, 7], [0, 3, 5, 6])]
    assert splits(LeaveLastOut(0, 2), LOG.to_numpy()) == [([0, 1, 2, 4, 7], [3, 5, 6])]


def test_of_one_time_the_lower_row_is_last():
    log = pd.DataFrame({"user": ["a", "a", "a"], "day": [5, 5, 1]})
    assert splits(LeaveLastOut("user", "day"), log) == [([0, 2], [1])]


# Both -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("splitter", [RollingWindows("timestamp", n_splits=3), LeaveLastOut("user_id", "timestamp")])
def test_in_scikit_learn(tastes, splitter):
    log = tastes.events.sample(frac=1, random_state=0)  # rows may be in any order
    model = TableRecommender(PopularityRecommender(), user="user_id", item="item_id", timestamp="timestamp")
    n_splits = splitter.get_n_splits()
    assert n_splits == len(list(splitter.split(log)))
    assert np.isfinite(cross_val_score(model, log, cv=splitter)).all()
    search = GridSearchCV(model, {"rank_decay": [0.8, 1.0]}, cv=splitter, scoring=ndcg_at(5), n_jobs=2).fit(log)
    assert search.n_splits_ == n_splits
    assert repr(clone(splitter, safe=False)) == repr(splitter)


@pytest.mark.parametrize(
    ("make", "log", "message"),
    [
        (lambda: RollingWindows("day", n_splits=0), LOG, "The 'n_splits' parameter of RollingWindows must be an int"),
        (lambda: RollingWindows("day", test_size=0), LOG, "The 'test_size' parameter of RollingWindows must be"),
        (lambda: RollingWindows("day", test_size="2D"), LOG, "test_size must be a number where times are numbers"),
        (lambda: RollingWindows("when"), LOG, r"timestamp='when' must be one column of X; it has \['user', 'item', 'd"),
        (lambda: RollingWindows(7), LOG, "timestamp=7 must be one column of X"),
        (lambda: RollingWindows("item"), LOG, "timestamp='item' must hold datetimes or numbers; its dtype is"),
        (lambda: RollingWindows("day", n_splits=9), LOG, r"No interaction is in the \w+ part of window \d of 9"),
        (lambda: RollingWindows("day", n_splits=1, test_size=11), LOG, "spans 10, a window 11: use fewer or shorter"),
        (lambda: RollingWindows("day"), LOG[:0], "X must have at least one row"),
        (lambda: RollingWindows("day"), LOG.assign(day=np.nan), "timestamp='day' is missing .NaN. in 8 of 8 rows"),
        (lambda: LeaveLastOut("user", "day", n_last=0), LOG, "The 'n_last' parameter of LeaveLastOut must be an int"),
        (lambda: LeaveLastOut("day", "day"), LOG, "no user with two interactions, of 8 users"),
        (lambda: LeaveLastOut("who", "day"), LOG, "user='who' must be one column of X"),
    ],
)
def test_errors_name_the_cause(make, log, message):
    with pytest.raises(ValueError, match=message):
        list(make().split(log))


@pytest.mark.parametrize(
    ("length", "message"), [("soon", 'test_size must be a time span such as "7D"'), ("-2D", "must be positive; got")]
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
