import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skgnnrec import GraphFilterRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.model_selection import split_interactions
from skgnnrec.recommenders._popularity_weight import draw_targets, without
from skgnnrec.recommenders._regression import regress

KINDS = [RidgeRecommender, GraphFilterRecommender]


@pytest.fixture(scope="module")
def of_one_taste():
    """Users draw a few items from one long-tailed distribution: nothing but popularity can be learned."""
    rng = np.random.default_rng(0)
    chances = np.arange(1, 801) ** -0.7
    rows = [rng.choice(800, 4, replace=False, p=chances / chances.sum()) for _ in range(1500)]
    return sparse.csr_array((np.ones(6000), (np.repeat(np.arange(1500), 4), np.concatenate(rows))), shape=(1500, 800))


@pytest.fixture(scope="module")
def of_groups():
    """Users of 20 groups have most items of their group and no others."""
    X = np.kron(np.eye(20), np.ones((30, 15))) * (np.random.default_rng(0).random((600, 300)) < 0.7)
    return sparse.csr_array(X)


@pytest.mark.parametrize("kind", KINDS)
def test_where_popularity_is_all_there_is_lists_are_as_good_as_popularity(of_one_taste, kind):
    training, held_out = split_interactions(of_one_taste, hold_out="random", test_size=0.25, random_state=0)
    popularity = PopularityRecommender().fit(training).score(training, held_out)
    assert kind(popularity_weight=0).fit(training).score(training, held_out) < 0.96 * popularity
    assert kind().fit(training).score(training, held_out) > 0.97 * popularity


@pytest.mark.parametrize("kind", KINDS)
def test_where_groups_differ_lists_have_items_of_the_group(of_groups, kind):
    found = kind(n_recommendations=2).fit(of_groups).predict(of_groups)
    has_others = np.diff(of_groups.indptr) <= 13
    assert (found // 15 == np.arange(600)[:, None] // 30)[has_others].all()
    if kind is RidgeRecommender:
        assert kind().fit(of_groups).popularity_weight_ == 0


def test_the_ridge_chooses_nothing_by_few_interactions(of_one_taste):
    assert RidgeRecommender().fit(of_one_taste).popularity_weight_ > 0
    assert RidgeRecommender().fit(of_one_taste[:40]).popularity_weight_ == 0


@pytest.mark.parametrize("exponents", [(0.0, 0.0), (0.5, 0.3)])
def test_scores_without_a_user_are_those_of_a_fit_to_the_other_users(exponents):
    rng = np.random.default_rng(1)
    X = sparse.csr_array((rng.random((40, 25)) < 0.25).astype(np.float32))
    a, c = exponents
    found = regress(X, None, user_exponent=a, item_exponent=c, gamma=0.5, content_weight=0.0, alpha=2.0)
    users, targets = np.array([3, 7]), np.array([X[[3]].indices[0], X[[7]].indices[-1]])
    scores = found.scores_without(X[users], targets)
    dense, scale = X.toarray().astype(np.float64), found.scale.astype(np.float64)
    scaled = dense * np.maximum(dense.sum(axis=1, keepdims=True), 1) ** (-a / 2) * scale
    for user, target, got in zip(users, targets, scores, strict=True):
        others = np.delete(scaled, user, axis=0)
        P = np.linalg.inv(others.T @ others + found.ridge * np.eye(25))
        history = dense[user].copy()
        history[target] = 0
        expected = (history * scale) @ (np.eye(25) - P / np.diag(P)) / scale
        assert_allclose(got[history == 0], expected[history == 0], atol=1e-5)


def test_the_latest_item_is_drawn_where_histories_have_an_order(of_one_taste):
    X = of_one_taste.copy()
    X.data = np.tile([1.0, 4.0, 2.0, 3.0], 1500)
    users, targets = draw_targets(X)
    assert len(users) == len(np.unique(users)) == 1000
    assert (np.asarray(X[users, targets]) == 4).all()
    assert (np.diff(without(X[users], targets).indptr) == 3).all()
