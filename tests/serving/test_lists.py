"""Lists that are served: those of the recommender."""

import concurrent.futures

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender


def pairs_of(answer):
    return [(each["item"], each["score"]) for each in answer["items"]]


def same(answer, items, scores):
    kept = np.isfinite(scores[0])
    found = pairs_of(answer)
    assert [item for item, _ in found] == items[0][kept].tolist()
    np.testing.assert_allclose([score for _, score in found], scores[0][kept], rtol=1e-5, atol=1e-6)


def test_lists_are_those_of_the_recommender(serve, fitted):
    client = serve(fitted)
    users = fitted.user_ids_[:20].tolist()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:  # together, as batches
        answers = list(threads.map(lambda user: client.post("/recommendations", json={"user": user, "n": 7}), users))
    for user, answer in zip(users, answers, strict=True):
        same(answer.json(), *fitted.recommend([user], 7))


def test_a_history_is_ranked_as_a_basket(serve, fitted):
    client = serve(fitted)
    basket = ["sku 3", "sku 8", "sku 3"]
    answer = client.post("/recommendations", json={"history": [*basket, "sku of old"], "n": 5}).json()
    same(answer, *fitted.recommend(histories=[basket], n_recommendations=5))
    assert answer["unknown_items"] == ["sku of old"]
    assert answer["history_length"] == 2


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_candidates_are_ranked(serve, fitted, exclude_seen):
    client = serve(fitted)
    candidates = ["sku 9", "sku 1", "sku 3", "sku 22"]
    request = {"history": ["sku 3", "sku 8"], "candidates": candidates, "exclude_seen": exclude_seen, "n": 4}
    options = {"candidates": candidates, "exclude_seen": exclude_seen}
    expected = fitted.recommend(histories=[["sku 3", "sku 8"]], n_recommendations=4, **options)
    same(client.post("/recommendations", json=request).json(), *expected)


def test_weights_count(serve):
    rec = RidgeRecommender().fit(np.tri(6))
    client = serve(rec)
    answer = client.post("/recommendations", json={"history": [3, 0], "weights": [0.5, 2], "n": 3}).json()
    same(answer, *rec.recommend([[2, 0, 0, 0.5, 0, 0]], 3))


def test_a_query_steers_and_reasons_are_given(serve, log, catalog):
    model = RidgeRecommender(catalog=catalog, item_encoder=TfidfVectorizer())
    rec = LogRecommender(model, user="user", item="item").fit(log)
    client = serve(rec)
    user = rec.user_ids_[0]
    request = {"user": user, "n": 3, "query": "green bowl", "query_weight": 0.9, "reasons": True}
    answer = client.post("/recommendations", json=request).json()
    same(answer, *rec.recommend([user], 3, query="green bowl", query_weight=0.9))
    assert all("because it fits the query" in item["reason"].lower() for item in answer["items"])
    empty = client.post("/recommendations", json={"history": [], "n": 2, "reasons": True}).json()
    assert [item["reason"] for item in empty["items"]] == ["Because it is popular."] * 2
    one = client.post("/recommendations", json={"history": ["sku 4"], "n": 2, "reasons": True}).json()
    assert all("red tray small" in item["reason"] for item in one["items"])
    no_text = serve(LogRecommender(RidgeRecommender(), user="user", item="item").fit(log))
    refused = no_text.post("/recommendations", json={"history": [], "query": "bowl"})
    assert refused.status_code == 422
    assert "query requires item vectors" in refused.json()["detail"]


def test_a_batch_has_a_list_for_each_request(serve, fitted):
    client = serve(fitted)
    requests = [{"user": fitted.user_ids_[0], "n": 2}, {"history": ["sku 4"], "n": 3}]
    lists = client.post("/recommendations/batch", json={"requests": requests}).json()["lists"]
    assert lists == [client.post("/recommendations", json=request).json() for request in requests]


def test_similar_items_are_those_of_the_recommender(serve, fitted):
    client = serve(fitted)
    lists = client.post("/items/similar", json={"items": ["sku 5", "sku 6"], "n": 4}).json()["lists"]
    items, scores = fitted.similar_items(["sku 5", "sku 6"], 4)
    for row, each in enumerate(lists):
        same(each, items[row : row + 1], scores[row : row + 1])
    one = client.get("/items/similar", params={"item": "sku 5", "n": 4}).json()["lists"]
    assert one == lists[:1]


def test_unknown_items_cannot_be_asked_for(serve, fitted):
    client = serve(fitted)
    assert client.get("/items/similar", params={"item": "sku 99"}).status_code == 404
    answer = client.post("/recommendations", json={"history": ["sku 1"], "candidates": ["sku 99"]})
    assert (answer.status_code, answer.json()["detail"]) == (422, "The item 'sku 99' is unknown.")
    twice = client.post("/recommendations", json={"history": ["sku 1"], "candidates": ["sku 2", "sku 2"]})
    assert twice.json()["detail"] == "candidates names an item twice."


@pytest.mark.parametrize(("policy", "status", "n_items"), [("popular", 200, 3), ("skip", 200, 0), ("error", 404, None)])
def test_unknown_users_are_treated_as_the_recommender_does(serve, log, policy, status, n_items):
    rec = LogRecommender(PopularityRecommender(), user="user", item="item", unknown_users=policy).fit(log)
    answer = serve(rec).post("/recommendations", json={"user": "nobody", "n": 3})
    assert answer.status_code == status
    if n_items is not None:
        assert len(answer.json()["items"]) == n_items


def test_lists_end_where_no_candidate_is_left(serve):
    client = serve(PopularityRecommender().fit(np.tri(3)))
    assert [item for item, _ in pairs_of(client.post("/recommendations", json={"history": [0], "n": 9}).json())] == [
        1,
        2,
    ]


def test_integers_in_addresses_are_ids(serve):
    client = serve(RidgeRecommender().fit(np.tri(6)))
    assert client.get("/items/similar", params={"item": "3", "n": 1}).json()["lists"][0]["item"] == 3
    assert client.get("/items/similar", params={"item": "mug"}).json()["detail"].startswith("'mug' is no id")
