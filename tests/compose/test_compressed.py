"""CompressedRecommender and compress: about the same lists, from less, on the same contract."""

import os

import numpy as np
import pytest
from fitted_state import same
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    compress,
    load,
    save,
)
from skgnnrec.compose import BlendedRecommender, CompressedRecommender

SMALL_GNN = {"embedding_dim": 8, "max_iter": 2, "device": "cpu"}
RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "content": ContentRecommender(),
    "ridge": RidgeRecommender(),
    "ridge by recency": RidgeRecommender(rank_decay=0.8),
    "tuned ridge": RidgeRecommenderCV({"alpha": [10.0, 3.0]}),
    "filter": GraphFilterRecommender(n_components=8),
    "gnn": GNNRecommender(conv="lightgcn", **SMALL_GNN),
    "attention": GNNRecommender(conv="attention", n_layers=2, **SMALL_GNN),
    "blend": BlendedRecommender([("ridge", RidgeRecommender()), ("popular", PopularityRecommender())]),
}
LINEAR = ["ridge", "ridge by recency", "tuned ridge", "filter"]
NEW = {"data": ["a blue mug", "a garden hose"], "ids": ["new mug", "new hose"]}


@pytest.fixture(scope="module")
def fitted(furnish, tastes):
    """Return a function that returns recommenders with the catalog of the 40 items, fitted once."""
    X, known = sparse.csr_array(tastes.interactions, dtype=np.float32), {}

    def fit(name):
        if name not in known:
            known[name] = furnish(RECOMMENDERS[name]).fit(X)
        return known[name]

    return fit


def size_of(rec, folder):
    path = os.path.join(folder, "recommender.skgnnrec")
    save(rec, path)
    return os.path.getsize(path)


def test_the_battery_of_scikit_learn():
    results = check_estimator(CompressedRecommender(RidgeRecommender(), n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}


@pytest.mark.parametrize("name", RECOMMENDERS)
@pytest.mark.parametrize(("dtype", "error"), [("int8", 0.03), ("float16", 1e-3), ("float32", 0)])
def test_scores_are_about_the_same(name, dtype, error, fitted, X):
    full = fitted(name)
    small = compress(full, dtype=dtype)
    expected = full.decision_function(X)
    assert_allclose(small.decision_function(X), expected, rtol=0, atol=error * np.abs(expected).max())
    assert_array_equal(small.item_ids_, full.item_ids_)
    if dtype == "float32":
        assert same(small.recommend(X), full.recommend(X))


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("reduced", [{"n_largest": 40}, {"rank": 40}])
def test_all_weights_and_all_dimensions_give_the_same_scores(name, reduced, fitted, X):
    full = fitted(name)
    expected = full.decision_function(X)
    found = compress(full, dtype="float32", **reduced).decision_function(X)
    assert_allclose(found, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", [*LINEAR, "blend"])
@pytest.mark.parametrize("reduced", [{"n_largest": 20}, {"rank": 20}])
def test_fewer_weights_and_dimensions_keep_most_of_the_accuracy(name, reduced, fitted, X):
    full = fitted(name)
    small = compress(full, **reduced)
    assert small.score(X) > 0.9 * full.score(X)
    assert not np.array_equal(small.decision_function(X), full.decision_function(X))


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_one_user_receives_the_lists_of_all_users(name, fitted, X):
    small = compress(fitted(name))
    items, scores = small.recommend(X, 7)
    rank = small.ranker()
    for row in range(12):
        assert same(small.recommend(X[[row]], 7), (items[[row]], scores[[row]]))
        found, best = rank(X[[row]].indices, n=7)
        assert_array_equal(small.item_ids_[found], items[row])
        assert_array_equal(best, scores[row])


@pytest.mark.parametrize("name", ["ridge", "filter"])
@pytest.mark.parametrize("reduced", [{}, {"n_largest": 30}, {"rank": 30}])
def test_new_items_have_about_the_same_scores(name, reduced, fitted, X):
    full, new = fitted(name), ItemCatalog(**NEW)
    expected = full.recommend(X, 2, candidates=new)[1]
    found = compress(full, **reduced).recommend(X, 2, candidates=new)[1]
    assert_allclose(found, expected, atol=0.15 * np.abs(expected).max())
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("name", ["content", "gnn", "blend"])
def test_new_items_of_other_recommenders_are_refused(name, fitted, X):
    small = compress(fitted(name))
    with pytest.raises(ValueError, match=r"candidates holds 2 new items, (which a compressed|but Compressed)"):
        small.recommend(X, candidates=ItemCatalog(**NEW))


@pytest.mark.parametrize("name", LINEAR)
def test_embeddings_are_about_the_same(name, fitted, X):
    full = fitted(name)
    small = compress(full)
    assert_allclose(small.transform(X), full.transform(X), atol=0.02 * np.abs(full.transform(X)).max())
    assert_allclose(small.item_embedding_, full.item_embedding_, atol=0.01 * np.abs(full.item_embedding_).max())
    assert len(small.get_feature_names_out()) == full.item_embedding_.shape[1]
    assert_allclose(small.item_vectors_, full.item_vectors_, atol=0.01)


def test_embeddings_that_are_not_linear_are_refused(fitted, X):
    small = compress(fitted("content"))
    with pytest.raises(ValueError, match="transform of a compressed ContentRecommender is not defined"):
        small.transform(X)
    with pytest.raises(AttributeError, match="A compressed ContentRecommender has no item_embedding_"):
        small.item_embedding_  # noqa: B018  a property


def test_a_fit_is_a_compressed_fit(X):
    settings = {"dtype": "float16", "rank": 12}
    rec = CompressedRecommender(RidgeRecommender(), **settings).fit(X)
    assert same(rec.recommend(X), compress(RidgeRecommender().fit(X), **settings).recommend(X))
    assert same(clone(compress(RidgeRecommender().fit(X), **settings)).fit(X).recommend(X), rec.recommend(X))


def test_a_search_chooses_the_number_of_weights(X):
    search = GridSearchCV(CompressedRecommender(RidgeRecommender()), {"n_largest": [1, 30]}, cv=3).fit(X)
    assert search.best_params_ == {"n_largest": 30}


def test_the_original_is_not_changed(X):
    full = RidgeRecommender().fit(X)
    before, weights = full.recommend(X), full.weights_.copy()
    compress(full).fit(X)
    assert same(full.recommend(X), before)
    assert_array_equal(full.weights_, weights)


def test_compressing_again(fitted, X):
    small = compress(fitted("ridge"))
    again = compress(small, dtype="float32")
    assert same(again.recommend(X), small.recommend(X))
    assert compress(small, n_largest=20).score(X) > 0.9 * small.score(X)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_saved_is_what_loads(name, fitted, X, tmp_path):
    small = compress(fitted(name))
    save(small, tmp_path / "small")
    assert same(load(tmp_path / "small").recommend(X), small.recommend(X))


def test_files_are_as_small_as_promised(tmp_path):
    X = sparse.random_array((500, 1200), density=0.01, rng=0, format="csr")
    full = RidgeRecommender().fit(X)
    size = size_of(full, tmp_path)
    assert size_of(compress(full, dtype="float16"), tmp_path) < 0.52 * size
    assert size_of(compress(full), tmp_path) < 0.27 * size
    assert size_of(compress(full, n_largest=50), tmp_path) < 0.12 * size
    assert size_of(compress(full, rank=32), tmp_path) < 0.05 * size


def test_a_recommender_of_a_log(X):
    log = np.argwhere(X.toarray())
    full = LogRecommender(RidgeRecommender()).fit(log)
    small = compress(full)
    assert same(small.recommend([3, 5]), compress(full).recommend([3, 5]))
    assert_allclose(small.recommend([3, 5])[1], full.recommend([3, 5])[1], atol=0.02)
    assert type(full.recommender_) is RidgeRecommender
    more = np.array([[3, 1], [3, 2], [5, 39]])
    expected = compress(LogRecommender(RidgeRecommender()).fit(np.concatenate([log, more])))
    assert same(small.partial_fit(more).recommend([3, 5]), expected.recommend([3, 5]))


def test_further_users_are_not_learned(fitted):
    small = compress(fitted("ridge"))
    assert not hasattr(small, "partial_fit")
    assert not hasattr(small, "forget")


@pytest.mark.parametrize("name", ["popularity", "content", "gnn"])
@pytest.mark.parametrize("reduced", ["n_largest", "rank"])
def test_scores_without_weights_cannot_be_reduced(name, reduced, fitted):
    with pytest.raises(ValueError, match=f"{reduced} requires scores that are the product of the history with weights"):
        compress(fitted(name), **{reduced: 5})


def test_wrong_arguments(fitted, X):
    with pytest.raises(TypeError, match="recommender must be a recommender, got ndarray"):
        compress(np.eye(3))
    with pytest.raises(NotFittedError, match="recommender is a RidgeRecommender that is not fitted"):
        compress(RidgeRecommender())
    with pytest.raises(ValueError, match="n_largest and rank exclude each other: got n_largest=3, rank=4"):
        compress(fitted("ridge"), n_largest=3, rank=4)
    with pytest.raises(ValueError, match="The 'dtype' parameter"):
        compress(fitted("ridge"), dtype="int4")
    with pytest.raises(ValueError, match="The 'n_largest' parameter"):
        CompressedRecommender(RidgeRecommender(), n_largest=0).fit(X)
    with pytest.raises(ValueError, match="The 'recommender' parameter"):
        CompressedRecommender(LogRecommender(RidgeRecommender())).fit(X)
