"""ExploringRecommender: it finds what earns rewards, and its value is estimated from the log of another policy."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.online import doubly_robust_value, ips_value, snips_value
from skgnnrec.reranking import ExploringRecommender

POLICIES = ["epsilon_greedy", "thompson", "linucb"]
BEST = 11
NOBODY = np.zeros((1, 20))


def strangers(n):
    """Return histories of one item, in other values: popularity does not read them, but the seed of a list does."""
    X = np.zeros((n, 20))
    X[:, 19] = 1 + np.arange(n) / 1000
    return X


@pytest.fixture(scope="module")
def popular():
    """Return 20 items of which the first are the most popular ones, and the best one is in the middle."""
    return np.tri(20)[::-1]


@pytest.fixture(scope="module")
def chances():
    """Return the probability of a reward of each item."""
    chances = np.full(20, 0.1)
    chances[BEST] = 0.6
    return chances


def replay(rec, chances, n_rounds, random_state=0):
    """Show one list of three items in each round, and learn the rewards."""
    rng = np.random.default_rng(random_state)
    for _ in range(n_rounds):
        users = strangers(20)
        shown = rec.recommend(users, 3)[0]
        rec.learn_rewards(users, shown, (rng.random(shown.shape) < chances[shown]).astype(float))
    return rec


@pytest.mark.parametrize("policy", POLICIES)
def test_the_better_item_is_found(policy, popular, chances):
    rec = ExploringRecommender(PopularityRecommender(), policy=policy, exploration=0.3, random_state=0)
    rec.set_params(n_candidates=15).fit(popular)
    assert rec.propensities(NOBODY, [BEST])[0] < 0.2
    replay(rec, chances, 40)
    assert rec.propensities(NOBODY, [BEST])[0] > 0.7
    assert rec.n_shown_.sum() == 40 * 20 * 3
    assert_allclose(rec.total_reward_[BEST] / rec.n_shown_[BEST], 0.6, atol=0.1)


def test_without_exploration_the_better_item_is_not_found(popular, chances):
    rec = ExploringRecommender(PopularityRecommender(), exploration=0, prior_weight=1000, random_state=0).fit(popular)
    assert replay(rec, chances, 40).propensities(NOBODY, [BEST])[0] == 0


def test_estimates_of_the_value_from_the_log_of_another_policy(popular, chances):
    logging = ExploringRecommender(PopularityRecommender(), policy="epsilon_greedy", exploration=0.8, random_state=0)
    logging.set_params(n_candidates=15).fit(popular)
    target = ExploringRecommender(PopularityRecommender(), exploration=0.2, n_candidates=15, random_state=1)
    target.fit(popular)
    replay(target, chances, 20)
    n, every = 3000, np.arange(20)
    users = strangers(n)
    shown = logging.recommend(users, 1)[0][:, 0]
    rewards = (np.random.default_rng(5).random(n) < chances[shown]).astype(float)
    of_items = target.propensities(strangers(20), every)  # the same for all users
    value = of_items @ chances
    assert value > 0.4  # that of the logging policy is 0.13
    propensities, of_target = logging.propensities(users, shown), of_items[shown]
    model = target.total_reward_ / np.maximum(target.n_shown_, 1)  # of other rewards
    found = {
        "ips": ips_value(rewards, propensities, of_target),
        "snips": snips_value(rewards, propensities, of_target),
        "doubly robust": doubly_robust_value(
            rewards,
            propensities,
            of_target,
            predicted_rewards=model[shown],
            target_predicted_rewards=np.full(n, of_items @ model),
        ),
    }
    for estimate in found.values():
        assert abs(estimate.value - value) < 3 * estimate.standard_error
        assert estimate.standard_error < 0.08
    assert_allclose(found["ips"].mean_weight, 1, atol=0.1)
    assert found["doubly robust"].standard_error < found["ips"].standard_error


@pytest.mark.parametrize("policy", POLICIES)
def test_rewards_add_up(policy, ridge, X):
    rec = ExploringRecommender(ridge, policy=policy, exploration=0.5, random_state=0).fit(X)
    shown = rec.recommend(X, 2)[0]
    rewards = np.random.default_rng(0).random(shown.shape)
    at_once = clone(rec).fit(X).learn_rewards(X, shown, rewards)
    in_parts = rec.learn_rewards(X[:50], shown[:50], rewards[:50]).learn_rewards(X[50:], shown[50:], rewards[50:])
    asked = rec.recommend(X[:20], 4)[0]
    assert_allclose(in_parts.propensities(X[:20], asked), at_once.propensities(X[:20], asked), atol=1e-6)
    assert_allclose(in_parts.total_reward_.sum(), rewards.sum())


def test_what_users_did_not_see_is_left_out(ridge, X):
    rec = ExploringRecommender(ridge).fit(X)
    rec.learn_rewards(X[:2], [["sku-1", "sku-2"], ["sku-3", None]], [[1, np.nan], [0, np.nan]])
    assert_array_equal(np.flatnonzero(rec.n_shown_), rec.recommender_.catalog.positions(["sku-1", "sku-3"]))
    assert rec.total_reward_.sum() == 1


def test_rewards_hold_for_similar_items(X):
    colors = np.repeat(np.eye(2), 20, axis=0) + np.random.default_rng(0).normal(0, 0.1, (40, 2))
    catalog = ItemCatalog(colors)
    rec = ExploringRecommender(
        RidgeRecommender(catalog=catalog, content_weight=0.1), policy="linucb", exploration=0, prior_weight=1
    ).fit(X)
    before = (rec.recommend(X, 10)[0] < 20).mean()
    shown = np.tile([[0, 1, 2, 37, 38, 39]], (X.shape[0], 1))
    after = rec.learn_rewards(X, shown, (shown < 20).astype(float)).recommend(X, 10)[0]
    assert (after < 20).mean() > before + 0.3
    new = rec.recommend(X, 2, candidates=ItemCatalog(np.array([[0.0, 1.0], [1.0, 0.0]])))[0]
    assert (new[:, 0] == 1).mean() > 0.9


def test_a_seed_repeats_lists_until_rewards_are_learned(ridge, X):
    rec = ExploringRecommender(ridge, exploration=1, random_state=3).fit(X)
    items = rec.predict(X)
    assert_array_equal(rec.predict(X), items)
    rec.learn_rewards(X[:1], items[:1, :1], [[0.5]])
    assert (rec.predict(X) != items).any(axis=1).mean() > 0.9
    anew = ExploringRecommender(ridge, exploration=1).fit(X)
    assert (anew.predict(X) != anew.predict(X)).any(axis=1).mean() > 0.9
    same_history = anew.predict(sparse.csr_array(X[np.zeros(30, dtype=int)]))
    assert len(np.unique(same_history.astype(str), axis=0)) > 25


def test_updates_keep_rewards_and_fits_do_not(ridge, X):
    rec = ExploringRecommender(ridge, policy="linucb").fit(X[:100])
    rec.learn_rewards(X[:50], rec.predict(X[:50]), np.ones((50, 10)))
    assert rec.partial_fit(X[100:]).n_shown_.sum() == 500
    assert rec.fit(X).n_shown_.sum() == 0


def test_rewards_behind_a_log(ridge, X, names):
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items]})
    rec = LogRecommender(ExploringRecommender(ridge, exploration=0, prior_weight=1)).fit(log)
    shown = rec.recommend(np.arange(5), 1)[0]
    histories = rec.interactions_[np.zeros(40, dtype=int)]
    rec.recommender_.learn_rewards(histories, np.repeat(shown[0], 40), np.zeros(40))
    assert rec.recommend([0], 1)[0] != shown[0]


def test_updates_of_a_log_keep_the_rewards(ridge, X, names):
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items]}).sample(frac=1, random_state=0)
    rec = LogRecommender(ExploringRecommender(ridge, exploration=0, random_state=0)).fit(log[:-50])
    shown = rec.recommend(np.arange(5), 1)[0]
    rec.recommender_.learn_rewards(rec.interactions_[:5], shown, np.ones((5, 1)))
    rec.partial_fit(log[-50:])
    assert rec.recommender_.total_reward_.sum() == 5
    fitted = LogRecommender(ExploringRecommender(ridge, exploration=0, random_state=0)).fit(log)
    fitted.recommender_.learn_rewards(fitted.interactions_[:5], shown, np.ones((5, 1)))
    assert_array_equal(rec.recommend()[0], fitted.recommend()[0])
    assert rec.forget(users=[0, 1]).recommender_.n_shown_.sum() == 5
    assert 0 not in rec.user_ids_


def test_wrong_rewards_are_refused_and_nothing_is_learned(ridge, X):
    rec = ExploringRecommender(ridge).fit(X)
    for items, rewards, message in [
        (["sku-1"], [2.0], r"rewards must be numbers in \[0, 1\]; got values from 2.0 to 2.0"),
        (["sku-1"], [0.5, 0.5], r"rewards must have the shape of items, \(1,\); got \(2,\)"),
        (["sku-1", "sku-2"], [1, 1], r"items must have a row for each of the 1 rows of X; got 2"),
        (["tomato"], [1], r"items holds 1 ids that the recommender was not fitted with: 'tomato'"),
        (["sku-1"], ["much"], r"rewards must be numbers in \[0, 1\]; got list \['much'\]"),
        ([["sku-1", "sku-2"], ["sku-3"]], [1], r"items must have lists of one length; got 1 to 2 items"),
    ]:
        with pytest.raises(ValueError, match=message):
            rec.learn_rewards(X[:1], items, rewards)
    assert rec.n_shown_.sum() == 0
    with pytest.raises(ValueError, match=r"items holds 1 ids that the recommender was not fitted with: 'tomato'"):
        rec.propensities(X[:1], ["tomato"])
    with pytest.raises(ValueError, match="items has lists of 3 items; places below n_candidates=2 do not vary"):
        ExploringRecommender(ridge, n_candidates=2).fit(X).propensities(X[:1], [["sku-1", "sku-2", "sku-3"]])
