"""What notebooks show: catalogs, diagrams of recommenders, comparisons and explanations."""

import re
from html import escape

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import GNNRatingRegressor, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.compose import BlendedRecommender
from skgnnrec.inspection import explain
from skgnnrec.model_selection import compare_recommenders

ATTACK = "<script>alert('x')</script> & co"
TITLES = ["red mug", "blue mug", "tea pot", "tea spoon", "garden chair", ATTACK]


def cells(html):
    """Return the texts of the cells of a table, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


@pytest.fixture(name="X")
def interactions():
    return np.array([[1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1.0]])


@pytest.fixture
def ridge():
    return RidgeRecommender(catalog=ItemCatalog(TITLES), item_encoder=TfidfVectorizer())


def test_a_catalog_shows_its_first_items():
    data = pd.DataFrame({"sku": list("abcdefg"), "title": [*TITLES, "x" * 99][::-1], "price": np.arange(7) / 3})
    html = ItemCatalog(data, ids="sku")._repr_html_()
    assert "ItemCatalog of 7 items, columns: 2" in html
    assert cells(html) == [
        ["id", "title", "price"],
        ["a", "x" * 59 + "…", "0"],
        ["b", "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; co", "0.3333"],
        ["c", "garden chair", "0.6667"],
        ["d", "tea spoon", "1"],
        ["e", "tea pot", "1.333"],
    ]
    assert html.endswith("… 2 more items</div></div>")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_a_catalog_of_vectors_shows_its_first_columns(kind):
    html = ItemCatalog(kind(np.eye(3, 10)))._repr_html_()
    assert cells(html)[1:] == [[str(row), *("1" if row == column else "0" for column in range(8))] for row in range(3)]
    assert "… 2 more columns" in html


def test_a_catalog_without_data_shows_its_ids():
    assert cells(ItemCatalog(pd.DataFrame({"sku": ["a", "b"]}), ids="sku")._repr_html_()) == [["id"], ["a"], ["b"]]


def test_the_diagram_of_a_recommender_contains_catalog_and_encoder(ridge):
    for estimator in (ridge, LogRecommender(ridge, user="user", item="item"), GNNRatingRegressor(**parts_of(ridge))):
        html = estimator._repr_html_()
        assert "catalog: ItemCatalog" in html
        assert "item_encoder: TfidfVectorizer" in html
        assert "ItemCatalog(n_items=6)" in html  # the details


def parts_of(recommender):
    return {name: getattr(recommender, name) for name in ("catalog", "item_encoder")}


def test_the_diagram_of_a_composition_contains_its_recommenders(ridge):
    html = BlendedRecommender([("own", ridge), ("popular", PopularityRecommender())])._repr_html_()
    assert "own: RidgeRecommender" in html
    assert "popular: PopularityRecommender" in html
    assert "catalog: ItemCatalog" in html


def test_a_comparison_shows_means_with_intervals(X):
    table = compare_recommenders({ATTACK: RidgeRecommender()}, X, n_resamples=99)
    html = table._repr_html_()
    assert "<script>" not in html
    for name, row in zip(table.index, cells(html)[1:], strict=True):
        mean, low, high = table.loc[name, "ndcg@10"][["mean", "low", "high"]]
        assert row[:2] == [escape(name), f"{mean:.4f} [{low:.4f}, {high:.4f}]"]
    assert html.count("<circle") == 4


def test_what_is_computed_from_a_comparison_is_a_table_of_pandas(X):
    table = compare_recommenders({"ridge": RidgeRecommender()}, X, n_resamples=99)
    assert isinstance(table, pd.DataFrame)
    assert {type(table.round(2)), type(table["ndcg@10"]), type(table.T)} == {pd.DataFrame}


def test_an_explanation_shows_the_contributions_to_each_score(ridge, X):
    explanation = explain(ridge.fit(X), X[:1], [[2]])
    html = explanation._repr_html_()
    score = ridge.decision_function(X[:1])[0, 2]
    assert f"Item 2 for user 0: score {score:.4g}" in html
    shown = {(source, kind, value) for source, kind, _, value in cells(html)[1:]}
    expected = zip(explanation["source"], explanation["kind"], explanation["contribution"], strict=True)
    assert shown == {("" if source is None else str(source), kind, f"{value:+.4g}") for source, kind, value in expected}
    assert type(explanation.head(1)) is pd.DataFrame


def test_a_long_explanation_is_cut(X):
    recommender = RidgeRecommender(n_recommendations=3).fit(np.vstack([np.ones(12), np.tri(12)]))
    history = np.ones((6, 12))
    history[:, :3] = 0
    html = explain(recommender, history)._repr_html_()
    assert html.count("<table>") == 5
    assert "… and 13 more recommendations" in html
    assert html.count("3 others") == 5


def test_the_difference_without_an_item_is_no_part_of_a_sum(ridge, X):
    html = explain(ridge.fit(X), X[:1], [[2]], method="counterfactual")._repr_html_()
    assert "Item 2 for user 0</strong>" in html
    assert "score" not in html
