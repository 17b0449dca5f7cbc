"""Membership attacks: they find what was learned by heart, and neither noise nor forgotten users."""

import numpy as np
import pytest
from scipy import sparse

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.privacy import MembershipAttack, PrivateRecommender, membership_attack


@pytest.fixture(scope="module")
def parts():
    """Return the histories of members, of others, and of users that the attacker has."""
    X = sparse.csr_array(make_interactions(900, 120, n_interactions=0.08, random_state=0).interactions)
    return X[:300], X[300:600], X[600:]


@pytest.fixture(scope="module")
def learned_by_heart(parts):
    return RidgeRecommender(alpha=0.3).fit(parts[0])


@pytest.mark.parametrize("sees", ["scores", "lists"])
def test_members_of_a_fit_by_heart_are_found(learned_by_heart, parts, sees):
    members, others, known = parts
    attack = membership_attack(learned_by_heart, members, others, sees=sees)
    assert attack.auc > 0.75
    reference = RidgeRecommender(alpha=0.3).fit(known)
    better = membership_attack(learned_by_heart, members, others, sees=sees, reference=reference)
    assert better.auc > attack.auc
    assert better.true_positive_rate(0.01) > 0.1


def test_popularity_reveals_little(parts):
    attack = membership_attack(PopularityRecommender().fit(parts[0]), parts[0], parts[1], sees="lists")
    assert abs(attack.auc - 0.5) < 4 * attack.auc_std


def test_noise_protects(learned_by_heart, parts):
    members, others, known = parts
    reference = RidgeRecommender(alpha=0.3).fit(known)
    rec = PrivateRecommender(RidgeRecommender(alpha=0.3), epsilon=1.0, random_state=0).fit(members)
    for sees in ("scores", "lists"):
        attack = membership_attack(rec, members, others, sees=sees, reference=reference)
        assert abs(attack.auc - 0.5) < 4 * attack.auc_std


def test_after_forget_the_attack_is_at_chance(parts):
    members, others, known = parts
    rec = RidgeRecommender(alpha=0.3).fit(sparse.vstack([members, known]))
    before = membership_attack(rec, members, others)
    after = membership_attack(rec.forget(members), members, others)
    assert before.auc > 0.5 + 8 * before.auc_std
    assert abs(after.auc - 0.5) < 3 * after.auc_std


def test_rates_of_known_scores():
    attack = MembershipAttack(np.array([5.0, 4, 3, 0]), np.array([3.5, 2, 1, -1]))
    assert attack.auc == 12 / 16
    assert attack.true_positive_rate(0.0) == 0.5
    assert attack.true_positive_rate(0.25) == 0.75
    assert attack.true_positive_rate(1.0) == 1.0
    with pytest.raises(ValueError, match="false_positive_rate must be a number from 0 to 1, got 2"):
        attack.true_positive_rate(2)


def test_users_with_one_item_cannot_be_asked(learned_by_heart, parts):
    lonely = np.eye(3, 120, dtype=np.float32)
    with pytest.raises(ValueError, match="others must have users with two items or more"):
        membership_attack(learned_by_heart, parts[0], lonely)
