"""GraphFilterRecommender against its formula, dense and in float64."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from skgnnrec import GraphFilterRecommender, ItemCatalog
from skgnnrec.datasets import make_interactions
from skgnnrec.model_selection import split_interactions

SETTINGS = {
    "alpha": 0.2,
    "low_pass_weight": 0.6,
    "popularity_weight": 3.0,
    "popularity_exponent": 0.3,
    "degree_exponent": 0.4,
    "sharpness": 1.0,
    "n_components": 5,
    "content_weight": 1.3,
    "n_neighbors": 4,
}


@pytest.fixture
def dense():
    table = (np.random.default_rng(0).random((60, 25)) < 0.25).astype(np.float64)
    table[:, 4] = 0  # an item without users
    table[~table.any(axis=1), 3] = 1  # users without history are not scored by the formula
    return table


@pytest.fixture
def vectors():
    return np.random.default_rng(1).standard_normal((25, 6)) + 3


def power(values, exponent):
    return np.where(values > 0, np.maximum(values, 1e-300) ** exponent, 0.0)


def unit(vectors, mean):
    centred = vectors - mean
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def normalized(X, degree_exponent):
    return power(X.sum(axis=1), -degree_exponent)[:, None] * X * power(X.sum(axis=0), degree_exponent - 1)


def interactions_part(X, alpha, low_pass_weight, popularity_exponent, degree_exponent, sharpness, n_components, **_):
    """Return the part of W that comes from interactions, and the mean row sum of its co-occurrences."""
    N = normalized(X, degree_exponent)
    _, strength, Vt = np.linalg.svd(N)
    squares = (strength / strength[0]) ** 2
    V, kept = Vt[:n_components].T, squares[:n_components]
    points = kept[-1] * np.arange(1, 201) / 200
    slope = np.polynomial.polynomial.polyfit(points, points / (points + alpha), [1])[1]
    response = kept / (kept + alpha)
    response = response + low_pass_weight * response[-1]
    P = slope * (N.T @ N / strength[0] ** 2) if sharpness == 1 else slope * (N.T @ N) ** sharpness / strength[0] ** 2
    correction = response - (slope * kept if sharpness == 1 else 0)
    popularity = np.maximum(X.sum(axis=0), 1) ** popularity_exponent
    return (P + (V * correction) @ V.T) * popularity / popularity[:, None], mass(P)


def largest(cosines, k):
    mask = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(mask, np.argsort(-cosines, axis=1)[:, :k], True, axis=1)
    return mask


def similarities(F, k):
    cosines = F @ F.T
    np.fill_diagonal(cosines, -np.inf)
    mask = largest(cosines, k)
    return np.where(mask | mask.T, np.maximum(cosines, 0), 0)


def mass(C):
    sums = C.sum(axis=1)
    return sums[sums > 0].mean()


def filter_matrix(X, F, **settings):
    """Return W."""
    W, mean_row_sum = interactions_part(X, **settings)
    S = similarities(F, settings["n_neighbors"])
    d = S.sum(axis=1)
    return W + settings["content_weight"] * mean_row_sum * S / np.sqrt(np.outer(d, d))


def popularity_part(x, X, popularity_weight, popularity_exponent, **_):
    counts = X.sum(axis=0)
    q, scale = np.sqrt(counts / counts.sum()), np.maximum(counts, 1) ** popularity_exponent
    evidence = x @ counts / x.max(axis=1)  # of 60 users, a fortieth is 1.5
    return (popularity_weight * (1.5 / (1.5 + evidence)) ** 2 * (x @ (q / scale)))[:, None] * (q * scale)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"popularity_weight": 0.0},
        {"low_pass_weight": 0.0},
        {"content_weight": 0.0},
        {"low_pass_weight": 0.0, "content_weight": 0.0},
        {"degree_exponent": 0.5, "sharpness": 0.7},
        {"n_neighbors": 24, "n_components": 1, "popularity_exponent": -0.2},
    ],
)
def test_scores_are_the_formula(dense, vectors, changed):
    settings = SETTINGS | changed
    W = filter_matrix(dense, unit(vectors, vectors.mean(axis=0)), **settings)
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **settings).fit(dense)
    scores = rec.decision_function(dense)
    assert scores.dtype == np.float32
    is_warm = dense.any(axis=0) | (settings["content_weight"] == 0)  # others follow the rule for new items
    expected = dense @ W + popularity_part(dense, dense, **settings)
    assert_allclose(scores[:, is_warm], expected[:, is_warm], rtol=1e-4, atol=1e-4)


def test_popularity_counts_for_histories_of_few_users(dense):
    """A rare item says little; with it, popular items come first."""
    X = np.vstack([np.tile(dense, (35, 1)), np.zeros((1, 25))])
    X[-1, [4, 3]] = 1  # item 4 has this user alone
    rec = GraphFilterRecommender().fit(X)
    rare, others = np.eye(25)[[4]], np.setdiff1d(np.arange(25), [3, 4])
    assert rec.similar_items([4], 1)[0] == 3
    popularity = X.sum(axis=0)[others]
    assert spearmanr(rec.decision_function(rare)[0, others], popularity).statistic > 0.8
    assert spearmanr(rec.decision_function(dense[[0]])[0, others], popularity).statistic < 0.8
    weighted = 1e6 * rare
    assert_array_equal(rec.predict(weighted), rec.predict(rare))


def test_the_spectral_part_is_a_product_of_embeddings(dense, vectors):
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **SETTINGS | {"popularity_weight": 0}).fit(dense)
    expected = rec.decision_function(dense) - dense @ rec.graph_.toarray()
    assert_allclose(rec.transform(dense) @ rec.item_embedding_.T, expected, atol=1e-4)


def test_scores_of_some_items_have_the_bits_of_all(dense, vectors):
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **SETTINGS).fit(dense)
    items, scores = rec.recommend(dense, 6, candidates=[3, 1, 19, 4, 24, 8], exclude_seen=False)
    assert_array_equal(scores, np.take_along_axis(rec.decision_function(dense), items, axis=1))


def test_rough_scores_do_not_change_the_lists(monkeypatch, dense):
    dense[:3] = 0  # users without history receive the popularity ranking
    rec = GraphFilterRecommender().fit(dense)
    expected = (
        rec.recommend(dense, 4),
        rec.recommend(dense, 4, candidates=[3, 1, 19, 4, 24, 8]),
        rec.similar_items([2, 4], 3),
    )
    monkeypatch.setattr("skgnnrec.ranking._blocks.MANY_COLUMNS", 0)
    found = (
        rec.recommend(dense, 4),
        rec.recommend(dense, 4, candidates=[3, 1, 19, 4, 24, 8]),
        rec.similar_items([2, 4], 3),
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert_array_equal(ours[0], theirs[0])
        assert_array_equal(ours[1], theirs[1])


def test_values_weigh_the_history_and_not_the_fit(dense):
    weighted = dense * np.random.default_rng(3).uniform(0.5, 2, dense.shape)
    rec, same = GraphFilterRecommender().fit(dense), GraphFilterRecommender().fit(weighted)
    assert_array_equal(rec.graph_.toarray(), same.graph_.toarray())
    assert_array_equal(rec.decision_function(weighted), same.decision_function(weighted))


def test_the_response_is_that_of_a_ridge_regression(dense):
    rec = GraphFilterRecommender(alpha=0.2, low_pass_weight=0.5, n_components=5).fit(dense)
    squares = rec.singular_values_**2
    strength = np.linalg.svd(normalized(dense, 0.5), compute_uv=False)[:5]
    assert_allclose(rec.singular_values_, strength / strength[0], rtol=1e-3)
    assert_allclose(rec.response_, squares / (squares + 0.2) + 0.5 * squares[-1] / (squares[-1] + 0.2))


def test_without_singular_vectors_the_scores_are_those_of_the_cooccurrences(dense):
    rec = GraphFilterRecommender(n_components=0, popularity_exponent=0.3, sharpness=0.6, popularity_weight=0).fit(dense)
    N = normalized(dense, 0.5)
    popularity = np.maximum(dense.sum(axis=0), 1) ** 0.3
    expected = dense @ ((N.T @ N) ** 0.6 * popularity / popularity[:, None])
    ratio = rec.decision_function(dense) / np.where(expected > 0, expected, 1)
    assert_allclose(ratio[expected > 0], np.median(ratio[expected > 0]), rtol=1e-4)
    with pytest.raises(ValueError, match="transform requires singular vectors: n_components > 0"):
        rec.transform(dense)


@pytest.mark.parametrize("settings", [{"sharpness": 30}, {"alpha": 1e20}])
def test_errors_on_underflow_do_not_reach_the_caller(dense, vectors, settings):
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **settings)
    expected = rec.fit(dense).decision_function(dense)
    with np.errstate(all="raise"):
        scores = rec.fit(dense).decision_function(dense)
    assert_array_equal(scores, expected)
    assert np.isfinite(scores).all()


def test_content_weight_zero_has_no_new_items(dense, vectors):
    rec = GraphFilterRecommender(content_weight=0, catalog=ItemCatalog(vectors)).fit(dense)
    with pytest.raises(ValueError, match=r"25 new items, .* without item vectors: .* content_weight > 0"):
        rec.recommend(dense, candidates=ItemCatalog(vectors))


def test_components_and_neighbours_are_cut_to_what_there_is(dense, vectors):
    rec = GraphFilterRecommender(n_components=1000, n_neighbors=1000, catalog=ItemCatalog(vectors)).fit(dense)
    assert rec.item_embedding_.shape == (25, 6)  # a quarter of the items
    assert np.isfinite(rec.decision_function(dense)).all()


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+", "c"])
def test_a_cache_is_used_and_left_intact(count_calls, tmp_path, dense, vectors, mmap_mode):
    calls = count_calls(
        "skgnnrec.recommenders._graph_filter.sharpened_cooccurrence",
        "skgnnrec.recommenders._graph_filter.spectrum_of",
        "skgnnrec.graph._neighbors.NearestNeighbors",
    )
    memory = joblib.Memory(tmp_path, mmap_mode=mmap_mode, verbose=0)
    for weight in (0.5, 1.0, 0.5):
        settings = SETTINGS | {"content_weight": weight, "low_pass_weight": weight, "catalog": ItemCatalog(vectors)}
        cached = GraphFilterRecommender(memory=memory, **settings).fit(dense)
        n_calls = len(calls)
        expected = GraphFilterRecommender(**settings).fit(dense)
        assert_array_equal(cached.decision_function(dense), expected.decision_function(dense))
        del calls[n_calls:]
    assert sorted(set(calls)) == ["NearestNeighbors", "sharpened_cooccurrence", "spectrum_of"]
    assert calls.count("sharpened_cooccurrence") == calls.count("spectrum_of") == 1
    assert calls.count("NearestNeighbors") == 1 + 3  # the graph once, the cold items of each fit


def test_weights_of_a_numpy_grid_are_those_of_python(X):
    plain, from_grid = (GraphFilterRecommender(low_pass_weight=weight).fit(X) for weight in (0.3, np.float64(0.3)))
    assert_array_equal(from_grid.item_embedding_, plain.item_embedding_)
    assert from_grid.item_embedding_.dtype == np.float32


def test_fewer_pairs_are_kept_where_memory_does_not_suffice_for_all(monkeypatch):
    data = make_interactions(1000, 400, n_interactions=15_000, n_topics=10, random_state=0)
    train, test = split_interactions(data.interactions, hold_out="random", test_size=0.3, random_state=0)
    rec = GraphFilterRecommender(n_components=32, popularity_weight=20)
    everything = rec.fit(train).score(train, test)
    n_entries = rec.graph_.nnz
    monkeypatch.setattr("skgnnrec.graph._statistics.available_memory", lambda: 12 * 400 * 399)
    pruned = rec.fit(train)
    assert pruned.graph_.nnz < 0.5 * n_entries
    assert pruned.score(train, test) > 0.97 * everything > 0.1
