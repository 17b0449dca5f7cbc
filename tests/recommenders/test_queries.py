"""Rankings that a sentence or a vector steers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    RidgeRecommender,
)
from skgnnrec.compose import BackfillRecommender, BlendedRecommender, SwitchingRecommender

TITLES = ["red mug", "blue mug", "tea pot", "tea spoon", "garden chair", "garden table", "tea tin", "garden lamp"]
TEXTS = ItemCatalog(TITLES)
PARTS = [
    ("text", RidgeRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer())),
    ("content", ContentRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer())),
]
RECOMMENDERS = {
    "ridge": RidgeRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer()),
    "filter": GraphFilterRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer()),
    "content": ContentRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer()),
    "gnn": GNNRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer(), embedding_dim=4, max_iter=2),
    "blend": BlendedRecommender(
        [
            ("alone", RidgeRecommender()),
            ("text", GraphFilterRecommender(catalog=TEXTS, item_encoder=TfidfVectorizer())),
        ]
    ),
    "switching": SwitchingRecommender(PARTS, switch=3),
    "backfill": BackfillRecommender(PARTS),
}


@pytest.fixture(name="X", scope="module")
def interactions():
    X = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float64)
    X[:, :2] = 0
    X[::2, 0] = X[::2, 2] = 1
    X[1::2, 1] = X[1::2, 4] = 1
    return X


@pytest.fixture(params=RECOMMENDERS, scope="module")
def rec(request, X):
    return RECOMMENDERS[request.param].fit(X)


def z_scores(scores):
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


def cosines_of(rec, texts):
    encoder = TfidfVectorizer().fit(TITLES)
    items = encoder.transform(TITLES).toarray()
    centred = encoder.transform(texts).toarray() - items.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True) @ rec.item_vectors_.T


@pytest.mark.parametrize("weight", [0.7, 0.2, -0.5])
def test_scores_are_those_of_the_formula(rec, X, weight):
    texts = ["garden", "tea time", "garden"]
    items, scores = rec.recommend(X[:3], 8, query=texts, query_weight=weight, exclude_seen=False)
    expected = (1 - abs(weight)) * z_scores(rec.decision_function(X[:3])) + weight * z_scores(cosines_of(rec, texts))
    assert_allclose(scores, np.take_along_axis(expected, items, axis=1), rtol=1e-4, atol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_history_that_is_empty_is_a_search(rec, X):
    items, _ = rec.recommend(np.zeros((2, 8)), 3, query=["garden", None])
    assert sorted(items[0]) == [4, 5, 7]
    searched, _ = rec.recommend(X[:1], 3, query="garden", query_weight=1, exclude_seen=False)
    assert sorted(searched[0]) == [4, 5, 7]


def test_users_without_a_query_keep_their_list(rec, X):
    items, _ = rec.recommend(X[:2], 5, query=[None, "tea"])
    assert_array_equal(items[0], rec.recommend(X[:1], 5)[0][0])


def test_a_negative_weight_moves_items_down(rec, X):
    items, _ = rec.recommend(X[:20], 3, query="garden", query_weight=-0.9, exclude_seen=False)
    assert not np.isin(items, [4, 5, 7]).any()


def test_candidates_may_be_new(rec, X):
    new = ItemCatalog(["garden hose", "coffee cup"])
    items, _ = rec.recommend(X[:5], 1, candidates=new, query="garden", query_weight=0.9)
    assert (items == 0).all()
    some, scores = rec.recommend(X[:5], 2, candidates=[7, 2], query="garden", exclude_seen=False)
    everything, all_scores = rec.recommend(X[:5], 8, query="garden", exclude_seen=False)
    for row in range(5):
        places = [list(everything[row]).index(item) for item in some[row]]
        assert_array_equal(scores[row], all_scores[row][places])


def test_vectors_are_queries():
    vectors = np.random.default_rng(0).standard_normal((8, 3))
    X = np.tri(8)
    rec = RidgeRecommender(catalog=ItemCatalog(vectors)).fit(X)
    items, _ = rec.recommend(X[:2], 1, query=vectors[5], query_weight=1)
    assert (items == 5).all()
    items, _ = rec.recommend(X[:2], 1, query=list(vectors[[6, 3]]), query_weight=1)
    assert_array_equal(items.ravel(), [6, 3])
    with pytest.raises(ValueError, match="query is a str, but the recommender has no encoder of texts"):
        rec.recommend(X, query="mug")


def test_tables_with_columns_of_several_kinds(X):
    table = pd.DataFrame({"price": np.arange(8.0), "kind": list("aabbccbc"), "title": TITLES})
    encoder = ColumnTransformer(
        [("t", TfidfVectorizer(), "title"), ("k", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
         ("p", StandardScaler(), ["price"])], sparse_threshold=0,
    )  # fmt: skip
    rec = RidgeRecommender(catalog=ItemCatalog(table), item_encoder=encoder).fit(X)
    items, _ = rec.recommend(X[:1], 3, query="garden", query_weight=1, exclude_seen=False)
    assert sorted(items[0]) == [4, 5, 7]


def test_logs_take_queries(X):
    log = pd.DataFrame({"user": np.nonzero(X)[0], "item": np.array(TITLES)[np.nonzero(X)[1]]})
    model = RidgeRecommender(catalog=ItemCatalog(TITLES, ids=TITLES), item_encoder=TfidfVectorizer())
    rec = LogRecommender(model, user="user", item="item").fit(log)
    items, _ = rec.recommend([0, 99], 2, query=["tea", "garden"], query_weight=0.9, exclude_seen=False)
    assert all("tea" in item for item in items[0])
    assert all("garden" in item for item in items[1])
    basket, _ = rec.recommend(histories=[["red mug"]], query="tea", n_recommendations=1)
    assert "tea" in basket[0, 0]
    skipping = LogRecommender(model, user="user", item="item", unknown_users="skip").fit(log)
    items, _ = skipping.recommend([99, 0], 1, query=["garden", "tea"], query_weight=1)
    assert items[0, 0] is None
    assert "tea" in items[1, 0]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        (["tea"], "or a list with one of them or None for each of 2 users; got a list of 1 queries"),
        (5, "query must be a text or a vector, .* got a int of 0 queries"),
        ([1.0, 2.0], "query must hold texts, or finite vectors of 11 dimensions in the space of the item vectors; got"),
        ([["tea"], "pot"], r"query must hold texts, or finite vectors .* got a list: \['tea'\]"),
    ],
)
def test_wrong_queries_are_refused(X, query, match):
    with pytest.raises(ValueError, match=match):
        RECOMMENDERS["ridge"].fit(X).recommend(X[:2], query=query)


def test_what_a_query_needs(X):
    with pytest.raises(ValueError, match="query requires item vectors: RidgeRecommender needs catalog=ItemCatalog"):
        RidgeRecommender().fit(X).recommend(X, query="tea")
    with pytest.raises(ValueError, match="'query_weight' parameter of recommend must be a float in the range"):
        RECOMMENDERS["ridge"].fit(X).recommend(X, query="tea", query_weight=2)
