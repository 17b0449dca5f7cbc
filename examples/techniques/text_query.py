"""
A sentence in place of a filter
===============================

A customer types a few words. A search engine would forget who asks, and a recommender would ignore the words. With
``query``, both count: the scores of the history and the similarity to the sentence are standardised and added up.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import load_online_retail

plt.style.use("skgnnrec.inspection.style")

# %%
# A shop for gifts; any transformer of texts can be the encoder, such as :class:`~skgnnrec.TextEmbedder`.
data = load_online_retail()
is_sold = np.asarray((data.interactions > 0).sum(axis=0)).ravel() >= 60
X = sparse.csr_array(data.interactions[:, is_sold])
names = data.item_frame["description"][is_sold].str.lower().to_numpy()
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(200, random_state=0))
recommender = RidgeRecommender(catalog=ItemCatalog(names), item_encoder=encoder).fit(X)

# %%
# A customer with a sweet tooth, and three ways to ask.
basket = np.flatnonzero(
    pd.Series(names).isin(["set of 3 cake tins pantry design", "pack of 60 pink paisley cake cases"])
)
history = sparse.csr_array((np.ones(2), (np.zeros(2, dtype=int), basket)), shape=(1, X.shape[1]))
print("The basket: " + ", ".join(names[basket]))
sentence = "a vintage christmas decoration"
asked = {"no sentence": 0.0, "both count": 0.65, "the sentence alone": 1.0}
lists = {}
for label, weight in asked.items():
    found, _ = recommender.recommend(history, 6, query=sentence, query_weight=weight)
    lists[label] = found[0]
    print(f"\n{label} (query_weight={weight})\n  " + "\n  ".join(names[found[0]][:4]))

# %%
# Each point is a product. Without the sentence, the list is at the right; with the sentence alone, at the top. With
# both (rings), it has the best of both sides, and a product in between: a cake frill for Christmas.
scores = []
for weight in (0.0, 1.0):
    order, ranked = recommender.recommend(history, X.shape[1] - 2, query=sentence, query_weight=weight)
    by_item = np.full(X.shape[1], np.nan)  # the basket has no scores
    by_item[order[0]] = ranked[0]
    scores.append((by_item - np.nanmean(by_item)) / np.nanstd(by_item))
x, y = scores
figure, ax = plt.subplots(figsize=(8, 5))
ax.scatter(x, y, s=8, color="#bbbbbb", label="all products")
for label, colour, marker in (("no sentence", "C0", "s"), ("the sentence alone", "C1", "^")):
    ax.scatter(x[lists[label]], y[lists[label]], s=60, color=colour, marker=marker, edgecolor="white", label=label)
both = lists["both count"]
ax.scatter(x[both], y[both], s=220, color="none", edgecolor="C2", linewidth=2, label="both count")
ax.set(xlabel="score of the history (standardised)", ylabel="similarity to the sentence (standardised)")
ax.set_title(f"“{sentence}”")
ax.grid(axis="both")
ax.legend(loc="upper right")
plt.show()
