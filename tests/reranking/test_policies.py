"""Policies of exploration: propensities are the shares of what is drawn, and estimates those of mabwiser."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgnnrec import PopularityRecommender
from skgnnrec.reranking import ExploringRecommender
from skgnnrec.reranking._policies import SLOPE, EpsilonGreedy, LinearBandit, ThompsonSampling
from skgnnrec.reranking._reranked import Candidates

POLICIES = ["epsilon_greedy", "thompson", "linucb"]
N_DRAWN = 3000
ARMS, SHOWN = list(range(5)), np.repeat(np.arange(5), [1, 4, 9, 0, 20])
REWARDS = (np.arange(len(SHOWN)) % 3 == 0).astype(float)
CANDIDATES = Candidates(np.array([ARMS]), np.zeros((1, 5)))


@pytest.fixture(params=POLICIES)
def learned(request, X):
    """Return a recommender of each policy that has learned some rewards."""
    rec = ExploringRecommender(PopularityRecommender(), policy=request.param, exploration=0.6, random_state=0)
    rec.set_params(n_candidates=6)
    rng = np.random.default_rng(0)
    shown = rec.fit(X).recommend(X, 3)[0]
    return rec.learn_rewards(X, shown, (rng.random(shown.shape) < 0.4).astype(float))


def test_propensities_are_the_shares_of_drawn_lists(learned, X):
    # Popularity does not read the values of a history, but the seed of its list does.
    user = sparse.csr_array(X[[3]])
    drawn = learned.recommend(sparse.kron(1 + np.arange(N_DRAWN)[:, None], user, format="csr"), 2)[0]
    firsts, counts = np.unique(drawn[:, 0], return_counts=True)
    for first, count in zip(firsts, counts, strict=True):
        assert_allclose(count / N_DRAWN, learned.propensities(user, [first])[0], atol=0.03)
        seconds, places = np.unique(drawn[drawn[:, 0] == first, 1], return_counts=True)
        found = np.array([learned.propensities(user, [[first, second]])[0, 1] for second in seconds])
        assert (np.abs(found - places / count) < 0.02 + 4 * np.sqrt(found * (1 - found) / count)).all()


def test_propensities_of_all_candidates_sum_to_one(learned, X):
    every = np.arange(X.shape[1])
    users = sparse.csr_array(X[np.repeat(np.arange(10), len(every))])
    found = learned.propensities(users, np.tile(every, 10)).reshape(10, -1)
    assert_allclose(found.sum(axis=1), 1, atol=2e-3)
    assert (np.count_nonzero(found, axis=1) <= 6).all()
    assert (found[X[:10].toarray() > 0] == 0).all()


def test_a_place_is_not_filled_twice(learned, X):
    first = learned.recommend(X[:10], 1)[0]
    found = learned.propensities(X[:10], np.hstack([first, first]))
    assert (found[:, 0] > 0).all()
    assert (found[:, 1] == 0).all()


def test_upper_confidence_bounds_are_those_of_mabwiser():
    mab = pytest.importorskip("mabwiser.mab", reason="mabwiser is not installed")
    rng = np.random.default_rng(1)
    vectors, X = rng.standard_normal((5, 2)).astype(np.float32), sparse.csr_array(np.eye(5, dtype=np.float32))
    candidates = Candidates(np.tile(ARMS, (5, 1)), rng.standard_normal((5, 5)))
    settings = {"exploration": 1.0, "n_candidates": 5, "prior_weight": 2.0, "seed": None}
    unlearned = LinearBandit.learned(settings, vectors, vectors, (np.zeros((6, 6)), np.zeros(6)), 0.7)
    features = unlearned.features(X, candidates).reshape(25, 6)
    rewards = rng.random(25)
    sums = features.T @ features, features.T @ rewards
    policy = LinearBandit.learned(settings, vectors, vectors, sums, 0.7)
    expected, bound = policy.estimate(X, candidates)
    prior = SLOPE * features[:, 1]  # that of mabwiser is zero
    for learning, found in [
        (mab.LearningPolicy.LinUCB(alpha=0.7, l2_lambda=2), bound[..., 0]),
        (mab.LearningPolicy.LinGreedy(epsilon=0, l2_lambda=2), expected),
    ]:
        other = mab.MAB([0], learning)
        other.fit(np.zeros(25, dtype=int), rewards - prior, features)
        values = [each[0] for each in other.predict_expectations(features)]
        assert_allclose(found.ravel(), values + prior, rtol=1e-8)


def test_thompson_samples_have_the_distribution_of_mabwiser():
    mab = pytest.importorskip("mabwiser.mab", reason="mabwiser is not installed")
    other = mab.MAB(ARMS, mab.LearningPolicy.ThompsonSampling(), seed=1)
    other.fit(SHOWN, REWARDS)
    shares = np.bincount(other.predict([[0]] * 20_000), minlength=5) / 20_000
    counts, sums = np.bincount(SHOWN, minlength=5), np.bincount(SHOWN, REWARDS, minlength=5)
    # One success and one failure before any reward: a prior mean of a half with the weight of two.
    policy = ThompsonSampling(1.0, 5, 2.0, None, counts, sums, 0.5)
    _, known = policy.estimate(sparse.csr_array((1, 5)), CANDIDATES)
    is_left = np.ones((5, 5), dtype=bool)
    table = policy.table(np.repeat(known, 5, axis=0), is_left, 1)
    assert_allclose(policy.chances(table, is_left, np.arange(5)), shares, atol=0.015)


def test_mean_rewards_are_those_of_mabwiser():
    mab = pytest.importorskip("mabwiser.mab", reason="mabwiser is not installed")
    other = mab.MAB(ARMS, mab.LearningPolicy.EpsilonGreedy(epsilon=0))
    other.fit(SHOWN, REWARDS)
    expected = other.predict_expectations()
    counts, sums = np.bincount(SHOWN, minlength=5), np.bincount(SHOWN, REWARDS, minlength=5)
    policy = EpsilonGreedy(0.0, 5, 1e-9, None, counts, sums, 0.5)  # without a prior
    found, _ = policy.estimate(sparse.csr_array((1, 5)), CANDIDATES)
    tried = counts > 0
    assert_allclose(found[0, tried], np.array([expected[arm] for arm in ARMS])[tried], atol=1e-6)
