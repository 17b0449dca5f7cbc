"""
Exploration: find out what a shop never shows
=============================================

A recommender learns from what people chose among the things that they saw. An item that is never shown earns nothing,
however good it is. :class:`~skgnnrec.reranking.ExploringRecommender` shows other candidates in a share of the places
and learns from the clicks (a multi-armed bandit). This page lets three policies find new bestsellers in a simulated
shop, and then judges a policy from the log of another one, without showing it to anybody.
"""

import matplotlib.pyplot as plt
import numpy as np

from skgnnrec import RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.online import doubly_robust_value, ips_value, snips_value
from skgnnrec.reranking import ExploringRecommender

plt.style.use("skgnnrec.inspection.style")

# %%
# 300 customers and 30 items. What customers bought says little about five items that came late: they have few buyers,
# but people who see them click three times as often.
rng = np.random.default_rng(0)
X = make_interactions(300, 30, n_interactions=1800, random_state=0).interactions.toarray()
late = rng.choice(30, 5, replace=False)
X[:, late] *= rng.random((300, 5)) < 0.15
clicks = rng.uniform(0.04, 0.10, 30)  # the probability of a click on each item
clicks[late] = rng.uniform(0.20, 0.30, 5)
ridge = RidgeRecommender().fit(X)
print(f"share of the late items in the lists of the ridge: {np.isin(ridge.recommend(X, 3)[0], late).mean():.0%}")

# %%
# Each day, 100 customers see a list of three items; the clicks are learned before the next day. ``exploration`` is the
# share of the places that try something. Thompson sampling and LinUCB try what may be good, ε-greedy tries anything.
policies = {
    "ε-greedy": {"policy": "epsilon_greedy", "exploration": 0.5},
    "Thompson sampling": {"policy": "thompson", "exploration": 0.2},
    "LinUCB": {"policy": "linucb", "exploration": 0.2},
}
N_DAYS = 40


def show(shop: RidgeRecommender | ExploringRecommender, seed: int) -> np.ndarray:
    """Return the share of clicks of each day, which a shop that explores learns."""
    rng = np.random.default_rng(seed)
    earned = np.empty(N_DAYS)
    for day in range(N_DAYS):
        visitors = X[rng.choice(300, 100, replace=False)]
        shown, _ = shop.recommend(visitors, 3)
        rewards = (rng.random(shown.shape) < clicks[shown]).astype(float)
        if isinstance(shop, ExploringRecommender):
            shop.learn_rewards(visitors, shown, rewards)
        earned[day] = rewards.mean()
    return earned


shops = {name: ExploringRecommender(ridge, random_state=0, **settings).fit(X) for name, settings in policies.items()}
earned = {name: show(shop, 1) for name, shop in {"ridge alone": ridge, **shops}.items()}
for name, of_days in earned.items():
    print(f"{name:18} clicks in the last ten days: {of_days[-10:].mean():.3f}")

# %%
# Would another policy earn more? The log of ε-greedy answers: it holds the probability of what was shown
# (``propensities``), so that its clicks can be weighted as if LinUCB had chosen the first item of each list.
logging, target = shops["ε-greedy"], shops["LinUCB"]
users = rng.integers(0, 300, 3000)
visitors = X[users] * (1 + rng.random((3000, 1)) / 100)  # with a seed, the same history would have the same list
shown = logging.recommend(visitors, 1)[0][:, 0]
rewards = (rng.random(3000) < clicks[shown]).astype(float)
propensities, of_target = logging.propensities(visitors, shown), target.propensities(X[users], shown)
probabilities = target.propensities(np.repeat(X, 30, axis=0), np.tile(np.arange(30), 300)).reshape(300, 30)
truth = float((probabilities @ clicks).mean())

# %%
# The doubly robust estimate also uses a model of the clicks: the mean of each item so far.
model = logging.total_reward_ / np.maximum(logging.n_shown_, 1)
estimates = {
    "ips": ips_value(rewards, propensities, of_target),
    "snips": snips_value(rewards, propensities, of_target),
    "doubly robust": doubly_robust_value(
        rewards,
        propensities,
        of_target,
        predicted_rewards=model[shown],
        target_predicted_rewards=(probabilities @ model)[users],
    ),
}
print(f"the policy of the log earned {rewards.mean():.3f}; the other one would earn {truth:.3f}")
for name, found in estimates.items():
    print(f"{name:14} {found.value:.3f}, from {found.low:.3f} to {found.high:.3f}")

# %%
# Left: the clicks of each day, as means of five days. Policies that explore find the late items; ε-greedy pays most for
# it, because it tries bad items as often as good ones. Right: the intervals of the estimates hold what the other policy
# really earns.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
for name, of_days in earned.items():
    mean = np.convolve(of_days, np.ones(5) / 5, mode="valid")
    left.plot(np.arange(3, N_DAYS - 1), mean, label=name, color="#999999" if name == "ridge alone" else None)
left.set(xlabel="day", ylabel="clicks for each place", title="What the lists earn", ylim=(0, 0.32))
left.legend(loc="lower right", ncols=2, fontsize=9)
for place, found in enumerate(estimates.values()):
    right.errorbar(found.value, place, xerr=found.value - found.low, fmt="o", color=f"C{place}", capsize=4)
right.axvline(truth, color="black", lw=1.2, label="truth")
right.axvline(rewards.mean(), color="#999999", lw=1.2, ls="--", label="policy of the log")
right.set_yticks(range(3), estimates)
right.set(xlabel="clicks for the first place", title="LinUCB, from the log of ε-greedy", ylim=(-0.6, 3.2))
right.legend(loc="upper left", fontsize=9, ncols=2)
right.grid(axis="x")
plt.show()
