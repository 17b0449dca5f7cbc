"""The score of an item as a function of the history, and what other packages say about it."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import GNNRecommender, GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.inspection import explain, score_function

TEXT = {"catalog": ItemCatalog([f"mug {n} of {n % 3}" for n in range(8)]), "item_encoder": TfidfVectorizer()}
RECOMMENDERS = {
    "ridge": RidgeRecommender(**TEXT),
    "filter": GraphFilterRecommender(**TEXT),
    "gnn": GNNRecommender(embedding_dim=4, max_iter=1),
}


@pytest.fixture(name="X", scope="module")
def interactions():
    return (np.random.default_rng(0).random((40, 8)) < 0.5).astype(np.float64)


def contributions(rec, X, item, history):
    explanation = explain(rec, X, [[item]])
    return explanation.groupby("source")["contribution"].sum().reindex(history, fill_value=0).to_numpy()


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_values_are_the_scores_of_parts_of_the_history(X, name):
    rec = RECOMMENDERS[name].fit(X)
    function, history = score_function(rec, 3 * X[:1], item=6)
    assert history.tolist() == np.flatnonzero(X[0]).tolist()
    masks = np.random.default_rng(1).integers(0, 2, (20, len(history)))
    masks[:, 0] |= ~masks.any(axis=1)
    masks[0], masks[1] = 1, 0
    histories = np.zeros((20, 8))
    histories[:, history] = 3 * masks
    expected = rec.decision_function(histories)[:, 6]
    is_empty = np.arange(20) == 1
    assert_allclose(function(masks)[~is_empty], expected[~is_empty], rtol=1e-5, atol=1e-6)
    found = explain(rec, 3 * X[:1], [[6]])
    assert_allclose(function(masks)[1], found.loc[found["kind"] == "baseline", "contribution"].sum(), atol=1e-6)


def test_shapley_values_of_a_ridge_are_its_contributions(X):
    """The Shapley value is the mean difference that an item makes, over the sets of the other items by size."""
    rec = RidgeRecommender(**TEXT).fit(X)
    function, history = score_function(rec, X[:1], item=6)
    n = len(history)
    values = np.zeros(n)
    for place in range(n):
        others = [other for other in range(n) if other != place]
        for size in range(n):
            for chosen in combinations(others, size):
                without = np.isin(np.arange(n), chosen).astype(float)
                both = function([without + np.eye(n)[place], without])
                values[place] += (both[0] - both[1]) / (n * comb(n - 1, size))
    assert_allclose(values, contributions(rec, X[:1], 6, history), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of the other packages
def test_shap_agrees_with_the_contributions_of_a_ridge(X):
    shap = pytest.importorskip("shap")
    rec = RidgeRecommender(**TEXT).fit(X)
    function, history = score_function(rec, X[:1], item=6)
    explainer = shap.KernelExplainer(function, np.zeros((1, len(history))))
    values = explainer.shap_values(np.ones(len(history)), silent=True)
    assert_allclose(values, contributions(rec, X[:1], 6, history), rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # of the other packages
def test_lime_agrees_with_the_contributions_of_a_ridge(X):
    lime_tabular = pytest.importorskip("lime.lime_tabular")
    rec = RidgeRecommender(**TEXT).fit(X)
    function, history = score_function(rec, X[:1], item=6)
    n = len(history)
    explainer = lime_tabular.LimeTabularExplainer(
        np.vstack([np.zeros(n), np.ones(n)]), mode="regression", categorical_features=range(n), random_state=0
    )
    weights = dict(explainer.explain_instance(np.ones(n), function, num_features=n).as_map()[1])
    found = [weights[place] for place in range(n)]
    assert_allclose(found, contributions(rec, X[:1], 6, history), rtol=0.05, atol=2e-3)


def test_users_and_items_of_a_log_have_their_ids(X):
    users, items = np.nonzero(X)
    log = pd.DataFrame({"user": users + 100, "item": np.array(list("abcdefgh"))[items]})
    rec = LogRecommender(RidgeRecommender()).fit(log)
    function, history = score_function(rec, [103], item="b")
    assert history.tolist() == ["abcdefgh"[n] for n in np.flatnonzero(X[3])]
    assert_allclose(function(np.ones((1, len(history)))), explain(rec, [103], [["b"]])["contribution"].sum(), rtol=1e-5)


def test_wrong_arguments_are_refused(X):
    rec = RidgeRecommender().fit(X)
    with pytest.raises(ValueError, match="X must have one row, the history of one user; got 2 rows"):
        score_function(rec, X[:2], item=6)
    with pytest.raises(ValueError, match="item holds 1 positions that the recommender was not fitted with: 99"):
        score_function(rec, X[:1], item=99)
    function, history = score_function(rec, X[:1], item=6)
    with pytest.raises(ValueError, match=rf"masks must have {len(history)} columns"):
        function(np.ones((1, 1)))
    with pytest.raises(ValueError, match="values between 0 and 1; got 5 columns and the largest value 2"):
        function(2 * np.ones((1, 5)))
    with pytest.raises(ValueError, match="Negative values in data passed to masks"):
        function(-np.ones((1, 5)))
