"""Explanations add up to scores, and tell interactions, content and queries apart."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
)
from skgnnrec.compose import BackfillRecommender, BlendedRecommender, SwitchingRecommender, TwoStageRecommender
from skgnnrec.inspection import ExplanationDisplay, explain, reasons

TITLES = ["red mug", "blue mug", "tea pot", "tea spoon", "garden chair", "garden table", "tea tin", "garden lamp"]
TEXT = {"catalog": ItemCatalog(TITLES), "item_encoder": TfidfVectorizer()}
PARTS = [("ridge", RidgeRecommender(**TEXT)), ("content", ContentRecommender(**TEXT))]
RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "ridge": RidgeRecommender(),
    "ridge, text": RidgeRecommender(**TEXT, item_exponent=0.2, user_exponent=0.4, popularity_exponent=0.1),
    "ridge, order": RidgeRecommender(**TEXT, order_weight=0.8, rank_decay=0.7),
    "tuned ridge": RidgeRecommenderCV({"alpha": [10.0, 3.0]}, **TEXT),
    "filter": GraphFilterRecommender(),
    "filter, text": GraphFilterRecommender(**TEXT, rank_decay=0.7),
    "content": ContentRecommender(**TEXT),
    "gnn": GNNRecommender(embedding_dim=4, max_iter=2),
    "attention": GNNRecommender(embedding_dim=4, max_iter=2, conv="attention"),
    "blend": BlendedRecommender([("ridge", RidgeRecommender(**TEXT)), ("filter", GraphFilterRecommender(**TEXT))]),
    "ranks": BlendedRecommender(PARTS, method="ranks"),
    "switching": SwitchingRecommender(PARTS, switch=3),
    "backfill": BackfillRecommender(PARTS, min_score=0.1),
    "two stages": TwoStageRecommender(PARTS, LinearRegression(), n_candidates=2),
}


@pytest.fixture(name="X", scope="module")
def interactions():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((50, 8)) < 0.4, rng.integers(1, 4, (50, 8)), 0).astype(np.float64)
    X[:, 3] = 0  # known by its title only
    return X


@pytest.fixture(params=RECOMMENDERS, scope="module")
def rec(request, X):
    return RECOMMENDERS[request.param].fit(X)


def total(explanation):
    return explanation.groupby(["user", "item"])["contribution"].sum()


def test_contributions_add_up_to_the_score(rec, X):
    histories = X[:6].copy()
    histories[4] = 0
    items, scores = rec.recommend(histories, 5)
    found = total(explain(rec, histories, items)).reindex(
        pd.MultiIndex.from_arrays([np.repeat(np.arange(6), 5), items.ravel()]), fill_value=0
    )
    present = items.ravel() >= 0
    assert_allclose(found[present], scores.ravel()[present], rtol=1e-4, atol=1e-5)


def test_with_a_query_too(X):
    for name in ("ridge, text", "filter, text", "content", "blend"):
        rec = RECOMMENDERS[name].fit(X)
        items, scores = rec.recommend(X[:4], 3, query="tea", query_weight=0.4)
        explanation = explain(rec, X[:4], items, query="tea", query_weight=0.4)
        assert_allclose(total(explanation).to_numpy().sum(), scores.sum(), rtol=1e-4)
        asked = explanation[explanation["kind"] == "query"]
        assert asked["source"].isna().all()
        assert len(asked) == 12


def test_content_of_a_ridge_is_the_part_of_the_kernel(X):
    """B_ij = (P G + w² P K)_ij / (λ P_jj)."""
    X = np.minimum(X, 1)
    rec = RidgeRecommender(4.0, **TEXT, gamma=0.0, content_weight=2.0, n_recommendations=7).fit(X)
    F = rec.item_vectors_.astype(np.float64)
    G = X.T @ X
    unit = np.diag(G)[np.diag(G) > 0].mean()
    P = np.linalg.inv(G + 2 * unit * F @ F.T + 4 * unit * np.eye(8))
    content = 2 * unit * P @ F @ F.T / (4 * unit * np.diag(P))
    explanation = explain(rec, np.eye(8)[:2])
    found = explanation[(explanation["kind"] == "content") & (explanation["item"] != 3)]
    assert len(found) == 12
    for row in found.itertuples():
        assert_allclose(row.contribution, content[row.source, row.item], rtol=1e-3, atol=1e-6)
    cold = explanation[explanation["item"] == 3]
    assert set(cold["kind"]) == {"content"}


def test_counterfactuals_are_differences_of_scores(rec, X):
    explanation = explain(rec, X[:2], [[1, 5], [2, -1]], method="counterfactual")
    whole = rec.decision_function(X[:2])
    assert set(map(tuple, explanation[["user", "item"]].to_numpy())) <= {(0, 1), (0, 5), (1, 2)}
    for row in explanation.itertuples():
        without = X[[row.user]].copy()
        without[0, row.source] = 0
        difference = whole[row.user, row.item] - rec.decision_function(without)[0, row.item]
        assert_allclose(row.contribution, difference, rtol=1e-3, atol=1e-4)


def test_labels_are_those_of_the_user(X):
    frame = pd.DataFrame(np.minimum(X, 1), columns=TITLES, index=[f"user {n}" for n in range(50)])
    rec = RidgeRecommender(n_recommendations=2).fit(frame)
    explanation = explain(rec, frame.iloc[:3])
    assert set(explanation["user"]) == {"user 0", "user 1", "user 2"}
    assert set(explanation["item"]) | set(explanation["source"]) <= set(TITLES)
    log = pd.DataFrame({"user": np.nonzero(X)[0], "item": np.array(TITLES)[np.nonzero(X)[1]]})
    of_log = LogRecommender(RidgeRecommender(n_recommendations=2)).fit(log)
    items, scores = of_log.recommend([3, 999])
    found = explain(of_log, [3, 999], items)
    assert_allclose(total(found).to_numpy().sum(), scores.sum(), rtol=1e-4)
    assert set(found["user"]) == {3, 999}
    assert explain(of_log, [3])["item"].tolist()[0] == items[0, 0]
    everyone = explain(of_log)
    assert_array_equal(everyone["user"].unique(), of_log.user_ids_)
    baskets = [TITLES[:2], TITLES[2:3]]
    for histories in (baskets, dict(enumerate(baskets))):
        found = explain(of_log, histories)
        assert set(found["source"][found["user"] == 0]) <= set(TITLES[:2])
        assert_array_equal(found["user"].unique(), [0, 1])
    with pytest.raises(ValueError, match="X must be the histories to explain, a RidgeRecommender does not keep them"):
        explain(of_log.recommender_)


def test_reasons_are_sentences():
    rows = [
        (0, "pot", "mug", "interactions", 0.5), (0, "pot", "tin", "content", 0.3), (0, "pot", "saw", "content", -9.0),
        (0, "tea", None, "query", 0.4), (1, "lamp", None, "baseline", 2.0), (1, "lamp", "mug", "interactions", 1.0),
    ]  # fmt: skip
    explanation = pd.DataFrame(rows, columns=["user", "item", "source", "kind", "contribution"])
    found = reasons(explanation, names={"mug": "the red mug"})
    assert found[0, "pot"] == "Because of the red mug, and because its description is close to that of tin."
    assert found[0, "tea"] == "Because it fits the query."
    assert found[1, "lamp"] == "Because it is popular, and because of the red mug."
    rows = [(0, "pot", "mug", "content", 0.05), (0, "pot", None, "query", 0.7), (0, "pot", "tin", "interactions", 0.2)]
    ordered = pd.DataFrame(rows, columns=explanation.columns)
    assert reasons(ordered)[0, "pot"] == "Because it fits the query, and because of tin."
    assert reasons(explanation, n_reasons=1)[0, "pot"] == "Because of mug."


def test_the_bars_of_the_display_are_the_contributions(X):
    pytest.importorskip("matplotlib").use("agg")
    rec = RECOMMENDERS["ridge, text"].fit(X)
    display = ExplanationDisplay.from_estimator(rec, X[:1], item=5, names=dict(enumerate(TITLES)), query="garden")
    values = explain(rec, X[:1], [[5]], query="garden")["contribution"]
    assert_allclose(sorted(bar.get_width() for bar in display.bars_), sorted(values), rtol=1e-6)
    starts = [bar.get_x() for bar in display.bars_]
    ends = [bar.get_x() + bar.get_width() for bar in display.bars_]
    assert_allclose(starts[1:], ends[:-1], atol=1e-9)
    assert_allclose(ends[-1], values.sum(), rtol=1e-6)
    assert "garden table" in display.ax_.get_xlabel()
    few = display.plot(max_bars=2)
    assert len(few.bars_) == 3
    assert few.ax_.get_yticklabels()[-1].get_text() == f"{len(values) - 2} others"
    with pytest.raises(ValueError, match="explanation must have the rows of one user and one item"):
        ExplanationDisplay.from_predictions(explain(rec, X[:4], n_of(rec, X[:4], 5)))


def n_of(rec, X, n):
    return rec.recommend(X, n, exclude_seen=False)[0]


def test_wrong_arguments_are_refused(X):
    rec = RidgeRecommender().fit(X)
    with pytest.raises(ValueError, match="items must have one row of items for each of 50 users"):
        explain(rec, X, [1, 2])
    with pytest.raises(ValueError, match="items holds 1 items that were not in the fit: 12"):
        explain(rec, X[:1], [[12]])
    with pytest.raises(ValueError, match="'method' parameter"):
        explain(rec, X, method="shap")
    with pytest.raises(ValueError, match="explanation must be the result of explain, which has the columns"):
        reasons(pd.DataFrame({"user": [1]}))
    with pytest.raises(TypeError, match=r"names must be .*table\.set_index\('id'\)\['name'\]; got a DataFrame"):
        reasons(explain(rec, X[:1]), names=pd.DataFrame({"id": [1], "name": ["mug"]}))
