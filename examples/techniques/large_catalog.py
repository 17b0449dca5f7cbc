"""
A large catalog
===============

The weights of a dense ridge regression are a matrix of items × items: 64 MB for 4,000 items, 4 TB for a million. The
sparse solver predicts each item from few others, and its memory grows in proportion to the items.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from skgnnrec import RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# A shop with 4,000 products and as many customers, with 20 purchases each. Both solvers can take it, so that their
# lists can be compared. A fifth of the purchases is held out.
X = make_interactions(4000, 4000, n_interactions=80_000, n_topics=100, random_state=0).interactions
history, held_out = split_interactions(X, hold_out="random", test_size=0.2, random_state=0)


def fit(X, **settings):
    """Return a ridge without the weight of popularity, which both solvers add in the same way."""
    return RidgeRecommender(popularity_weight=0, embedding_dim=2, **settings).fit(X)


def accuracy(ridge):
    """Return NDCG@10 for the first 1,000 customers."""
    return ranking_metrics(held_out[:1000], ridge.recommend(history[:1000], 10)[0], k=10)["ndcg"]


dense = accuracy(fit(history, solver="dense"))

# %%
# ``n_predictors`` is the number of items from which an item is predicted, those with the largest cosines.
numbers = [1, 2, 4, 8, 16, 32]
found = [accuracy(fit(history, solver="sparse", n_predictors=number)) for number in numbers]
for number, ndcg in zip(numbers, found, strict=True):
    print(f"{number:3} predictors: {ndcg / dense:.0%} of the NDCG@10 of the dense solution")


# %%
# Larger shops of the same kind. For 30,000 items and more, the default ``solver="auto"`` is the sparse one.
def mib(ridge):
    """Return the memory of sparse weights: a value and a position each."""
    W = ridge.weights_
    return (W.data.nbytes + W.indices.nbytes + W.indptr.nbytes) / 2**20


sizes = [1000, 4000, 20_000]
memory = []
for n_items in sizes:
    shop = make_interactions(n_items, n_items, n_interactions=10 * n_items, n_topics=100, random_state=0)
    ridge = fit(shop.interactions, solver="sparse", n_predictors=16)
    memory.append(mib(ridge))
    print(f"{n_items:6} items: {memory[-1]:5.2f} MiB, a dense matrix {4 * n_items**2 / 2**20:7.1f} MiB")

# %%
# With eight predictors, the lists are more accurate than those of the dense solution: fewer weights are fitted to
# chance. The memory of the sparse weights is a line of slope one, that of the dense matrix one of slope two.
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.9), layout="constrained")
left.plot(numbers, found, "o-", label="sparse solver")
left.axhline(dense, color="0.4", linestyle="--", label="dense solution")
left.set_xscale("log", base=2)
left.set(ylim=(0, None), xlabel="predictors of an item", ylabel="NDCG@10", title="Accuracy, 4,000 items")
left.legend(loc="lower right")
every = np.array([*sizes, 1_000_000])
right.loglog(every, 4 * every.astype(float) ** 2 / 2**20, "--", color="0.4", label="dense matrix")
right.loglog(sizes, memory, "o-", label="sparse solver, 16 predictors")
right.set(xlabel="items", ylabel="memory of the weights, MiB", title="Memory")
right.legend()
for axis in (left.xaxis, right.xaxis):
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
plt.show()

# %%
# Lists are exact, and new customers need no new fit.
items, scores = ridge.recommend(shop.interactions[:2], 5)
print(items)
