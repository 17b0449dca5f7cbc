"""The state that answers: ids, texts and searches."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender


def search(client, words, n=20):
    return [each["item"] for each in client.get("/items", params={"search": words, "n": n}).json()["items"]]


def test_search_finds_items_with_all_words(serve, fitted):
    client = serve(fitted)
    assert search(client, "Red MUG") == ["sku 0", "sku 1"]
    assert search(client, "mug", n=2) == ["sku 0", "sku 1"]
    assert search(client, "mug purple") == []
    assert search(client, "sku 17") == ["sku 17"]


def test_items_that_begin_with_the_word_come_first(serve):
    catalog = ItemCatalog(["teapot", "pot"], ids=["a", "b"])
    rec = PopularityRecommender(catalog=catalog).fit(pd.DataFrame(np.eye(2), columns=["a", "b"]))
    assert search(serve(rec), "pot") == ["b", "a"]


def test_texts_come_from_the_catalog_on_request(serve, fitted):
    client = serve(fitted)
    request = {"history": ["sku 1"], "n": 1}
    assert "text" not in client.post("/recommendations", json=request).json()["items"][0]
    (found,) = client.post("/recommendations", json={**request, "texts": True}).json()["items"]
    assert client.get("/items", params={"search": found["item"]}).json()["items"][0]["text"] == found["text"]


@pytest.mark.parametrize("data", [np.eye(3), pd.DataFrame({"title": ["mug", None, 3.5], "size": [1, 2, 3]})])
def test_items_without_text_have_their_id_as_text(serve, data):
    rec = PopularityRecommender(catalog=ItemCatalog(data)).fit(np.eye(3))
    texts = [each["text"] for each in serve(rec).get("/items").json()["items"]]
    assert texts in (["0", "1", "2"], ["mug", "1", "2"])


def test_ids_that_json_lacks_are_refused(serve):
    rec = LogRecommender(PopularityRecommender()).fit([["ann", (1, 2)], ["bob", (3, 4)]])
    with pytest.raises(TypeError, match=r"ids of items must be strings or integers to be served; .* has tuple"):
        serve(rec)
    rec = LogRecommender(PopularityRecommender()).fit([[dt.date(2024, 1, 1), "mug"], [dt.date(2024, 1, 2), "pot"]])
    with pytest.raises(TypeError, match=r"ids of users must be strings or integers to be served; .* has date"):
        serve(rec)
