"""GraphFilterRecommender against its formula, dense and in float64."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import GraphFilterRecommender, ItemCatalog

SETTINGS = {
    "degree_exponent": 0.4,
    "sharpness": 0.8,
    "low_pass_weight": 0.6,
    "n_components": 7,
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


def cooccurrence(X, degree_exponent, sharpness, **_):
    N = power(X.sum(axis=1), -degree_exponent)[:, None] * X * power(X.sum(axis=0), degree_exponent - 1)
    return (N.T @ N) ** sharpness


def low_pass(X, n_components, **_):
    smoothed = power(X.sum(axis=1), -0.5)[:, None] * X * power(X.sum(axis=0), -0.5)
    V = np.linalg.svd(smoothed)[2][:n_components].T
    return power(X.sum(axis=0), -0.5)[:, None] * (V @ V.T) * np.sqrt(X.sum(axis=0))


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
    """Return W, all three parts."""
    C = cooccurrence(X, **settings)
    W = C + settings["low_pass_weight"] * mass(C) * low_pass(X, **settings)
    S = similarities(F, settings["n_neighbors"])
    d = S.sum(axis=1)
    return W + settings["content_weight"] * mass(C) * S / np.sqrt(np.outer(d, d))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"low_pass_weight": 0.0},
        {"content_weight": 0.0},
        {"low_pass_weight": 0.0, "content_weight": 0.0},
        {"degree_exponent": 0.5, "sharpness": 1.0},
        {"n_neighbors": 24, "n_components": 1},
    ],
)
def test_scores_are_the_formula(dense, vectors, changed):
    settings = SETTINGS | changed
    W = filter_matrix(dense, unit(vectors, vectors.mean(axis=0)), **settings)
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **settings).fit(dense)
    scores = rec.decision_function(dense)
    assert scores.dtype == np.float32
    assert_allclose(scores, dense @ W, rtol=1e-4, atol=1e-4)


def test_new_items_get_rows_of_the_similarity_graph(dense, vectors):
    new = np.random.default_rng(2).standard_normal((5, 6)) + 3
    F, f = unit(vectors, vectors.mean(axis=0)), unit(new, vectors.mean(axis=0))
    cosines = f @ F.T
    S = np.where(largest(cosines, 4), np.maximum(cosines, 0), 0)
    degrees = similarities(F, 4).sum(axis=1)
    K = S / np.sqrt(np.outer(S.sum(axis=1), degrees))
    expected = SETTINGS["content_weight"] * mass(cooccurrence(dense, **SETTINGS)) * dense @ K.T
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **SETTINGS).fit(dense)
    items, scores = rec.recommend(dense, 5, candidates=ItemCatalog(new), exclude_seen=False)
    assert_allclose(scores, np.take_along_axis(expected, items, axis=1), rtol=1e-4, atol=1e-5)


def test_the_low_pass_part_is_a_product_of_embeddings(dense, vectors):
    rec = GraphFilterRecommender(catalog=ItemCatalog(vectors), **SETTINGS).fit(dense)
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


def test_without_the_low_pass_part_there_is_no_transform(dense):
    rec = GraphFilterRecommender(low_pass_weight=0).fit(dense)
    with pytest.raises(ValueError, match="transform needs the low-pass part of the filter: low_pass_weight > 0"):
        rec.transform(dense)
    assert rec.predict(dense).shape == (60, 10)


def test_content_weight_zero_has_no_new_items(dense, vectors):
    rec = GraphFilterRecommender(content_weight=0, catalog=ItemCatalog(vectors)).fit(dense)
    with pytest.raises(ValueError, match=r"25 new items, .* without item vectors: .* content_weight > 0"):
        rec.recommend(dense, candidates=ItemCatalog(vectors))


def test_components_and_neighbours_are_cut_to_what_there_is(dense, vectors):
    rec = GraphFilterRecommender(n_components=1000, n_neighbors=1000, catalog=ItemCatalog(vectors)).fit(dense)
    assert rec.item_embedding_.shape == (25, 25)
    assert np.isfinite(rec.decision_function(dense)).all()


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+", "c"])
def test_a_cache_is_used_and_left_intact(count_calls, tmp_path, dense, vectors, mmap_mode):
    calls = count_calls(
        "skgnnrec.recommenders._graph_filter.sharpened_cooccurrence",
        "skgnnrec.recommenders._graph_filter.low_pass_factors",
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
    assert sorted(calls) == ["NearestNeighbors", "low_pass_factors", "sharpened_cooccurrence"]


def test_weights_of_a_numpy_grid_are_those_of_python(X):
    plain, from_grid = (GraphFilterRecommender(low_pass_weight=weight).fit(X) for weight in (0.3, np.float64(0.3)))
    assert_array_equal(from_grid.item_embedding_, plain.item_embedding_)
    assert from_grid.item_embedding_.dtype == np.float32
