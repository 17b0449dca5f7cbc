"""RidgeRecommender against the textbook formulas, in float64, with an explicit inverse."""

import itertools

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.recommenders._ridge import ORDER_ALPHA, ORDER_CONTENT

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
    mean_diagonal = dense.sum() / (dense.sum(axis=0) > 0).sum()  # over items with users
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
    rec = RidgeRecommender(ALPHA, popularity_weight=0).fit(dense)
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
    mean_diagonal = np.diag(G)[np.diag(G) > 0].mean()
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
    rec, same = (RidgeRecommender(ALPHA, popularity_weight=0).fit(X) for X in (dense, weighted))
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
    monkeypatch.setattr("skgnnrec.recommenders._regression.BLOCK_ROWS", 64)
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
        RidgeRecommender(solver="dense").fit(dense)


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+", "c"])
def test_a_cache_is_used_and_left_intact(count_calls, tmp_path, dense, vectors, mmap_mode):
    calls = count_calls("skgnnrec.recommenders._regression.solve")
    memory = joblib.Memory(tmp_path, mmap_mode=mmap_mode, verbose=0)
    expected = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors)).fit(dense).weights_
    for n in (1, 2, 3):
        rec = RidgeRecommender(ALPHA, catalog=ItemCatalog(vectors), memory=memory, n_recommendations=n).fit(dense * n)
        assert_array_equal(rec.weights_, expected)
    assert len(calls) == 2  # one without the cache, one with it
    RidgeRecommender(2 * ALPHA, catalog=ItemCatalog(vectors), memory=memory).fit(dense)
    assert len(calls) == 3


# Histories with an order ----------------------------------------------------------------------------------------------


@pytest.fixture
def ordered(dense):
    """Return histories whose values are 0.8 to the power of the number of later items."""
    ages = np.random.default_rng(2).permuted(np.tile(np.arange(25), (len(dense), 1)), axis=1)
    later = ((dense[:, :, None] > 0) & (ages[:, :, None] < ages[:, None, :])).sum(axis=1)
    return np.where(dense > 0, 0.8**later, 0)


def next_item_regression(histories, K, ridge, weight):
    """Return the constrained regression of next items on prefixes, column by column from its normal equations."""
    S, T = [], []
    for row in histories:
        steps = np.sort(row[row > 0])
        for value, following in itertools.pairwise(steps):
            S.append(np.where(row <= value, row, 0) / value)
            T.append(row == following)
    S, T = np.array(S), np.array(T, dtype=float)
    diagonal = (S**2).sum() / S.any(axis=0).sum()
    G = S.T @ S + weight * diagonal * K + ridge * diagonal * np.eye(S.shape[1])
    A = S.T @ T + weight * diagonal * K
    B = np.zeros_like(G)
    for j in range(len(G)):  # item j does not predict itself
        others = np.delete(np.arange(len(G)), j)
        B[others, j] = np.linalg.solve(G[np.ix_(others, others)], A[others, j])
    return B


@pytest.mark.parametrize("with_items", [False, True])
def test_order_adds_the_regression_of_the_next_item(ordered, vectors, with_items):
    items = {"catalog": ItemCatalog(vectors), "content_weight": CONTENT_WEIGHT, "gamma": 0} if with_items else {}
    plain = RidgeRecommender(ALPHA, **items).fit(ordered).weights_
    both = RidgeRecommender(ALPHA, order_weight=0.5, **items).fit(ordered).weights_
    F = unit(vectors, vectors.mean(axis=0))
    weight = ORDER_CONTENT if with_items else 0
    expected = next_item_regression(ordered, F @ F.T, ORDER_ALPHA, weight)
    added = (both - plain)[:, WARM]
    expected = expected[:, WARM]
    lengths = np.linalg.norm(plain[:, WARM], axis=0).mean(), np.linalg.norm(expected, axis=0).mean()
    assert_allclose(added, 0.5 * lengths[0] / lengths[1] * expected, atol=1e-4)


def test_without_order_it_is_the_plain_ridge(dense):
    plain = RidgeRecommender(ALPHA).fit(dense)
    assert_array_equal(RidgeRecommender(ALPHA, order_weight=0.5).fit(dense).weights_, plain.weights_)


def test_the_next_item_follows_its_predecessor():
    X = np.zeros((40, 4))
    X[:20, [0, 1]], X[20:, [1, 0]] = [1, 2], [1, 2]  # half of the users take 0 before 1, the others 1 before 0
    X[:20, 2], X[20:, 3] = 3, 3  # the first then take 2, the others 3
    history = np.array([[0.5, 1, 0, 0], [1, 0.5, 0, 0]])
    rec = RidgeRecommender(1.0, order_weight=2.0, rank_decay=0.3, n_recommendations=1).fit(X)
    assert_array_equal(rec.predict(history), [[2], [3]])


def test_ranks_take_the_place_of_values(ordered):
    by_rank = RidgeRecommender(ALPHA, rank_decay=0.8, order_weight=0.5)
    by_value = RidgeRecommender(ALPHA, order_weight=0.5).fit(ordered)
    times = np.where(ordered > 0, 1 + np.log(ordered + (ordered == 0)) / 10, 0)  # the same order, other values
    assert_allclose(by_rank.fit(times).decision_function(times), by_value.decision_function(ordered), atol=1e-4)
    assert_allclose(by_rank.transform(times), by_value.transform(ordered), atol=1e-4)


def test_popularity_exponent_scales_the_scores(dense):
    plain = RidgeRecommender(ALPHA, popularity_weight=0).fit(dense)
    scaled = RidgeRecommender(ALPHA, popularity_exponent=0.3, popularity_weight=0).fit(dense)
    counts = np.maximum((dense > 0).sum(axis=0), 1)
    assert_allclose(scaled.decision_function(dense), plain.decision_function(dense) * counts**0.3, rtol=1e-4, atol=1e-4)


def test_values_of_a_fit_that_is_not_binary(dense):
    values = dense * np.random.default_rng(3).integers(1, 6, dense.shape)
    diagonal = (values**2).sum() / values.any(axis=0).sum()
    expected = ease(values.T @ values + ALPHA * diagonal * np.eye(values.shape[1]))
    assert_allclose(RidgeRecommender(ALPHA, binary=False).fit(values).weights_, expected, atol=1e-4)
