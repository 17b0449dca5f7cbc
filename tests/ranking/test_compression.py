"""Smaller scorers: the weights that matter most, the nearest factors, and quantised arrays, each compressed once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.ranking import (
    ByRecency,
    Compression,
    Constant,
    DenseWeights,
    LowRank,
    Quantized,
    SparseWeights,
    Standardized,
    Sum,
    UserFactors,
    WithFallback,
)

N_ITEMS = 120
COUNTS = np.random.default_rng(3).integers(0, 1000, N_ITEMS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


WEIGHTS, SPARSE = normal(N_ITEMS, N_ITEMS), sparse.random_array((N_ITEMS, N_ITEMS), density=0.05, rng=0, format="csr")
PROJECTION, ITEMS = normal(N_ITEMS, 8, seed=1), normal(N_ITEMS, 8, seed=2)
LINEAR = {
    "dense": (DenseWeights(WEIGHTS), WEIGHTS),
    "sparse": (SparseWeights(SPARSE.astype(np.float32)), SPARSE.toarray()),
    "low rank": (LowRank(PROJECTION, ITEMS), PROJECTION @ ITEMS.T),
    "sum": (
        Sum((SparseWeights(SPARSE.astype(np.float32)), LowRank(PROJECTION, ITEMS))),
        SPARSE.toarray() + PROJECTION @ ITEMS.T,
    ),
    "in int8": (DenseWeights(Quantized.of(WEIGHTS, "int8")), np.asarray(Quantized.of(WEIGHTS, "int8"))),
}


def compression(dtype="float32", n_largest=None, rank=None):
    return Compression(dtype, n_largest, rank, COUNTS)


@pytest.fixture(params=LINEAR)
def linear(request):
    return LINEAR[request.param]


def test_the_weights_with_the_largest_effect_are_kept(linear):
    scorer, expected = linear
    found = compression(n_largest=9).of_scorer(scorer)
    assert isinstance(found, SparseWeights)
    effect = np.abs(expected) * np.sqrt(1 + COUNTS)[:, None]
    is_kept = effect >= -np.sort(-effect, axis=0)[8]
    assert_allclose(found.weights.toarray(), np.where(is_kept, expected, 0), rtol=1e-4, atol=1e-5)


def test_all_weights_are_kept_where_there_are_fewer(linear):
    scorer, expected = linear
    found = compression(n_largest=10 * N_ITEMS).of_scorer(scorer)
    assert_allclose(found.weights.toarray(), expected, rtol=1e-5, atol=1e-5)


def test_factors_are_the_nearest_ones(linear):
    scorer, expected = linear
    found = compression(rank=20).of_scorer(scorer)
    importance = np.sqrt(1 + COUNTS)[:, None]
    singular = np.linalg.svd(importance * expected, compute_uv=False)
    error = np.linalg.norm(importance * (expected - found.projection @ found.items.T))
    assert error <= 1.02 * np.linalg.norm(singular[20:]) + 1e-4 * np.linalg.norm(singular)


def test_factors_of_full_rank_are_the_weights(linear):
    scorer, expected = linear
    found = compression(rank=10 * N_ITEMS).of_scorer(scorer)
    assert_allclose(found.projection @ found.items.T, expected, atol=2e-3 * np.abs(expected).max())


def test_only_the_linear_terms_of_a_sum_are_reduced(linear):
    scorer, expected = linear
    small = compression(rank=N_ITEMS)
    found = small.of_scorer(WithFallback(Sum((scorer, Constant(WEIGHTS[0]))), WEIGHTS[1])).scorer
    assert isinstance(found.terms[0], LowRank)
    assert isinstance(found.terms[1], Constant)
    assert small.n_reduced == 1
    X = sparse.random_array((20, N_ITEMS), density=0.05, rng=1, format="csr").astype(np.float32)
    assert_allclose(found.scores(X), X @ expected + WEIGHTS[0], atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_all_matrices_of_nested_scorers_are_quantised(dtype):
    bias, dots = Constant(WEIGHTS[0]), UserFactors(PROJECTION, ITEMS, is_cosine=True)
    scorer = WithFallback(ByRecency(Sum((bias, dots, DenseWeights(WEIGHTS))), 0.5), WEIGHTS[1])
    found = compression(dtype).of_scorer(scorer)
    inner = found.scorer.scorer
    assert inner.terms[0].values is WEIGHTS[0] or np.array_equal(inner.terms[0].values, WEIGHTS[0])
    for matrix in (inner.terms[1].projection, inner.terms[1].items, inner.terms[2].weights):
        assert matrix.values.dtype == dtype
    X = sparse.random_array((20, N_ITEMS), density=0.05, rng=1, format="csr").astype(np.float32)
    expected = scorer.scores(X)
    assert_allclose(found.scores(X), expected, atol=0.02 * np.abs(expected).max())


def test_what_is_shared_stays_shared():
    part = DenseWeights(WEIGHTS)
    small = compression("int8")
    found = small.of_scorer(Standardized(part, part, 2.0))
    assert found.scorer is found.reference
    assert small.of_matrix(WEIGHTS) is found.scorer.weights


def test_float32_changes_nothing():
    scorer = Sum((DenseWeights(WEIGHTS), LowRank(PROJECTION, ITEMS)))
    X = sparse.random_array((20, N_ITEMS), density=0.05, rng=1, format="csr").astype(np.float32)
    assert_array_equal(compression().of_scorer(scorer).scores(X), scorer.scores(X))
