"""A ranker of a log returns what `LogRecommender.recommend` returns, by ids."""

import datetime

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skgnnrec import GraphFilterRecommender, LogRecommender, RidgeRecommender


@pytest.fixture
def log(X, names):
    users, items = X.nonzero()
    times = np.random.default_rng(0).integers(0, 9, len(users))
    return pd.DataFrame({"user": users, "item": names[items], "time": times})


@pytest.fixture
def rec(log, furnish):
    rec = LogRecommender(furnish(GraphFilterRecommender()), user="user", item="item", timestamp="time", rank_decay=0.7)
    return rec.fit(log)


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_users_get_what_recommend_returns(rec, exclude_seen):
    rank, users = rec.ranker(), [*rec.user_ids_, 9999]
    items, scores = rec.recommend(users, 6, exclude_seen=exclude_seen)
    for row, user in enumerate(users):
        found, best = rank(user, 6, exclude_seen=exclude_seen)
        assert found.tolist() == items[row].tolist()
        assert_array_equal(best, scores[row])


def test_histories_get_what_recommend_returns(rec, names):
    rank, baskets = rec.ranker(), [names[:3].tolist(), [names[7]], [], names.tolist()]
    items, scores = rec.recommend(histories=baskets, n_recommendations=5)
    for row, basket in enumerate(baskets):
        found, best = rank.history(basket, n=5)
        assert found.tolist() == items[row].tolist()
        assert_array_equal(best, scores[row])
    assert rank.history([names[0], "unknown", names[1]], [2.0, 9.0, 1.0])[0].tolist() == (
        rank.history([names[1], names[0]], [1.0, 2.0])[0].tolist()
    )


def test_unknown_users(rec, log):
    popular = rec.set_params(unknown_users="popular").fit(log).ranker()(9999, 3)
    assert popular[0].tolist() == rec.recommend([9999], 3)[0][0].tolist()
    skipped = rec.set_params(unknown_users="skip").fit(log).ranker()(9999, 3)
    assert (skipped[0].tolist(), skipped[1].tolist()) == ([None] * 3, [-np.inf] * 3)
    with pytest.raises(ValueError, match="The user 9999 was not in the fit"):
        rec.set_params(unknown_users="error").fit(log).ranker()(9999)


IDS = {
    "integers": [1, 5, -1, 2**60],
    "free integers": [1, 5, 7, 2**60],
    "mixed": [1, "1", ("x", 2), b"1"],
    "dates": [datetime.date(2024, 1, day) for day in range(1, 5)],
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_keep_value_and_type(kind):
    ids = IDS[kind]
    pairs = {"user": [ids[a] for a in (0, 0, 1, 2, 3)], "item": [ids[b] for b in (0, 1, 1, 2, 3)]}
    rec = LogRecommender(RidgeRecommender()).fit(pairs)
    rank = rec.ranker()
    items, _ = rec.recommend(ids, 4)
    for user, wanted in zip(ids, items.tolist(), strict=True):
        found = rank(user, 4)[0].tolist()
        assert found == wanted
        assert [type(item) for item in found] == [type(item) for item in wanted]


def test_a_ranker_needs_a_fit(rec):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        LogRecommender(RidgeRecommender()).ranker()
