"""
Item embeddings: what is bought together
========================================

Texts tell what an item looks like; baskets tell what it goes with. :class:`~skgnnrec.embedding.ItemToVec` turns baskets
into vectors of items: item2vec in closed form, without training. This page compares the nearest items by both on the
purchases of a gift shop.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from skgnnrec import ContentRecommender, ItemCatalog
from skgnnrec.datasets import load_online_retail
from skgnnrec.embedding import ItemToVec

plt.style.use("skgnnrec.inspection.style")

# %%
# A row for each basket: the items that a customer bought at one time.
data = load_online_retail()
baskets = pd.factorize(pd.MultiIndex.from_frame(data.events[["user_id", "timestamp"]]))[0]
items = pd.Index(data.item_ids).get_indexer(data.events["item_id"])
X = sparse.csr_array((np.ones(len(items)), (baskets, items)), shape=(baskets.max() + 1, len(data.item_ids)))
X.data[:] = 1
print(f"{X.shape[0]:,} baskets with {X.shape[1]:,} items")

# %%
# The vectors of items, from baskets and from texts.
by_basket = ItemToVec(n_components=64).fit(X).item_vectors_
titles = data.item_frame["description"].str.lower().to_numpy()
by_text = make_pipeline(TfidfVectorizer(), TruncatedSVD(64, random_state=0)).fit_transform(titles)

# %%
# The nearest items. Texts find things whose names share words, such as other pads; baskets find the other designs of
# the kneeling pad, and what is bought with an apron for children.
neighbors = {
    "texts": ContentRecommender(catalog=ItemCatalog(by_text + 1e-9)).fit(X),
    "baskets": ContentRecommender(catalog=ItemCatalog(by_basket)).fit(X),
}
girl, pad = (
    int(np.flatnonzero(titles == title)[0])
    for title in ("children's apron dolly girl", "gardeners kneeling pad keep calm")
)
for item in (girl, pad):
    print(titles[item])
    for name, rec in neighbors.items():
        print(f"  {name:8} " + "; ".join(titles[rec.similar_items(item, 3)[0][0]]))

# %%
# A basket is the mean of its items, so that the transformer also makes features of baskets and of customers.
print(ItemToVec(n_components=8).fit_transform(X[:2000]).shape)

# %%
# The 600 items with the most buyers on a map. Items of one theme are neighbours although their names differ.
popular = np.sort(np.argsort(-X.sum(axis=0))[:600])
places = TSNE(init="pca", perplexity=25, max_iter=500, random_state=0).fit_transform(normalize(by_basket[popular]))
themes = {
    "christmas": "christmas|snow|reindeer|santa",
    "lunch": "lunch|snack",
    "baking": "cake|baking|jam",
    "bags": "jumbo bag|shopper|tote",
    "garden": "garden|plant|herb|bird",
    "decorations": "heart|t-light|candle|lantern",
}
figure, ax = plt.subplots(figsize=(8, 5.5))
ax.scatter(*places.T, s=8, color="#cccccc")
for place, (theme, pattern) in enumerate(themes.items()):
    chosen = pd.Series(titles[popular]).str.contains(pattern).to_numpy()
    ax.scatter(*places[chosen].T, s=22, color=f"C{place}", label=theme)
ax.set(title="The items of a gift shop by their baskets", xticks=[], yticks=[])
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
ax.grid(visible=False)
plt.show()
