"""The protocols of a benchmark: what is learned, what is held out, and what leaks."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgnnrec import ContentRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.metrics import RankingScorer, ranking_metrics
from skgnnrec.model_selection import BenchmarkData, benchmark, split_interactions

from .conftest import COLUMNS

FAST = {"n_repeats": 1, "n_resamples": 20}
RIDGE = {"ridge": RidgeRecommender()}


class Watching(PopularityRecommender):
    """A recommender that keeps the matrices of its fits and of its histories."""

    seen: list = []  # noqa: RUF012  shared by clones

    def fit(self, X, y=None):
        self.seen.append(X)
        return super().fit(X)

    def rank_held_out(self, X, y=None, n_recommendations=None, **options):
        self.seen.append(X)
        return super().rank_held_out(X, y, n_recommendations, **options)


@pytest.fixture
def watched():
    Watching.seen.clear()
    yield Watching.seen
    Watching.seen.clear()


def times_of(made):
    seconds = made.events["timestamp"].astype("datetime64[s]").astype(np.int64)
    return sparse.csr_array((seconds, (made.events["user_id"], made.events["item_id"])), made.interactions.shape)


def measured(data, protocol, models=RIDGE, **options):
    result = benchmark(models, {"made": data}, protocols=[protocol], **{**FAST, **options})
    (split,) = result.content["splits"]
    return result.to_frame().set_index("recommender"), split


@pytest.mark.parametrize(("protocol", "test_size"), [("future", 0.2), ("last", 1), ("random", 0.2)])
def test_accuracy_is_that_of_the_same_split(made, data, protocol, test_size):
    table, _ = measured(data, protocol)
    timestamps = None if protocol == "random" else times_of(made)
    past, future = split_interactions(
        made.interactions, hold_out=protocol, test_size=test_size, timestamps=timestamps, random_state=0
    )
    users = np.flatnonzero(np.diff(past.indptr))
    ranked, _ = RidgeRecommender().fit(past[users]).recommend(past[users], 10)
    expected = ranking_metrics(future[users], ranked)
    assert table.loc["ridge", "ndcg@10"] == pytest.approx(expected["ndcg"], abs=1e-4)
    assert table.loc["ridge", "recall@10"] == pytest.approx(expected["recall"], abs=1e-4)


def test_matrices_with_times_are_split_as_logs(made, data):
    matrix = BenchmarkData(made.interactions, timestamp=times_of(made))
    for protocol in ("future", "last"):
        table, split = measured(data, protocol)
        other, same = measured(matrix, protocol)
        assert split == same
        assert_allclose(table["ndcg@10"], other["ndcg@10"], atol=1e-4)


def test_cold_items_are_ranked_among_themselves(made):
    catalog = ItemCatalog(np.column_stack([np.eye(40)[made.item_topics], np.arange(40) / 400]), ids=made.item_ids)
    data = BenchmarkData(made.events, **COLUMNS, catalog=catalog)
    models = {"content": lambda catalog: ContentRecommender(catalog=catalog)}
    table, split = measured(data, "cold_items", models, scoring=RankingScorer("recall", k=3))
    past, future = split_interactions(made.interactions, hold_out="cold_items", random_state=0)
    ranking = ContentRecommender(catalog=ItemCatalog(catalog.data)).fit(past)
    ranking = ranking.rank_held_out(past, future, 3, candidates=np.unique(future.indices))
    assert split["n_held_out"] == future.nnz
    assert table.loc["content", "recall@3"] == pytest.approx(RankingScorer("recall", k=3).evaluate(ranking), abs=0.02)


def test_repeated_purchases_are_not_held_out():
    users = ["ann", "ann", "bob", "bob", "ann", "ann", "bob", "bob"]
    log = pd.DataFrame({"user": users, "item": list("abbaacab"), "day": [1, 2, 3, 4, 8, 9, 10, 11]})
    data = BenchmarkData(log, user="user", item="item", timestamp="day")
    _, split = measured(data, "future", test_size=0.5)
    assert split == {
        "data": "made", "protocol": "future", "n_users": 1, "n_held_out": 1, "n_shared": 0, "n_early": 0,
    }  # fmt: skip
    assert measured(data, "last")[1]["n_held_out"] == 2  # c of ann, a of bob


def test_histories_end_before_the_last_item(watched):
    log = pd.DataFrame({"user": [1, 1, 1, 1, 2], "item": list("abcab"), "day": [1, 2, 3, 9, 1]})  # a again on day 9
    data = BenchmarkData(log, user="user", item="item", timestamp="day", rank_decay=0.5)
    measured(data, "last", {"watching": Watching()})
    fitted, histories = watched[:2]
    assert sorted(fitted.sum(axis=1)) == [1, 1.5]  # day 9 is after the held-out item, and is not known
    assert sorted(histories.data) == [0.5, 1]


def test_new_users_are_not_in_the_fit(made, data, watched):
    _, split = measured(data, "new_users", {"watching": Watching()})
    fitted, histories = watched[:2]
    assert fitted.shape[0] + histories.shape[0] <= data.n_users
    assert fitted.nnz + histories.nnz + split["n_held_out"] == made.interactions.nnz
    assert histories.shape[0] == split["n_users"] == round(0.2 * data.n_users)


def test_recency_counts_days(watched):
    moments = pd.DatetimeIndex(["2024-01-01 08:00", "2024-01-01 20:00", "2024-01-03", "2024-02-01", "2024-02-02"])
    log = pd.DataFrame({"user": [1, 1, 1, 1, 2], "item": list("abcda"), "at": moments})
    data = BenchmarkData(log, user="user", item="item", timestamp="at", rank_decay=0.5)
    measured(data, "last", {"watching": Watching()})
    assert sorted(watched[1].data) == [0.5, 0.5, 1]


def test_only_the_global_split_does_not_learn_from_the_future(data):
    result = benchmark(RIDGE, {"made": data}, protocols=["future", "last", "random", "new_users"], **FAST)
    early = {split["protocol"]: split["n_early"] for split in result.content["splits"]}
    assert early.pop("future") == 0
    assert min(early.values()) > 0
    assert not any(split["n_shared"] for split in result.content["splits"])


def test_protocols_that_suit_the_data(made, data, items):
    sets = {"log": data, "matrix": made.interactions}
    sets["catalog"] = BenchmarkData(made.events, **COLUMNS, catalog=items)
    sets["published"] = BenchmarkData(np.eye(3), held_out=np.eye(3)[::-1] - np.diag([0, 1, 0]))
    result = benchmark({"popularity": PopularityRecommender()}, sets, **FAST)
    found = result.to_frame().groupby("data", sort=False)["protocol"].agg(list).to_dict()
    assert found == {
        "log": ["future", "last", "new_users"],
        "matrix": ["random", "new_users"],
        "catalog": ["future", "last", "new_users", "cold_items"],
        "published": ["given"],
    }
