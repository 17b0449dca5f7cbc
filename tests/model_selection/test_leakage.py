"""The guard: it counts what leaks, warns of it by name, and keeps quiet where nothing does."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import KFold

from skgnnrec import RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import ndcg_at
from skgnnrec.model_selection import LeaveLastOut, check_leakage, split_interactions

COLUMNS = {"user": "user_id", "item": "item_id"}


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
    with pytest.warns(LeakageWarning, match=f"leaks: {future.nnz} of {future.nnz} held-out interactions are learned"):
        assert check_leakage(form(X), form(future))["n_shared"] == future.nnz


def test_a_leak_makes_a_recommender_look_better_than_it_is(X):
    past, future = split_interactions(X, random_state=0)
    leaked = ndcg_at(10)(RidgeRecommender().fit(X), past, future)
    assert leaked > 1.15 * ndcg_at(10)(RidgeRecommender().fit(past), past, future)
    with pytest.warns(LeakageWarning):
        check_leakage(X, future)


def test_the_future_before_the_past_is_counted(X, times):
    past, future = split_interactions(X, hold_out="last", test_size=1, timestamps=times)
    with pytest.warns(LeakageWarning, match="leaks the future: .* are earlier than the latest interaction that"):
        counts = check_leakage(past, future, timestamp=times)
    rows, columns = future.nonzero()
    assert counts["n_early"] == (times[rows, columns] < times[past.nonzero()].max()).sum() > 0
    assert quiet(past, future, timestamp=times, order="user")["n_early"] == 0
    past, future = split_interactions(X, random_state=0)
    with pytest.warns(LeakageWarning, match="are earlier than one of the same user that"):
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


def test_taking_an_item_up_again_is_a_leak_only_where_times_are_not_known():
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
        ({"user": "who", "item": "item_id"}, "user='who' must be one column of X"),
        ({**COLUMNS, "timestamp": [1, 2]}, "timestamp must be the column of the times of the logs; got list"),
        ({**COLUMNS, "order": "any"}, "The 'order' parameter of check_leakage must be a str among"),
    ],
)
def test_errors_of_logs_name_the_cause(tastes, options, message):
    with pytest.raises(ValueError, match=message):
        check_leakage(tastes.events[:50], tastes.events[50:], **options)


def test_errors_of_matrices_name_the_cause(X):
    with pytest.raises(ValueError, match=r"must have the same shape; got \(120, 40\) and \(119, 40\)"):
        check_leakage(X, X[1:])
    with pytest.raises(ValueError, match="timestamps must have the shape of X"):
        check_leakage(X, X, timestamp=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="Negative values in data passed to test"):
        check_leakage(X, -X)


def test_logs_without_columns_are_told_how():
    log = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"]})
    with pytest.raises(ValueError, match=r"matrices of numbers, users by items. Of logs, name the columns: user="):
        check_leakage(log, log)
    with pytest.raises(ValueError, match=r"same shape; got \(3, 2\) and \(1, 2\). Of logs, name the columns"):
        check_leakage([[1, 5], [2, 5], [3, 7]], [[1, 7]])
