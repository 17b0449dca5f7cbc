"""Fits to sums over shards."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skgnnrec import (
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
    distributed,
)
from skgnnrec.datasets import make_interactions
from skgnnrec.exceptions import ItemAlignmentError

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", name="X")
def matrix(log):
    """Return the log as a matrix."""
    users, items = (log[name].factorize(sort=True)[0] for name in ("user", "item"))
    return sparse.csr_array((np.ones(len(log), np.float32), (users, items)))


def test_matrices_give_the_fit_to_all_rows(cluster, X):
    ridge = RidgeRecommender(popularity_weight=0.5, user_exponent=0.7)
    fitted = distributed.fit(ridge, [X[:10], X[10:11], X[11:200], X[200:]])
    np.testing.assert_array_equal(fitted.weights_, ridge.fit(X).weights_)
    assert fitted is not ridge


@pytest.mark.parametrize(("n_users", "n_items"), [(300, 120), (120, 300)])
def test_the_filter_is_that_of_all_rows(cluster, n_users, n_items):
    X = make_interactions(n_users, n_items, n_interactions=0.1, random_state=0).interactions
    rec = GraphFilterRecommender(degree_exponent=0.4, popularity_weight=0.5, n_components=16, random_state=3)
    fitted, expected = distributed.fit(rec, [X[:10], X[10:100], X[100:]]), rec.fit(X)
    np.testing.assert_allclose(fitted.singular_values_, expected.singular_values_, rtol=1e-5)
    np.testing.assert_allclose(
        fitted.transform(X), expected.transform(X), atol=1e-4 * np.abs(expected.transform(X)).max()
    )
    np.testing.assert_allclose(fitted.decision_function(X), expected.decision_function(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("items_per_task", [1, 11, 30])
def test_blocks_of_items_give_the_fit_to_all_rows(cluster, X, items_per_task):
    ridge = RidgeRecommender(popularity_weight=0.5, user_exponent=0.7)
    fitted = distributed.fit(ridge, [X[:80], X[80:]], items_per_task=items_per_task)
    np.testing.assert_array_equal(fitted.weights_, ridge.fit(X).weights_)


def test_a_large_graph_is_pruned_as_on_one_machine(cluster, monkeypatch):
    X = make_interactions(600, 400, n_interactions=0.05, random_state=0).interactions
    rec = GraphFilterRecommender(popularity_weight=0.5, n_components=8)
    complete = rec.fit(X).graph_.nnz
    monkeypatch.setattr("skgnnrec.graph._statistics.available_memory", lambda: 1_000_000)
    fitted = distributed.fit(rec, [X[:200], X[200:]], items_per_task=150)
    expected = rec.fit(X)
    assert fitted.graph_.nnz == expected.graph_.nnz < complete / 1.5
    np.testing.assert_allclose(fitted.decision_function(X), expected.decision_function(X), rtol=1e-4, atol=1e-5)


def test_a_filter_without_components_is_that_of_all_rows(cluster, X):
    rec = GraphFilterRecommender(popularity_weight=0.5, n_components=0)
    fitted = distributed.fit(rec, [X[:100], X[100:]])
    np.testing.assert_array_equal(fitted.decision_function(X), rec.fit(X).decision_function(X))


def test_item_counts_suffice_for_popularity(cluster, shards, log):
    fitted = distributed.fit(PopularityRecommender(), shards)
    expected = LogRecommender(PopularityRecommender()).fit(log)
    np.testing.assert_array_equal(fitted.item_ids_, expected.item_ids_)
    np.testing.assert_array_equal(
        fitted.recommend(pd.DataFrame(np.zeros((1, 30)), columns=fitted.item_ids_))[0],
        expected.recommend(["nobody"])[0],
    )


def test_the_columns_are_the_items_of_the_catalog(cluster, shards, log):
    ids = [*sorted(set(log["item"]), reverse=True), "new"]
    vectors = np.random.default_rng(0).standard_normal((len(ids), 3))
    ridge = RidgeRecommender(popularity_weight=0, catalog=ItemCatalog(vectors, ids=ids))
    fitted = distributed.fit(ridge, shards)
    assert list(fitted.item_ids_) == ids
    np.testing.assert_array_equal(fitted.weights_, LogRecommender(ridge).fit(log).recommender_.weights_)
    with pytest.raises(ItemAlignmentError, match=r"has [1-9][0-9]* items without a column: 'i"):
        distributed.fit(ridge.set_params(catalog=ItemCatalog(vectors[:20], ids=ids[:20])), shards)


def test_items_of_a_catalog_without_ids_are_positions(cluster, tmp_path):
    log = pd.DataFrame({"who": [1, 1, 2, 2, 3], "what": [0, 2, 0, 1, 2]})
    log.to_parquet(tmp_path / "log.parquet")
    rec = RidgeRecommender(popularity_weight=0, catalog=ItemCatalog(np.eye(4)))
    fitted = distributed.fit(rec, [tmp_path / "log.parquet"], user="who", item="what")
    assert fitted.item_ids_ is None
    np.testing.assert_array_equal(fitted.weights_, rec.fit([[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0]]).weights_)


def test_users_in_several_shards_are_noticed(cluster, log, tmp_path):
    for part in range(2):
        log.iloc[part::2].to_parquet(tmp_path / f"{part}.parquet")
    with pytest.raises(ValueError, match=r"Each user must be in one shard .* 'u\d+'.* split_by_user divides a log"):
        distributed.fit(PopularityRecommender(), tmp_path)


def test_errors_name_the_shard(cluster, X, tmp_path):
    with pytest.raises(ValueError, match=r"shards\[1\] must have the 30 columns of shards\[0\]; got 20"):
        distributed.fit(RidgeRecommender(), [X, X[:, :20]])
    with pytest.raises(ValueError, match=r"item_ids is for parquet files; matrices have columns, got \[1\]"):
        distributed.fit(RidgeRecommender(), [X], item_ids=[1])
    with pytest.raises(ValueError, match=r"recommender must be a RidgeRecommender, .* got SequenceRecommender"):
        distributed.fit(SequenceRecommender(), [X])
    pd.DataFrame({"user": [], "item": []}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="shards must have interactions; got none"):
        distributed.fit(RidgeRecommender(), tmp_path)
    with pytest.raises(ValueError, match=r"empty.parquet has no column 'buyer'; it has 'user', 'item'"):
        distributed.fit(RidgeRecommender(), tmp_path, user="buyer", item_ids=[1])
