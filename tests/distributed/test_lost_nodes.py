"""Work of a node that is killed is repeated, and results are those without the loss."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skgnnrec import GNNRecommender, GraphFilterRecommender, LogRecommender, RidgeRecommender, distributed
from skgnnrec.datasets import make_interactions

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def assert_repeated(cluster, thread, n_tasks, kind="read"):
    thread.join()
    assert len(cluster.killed) == 1
    assert len(cluster.notes(kind)) > n_tasks  # the work of the node was begun twice
    assert cluster.notes(kind)[-1] != cluster.killed[0]


def test_fit_survives(cluster, shards, log):
    ridge = RidgeRecommender(popularity_weight=0.5)
    thread = cluster.kill_a_busy_node(after=4)  # with the sums that the node has computed
    fitted = distributed.fit(ridge, shards, item_ids=sorted(set(log["item"])))
    assert_repeated(cluster, thread, 6)
    np.testing.assert_array_equal(fitted.weights_, LogRecommender(ridge).fit(log).recommender_.weights_)


def test_decomposition_survives(cluster, shards):
    rec = GraphFilterRecommender(popularity_weight=0.5, n_components=6)
    undisturbed = distributed.fit(rec, shards)
    n_products = len(cluster.notes("product"))
    thread = cluster.kill_a_busy_node(after=n_products + 8, kind="product")  # in the second of three passes
    fitted = distributed.fit(rec, shards)
    assert_repeated(cluster, thread, 2 * n_products, "product")
    np.testing.assert_array_equal(fitted.item_embedding_, undisturbed.item_embedding_)


def test_training_survives(cluster, shards, tmp_path):
    cluster.add_node()  # which takes the place of the lost one
    rec = GNNRecommender(4, conv="lightgcn", loss="bpr", max_iter=5)
    undisturbed = distributed.fit(rec, shards, n_workers=2)
    thread = cluster.kill_a_busy_node(after=3, kind="checkpoint")
    fitted = distributed.fit(rec.set_params(checkpoint_dir=tmp_path), shards, n_workers=2)
    assert_repeated(cluster, thread, 5, "checkpoint")
    assert len(cluster.notes("checkpoint")) == 5 + 1  # the epochs before the loss are not repeated
    np.testing.assert_array_equal(fitted.item_embedding_, undisturbed.item_embedding_)
    assert fitted.loss_curve_ == undisturbed.loss_curve_


def test_recommend_survives(cluster, shards, log, tmp_path):
    rec = LogRecommender(RidgeRecommender()).fit(log)
    thread = cluster.kill_a_busy_node(after=3)
    files = distributed.recommend(rec, shards, tmp_path, n_recommendations=4)
    assert_repeated(cluster, thread, 2 * 6)  # histories, and users of the results
    found = pd.concat(map(pd.read_parquet, files)).set_index("user")["items"]
    assert found.index.is_unique
    items, _ = rec.recommend(n_recommendations=4)
    assert {user: list(row) for user, row in found.items()} == dict(zip(rec.user_ids_, items.tolist(), strict=True))


def test_embed_survives(cluster, titles, tmp_path):
    folder, texts = titles
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=0)).fit(texts)
    undisturbed = distributed.embed(folder, encoder, tmp_path / "a", rows_per_task=8)
    n_tasks = len(cluster.notes())
    thread = cluster.kill_a_busy_node(after=n_tasks + 3)
    vectors = distributed.embed(folder, encoder, tmp_path / "b", rows_per_task=8)
    assert_repeated(cluster, thread, 2 * n_tasks)
    np.testing.assert_array_equal(vectors, undisturbed)
    np.testing.assert_allclose(vectors, encoder.transform(texts), rtol=1e-12)


def test_search_survives(cluster):
    X = make_interactions(200, 300, n_interactions=0.3, random_state=0).interactions  # of which arrays are shared
    note = cluster.note

    class NotedRidge(RidgeRecommender):
        def fit(self, X, y=None):
            note()
            return super().fit(X, y)

    grid = {"alpha": [1.0, 10.0, 100.0]}
    search = GridSearchCV(NotedRidge(popularity_weight=0), grid, cv=3, refit=False)
    thread = cluster.kill_a_busy_node(after=3)
    with distributed.ray_backend():
        search.fit(X)
    assert_repeated(cluster, thread, 9)
    alone = GridSearchCV(RidgeRecommender(popularity_weight=0), grid, cv=3, refit=False).fit(X)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_split_survives(cluster, log, tmp_path):
    (tmp_path / "log").mkdir()
    for part in range(4):
        log.iloc[part::4].to_parquet(tmp_path / "log" / f"{part}.parquet")
    thread = cluster.kill_a_busy_node(after=2)
    files = distributed.split_by_user(tmp_path / "log", tmp_path / "shards", n_shards=3)
    assert_repeated(cluster, thread, 4)
    parts = [pd.read_parquet(file) for file in files]
    assert sum(part["user"].nunique() for part in parts) == log["user"].nunique()
    pd.testing.assert_frame_equal(
        pd.concat(parts).sort_values(["user", "item"], ignore_index=True),
        log.sort_values(["user", "item"], ignore_index=True),
    )
