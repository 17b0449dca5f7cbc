"""
A metric of your own: revenue instead of hits
=============================================

A hit on a postcard and a hit on a sofa count the same in NDCG. A shop may prefer the sofa. Any function of the
held-out interactions and the lists is a metric, for :class:`~skgnnrec.metrics.RankingScorer`, for searches and for
comparisons.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.model_selection import GridSearchCV

from skgnnrec import RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import JointScorer, RankingScorer
from skgnnrec.model_selection import SameUsers, split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# A shop in which popular things are cheap, as in most shops.
data = make_interactions(1000, 300, n_interactions=20_000, topic_concentration=0.3, random_state=0)
X, y = split_interactions(data.interactions, random_state=0)
rank_of = np.asarray((X > 0).sum(axis=0)).ravel().argsort()[::-1].argsort()  # 0 for the most popular one
prices = (3 + rank_of) ** 0.9 * np.random.default_rng(0).lognormal(0, 0.3, 300)
print(f"prices from {prices.min():.0f} to {prices.max():.0f} pounds")


# %%
# The metric is the share of the later spending of a customer that was on the list.
def revenue(y_true: sparse.csr_array, recommended: np.ndarray) -> float:
    """Return the mean over users of the share of the held-out revenue that the list holds."""
    bought = sparse.csr_array(y_true).toarray() > 0
    is_user = bought.any(axis=1)
    hits = np.take_along_axis(bought, recommended, axis=1)
    found = (hits * prices[recommended]).sum(axis=1)
    return float((found[is_user] / (bought * prices).sum(axis=1)[is_user]).mean())


# %%
# Both metrics in one search. ``popularity_exponent`` of the ridge weighs popular items: below 0 they move down.
scoring = JointScorer([RankingScorer("ndcg", k=10), RankingScorer(revenue, k=10)])
exponents = np.round(np.linspace(-1.0, 0.4, 15), 1)
grid = {"popularity_exponent": exponents}
search = GridSearchCV(RidgeRecommender(), grid, cv=SameUsers(), scoring=scoring, refit="revenue@10").fit(X, y)
curves = {name: search.cv_results_[f"mean_test_{name}"] for name in ("ndcg@10", "revenue@10")}
best = {name: int(values.argmax()) for name, values in curves.items()}
for name, place in best.items():
    values = ", ".join(f"{key} {curves[key][place]:.3f}" for key in curves)
    print(f"best {name}: popularity_exponent={exponents[place]:g}, {values}")

# %%
# The two metrics ask for different settings: the most revenue is found where less popular, and dearer, items move up.
figure, ax = plt.subplots()
for (name, values), marker in zip(curves.items(), "os", strict=True):
    (line,) = ax.plot(exponents, values / values.max(), f"{marker}-", ms=4, label=name)
    ax.axvline(exponents[best[name]], color=line.get_color(), lw=1, ls=":")
    ax.plot(exponents[best[name]], 1, "*", color=line.get_color(), ms=15)
ax.set(xlabel="popularity_exponent", ylabel="relative to the best", ylim=(0, 1.05))
ax.set_title("What is best depends on the metric")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.legend(loc="lower center")
plt.show()
