"""
Cold start: new items and new users
===================================

On its first day, a product has a description and no buyers, and a customer has a basket and no past. Neither needs a
new fit: the text places the item, and the basket is a row like any other. How good are the first lists?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.model_selection import split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# Products with at least 40 customers, from a British shop for gifts.
data = load_online_retail()
is_sold = np.asarray((data.interactions > 0).sum(axis=0)).ravel() >= 40
X = sparse.csr_array((data.interactions[:, is_sold] > 0).astype(float))
texts, ids = data.item_frame["description"][is_sold].reset_index(drop=True), data.item_ids[is_sold]
encoder = make_pipeline(TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True), TruncatedSVD(64, random_state=0))
vectors = encoder.fit_transform(texts)
catalog = ItemCatalog(vectors, ids=ids)
print(f"{X.shape[0]:,} customers, {X.shape[1]:,} products")

# %%
# New items: a tenth of the products loses all purchases, so that only the descriptions are left. These products are
# ranked on their own. The baseline is a random order.
X_warm, y_cold = split_interactions(X, hold_out="cold_items", test_size=0.1, random_state=0)
cold = np.flatnonzero(y_cold.sum(axis=0))
results = {"random order": 10 / len(cold)}
recommenders = {
    "nearest text": ContentRecommender(catalog=catalog),
    "graph filter": GraphFilterRecommender(catalog=catalog),
    "ridge": RidgeRecommender(catalog=catalog),
}
for name, recommender in recommenders.items():
    found, _ = recommender.fit(X_warm).recommend(X_warm, 10, candidates=ids[cold])
    results[name] = recall_at_k(y_cold, catalog.positions(found))
print("recall@10 of new products:", {name: round(float(value), 3) for name, value in results.items()})

# %%
# New users: the last 500 customers with at least 30 products are unknown to the fit, and show only some of them.
active = np.flatnonzero(np.diff(X.indptr) >= 30)[-500:]
is_new = np.isin(np.arange(X.shape[0]), active)
ridge, popular = RidgeRecommender().fit(X[~is_new]), PopularityRecommender().fit(X[~is_new])
order = np.concatenate([np.random.default_rng(0).permutation(n) for n in np.diff(X[active].indptr)])
sizes, accuracy = [0, 1, 2, 3, 5, 8, 12, 20], {"ridge": [], "popularity": []}
for size in sizes:
    known, hidden = X[active].copy(), X[active].copy()
    known.data, hidden.data = (order < size).astype(float), (order >= 20).astype(float)  # the same targets for all
    known.eliminate_zeros()
    hidden.eliminate_zeros()
    for name, recommender in (("ridge", ridge), ("popularity", popular)):
        accuracy[name].append(ndcg_at_k(hidden, recommender.recommend(known, 10)[0]))
print("NDCG@10 of the ridge:", dict(zip(sizes, np.round(accuracy["ridge"], 2).tolist(), strict=True)))

# %%
# Left: descriptions alone find several times as many new products as chance, and more with the help of common
# purchases. Right: one purchase beats the bestsellers, and each further one helps.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2))
bars = left.bar(list(results), results.values(), color=["#999999", "C4", "C2", "C0"])
left.bar_label(bars, fmt="%.2f", padding=2)
left.set(title="New products", ylabel="recall@10")
right.plot(sizes, accuracy["ridge"], "o-", label="ridge")
right.plot(sizes, accuracy["popularity"], "--", color="#999999", label="bestsellers")
right.set(title="New customers", xlabel="products in the basket", ylabel="NDCG@10", ylim=0)
right.set_xticks(sizes)
right.legend(loc="lower right")
plt.show()
