"""Pairs of texts: probabilities, known answers, degenerate matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.text.finetuning._pairs import LabelPairs, NeighborPairs, by_text

# texts × users, or labels: the last of them has one text only, the last text none
Y = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=np.float32)


def nearness(y):
    """Return C by its formula, densely."""
    y = (np.asarray(y) > 0).astype(float)
    N = y / np.sqrt(np.maximum(y.sum(axis=0), 1)) / np.sqrt(np.maximum(y.sum(axis=1, keepdims=True), 1))
    C = N @ N.T
    np.fill_diagonal(C, 0)
    return C


def frequencies(pairs, n=4000):
    anchors = np.repeat(pairs.anchors, n)
    found = np.zeros((4, 4))
    np.add.at(found, (anchors, pairs.draw(anchors, np.random.default_rng(0))), 1 / n)
    return found


def test_neighbours_have_the_stated_probabilities():
    pairs = NeighborPairs(sparse.csr_array(Y), 10)
    assert_array_equal(pairs.anchors, [0, 1, 2])
    C = nearness(Y)
    assert_allclose(C[0], [0, 1 / 6, 5 / 12, 0])  # by hand
    assert_allclose(frequencies(pairs)[:3], C[:3] / C[:3].sum(axis=1, keepdims=True), atol=0.03)


def test_only_the_nearest_are_partners():
    pairs = NeighborPairs(sparse.csr_array(Y), 1)
    assert_allclose(frequencies(pairs)[[0, 2]], [[0, 0, 1, 0], [1, 0, 0, 0]])
    assert_array_equal(pairs.are_alike(np.array([0]), np.arange(4)), [[False, True, True, False]])  # 1's nearest is 0


def test_labels_have_the_stated_probabilities():
    expected = [[0, 0.25, 0.75, 0], [0.5, 0, 0.5, 0], [0.75, 0.25, 0, 0], [0, 0, 0, 0]]
    assert_allclose(frequencies(LabelPairs(sparse.csr_array(Y))), expected, atol=0.03)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(1, 5))
def test_partners_share_a_column_and_are_others(seed, n_texts, n_columns, density, n_neighbors):
    rng = np.random.default_rng(seed)
    y = (rng.random((n_texts, n_columns)) < density).astype(np.float32)
    for pairs in (LabelPairs(sparse.csr_array(y)), NeighborPairs(sparse.csr_array(y), n_neighbors)):
        assert_array_equal(pairs.anchors, np.flatnonzero(nearness(y).sum(axis=1)))
        anchors = np.repeat(pairs.anchors, 5)
        partners = pairs.draw(anchors, rng)
        assert (partners != anchors).all()
        assert (nearness(y)[anchors, partners] > 0).all()
        assert pairs.are_alike(anchors, partners)[np.arange(len(anchors)), np.arange(len(anchors))].all()
        alike = pairs.are_alike(np.arange(n_texts), np.arange(n_texts))
        assert_array_equal(alike, alike.T)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (1, 3), (3, 3)])
def test_nothing_to_pair(shape):
    nothing = sparse.csr_array(shape, dtype=np.float32)
    for pairs in (LabelPairs(nothing), NeighborPairs(nothing, 2)):
        assert len(pairs.anchors) == 0
        assert len(pairs.draw(pairs.anchors, np.random.default_rng(0))) == 0


def test_equal_texts_count_as_one():
    texts, interactions = by_text(["mug", "", "hose", "mug"], sparse.csr_array(np.diag([1.0, 1, 2, 1])))
    assert texts == ["hose", "mug"]
    assert_array_equal(interactions.toarray(), [[0, 0, 1, 0], [1, 0, 0, 1]])
