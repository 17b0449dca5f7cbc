"""The baselines that every comparison has."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgnnrec import (
    ContentRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.model_selection import compare_recommenders, split_interactions

FAST = {"n_resamples": 20}


@pytest.fixture(scope="module")
def pair(tastes):
    return split_interactions(tastes.interactions, random_state=0)


@pytest.fixture
def with_text(catalog, encoder):
    return RidgeRecommender(catalog=catalog, item_encoder=encoder)


def names_of(estimators, *data, **options):
    return set(compare_recommenders(estimators, *data, **options, **FAST).index)


def test_popularity_is_always_there_and_content_with_item_vectors(pair, with_text):
    assert names_of({"r": RidgeRecommender()}, *pair) == {"r", "popularity"}
    assert names_of({"r": with_text}, *pair) == {"r", "popularity", "content"}
    without_vectors = RidgeRecommender(catalog=with_text.catalog, content_weight=0)
    assert names_of({"r": without_vectors}, *pair) == {"r", "popularity"}
    ids_only = ItemCatalog({"sku": with_text.catalog.ids}, ids="sku")
    assert names_of({"r": RidgeRecommender(catalog=ids_only, content_weight=0)}, *pair) == {"r", "popularity"}
    numbers = ItemCatalog(np.eye(40), ids=with_text.catalog.ids)
    assert names_of({"r": RidgeRecommender(catalog=numbers)}, *pair) == {"r", "popularity", "content"}


def test_a_baseline_among_the_estimators_is_not_added(pair, with_text):
    own = {"most taken": PopularityRecommender(), "r": with_text}
    assert names_of(own, *pair) == {"most taken", "r", "content"}
    nearest = ContentRecommender(catalog=with_text.catalog, item_encoder=with_text.item_encoder)
    assert names_of({"nearest": nearest, "r": with_text}, *pair) == {"nearest", "r", "popularity"}


def test_a_baseline_alone_is_a_table_with_one_row(pair):
    table = compare_recommenders({"most taken": PopularityRecommender()}, *pair, **FAST)
    assert table.index.tolist() == ["most taken"]
    assert table["p_value"].isna().all(axis=None)


def test_each_kind_of_item_vectors_has_its_baseline(pair, catalog, encoder, titles, with_text):
    vectors = ItemCatalog(TfidfVectorizer().fit_transform(titles).toarray(), ids=catalog.ids)
    estimators = {
        "a": with_text,
        "b": GraphFilterRecommender(catalog=ItemCatalog(titles, ids=catalog.ids), item_encoder=clone(encoder)),
        "c": RidgeRecommender(catalog=vectors),
        "no vectors": RidgeRecommender(catalog=catalog, content_weight=0),
    }
    assert names_of(estimators, *pair) - set(estimators) == {"popularity", "content, a", "content, c"}


def test_baselines_have_the_scores_of_their_recommenders(pair, with_text):
    past, future = pair
    table = compare_recommenders({"r": with_text}, *pair, **FAST)
    content = ContentRecommender(catalog=with_text.catalog, item_encoder=with_text.item_encoder)
    for name, recommender in (("content", content), ("popularity", PopularityRecommender())):
        assert_allclose(table.loc[name, ("ndcg@10", "mean")], recommender.fit(past).score(past, future))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda recommender: GridSearchCV(recommender, {"alpha": [10.0]}, cv=2),
        lambda recommender: make_pipeline(FunctionTransformer(accept_sparse=True), recommender),
    ],
    ids=["search", "pipeline"],
)
def test_baselines_of_searches_and_pipelines(pair, with_text, wrap):
    assert names_of({"wrapped": wrap(with_text)}, *pair) == {"wrapped", "popularity", "content"}


def test_baselines_of_logs_read_logs(tastes, catalog, with_text):
    log = tastes.events.assign(item_id=catalog.ids[tastes.events["item_id"]]).sort_values("timestamp")
    model = LogRecommender(with_text, user="user_id", item="item_id", timestamp="timestamp", rank_decay=0.9)
    past, future = log[:-150], log[-150:]
    table = compare_recommenders({"r": model}, past, future, **FAST)
    assert set(table.index) == {"r", "popularity", "content"}
    popular = clone(model).set_params(recommender=PopularityRecommender(catalog=catalog))
    assert table.loc["popularity", ("ndcg@10", "mean")] == pytest.approx(popular.fit(past).score(future))


@pytest.mark.parametrize("name", ["popularity", "content"])
def test_names_of_baselines_are_reserved(pair, with_text, name):
    with pytest.raises(ValueError, match=rf"must not use the names of the baselines; got \['{name}'\]"):
        compare_recommenders({name: with_text}, *pair, **FAST)
