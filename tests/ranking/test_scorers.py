"""Every scorer keeps one contract: scores by a formula, choice of candidates, contributions, approximate scores."""

import pickle

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.ranking import (
    ByRecency,
    Constant,
    DenseWeights,
    LowRank,
    Mixture,
    PopularityTerm,
    Quantized,
    SideBySide,
    SparseWeights,
    Standardized,
    Sum,
    UserFactors,
    WithFallback,
    round_for_exact_sums,
)
from skgnnrec.ranking._scorers import EPSILON

N_USERS, N_ITEMS, N_COLUMNS, DIM = 60, 23, 17, 5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def factors(seed=1, scale=1.0):
    return round_for_exact_sums(np.float32(scale) * normal(N_COLUMNS, DIM, seed=seed), DIM, axis=1)


WEIGHTS, OTHER_WEIGHTS = normal(N_ITEMS, N_COLUMNS, seed=2), normal(N_ITEMS, N_COLUMNS, seed=8)
SPARSE = np.where(np.abs(OTHER_WEIGHTS) > 1, OTHER_WEIGHTS, 0)
SHARE, COUNTS = np.abs(normal(N_ITEMS, seed=5)).astype(np.float64), np.arange(N_ITEMS)
MIXED = np.where(np.abs(normal(N_COLUMNS, N_COLUMNS, seed=9)) > 1, normal(N_COLUMNS, N_COLUMNS, seed=10), 0)
PROJECTION, OTHER_PROJECTION = normal(N_ITEMS, DIM), normal(N_ITEMS, DIM, seed=3)
FACTORS, OTHER_FACTORS = factors(), factors(seed=4)
FIRST, SECOND = np.array([3, 0, 16, 7, 9]), np.setdiff1d(np.arange(N_COLUMNS), [3, 0, 16, 7, 9])


# Formulas, in float64


def low_rank(X):
    return X @ PROJECTION @ FACTORS.T


def users_of(X):
    """Return the weighted sum of the items of each history: weights of equal items are n^{-1/2}."""
    return X * np.sqrt((X > 0).sum(axis=1, keepdims=True)) / np.maximum(X.sum(axis=1, keepdims=True), 1e-9) @ PROJECTION


def cosine(X):
    users = users_of(X)
    length = np.linalg.norm(users, axis=1, keepdims=True)
    return np.divide(users, length, out=np.zeros_like(users), where=length > 0) @ FACTORS.T


def by_recency(X, decay):
    """Return decay^r at the entries of a row with r distinct larger values."""
    larger = [[len({other for other in row if other > value}) for value in row] for row in X]
    return np.where(X > 0, decay ** np.array(larger), 0)


def standardized(scores, reference):
    deviation = reference.std(axis=1, keepdims=True)
    varies = np.ptp(reference, axis=1, keepdims=True) > 0
    return np.where(varies, (scores - reference.mean(axis=1, keepdims=True)) / np.where(varies, deviation, 1), 0)


def popularity_term(X):
    evidence = X @ COUNTS / np.maximum(X.max(axis=1), 1e-9)
    return (X @ SHARE * (10 / (10 + evidence)) ** 2)[:, None] * WEIGHTS[5]


def with_fallback(scores, X, fallback):
    return np.where(X.any(axis=1, keepdims=True), scores, fallback)


def side_by_side(X):
    scores = np.empty((len(X), N_COLUMNS))
    scores[:, FIRST] = low_rank(X)[:, :5]
    scores[:, SECOND] = with_fallback(X @ WEIGHTS, X, WEIGHTS[4])[:, :12]
    return scores


CONSTANT, DENSE, LOW_RANK = Constant(WEIGHTS[0]), DenseWeights(WEIGHTS), LowRank(PROJECTION, FACTORS)
SPARSE_WEIGHTS, COSINE = SparseWeights(sparse.csr_array(SPARSE)), UserFactors(PROJECTION, FACTORS, is_cosine=True)
OTHER_LOW_RANK = LowRank(OTHER_PROJECTION, OTHER_FACTORS)
INT8_WEIGHTS, HALF_WEIGHTS = Quantized.of(WEIGHTS, "int8"), Quantized.of(WEIGHTS, "float16")
INT8_FACTORS, HALF_FACTORS = Quantized.of(FACTORS, "int8"), Quantized.of(FACTORS, "float16")
INT8_PROJECTION = Quantized.of(PROJECTION, "int8")
SCORERS = {
    "constant": (CONSTANT, lambda X: np.tile(WEIGHTS[0], (len(X), 1))),
    "dense": (DENSE, lambda X: X @ WEIGHTS),
    "sparse": (SPARSE_WEIGHTS, lambda X: X @ SPARSE),
    "low rank": (LOW_RANK, low_rank),
    "dot": (UserFactors(PROJECTION, FACTORS, is_cosine=False), lambda X: users_of(X) @ FACTORS.T),
    "cosine": (COSINE, cosine),
    "sum": (Sum((SPARSE_WEIGHTS, LOW_RANK)), lambda X: X @ SPARSE + low_rank(X)),
    "sum of known terms": (Sum((CONSTANT, DENSE)), lambda X: WEIGHTS[0] + X @ WEIGHTS),
    "sum of products": (
        Sum((LOW_RANK, OTHER_LOW_RANK)),
        lambda X: low_rank(X) + X @ OTHER_PROJECTION @ OTHER_FACTORS.T,
    ),
    "sum of three": (Sum((CONSTANT, LOW_RANK, COSINE)), lambda X: WEIGHTS[0] + low_rank(X) + cosine(X)),
    "fallback": (
        WithFallback(Sum((DENSE, LOW_RANK)), WEIGHTS[3]),
        lambda X: with_fallback(X @ WEIGHTS + low_rank(X), X, WEIGHTS[3]),
    ),
    "fallback without products": (WithFallback(DENSE, WEIGHTS[3]), lambda X: with_fallback(X @ WEIGHTS, X, WEIGHTS[3])),
    "recency": (ByRecency(DENSE, 0.7), lambda X: by_recency(X, 0.7) @ WEIGHTS),
    "recency of a product": (ByRecency(LOW_RANK, 0.7), lambda X: low_rank(by_recency(X, 0.7))),
    "standardized": (Standardized(DENSE, DENSE, 2.0), lambda X: 2 * standardized(X @ WEIGHTS, X @ WEIGHTS)),
    "standardized by others": (
        Standardized(LOW_RANK, DENSE, 0.5),
        lambda X: 0.5 * standardized(X @ WEIGHTS, low_rank(X)),
    ),
    "popularity": (PopularityTerm(SHARE, COUNTS, WEIGHTS[5], 10.0), popularity_term),
    "dense in int8": (DenseWeights(INT8_WEIGHTS), lambda X: X @ np.asarray(INT8_WEIGHTS)),
    "dense in float16": (DenseWeights(HALF_WEIGHTS), lambda X: X @ np.asarray(HALF_WEIGHTS)),
    "low rank in int8": (
        LowRank(INT8_PROJECTION, INT8_FACTORS),
        lambda X: X @ np.asarray(INT8_PROJECTION) @ np.asarray(INT8_FACTORS).T,
    ),
    "cosine in float16": (
        UserFactors(PROJECTION, HALF_FACTORS, is_cosine=True),
        lambda X: cosine(X) @ np.linalg.pinv(FACTORS.T) @ np.asarray(HALF_FACTORS).T,
    ),
    "mixture": (Mixture(DENSE, sparse.csr_array(MIXED)), lambda X: X @ WEIGHTS @ MIXED.T),
    "mixture of a sum": (
        Mixture(Sum((CONSTANT, LOW_RANK)), sparse.csr_array(MIXED)),
        lambda X: (WEIGHTS[0] + low_rank(X)) @ MIXED.T,
    ),
    "side by side": (
        SideBySide(
            (
                (LOW_RANK.take(np.arange(5)), FIRST),
                (WithFallback(DENSE, WEIGHTS[4]).take(np.arange(12)), SECOND),
            )
        ),
        side_by_side,
    ),
}
WITH_ROUGH = ["low rank", "dot", "cosine", "sum", "sum of products", "sum of three", "fallback", "recency of a product"]
WITH_ROUGH += ["low rank in int8", "cosine in float16"]


@pytest.fixture(params=SCORERS)
def scorer(request):
    return SCORERS[request.param][0]


@pytest.fixture(name="X")
def histories():
    """Return histories with weights; each seventh is empty."""
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((N_USERS, N_ITEMS)) < 0.2, rng.random((N_USERS, N_ITEMS)), 0)
    dense[::7] = 0
    return sparse.csr_array(dense.astype(np.float32))


@pytest.mark.parametrize("name", SCORERS)
def test_scores_are_the_formula(name, X):
    scorer, formula = SCORERS[name]
    scores = scorer.scores(X)
    assert (scores.shape, scores.dtype, scorer.n_columns) == ((N_USERS, N_COLUMNS), np.float32, N_COLUMNS)
    assert_allclose(scores, formula(X.toarray().astype(np.float64)), rtol=1e-5, atol=1e-5)


def test_scores_are_a_new_array(scorer, X):
    scores = scorer.scores(X)
    expected = scores.copy()
    scores[:] = 0
    assert_array_equal(scorer.scores(X), expected)


def test_a_row_does_not_depend_on_other_rows(scorer, X):
    scores = scorer.scores(X)
    for rows in ([3], [5, 3, 3], list(range(N_USERS - 1, -1, -1))):
        assert_array_equal(scorer.scores(X[rows]), scores[rows])
    assert scorer.scores(X[:0]).shape == (0, N_COLUMNS)


@pytest.mark.parametrize("columns", [[4], [16, 3, 0], list(range(N_COLUMNS)), []])
def test_chosen_candidates_keep_their_scores_and_contributions(scorer, X, columns):
    columns = np.array(columns, dtype=np.int64)
    chosen = scorer.take(columns)
    assert chosen.n_columns == len(columns)
    assert_array_equal(chosen.scores(X), scorer.scores(X)[:, columns])
    if len(columns):
        places = np.arange(N_USERS) % len(columns)
        found, expected = chosen.contributions(X, places), scorer.contributions(X, columns[places])
        assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6, atol=1e-7)
        assert_array_equal(chosen.baseline(X, places), scorer.baseline(X, columns[places]))


@pytest.mark.parametrize("columns", [np.arange(N_USERS) % N_COLUMNS, np.full(N_USERS, 3)])
def test_contributions_and_baseline_add_up_to_the_score(scorer, X, columns):
    parts, baseline = scorer.contributions(X, columns), scorer.baseline(X, columns)
    assert_array_equal(parts.indices, X.indices)
    assert_array_equal(parts.indptr, X.indptr)
    scores = scorer.scores(X)[np.arange(N_USERS), columns]
    assert_allclose(parts.sum(axis=1) + baseline, scores, rtol=1e-5, atol=1e-5)


def test_contributions_are_those_of_single_items(X):
    columns = np.arange(N_USERS) % N_COLUMNS
    dense = X.toarray().astype(np.float64)
    assert_allclose(DENSE.contributions(X, columns).toarray(), dense * WEIGHTS[:, columns].T, rtol=1e-6)
    assert_allclose(SPARSE_WEIGHTS.contributions(X, columns).toarray(), dense * SPARSE[:, columns].T, rtol=1e-6)
    expected = dense * (PROJECTION.astype(np.float64) @ FACTORS.T)[:, columns].T
    assert_allclose(LOW_RANK.contributions(X, columns).toarray(), expected, rtol=1e-5, atol=1e-7)


def test_the_baseline_is_the_part_without_items(X):
    columns = np.arange(N_USERS) % N_COLUMNS
    empty = np.diff(X.indptr) == 0
    assert_array_equal(CONSTANT.baseline(X, columns), WEIGHTS[0, columns])
    assert not DENSE.baseline(X, columns).any()
    found = WithFallback(DENSE, WEIGHTS[3]).baseline(X, columns)
    assert_array_equal(found, np.where(empty, WEIGHTS[3, columns], 0))


@pytest.mark.parametrize("name", SCORERS)
def test_approximate_scores_are_within_their_error(name, X):
    scorer, _ = SCORERS[name]
    rough = scorer.rough(X)
    assert (rough is not None) == (name in WITH_ROUGH)
    if rough is None:
        return
    scores = scorer.scores(X)
    difference = np.abs(rough.scores.astype(np.float64) - scores).max(axis=1)
    rounding = 3 * EPSILON * np.abs(scores).max(axis=1)
    assert (difference <= rough.error + rounding).all()
    assert (rough.error <= 1e-4).all()
    rows, columns = np.nonzero(scores > np.median(scores))
    assert_array_equal(rough.exact(rows, columns).astype(np.float32), scores[rows, columns])


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_the_error_of_approximate_scores_has_their_scale(scale, X):
    scorer = LowRank(PROJECTION, factors(scale=scale))
    rough, scores = scorer.rough(X), scorer.scores(X)
    difference = np.abs(rough.scores.astype(np.float64) - scores).max(axis=1)
    assert (difference <= rough.error + 3 * EPSILON * np.abs(scores).max(axis=1)).all()
    assert (rough.error <= 1e-4 * scale).all()


@pytest.mark.parametrize("name", ["dot", "cosine"])
def test_users_do_not_depend_on_the_unit_of_their_weights(name, X):
    scorer, _ = SCORERS[name]
    assert_array_equal(scorer.scores(4 * X), scorer.scores(X))
    tiny = scorer.scores(X * np.float32(1e-37))
    assert_allclose(tiny, scorer.scores(X), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e-25, 1e25])
def test_cosines_do_not_depend_on_the_scale_of_the_items(scale, X):
    scorer = UserFactors(np.float32(scale) * PROJECTION, FACTORS, is_cosine=True)
    assert_allclose(scorer.scores(X), COSINE.scores(X), rtol=1e-4, atol=1e-5)
    columns = np.arange(N_USERS) % N_COLUMNS
    found, expected = scorer.contributions(X, columns), COSINE.contributions(X, columns)
    assert_allclose(found.toarray(), expected.toarray(), rtol=1e-4, atol=1e-5)


def test_errors_on_underflow_do_not_reach_the_caller(scorer, X):
    X.data *= np.where(np.arange(X.nnz) % 2, np.float32(1e-44), np.float32(1))
    columns = np.arange(N_USERS) % N_COLUMNS
    with np.errstate(all="raise"):
        scores, contributions = scorer.scores(X), scorer.contributions(X, columns)
        scorer.rough(X)
        baseline = scorer.baseline(X, columns)
    assert np.isfinite(scores).all()
    assert np.isfinite(contributions.data).all()
    assert np.isfinite(baseline).all()


def test_files_and_pickles_give_the_same_scores(scorer, X):
    data = skops.io.dumps(scorer)
    trusted = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("skgnnrec.") or name == "scipy.sparse._csr.csr_array" for name in trusted)
    for copy in (skops.io.loads(data, trusted=trusted), pickle.loads(pickle.dumps(scorer))):
        assert_array_equal(copy.scores(X), scorer.scores(X))
