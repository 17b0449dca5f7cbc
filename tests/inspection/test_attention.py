"""Attention weights by layer."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skgnnrec import GNNRecommender, LogRecommender, RidgeRecommender
from skgnnrec.inspection import attention_weights

COLUMNS = ["user", "layer", "item", "weight"]


@pytest.fixture(name="X", scope="module")
def interactions():
    rng = np.random.default_rng(0)
    return np.where(rng.random((30, 7)) < 0.5, rng.integers(1, 4, (30, 7)), 0).astype(np.float64)


@pytest.fixture(name="rec", scope="module")
def recommender(X):
    return GNNRecommender(embedding_dim=4, max_iter=2, conv="attention", n_layers=3).fit(X)


def test_weights_sum_to_one_in_each_layer_and_their_mean_is_the_attention(rec, X):
    histories = np.vstack([X[:4], np.zeros(7)])
    weights = attention_weights(rec, histories)
    assert weights.columns.tolist() == COLUMNS
    sums = weights.groupby(["user", "layer"])["weight"].sum()
    assert sums.index.tolist() == [(user, layer) for user in range(4) for layer in (1, 2, 3)]
    assert_allclose(sums, 1, rtol=1e-5)
    means = weights.pivot_table(values="weight", index="user", columns="item", aggfunc="mean", fill_value=0)
    assert_allclose(means.to_numpy(), rec.attention(histories).toarray()[:4, means.columns], atol=1e-6)
    assert weights["weight"].groupby(weights["layer"]).std().nunique() == 3  # layers differ
    assert weights.equals(weights.sort_values(["user", "layer", "weight"], ascending=[True, True, False]))


def test_users_and_items_of_a_log_have_their_ids(X):
    users, items = np.nonzero(X)
    log = pd.DataFrame({"user": users + 100, "item": np.array(list("abcdefg"))[items]})
    rec = LogRecommender(GNNRecommender(embedding_dim=4, max_iter=1, conv="attention")).fit(log)
    weights = attention_weights(rec, [103])
    assert set(weights["user"]) == {103}
    assert set(weights["item"]) == {"abcdefg"[n] for n in np.flatnonzero(X[3])}
    nobody = attention_weights(rec, [])
    assert nobody.columns.tolist() == COLUMNS
    assert len(nobody) == 0


def test_recommenders_without_attention_are_refused(X):
    with pytest.raises(ValueError, match=r"GNNRecommender\(conv='attention'\); got a RidgeRecommender\."):
        attention_weights(RidgeRecommender().fit(X), X)
    linear = GNNRecommender(embedding_dim=4, max_iter=1).fit(X)
    with pytest.raises(ValueError, match="got a GNNRecommender with conv=None"):
        attention_weights(linear, X)
