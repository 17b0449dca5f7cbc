"""RidgeRecommender against the textbook formulas, in float64, with an explicit inverse."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import MemoryLimitError

ALPHA, CONTENT_WEIGHT = 0.7, 1.9
WARM = np.delete(np.arange(25), 4)  # items with users
LINEAR = {"content_weight": CONTENT_WEIGHT, "gamma": 0}


@pytest.fixture
def dense():
    table = (np.random.default_rng(0).random((60, 25)) < 0.25).astype(np.float64)
    table[:, 4] = 0  # an item without users
    table[~table.any(axis=1), 3] = 1  # users without history are not scored by the formula
    return table


@pytest.fixture
def vectors():
    return np.random.default_rng(1).standard_normal((25, 6)) + 3


def unit(vectors, mean):
    centred = vectors - mean
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def gram(dense, F=None):
    """Return XᵀX + w² F Fᵀ + λ I, λ and w²."""
    mean_diagonal = dense.sum() / dense.shape[1]
    G = dense.T @ dense + ALPHA * mean_diagonal * np.eye(dense.shape[1])
    if F is not None:
        G += CONTENT_WEIGHT * mean_diagonal * F @ F.T
    return G, ALPHA * mean_diagonal, CONTENT_WEIGHT * mean_diagonal


def ease(G):
    P = np.linalg.inv(G)
    B = P / -np.diag(P)
    np.fill_diagonal(B, 0)
    return B


def test_without_item_data_it_is_ease(dense):
    rec = RidgeRecommender(ALPHA).fit(dense)
    expected = ease(gram(dense)[0])
    assert_allclose(rec.weights_, expected, atol=1e-4)
    assert rec.weights_.dtype == np.float32
    assert_allclose(rec.decision_function(dense), dense @ expected, atol=1e-4)


def test_with_item_data_it_is_ease_on_stacked_rows(dense, vectors):
    F = unit(vectors, vectors.mean(axis=0))
    rec = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors), **LINEAR).fit(dense)
    expected = ease(gram(dense, F)[0])
    assert_allclose(rec.weights_[:, WARM], expected[:, WARM], atol=1e-4)
    assert_allclose(rec.item_embedding_, F, atol=1e-5)
    assert_allclose(rec.decision_function(dense)[:, WARM], (dense @ expected)[:, WARM], atol=1e-4)


def kernel(cosines, gamma):
    return np.expm1(gamma * cosines) / np.expm1(gamma) if gamma else cosines


@pytest.mark.parametrize("gamma", [0, 0.5, 3])
def test_kernels_and_exponents(dense, vectors, gamma):
    F = unit(vectors, vectors.mean(axis=0))
    degrees, counts = dense.sum(axis=1), np.maximum(dense.sum(axis=0), 1)
    settings = {**LINEAR, "gamma": gamma, "user_exponent": 0.5, "item_exponent": 0.2}
    rec = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors), **settings).fit(dense)
    s = counts**-0.2
    G = s[:, None] * (dense.T @ (dense / np.sqrt(degrees)[:, None])) * s
    mean_diagonal = np.diag(G).mean()
    P = np.linalg.inv(G + mean_diagonal * (ALPHA * np.eye(25) + CONTENT_WEIGHT * kernel(F @ F.T, gamma)))
    B = P / -np.diag(P)
    np.fill_diagonal(B, 0)
    assert_allclose(rec.weights_[:, WARM], (s[:, None] * B / s)[:, WARM], atol=1e-4)
    assert_allclose(rec.transform(dense), dense @ (CONTENT_WEIGHT * mean_diagonal * s[:, None] * P @ F), atol=1e-3)


def test_a_small_gamma_is_the_linear_kernel(dense, vectors):
    small, linear = (
        RidgeRecommender(ALPHA, gamma=gamma, catalog=ItemCatalog(vectors)).fit(dense).weights_ for gamma in (1e-8, 0)
    )
    assert_allclose(small, linear, atol=1e-5)


@pytest.mark.parametrize("settings", [{"gamma": 200}, {"user_exponent": 500}])
def test_errors_on_underflow_do_not_reach_the_caller(dense, vectors, settings):
    rec = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors), **settings)
    expected = rec.fit(dense).weights_
    with np.errstate(all="raise"):
        assert_array_equal(rec.fit(dense).weights_, expected)
    assert np.isfinite(expected).all()


def test_weights_below_the_range_of_float32_are_no_errors():
    path = np.eye(300, 301) + np.eye(300, 301, 1)  # the weights fall with the distance on the path
    with np.errstate(all="raise"):
        weights = RidgeRecommender(ALPHA).fit(path).weights_
    assert_allclose(weights, ease(gram(path)[0]), atol=1e-4)
    assert np.abs(weights[0, 200:]).max() < np.finfo(np.float32).tiny


def test_values_weigh_the_history_and_not_the_fit(dense):
    weighted = dense * np.random.default_rng(3).uniform(0.5, 2, dense.shape)
    rec, same = RidgeRecommender(ALPHA).fit(dense), RidgeRecommender(ALPHA).fit(weighted)
    assert_array_equal(rec.weights_, same.weights_)
    assert_allclose(same.decision_function(weighted), weighted @ ease(gram(dense)[0]), atol=1e-4)


def test_content_weight_zero_does_not_use_the_vectors(dense, vectors):
    rec = RidgeRecommender(ALPHA, content_weight=0, catalog=ItemCatalog(vectors)).fit(dense)
    assert_array_equal(rec.weights_, RidgeRecommender(ALPHA).fit(dense).weights_)
    with pytest.raises(ValueError, match=r"25 new items, .* without item vectors: .* content_weight > 0"):
        rec.recommend(dense, candidates=ItemCatalog(vectors))


@pytest.mark.parametrize("embedding_dim", [1, 8, 100])
def test_embeddings_without_item_data(dense, embedding_dim):
    rec = RidgeRecommender(ALPHA, embedding_dim=embedding_dim).fit(dense)
    assert rec.transform(dense).shape == (60, min(embedding_dim, 25))
    assert rec.item_embedding_.shape == (25, min(embedding_dim, 25))
    whole = RidgeRecommender(ALPHA, embedding_dim=25).fit(dense)
    assert_allclose(whole.transform(dense) @ whole.item_embedding_.T, dense @ whole.weights_, atol=1e-4)


@pytest.mark.parametrize("n_items", [1, 5, 64, 65, 130])
def test_the_weights_do_not_depend_on_the_blocks_of_the_inverse(monkeypatch, n_items):
    monkeypatch.setattr("skgnnrec.recommenders._ridge.MIRROR_ROWS", 64)
    X = (np.random.default_rng(0).random((40, n_items)) < 0.3).astype(np.float64)
    assert_allclose(RidgeRecommender(ALPHA).fit(X).weights_, ease(gram(X)[0]), atol=1e-5)


def test_a_ridge_too_weak_for_float32_is_named():
    X = np.ones((2000, 30))
    with pytest.raises(ValueError, match=r"not positive definite in float32: raise alpha"):
        RidgeRecommender(1e-12).fit(X)


def test_catalogs_beyond_the_memory_are_refused(monkeypatch, dense):
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: 7000)
    monkeypatch.setattr("skgnnrec._memory.SMALL", 0)
    with pytest.raises(MemoryLimitError, match=r"RidgeRecommender with 25 items needs .* GraphFilterRecommender"):
        RidgeRecommender().fit(dense)


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+", "c"])
def test_a_cache_is_used_and_left_intact(count_calls, tmp_path, dense, vectors, mmap_mode):
    calls = count_calls("skgnnrec.recommenders._ridge.solve")
    memory = joblib.Memory(tmp_path, mmap_mode=mmap_mode, verbose=0)
    expected = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors)).fit(dense).weights_
    for n in (1, 2, 3):
        rec = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors), memory=memory, n_recommendations=n).fit(dense * n)
        assert_array_equal(rec.weights_, expected)
    assert len(calls) == 2  # one without the cache, one with it
    RidgeRecommender(2 * ALPHA, catalog=ItemCatalog(vectors), memory=memory).fit(dense)
    assert len(calls) == 3
