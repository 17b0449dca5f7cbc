"""GraphFilterRecommender against its formula, dense and in float64."""

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import GraphFilterRecommender, ItemCatalog, ranking
from skgnnrec.graph import _cooccurrence, _neighbors
from skgnnrec.recommenders import _graph_filter

SETTINGS = {
    "degree_exponent": 0.4,
    "sharpness": 0.8,
    "low_pass_weight": 0.6,
    "n_components": 7,
    "text_weight": 1.3,
    "n_neighbors": 4,
}


@pytest.fixture
def dense():
    table = (np.random.default_rng(0).random((60, 25)) < 0.25).astype(np.float64)
    table[:, 4] = 0  # nobody has been there
    table[~table.any(axis=1), 3] = 1  # who has no history is not scored by the formula
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
    return W + settings["text_weight"] * mass(C) * S / np.sqrt(np.outer(d, d))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"low_pass_weight": 0.0},
        {"text_weight": 0.0},
        {"low_pass_weight": 0.0, "text_weight": 0.0},
        {"degree_exponent": 0.5, "sharpness": 1.0},
        {"n_neighbors": 24, "n_components": 1},
    ],
)
def test_scores_are_the_formula(dense, vectors, changed):
    settings = SETTINGS | changed
    W = filter_matrix(dense, unit(vectors, vectors.mean(axis=0)), **settings)
    rec = GraphFilterRecommender(items=ItemCatalog(vectors), **settings).fit(dense)
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
    expected = SETTINGS["text_weight"] * mass(cooccurrence(dense, **SETTINGS)) * dense @ K.T
    rec = GraphFilterRecommender(items=ItemCatalog(vectors), **SETTINGS).fit(dense)
    items, scores = rec.recommend(dense, 5, items=ItemCatalog(new), exclude_seen=False)
    assert_allclose(scores, np.take_along_axis(expected, items, axis=1), rtol=1e-4, atol=1e-5)


def test_the_low_pass_part_is_a_product_of_embeddings(dense, vectors):
    rec = GraphFilterRecommender(items=ItemCatalog(vectors), **SETTINGS).fit(dense)
    expected = rec.decision_function(dense) - dense @ rec.graph_.toarray()
    assert_allclose(rec.transform(dense) @ rec.item_embedding_.T, expected, atol=1e-4)


def test_scores_of_some_items_have_the_bits_of_all(dense, vectors):
    rec = GraphFilterRecommender(items=ItemCatalog(vectors), **SETTINGS).fit(dense)
    items, scores = rec.recommend(dense, 6, items=[3, 1, 19, 4, 24, 8], exclude_seen=False)
    assert_array_equal(scores, np.take_along_axis(rec.decision_function(dense), items, axis=1))


@pytest.mark.parametrize("low_pass_weight", [0.0, 0.2])
def test_a_dense_copy_of_a_full_graph_gives_the_same_bits(monkeypatch, dense, low_pass_weight):
    many = np.tile(dense, (4, 1)) * np.random.default_rng(4).uniform(0.1, 2, (240, 25))
    rec = GraphFilterRecommender(low_pass_weight=low_pass_weight).fit(dense)
    assert rec.graph_.nnz > _graph_filter.FULL_SHARE * 25**2
    copies = []
    to_dense = sparse.csr_array.toarray
    monkeypatch.setattr(sparse.csr_array, "toarray", lambda X, *a, **k: copies.append(X.shape) or to_dense(X, *a, **k))
    items, scores = rec.recommend(many, 5)
    assert copies.count((25, 25)) == 1
    monkeypatch.setattr(_graph_filter, "FULL_SHARE", 1.0)
    assert_array_equal(rec.recommend(many, 5)[0], items)
    assert_array_equal(rec.recommend(many, 5)[1], scores)
    assert copies.count((25, 25)) == 1


@given(st.integers(0, 9), st.integers(1, 12), st.sampled_from([1, 20, 1 << 18]), st.integers(0, 5))
def test_rows_of_the_graph_add_up_to_the_bits_of_a_product(n_users, n_items, entries, seed):
    rng = np.random.default_rng(seed)
    X, graph = (
        sparse.random_array(shape, density=0.4, rng=rng, format="csr", dtype=np.float32)
        for shape in ((n_users, n_items), (n_items, 7))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_graph_filter, "ROWS_ENTRIES", entries)
        assert_array_equal(_graph_filter._add_rows(X, graph), (X @ graph).toarray())


def test_rough_scores_do_not_change_the_lists(monkeypatch, dense):
    dense[:3] = 0  # who has no history gets what most users have
    rec = GraphFilterRecommender().fit(dense)
    expected = (
        rec.recommend(dense, 4),
        rec.recommend(dense, 4, items=[3, 1, 19, 4, 24, 8]),
        rec.similar_items([2, 4], 3),
    )
    monkeypatch.setattr(ranking, "MANY_COLUMNS", 0)
    found = rec.recommend(dense, 4), rec.recommend(dense, 4, items=[3, 1, 19, 4, 24, 8]), rec.similar_items([2, 4], 3)
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


def test_text_weight_zero_has_no_new_items(dense, vectors):
    rec = GraphFilterRecommender(text_weight=0, items=ItemCatalog(vectors)).fit(dense)
    with pytest.raises(ValueError, match=r"25 new items, .* without item vectors: .* text_weight > 0"):
        rec.recommend(dense, items=ItemCatalog(vectors))


def test_components_and_neighbours_are_cut_to_what_there_is(dense, vectors):
    rec = GraphFilterRecommender(n_components=1000, n_neighbors=1000, items=ItemCatalog(vectors)).fit(dense)
    assert rec.item_embedding_.shape == (25, 25)
    assert np.isfinite(rec.decision_function(dense)).all()


@pytest.mark.parametrize("mmap_mode", [None, "r", "r+", "c"])
def test_a_cache_is_used_and_left_intact(monkeypatch, tmp_path, dense, vectors, mmap_mode):
    calls = []

    def count(module, name):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: calls.append(name) or original(*args, **kwargs))

    count(_cooccurrence, "_gram")
    count(_cooccurrence, "randomized_svd")
    count(_neighbors, "NearestNeighbors")
    memory = joblib.Memory(tmp_path, mmap_mode=mmap_mode, verbose=0)
    for weight in (0.5, 1.0, 0.5):
        settings = SETTINGS | {"text_weight": weight, "low_pass_weight": weight, "items": ItemCatalog(vectors)}
        cached = GraphFilterRecommender(memory=memory, **settings).fit(dense)
        n_calls = len(calls)
        expected = GraphFilterRecommender(**settings).fit(dense)
        assert_array_equal(cached.decision_function(dense), expected.decision_function(dense))
        del calls[n_calls:]
    assert sorted(calls) == ["NearestNeighbors", "_gram", "randomized_svd"]


def test_weights_of_a_numpy_grid_are_those_of_python(X):
    plain, from_grid = (GraphFilterRecommender(low_pass_weight=weight).fit(X) for weight in (0.3, np.float64(0.3)))
    assert_array_equal(from_grid.item_embedding_, plain.item_embedding_)
    assert from_grid.item_embedding_.dtype == np.float32
