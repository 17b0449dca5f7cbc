"""Profiled: profiles beside a history, and profiles alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.ranking import Constant, DenseWeights, Profiled, Sum, WithFallback

RNG = np.random.default_rng(0)
W, A, M = (np.float32(RNG.standard_normal((n, 5))) for n in (4, 2, 2))
COUNTS = np.float32([5, 4, 3, 2, 1])
X = sparse.csr_array(np.float32([[1, 0, 2, 0, 0.5, -1], [0, 0, 0, 0, 1, 2], [1, 0, 0, 0, 0, 0], [0] * 6]))


@pytest.fixture(params=[True, False], ids=["both", "alone"])
def scorer(request):
    beside = DenseWeights(A) if request.param else None
    history = WithFallback(DenseWeights(W), COUNTS)
    return Profiled(history, 4, beside, Sum((Constant(COUNTS), DenseWeights(M))))


def test_scores_are_those_of_what_is_known(scorer):
    x, u = X[:, :4].toarray(), X[:, 4:].toarray()
    added = u[0] @ A if scorer.beside is not None else 0
    expected = np.stack([x[0] @ W + added, COUNTS + u[1] @ M, x[2] @ W, COUNTS])
    assert_allclose(scorer.scores(X), expected, rtol=1e-5)
    assert_array_equal(scorer.take(np.array([4, 0])).scores(X), scorer.scores(X)[:, [4, 0]])


def test_contributions_add_up(scorer):
    columns = np.array([1, 2, 3, 0])
    sums = scorer.contributions(X, columns).sum(axis=1) + scorer.baseline(X, columns)
    assert_allclose(sums, scorer.scores(X)[np.arange(4), columns], rtol=1e-5)


def test_histories_alone_are_scored_as_before(scorer):
    assert_array_equal(scorer.scores(X[:, :4]), scorer.scorer.scores(X[:, :4]))
