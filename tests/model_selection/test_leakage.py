"""check_leakage counts the leaks of a split and warns of them."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection import KFold

from skgnnrec import RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import RankingScorer
from skgnnrec.model_selection import LeaveLastOut, check_leakage, split_interactions

COLUMNS = {"user": "user_id", "item": "item_id"}
LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table, "dict": dict}


@pytest.fixture
def times(X):
    return np.random.default_rng(0).integers(0, 1000, X.shape)


def quiet(*args, **options):
    with warnings.catch_warnings(action="error"):
        return check_leakage(*args, **options)


def test_a_clean_split_is_quiet(X, times):
    past, future = split_interactions(X, hold_out="future", timestamps=times)
    assert quiet(past, future, timestamp=times) == {"n_held_out": future.nnz, "n_shared": 0, "n_early": 0}
    past, future = split_interactions(X, random_state=0)
    assert quiet(past, future) == {"n_held_out": future.nnz, "n_shared": 0}


@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.coo_matrix, lambda X: X.toarray(), lambda X: pd.DataFrame(X.toarray())]
)
def test_interactions_in_both_parts_are_counted(X, form):
    _, future = split_interactions(X, random_state=0)
    with pytest.warns(LeakageWarning, match=f"leaks: {future.nnz} of {future.nnz} held-out interactions are in"):
        assert check_leakage(form(X), form(future))["n_shared"] == future.nnz


def test_the_warning_is_at_the_call(X):
    with pytest.warns(LeakageWarning, match="held-out interactions are in the training part too") as caught:
        check_leakage(X, X)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_leak_makes_a_recommender_look_better_than_it_is(X):
    past, future = split_interactions(X, random_state=0)
    leaked = RankingScorer("ndcg", k=10)(RidgeRecommender().fit(X), past, future)
    assert leaked > 1.15 * RankingScorer("ndcg", k=10)(RidgeRecommender().fit(past), past, future)
    with pytest.warns(LeakageWarning):
        check_leakage(X, future)


def test_the_future_before_the_past_is_counted(X, times):
    past, future = split_interactions(X, hold_out="last", test_size=1, timestamps=times)
    with pytest.warns(
        LeakageWarning, match=r"leaks the future: .* are earlier than the latest training interaction\.$"
    ):
        counts = check_leakage(past, future, timestamp=times)
    rows, columns = future.nonzero()
    assert counts["n_early"] == (times[rows, columns] < times[past.nonzero()].max()).sum() > 0
    assert quiet(past, future, timestamp=times, order="user")["n_early"] == 0
    past, future = split_interactions(X, random_state=0)
    with pytest.warns(LeakageWarning, match=r"are earlier than a training interaction of the same user\.$"):
        n_early = check_leakage(past, future, timestamp=times, order="user")["n_early"]
    latest = np.where(past.toarray() > 0, times, -1).max(axis=1)
    assert n_early == (times < latest[:, None])[future.nonzero()].sum()


def test_datetimes_of_matrices(X, times):
    dates = times.astype("datetime64[D]")
    past, future = split_interactions(X, random_state=0)
    for order in ("global", "user"):
        with pytest.warns(LeakageWarning):
            expected = check_leakage(past, future, timestamp=times, order=order)
        with pytest.warns(LeakageWarning):
            assert check_leakage(past, future, timestamp=dates, order=order) == expected


# Logs -----------------------------------------------------------------------------------------------------------------


def test_logs(tastes):
    log = tastes.events
    assert quiet(log[:-100], log[-100:], **COLUMNS, timestamp="timestamp")["n_early"] == 0
    with pytest.warns(LeakageWarning, match="leaks: 50 of 100 held-out"):
        assert check_leakage(log[:-50], log[-100:], **COLUMNS)["n_shared"] == 50
    train, test = next(KFold(5, shuffle=True, random_state=0).split(log))
    with pytest.warns(LeakageWarning, match="leaks the future"):
        n_early = check_leakage(log.iloc[train], log.iloc[test], **COLUMNS, timestamp="timestamp")["n_early"]
    assert n_early == (log["timestamp"].iloc[test] < log["timestamp"].iloc[train].max()).sum()
    train, test = next(LeaveLastOut("user_id", "timestamp").split(log))
    assert quiet(log.iloc[train], log.iloc[test], **COLUMNS, timestamp="timestamp", order="user")["n_early"] == 0


def test_a_repeated_interaction_is_a_leak_only_without_times():
    train = pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "day": [1, 2]})
    test = pd.DataFrame({"user": ["a", "b"], "item": [1, 3], "day": [5, 6]})
    assert quiet(train, test, user="user", item="item", timestamp="day")["n_shared"] == 0
    with pytest.warns(LeakageWarning, match="1 of 2"):
        assert check_leakage(train, test, user="user", item="item")["n_shared"] == 1
    by_position = train.to_numpy(), test.to_numpy()
    with pytest.warns(LeakageWarning, match="1 of 2"):
        check_leakage(*by_position, user=0, item=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "user_id"}, "user and item must be given together, for logs; got user='user_id' and item=None"),
        ({"user": "who", "item": "item_id"}, "user='who' is not a column of train, which has"),
        ({**COLUMNS, "timestamp": [1, 2]}, "timestamp must be a column of the logs, by name or position; got a list"),
        ({**COLUMNS, "order": "any"}, "The 'order' parameter of check_leakage must be a str among"),
    ],
)
def test_errors_of_logs_name_the_cause(tastes, options, message):
    with pytest.raises(ValueError, match=message):
        check_leakage(tastes.events[:50], tastes.events[50:], **options)


def test_errors_of_matrices_name_the_cause(X):
    with pytest.raises(ValueError, match=r"test must have the shape of train, \(120, 40\); got \(119, 40\)"):
        check_leakage(X, X[1:])
    with pytest.raises(ValueError, match=r"timestamp must have the shape of X, \(120, 40\); got \(2, 2\)"):
        check_leakage(X, X, timestamp=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="Negative values in data passed to test"):
        check_leakage(X, -X)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_a_log_without_columns_is_no_matrix(make):
    log = make({"user": ["a", "b"], "item": ["x", "y"]})
    with pytest.raises(
        ValueError, match=r"train must be a matrix of numbers, users by items; .* name the columns: user="
    ):
        check_leakage(log, log)


def test_parts_of_a_log_have_other_shapes():
    with pytest.raises(ValueError, match=r"the shape of train, \(3, 2\); got \(1, 2\)\. For logs, name the columns"):
        check_leakage([[1, 5], [2, 5], [3, 7]], [[1, 7]])


# Tables and times -----------------------------------------------------------------------------------------------------


DAYS = {"user": ["a", "a", "b", "b"], "item": [1, 2, 1, 3], "day": [1, 4, 2, 3]}


@pytest.mark.parametrize("first", LIBRARIES)
@pytest.mark.parametrize("second", LIBRARIES)
def test_logs_of_every_library(first, second):
    train, test = ({name: column[rows] for name, column in DAYS.items()} for rows in (slice(0, 2), slice(2, 4)))
    with pytest.warns(LeakageWarning, match="2 of 2"):
        counts = check_leakage(
            LIBRARIES[first](train), LIBRARIES[second](test), user="user", item="item", timestamp="day"
        )
    assert counts == {"n_held_out": 2, "n_shared": 0, "n_early": 2}


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("columns", [{}, {"user": "user", "item": "item"}], ids=["matrix", "log"])
def test_lazy_tables_are_refused(name, columns):
    parts = {"train": pl.DataFrame(DAYS), "test": pl.DataFrame(DAYS)}
    parts[name] = parts[name].lazy()
    with pytest.raises(TypeError, match=rf"{name} is a lazy table, LazyFrame: call {name}\.collect\(\) first"):
        check_leakage(**parts, **columns)


def days(values, unit="ns"):
    return {"user": [1, 2], "item": [1, 2], "day": np.array(values, dtype=f"M8[{unit}]")}


@pytest.mark.parametrize("units", [("s", "ns"), ("ns", "s"), ("D", "us"), ("ms", "ms")])
def test_times_of_different_units(units):
    train = days(["2020-01-01", "2020-03-01"], units[0])
    test = days(["2020-02-01", "2020-04-01"], units[1])
    with pytest.warns(LeakageWarning, match="1 of 2 held-out interactions are earlier"):
        assert check_leakage(train, test, user="user", item="item", timestamp="day")["n_early"] == 1


def test_times_beyond_nanoseconds():
    train, test = days(["2020-01-01", "2020-01-02"], "s"), days(["2500-01-01", "2500-01-02"], "s")
    assert quiet(train, test, user="user", item="item", timestamp="day")["n_early"] == 0
    with pytest.raises(ValueError, match=r"timestamp='day' of test has times that datetime64\[ns\] cannot hold"):
        check_leakage({**train, "day": train["day"].astype("M8[ns]")}, test, user="user", item="item", timestamp="day")


def test_numbers_are_not_compared_with_datetimes():
    with pytest.raises(
        ValueError, match="timestamp='day' must be of one kind in train and test; got numbers and datet"
    ):
        check_leakage(
            {"user": [1], "item": [1], "day": [5]}, days(["2020-01-01"] * 2), user="user", item="item", timestamp="day"
        )


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=12), st.integers(1, 11))
def test_counts_by_definition(rows, n_train):
    log = pd.DataFrame(rows, columns=["user", "item", "day"])
    train, test = log[: min(n_train, len(log) - 1)], log[min(n_train, len(log) - 1) :]
    with warnings.catch_warnings(action="ignore"):
        found = check_leakage(train, test, user="user", item="item", timestamp="day")
        of_user = check_leakage(train, test, user="user", item="item", timestamp="day", order="user")["n_early"]
    seen = set(train.itertuples(index=False, name=None))
    latest = train.groupby("user")["day"].max()
    assert found["n_shared"] == sum(row in seen for row in test.itertuples(index=False, name=None))
    assert found["n_early"] == (test["day"] < train["day"].max()).sum()
    assert of_user == (test["day"] < test["user"].map(latest)).sum()
