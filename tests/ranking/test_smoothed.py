"""Smoothed: shares of other histories, and the contributions of items and of other users."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.ranking import DenseWeights, LowRank, Smoothed, UserFactors, rank_in_blocks, round_for_exact_sums

RNG = np.random.default_rng(0)
OTHERS = sparse.csr_array(np.float32(RNG.integers(0, 3, (4, 6)) * (RNG.random((4, 6)) < 0.5)))
X = sparse.csr_array(np.float32([[1, 0, 2, 0, 0, 0, 0, 0.5, 0, 0], [0] * 6 + [0.25, 0, 0, 0.5], [1] + [0] * 9]))
W = np.float32(RNG.standard_normal((6, 5)))
FACTORS = round_for_exact_sums(np.float32(RNG.standard_normal((5, 3))), 3, axis=1)
SCORERS = {
    "dense": DenseWeights(W),
    "low rank": LowRank(W[:, :3], FACTORS),
    "cosine": UserFactors(W[:, :3], FACTORS, is_cosine=True),
}


@pytest.mark.parametrize("name", SCORERS)
def test_scores_and_contributions(name):
    scorer = Smoothed(SCORERS[name], OTHERS)
    total = sparse.csr_array(X[:, :6] + X[:, 6:] @ OTHERS)
    expected = SCORERS[name].scores(total)
    assert_allclose(scorer.scores(X), expected, rtol=1e-6)
    assert_array_equal(scorer.take(np.array([3, 1])).scores(X), scorer.scores(X)[:, [3, 1]])
    columns = np.array([0, 2, 4])
    parts = scorer.contributions(X, columns)
    assert_array_equal(parts.indices, X.indices)
    sums = parts.sum(axis=1) + scorer.baseline(X, columns)
    assert_allclose(sums, expected[np.arange(3), columns], rtol=1e-5, atol=1e-6)


def test_the_contribution_of_another_user_is_that_of_the_history():
    parts = Smoothed(SCORERS["dense"], OTHERS).contributions(X, np.array([1, 1, 1]))
    assert_allclose(parts[0, 7], 0.5 * (OTHERS[[1]] @ W)[0, 1], rtol=1e-5)


def test_histories_without_further_columns_are_not_changed():
    scorer = Smoothed(SCORERS["dense"], OTHERS)
    assert_array_equal(scorer.scores(X[:, :6]), SCORERS["dense"].scores(X[:, :6]))


def test_fast_and_exact_lists_are_equal():
    scorer = Smoothed(SCORERS["low rank"], OTHERS)
    rough = scorer.rough(X)
    assert (np.abs(rough.scores - scorer.scores(X)) <= rough.error[:, None] + 1e-6).all()
    found, scores = rank_in_blocks(scorer, X, 5, None)
    assert_array_equal(scores, np.take_along_axis(scorer.scores(X), found, axis=1))
