"""Changes by requests: the recommender becomes what a fit to all interactions gives."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skgnnrec import GNNRecommender, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.compose import CompressedRecommender
from skgnnrec.serving import read_journal


def lists_of(client, users, n=6):
    answers = [client.post("/recommendations", json={"user": user, "n": n}).json()["items"] for user in users]
    return [[(each["item"], pytest.approx(each["score"], rel=1e-4, abs=1e-5)) for each in answer] for answer in answers]


def expected_lists(rec, users, n=6):
    return [list(zip(*(part[0].tolist() for part in rec.recommend([user], n)), strict=True)) for user in users]


def test_learning_equals_a_fit_to_all_interactions(serve, fitted, log, buy):
    client = serve(fitted)
    pairs = [("user 1", "sku 5"), ("newcomer", "sku 7"), ("newcomer", "sku 5")]
    before = fitted.recommend(["newcomer"], 6)[0].tolist()
    assert buy(client, *pairs[:2]).json() == {"sequence": 1, "learned": 2, "repeated": 0}
    assert buy(client, pairs[2]).json()["sequence"] == 2
    refit = clone(fitted).fit(pd.concat([log, pd.DataFrame(pairs, columns=["user", "item"])]))
    users = ["user 1", "user 2", "newcomer"]
    assert lists_of(client, users) == expected_lists(refit, users)
    assert fitted.recommend(["newcomer"], 6)[0].tolist() == before  # a copy has learned


def test_forgetting_equals_a_fit_to_the_others(serve, fitted, log):
    client = serve(fitted)
    assert client.delete("/users/user 1").json() == {"sequence": 1}
    refit = clone(fitted).fit(log[log["user"] != "user 1"])
    assert lists_of(client, ["user 1", "user 2"]) == expected_lists(refit, ["user 1", "user 2"])
    assert client.delete("/users/user 1").status_code == 404


def test_the_last_user_cannot_be_forgotten(serve):
    rec = LogRecommender(PopularityRecommender()).fit([["ann", "mug"], ["ann", "pot"]])
    answer = serve(rec).delete("/users/ann")
    assert (answer.status_code, answer.json()["detail"]) == (409, "forget would leave no interaction.")


@pytest.mark.parametrize(
    ("interaction", "message"),
    [
        ({"user": "user 1", "item": "sku 99"}, "The item 'sku 99' is unknown: new items need a new fit."),
        ({"user": 1, "item": "sku 1"}, "user must be of type str, as in the fit; got 1."),
    ],
)
def test_what_cannot_be_learned_is_refused_as_a_whole(serve, fitted, interaction, message):
    client = serve(fitted)
    good = {"user": "newcomer", "item": "sku 1"}
    answer = client.post("/interactions", json={"interactions": [good, interaction]})
    assert (answer.status_code, answer.json()["detail"]) == (422, message)
    assert client.post("/recommendations", json={"user": "newcomer"}).json()["history_length"] == 0


def test_repeated_keys_are_learned_once(serve, fitted, journal, buy):
    client = serve(fitted, journal=journal)
    assert buy(client, ("newcomer", "sku 1"), key="order 1").json()["learned"] == 1
    assert buy(client, ("newcomer", "sku 2"), key="order 1").json() == {"sequence": 1, "learned": 0, "repeated": 1}
    both = buy(client, ("newcomer", "sku 3"), ("newcomer", "sku 4"), key="order 2")
    assert both.json() == {"sequence": 2, "learned": 1, "repeated": 1}
    assert [each["item"] for each in read_journal(journal).interactions] == ["sku 1", "sku 3"]


def timed(log, times, **parameters):
    rec = LogRecommender(RidgeRecommender(), user="user", item="item", timestamp="time", rank_decay=0.5, **parameters)
    return rec, log.assign(time=times)


def test_times_count(serve, log, buy):
    rec, table = timed(log, pd.date_range("2024-01-01", periods=len(log), unit="s"))
    client = serve(clone(rec).fit(table))
    buy(client, ("newcomer", "sku 1"), timestamp="2025-03-01T12:00:00+02:00")
    buy(client, ("newcomer", "sku 2"), timestamp="2025-03-01T09:00:00")
    further = [
        ("newcomer", "sku 1", pd.Timestamp("2025-03-01 10:00")),
        ("newcomer", "sku 2", pd.Timestamp("2025-03-01 9:00")),
    ]
    refit = clone(rec).fit(pd.concat([table, pd.DataFrame(further, columns=["user", "item", "time"])]))
    assert lists_of(client, ["newcomer"]) == expected_lists(refit, ["newcomer"])


def test_an_interaction_without_time_is_of_now(serve, log, journal, buy):
    rec, table = timed(log, pd.date_range("2024-01-01", periods=len(log), unit="s"))
    client = serve(rec.fit(table), journal=journal)
    buy(client, ("newcomer", "sku 1"))
    (learned,) = read_journal(journal).interactions
    age = pd.Timestamp.now("UTC").tz_localize(None) - pd.Timestamp(learned["timestamp"])
    assert abs(age) < pd.Timedelta("1min")


NUMBERS, DATES = range(1000), pd.date_range("2024-01-01", periods=1000)


@pytest.mark.parametrize(
    ("times", "timestamp", "message"),
    [
        (NUMBERS, None, r"timestamp must be a number, as the times of the fit are; got None\."),
        (NUMBERS, 1.5, r"timestamp must be an integer, as the times of the fit are; got 1\.5\."),
        (DATES, 5, r"timestamp must be a date and time as text, as the times of the fit are; got 5\."),
        (DATES, "soon", r"timestamp must be a date and time as ISO 8601 has it; got 'soon'\."),
        (DATES, "0001-01-01T00:00:00+10:00", r"timestamp must be from the year 1 to 9999 in UTC; got '0001-.*'\."),
    ],
)
def test_times_of_another_kind_are_refused(serve, log, buy, times, timestamp, message):
    rec, table = timed(log, times[: len(log)])
    answer = buy(serve(rec.fit(table)), ("newcomer", "sku 1"), timestamp=timestamp)
    assert answer.status_code == 422
    assert re.fullmatch(message, answer.json()["detail"])


@pytest.mark.parametrize("as_array", [True, False])
def test_columns_by_position_are_served(serve, log, as_array, buy):
    table = log.assign(other=0, count=2.0)[["other", "item", "count", "user"]]
    rec = LogRecommender(RidgeRecommender(binary=False), user=3, item=1, weight=2)
    client = serve(clone(rec).fit(table.to_numpy() if as_array else table))
    buy(client, ("newcomer", "sku 1"), weight=3)
    table.loc[len(table)] = [0, "sku 1", 3.0, "newcomer"]
    assert lists_of(client, ["newcomer"]) == expected_lists(rec.fit(table), ["newcomer"])


def test_recommenders_without_users_learn_histories(serve):
    X = np.tri(6)
    client = serve(RidgeRecommender().fit(X))
    histories = [{"items": [0, 5]}, {"items": [2, 5], "weights": [1, 2]}]
    assert client.post("/interactions", json={"interactions": histories}).json()["learned"] == 2
    refit = RidgeRecommender().fit(np.vstack([X, [1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 2]]))
    answer = client.post("/recommendations", json={"history": [1], "n": 5}).json()["items"]
    items, scores = refit.recommend(np.eye(6)[1:2], 5)
    assert [each["item"] for each in answer] == items[0].tolist()
    np.testing.assert_allclose([each["score"] for each in answer], scores[0], rtol=1e-4)
    assert client.delete("/users/1").status_code == 404  # there are no users


def test_trained_recommenders_learn_but_do_not_forget(serve, log, buy):
    gnn = GNNRecommender(embedding_dim=8, max_iter=1, early_stopping=False, device="cpu")
    client = serve(LogRecommender(gnn, user="user", item="item").fit(log))
    assert buy(client, ("newcomer", "sku 1")).json()["learned"] == 1
    answer = client.delete("/users/newcomer")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("GNNRecommender is trained and cannot forget")


def test_recommenders_that_cannot_learn_say_so(serve):
    rec = CompressedRecommender(RidgeRecommender(), n_largest=3).fit(np.tri(6))
    answer = serve(rec).post("/interactions", json={"interactions": [{"items": [1]}]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "CompressedRecommender cannot learn after the fit: it has no partial_fit."
