"""
Saving, loading and shrinking
=============================

A fitted recommender is parameters and arrays, so it is saved without pickle, and a file from elsewhere cannot run
code. :func:`~skgnnrec.compress` makes it smaller. This page measures the size and the accuracy of several forms.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skgnnrec import ItemCatalog, RidgeRecommender, compress, load, save
from skgnnrec.datasets import load_online_retail
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# A ridge for the products of a shop that at least 60 customers bought.
data = load_online_retail()
is_sold = np.asarray((data.interactions > 0).sum(axis=0)).ravel() >= 60
X, y = split_interactions(data.interactions[:, is_sold], random_state=0)
catalog = ItemCatalog(data.item_frame[is_sold][["item_id", "description"]], ids="item_id")
ridge = RidgeRecommender(catalog=catalog, content_weight=0).fit(X)

# %%
# Save and load. The loaded recommender gives the same lists.
folder = Path(tempfile.mkdtemp())
save(ridge, folder / "ridge.skgnnrec")
loaded = load(folder / "ridge.skgnnrec")
print("the same lists:", bool((loaded.predict(X[:500]) == ridge.predict(X[:500])).all()))

# %%
# A file that has been changed is refused.
damaged = bytearray((folder / "ridge.skgnnrec").read_bytes())
damaged[len(damaged) // 2] ^= 1
(folder / "damaged.skgnnrec").write_bytes(damaged)
try:
    load(folder / "damaged.skgnnrec")
except ValueError as error:
    print(f"{type(error).__name__}: " + str(error).replace(str(folder) + "/", "")[:90])

# %%
# Smaller ones: eight bits for each weight, only the largest weights of each item, or factors of low rank.
recommenders = {
    "as fitted": ridge,
    "int8": compress(ridge),
    "200 weights": compress(ridge, n_largest=200),
    "50 weights": compress(ridge, n_largest=50),
    "rank 256": compress(ridge, rank=256),
    "rank 32": compress(ridge, rank=32),
}
megabytes, accuracy = [], []
for name, recommender in recommenders.items():
    save(recommender, folder / "small.skgnnrec")
    megabytes.append((folder / "small.skgnnrec").stat().st_size / 1e6)
    accuracy.append(ndcg_at_k(y, catalog.positions(recommender.predict(X))))
    print(f"{name:12} {megabytes[-1]:6.2f} MB, NDCG@10 {accuracy[-1]:.3f}")

# %%
# Most of the file can go: 50 weights for each product take less than a tenth of the size and lose nothing here. A rank
# of 32 is too low for these data.
figure, ax = plt.subplots()
for place, name in enumerate(recommenders):
    ax.scatter(megabytes[place], accuracy[place], s=110, color=f"C{place}", zorder=3)
    above = name != "int8"
    offset = (0, 10 if above else -20)
    ax.annotate(name, (megabytes[place], accuracy[place]), offset, textcoords="offset points", ha="center")
ax.axhline(accuracy[0], color="#999999", lw=1, ls="--")
ax.set(xscale="log", xlabel="size of the file, MB", ylabel="NDCG@10", title="Accuracy by the size of the file")
ax.margins(0.15)
ax.xaxis.set_major_formatter("{x:g}")
plt.show()
