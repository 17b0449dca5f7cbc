"""Integrated gradients of trained embeddings."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import GNNRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.inspection import explain

TEXT = {"catalog": ItemCatalog([f"mug {n} of {n % 3}" for n in range(8)]), "item_encoder": TfidfVectorizer()}
SETTINGS = {
    "embeddings": {},
    "bpr": {"loss": "bpr"},
    "lightgcn": {"conv": "lightgcn"},
    "attention": {"conv": "attention", "n_layers": 2},
    "attention, bpr": {"conv": "attention", "keep_input": True, "loss": "bpr"},
    "text": TEXT,
}


@pytest.fixture(name="X", scope="module")
def interactions():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((40, 8)) < 0.4, rng.integers(1, 4, (40, 8)), 0).astype(np.float64)
    X[:, 3] = 0  # without users
    return X


def fitted(X, name="embeddings"):
    return GNNRecommender(embedding_dim=4, max_iter=2, **SETTINGS[name]).fit(X)


@pytest.mark.parametrize("name", SETTINGS)
def test_contributions_and_the_baseline_are_the_score(X, name):
    pytest.importorskip("captum")
    rec = fitted(X, name)
    histories = np.vstack([X[:3], np.zeros(8), 7 * np.eye(8)[3]])
    items, scores = rec.recommend(histories, 3)
    found = explain(rec, histories, items, method="integrated_gradients")
    sums = found.groupby(["user", "item"])["contribution"].sum()
    pairs = pd.MultiIndex.from_arrays([np.repeat(np.arange(5), 3), items.ravel()])
    assert_allclose(sums.reindex(pairs, fill_value=0), scores.ravel(), rtol=1e-5, atol=1e-6)
    assert set(found["kind"]) == {"interactions", "baseline"}
    assert not (found["source"].notna() & (found["kind"] == "baseline")).any()
    own = found[found["source"].notna()]
    assert (histories[own["user"], own["source"].astype(int)] > 0).all()


def test_contributions_are_the_integral_of_the_gradient(X):
    """Compare with a sum of small steps, each with numerical derivatives, along the path from the mean history."""
    pytest.importorskip("captum")
    rec = fitted(X, "attention")
    history, mean = X[0], np.count_nonzero(X, axis=0).astype(np.float64)
    start = mean * history.sum() / mean.sum()
    points = (np.arange(200)[:, None] + 0.5) / 200 * (history - start) + start  # the midpoints of 200 steps
    item, step = int(np.argmin(history)), 1e-2
    expected = {}
    for source in np.flatnonzero(history):
        upper, lower = (
            rec.decision_function(points + sign * step * np.eye(8)[source])[:, item].astype(np.float64)
            for sign in (1, -1)
        )
        expected[source] = (history - start)[source] * np.mean((upper - lower) / (2 * step))
    found = explain(rec, history[None], [[item]], method="integrated_gradients").dropna(subset="source")
    assert_allclose(found["contribution"], [expected[source] for source in found["source"]], rtol=0.02, atol=1e-3)
    assert len(found) == np.count_nonzero(history)


def test_the_unit_of_the_weights_changes_nothing(X):
    pytest.importorskip("captum")
    rec = fitted(X)
    one, other = (explain(rec, scale * X[:2], [[5], [6]], method="integrated_gradients") for scale in (1, 1000))
    assert_allclose(one["contribution"], other["contribution"], rtol=1e-4)


def test_users_of_a_log_have_their_ids(X):
    pytest.importorskip("captum")
    users, items = np.nonzero(X)
    log = pd.DataFrame({"user": [f"user {n}" for n in users], "item": [f"item {n}" for n in items]})
    rec = LogRecommender(GNNRecommender(embedding_dim=4, max_iter=1, n_recommendations=2)).fit(log)
    found = explain(rec, ["user 3", "nobody"], method="integrated_gradients")
    assert set(found["user"]) == {"user 3", "nobody"}
    assert set(found["source"].dropna()) == {f"item {n}" for n in np.flatnonzero(X[3])}


def test_other_recommenders_and_queries_are_refused(X):
    with pytest.raises(ValueError, match="method='integrated_gradients' requires a GNNRecommender, got a RidgeRec"):
        explain(RidgeRecommender().fit(X), X[:1], method="integrated_gradients")
    with pytest.raises(ValueError, match="without query; set query=None"):
        explain(fitted(X, "text"), X[:1], method="integrated_gradients", query="mug")


def test_without_captum_the_error_says_how_to_install_it(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(ImportError, match=r'pip install "skgnnrec\[explain\]"'):
        explain(fitted(X), X[:1], method="integrated_gradients")
