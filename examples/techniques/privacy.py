"""
Privacy: attacks, noise, and data that stay where they are
==========================================================

A recommender holds statistics of its users. Can somebody who sees the recommendations find out who was in the data?
How much noise prevents it, and what does it cost? And how do three shops fit one recommender without showing each
other their customers?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import split_interactions
from skgnnrec.privacy import PrivateRecommender, gaussian_noise_multiplier, membership_attack

plt.style.use("skgnnrec.inspection.style")

# %%
# An audit. Of 30,000 users, the recommender learns from a few hundred. The attacker knows the histories of the members
# and of as many others, and has a recommender of users of the same kind. One item of a history at a time is left out:
# the recommender knows it better if the user was in the fit.
X = make_interactions(30_000, 300, n_interactions=450_000, n_topics=12, random_state=0).interactions
members, others, known = X[:400], X[400:800], X[800:1200]
reference = RidgeRecommender(alpha=1.0).fit(known)
more = sparse.vstack([members, X[1200:1600]])
fits = {
    "ridge": RidgeRecommender(alpha=1.0).fit(members),
    "after forget": RidgeRecommender(alpha=1.0).fit(more).forget(members),
    "ε = 10": PrivateRecommender(RidgeRecommender(alpha=1.0), epsilon=10.0, random_state=0).fit(members),
    "ε = 1": PrivateRecommender(RidgeRecommender(alpha=1.0), epsilon=1.0, random_state=0).fit(members),
}
found = {
    name: membership_attack(fit, members, others, reference=reference, n_questions=5) for name, fit in fits.items()
}
for name, attack in found.items():
    print(f"{name}: AUC {attack.auc:.2f}, members found with 1% of false positives: {attack.true_positive_rate():.1%}")

# %%
# The price. Differential privacy adds noise to the sums over users, as much as ε demands, whatever the number of users.
# Therefore the same ε costs much with few users, and little with many. The dotted lines are fits without noise.
epsilons = [0.1, 0.3, 1.0, 3.0, 10.0]
print("noise, relative to the part of a user:", {e: round(gaussian_noise_multiplier(e, 1e-6), 1) for e in epsilons})
history, held_out = split_interactions(X, random_state=0)


def accuracy(recommender, n_users):
    ranked, _ = recommender.fit(history[:n_users]).recommend(history[:2000], 10)
    return ranking_metrics(held_out[:2000], ranked)["ndcg"]


curves = {
    n_users: [accuracy(PrivateRecommender(RidgeRecommender(), epsilon=e, random_state=0), n_users) for e in epsilons]
    for n_users in (2_000, 8_000, 30_000)
}
without = {n_users: accuracy(RidgeRecommender(), n_users) for n_users in curves}
popular = accuracy(PopularityRecommender(), 30_000)

# %%
# Noise and `forget` take from the attacker what the ridge gives away, and with 30,000 users, ε = 1 costs a small part
# of the accuracy.
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8))
for place, (name, attack) in enumerate(found.items()):
    left.bar(place, attack.auc, color="C3" if name == "ridge" else "C0")
    left.text(place, max(attack.auc, 0.5 + 2 * attack.auc_std) + 0.01, f"{attack.auc:.2f}", ha="center")
chance = next(iter(found.values())).auc_std
left.axhspan(0.5 - 2 * chance, 0.5 + 2 * chance, color="0.6", alpha=0.5, lw=0, zorder=3, label="chance")
left.set(ylim=(0.4, 1), ylabel="AUC of the attack", title="Who was in the fit?")
left.set_xticks(range(len(found)), list(found))
left.legend(loc="upper right")
for colour, (n_users, values) in enumerate(curves.items()):
    right.plot(epsilons, values, "o-", color=f"C{colour}", label=f"{n_users:,} users")
    right.axhline(without[n_users], color=f"C{colour}", linestyle=":")
right.axhline(popular, color="0.4", linestyle="--", linewidth=1, label="popularity")
right.set(xscale="log", ylim=(0, None), xlabel="ε", ylabel="NDCG@10", title="What protection costs")
right.legend()
plt.show()

# %%
# Three shops and one fit. Each shop masks its sums; in the sum of all three, the masks cancel, and the result is the
# fit to all customers. The server sees random numbers.
try:
    from skgnnrec.privacy import federated_fit

    shops = [X[:5000], X[5000:12_000], X[12_000:]]
    recommender = RidgeRecommender(popularity_weight=0.0)
    together, federated = recommender.fit(X), federated_fit(recommender, shops)
    print("equal to the fit to all customers:", np.array_equal(together.weights_, federated.weights_))
except ImportError as error:
    print(error)
