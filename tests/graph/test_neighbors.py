"""The graph of similar items and the nearest items of new ones, against their formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.graph import SimilarityGraph, nearest_items


def unit_vectors(n, n_dimensions=5, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, n_dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def nearest(cosines, k):
    """Return a mask of the k largest of each row."""
    mask = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(mask, np.argsort(-cosines, axis=1)[:, :k], True, axis=1)
    return mask


def dense_similarities(vectors, k):
    """Return S: positive cosines where one item is among the k nearest of the other."""
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    mask = nearest(cosines, k)
    return np.where(mask | mask.T, np.maximum(cosines, 0), 0)


@pytest.mark.parametrize("k", [1, 4, 29, 100])
def test_adjacency_is_the_formula(k):
    vectors = unit_vectors(30)
    S = dense_similarities(vectors, k)
    d = S.sum(axis=1)
    adjacency = SimilarityGraph.build(vectors, k).adjacency
    assert adjacency.dtype == np.float32
    assert_allclose(adjacency.toarray(), S / np.sqrt(np.outer(d, d)), atol=1e-5)


@given(st.integers(1, 25), st.integers(1, 8), st.integers(1, 4), st.integers(0, 3))
def test_adjacency_is_symmetric_and_does_not_amplify(n, k, n_dimensions, seed):
    adjacency = SimilarityGraph.build(unit_vectors(n, n_dimensions, seed), k).adjacency.toarray()
    assert_array_equal(adjacency, adjacency.T)
    assert (adjacency >= 0).all()
    assert not adjacency.diagonal().any()
    assert np.abs(np.linalg.eigvalsh(adjacency.astype(np.float64))).max() <= 1 + 1e-5


@given(st.permutations(range(12)))
def test_reordered_items_have_a_reordered_graph(order):
    vectors = unit_vectors(12)
    expected = SimilarityGraph.build(vectors, 3).adjacency.toarray()[np.ix_(order, order)]
    assert_allclose(SimilarityGraph.build(vectors[order], 3).adjacency.toarray(), expected, atol=1e-6)


def test_nearest_items_have_powers_of_cosines_that_sum_to_one():
    vectors, new = unit_vectors(30), unit_vectors(7, seed=1)
    known = np.arange(30) % 5 > 0
    cosines = new.astype(np.float64) @ vectors[known].T.astype(np.float64)
    S = np.where(nearest(cosines, 4), np.maximum(cosines, 0), 0) ** 3
    expected = np.zeros((30, 7))
    expected[known] = (S / S.sum(axis=1, keepdims=True)).T
    found = nearest_items(vectors, known, new, 4, 3)
    assert found.dtype == np.float32
    assert_allclose(found.toarray(), expected, atol=1e-5)


def test_nearest_items_do_not_depend_on_other_new_items():
    vectors, new, known = unit_vectors(30), unit_vectors(7, seed=1), np.ones(30, dtype=bool)
    together = nearest_items(vectors, known, new, 4, 2).toarray()
    alone = np.hstack([nearest_items(vectors, known, new[[j]], 4, 2).toarray() for j in range(7)])
    assert_allclose(alone, together, atol=1e-6)
    assert nearest_items(vectors, known, new[:0], 4, 2).shape == (30, 0)


def test_zero_vectors_and_unknown_items_are_not_among_the_nearest():
    vectors = unit_vectors(10)
    vectors[[2, 5]] = 0
    known = np.arange(10) != 7
    new = np.vstack([np.zeros((1, 5), np.float32), vectors[[1, 7]]])
    found = nearest_items(vectors, known, new, 10, 4).toarray()
    assert not found[:, 0].any()
    assert not found[[2, 5, 7]].any()
    assert found[1, 1] > 0.5
    assert nearest_items(vectors, np.zeros(10, dtype=bool), new, 4, 4).nnz == 0


def test_a_zero_vector_takes_the_place_of_no_neighbour():
    vectors = np.array([[0, 0], [0.28, 0.96]], dtype=np.float32)  # the zero vector is the nearer one to the new item
    weights = nearest_items(vectors, np.ones(2, dtype=bool), np.array([[1, 0]], dtype=np.float32), 1, 4)
    assert_allclose(weights.toarray(), [[0], [1]], rtol=1e-6)


def test_zero_vectors_have_no_neighbours():
    vectors = unit_vectors(10)
    vectors[[2, 5]] = 0
    graph = SimilarityGraph.build(vectors, 3)
    adjacency = graph.adjacency.toarray()
    assert not adjacency[[2, 5]].any()
    assert np.isfinite(adjacency).all()


def test_items_with_equal_vectors_are_neighbours():
    vectors = np.repeat(unit_vectors(3), 2, axis=0)
    adjacency = SimilarityGraph.build(vectors, 1).adjacency.toarray()
    assert adjacency[0, 1] > 0
    assert np.isfinite(adjacency).all()


def test_one_item_has_no_neighbours():
    assert SimilarityGraph.build(unit_vectors(1), 20).adjacency.nnz == 0


def test_threads_do_not_matter():
    vectors = np.repeat(unit_vectors(60), 4, axis=0)  # many ties
    graphs = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            graphs.append(SimilarityGraph.build(vectors, 5).adjacency.toarray())
    assert_array_equal(*graphs)


def test_errors_on_underflow_do_not_reach_the_caller():
    vectors = np.array([[1, 1e-30], [1e-30, 1], [1, 0]], dtype=np.float32)
    with np.errstate(all="raise"):
        graph = SimilarityGraph.build(vectors, 2)
        assert nearest_items(vectors, np.ones(3, dtype=bool), vectors, 2, 4).shape == (3, 3)
    assert_array_equal(
        graph.adjacency.toarray() > 0, [[False, False, True], [False, False, False], [True, False, False]]
    )


def test_a_graph_too_large_for_memory_is_refused():
    vectors = np.broadcast_to(np.float32(1), (3_000_000, 1))
    match = "The graph of 3000000 neighbours of each of 3000000 items needs .* GiB of memory.*Lower n_neighbors"
    with pytest.raises(MemoryLimitError, match=match):
        SimilarityGraph.build(vectors, 3_000_000)
