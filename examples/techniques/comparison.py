"""
A comparison with intervals
===========================

Recommender A has an NDCG of .21 and B one of .20. Is A better, or was it luck with these users?
:func:`~skgnnrec.model_selection.compare_recommenders` answers with intervals and tests, and always adds the baselines.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.compose import BlendedRecommender
from skgnnrec.datasets import make_log
from skgnnrec.model_selection import compare_recommenders, paired_bootstrap, split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# 800 readers of a magazine. A fifth of the articles of each reader is hidden.
columns = {
    "gardens": ["roses", "raised beds", "fruit trees", "compost", "wild flowers", "hedges", "ponds", "tulips"],
    "homes": ["small kitchens", "old floors", "wall colours", "bookshelves", "lamps", "attics", "linen", "tiles"],
    "cars": [
        "electric vans",
        "tyres",
        "oldtimers",
        "driving schools",
        "batteries",
        "camping buses",
        "used cars",
        "fines",
    ],
    "health": ["sleep", "back pain", "allergies", "yoga", "vitamins", "first aid", "hearing", "walking"],
    "pets": ["kittens", "dog schools", "budgies", "aquariums", "rabbits", "vets", "guinea pigs", "leads"],
}
data = make_log(columns, 800, 300, n_interactions=8_000, topic_concentration=0.3, random_state=0)
X, y = split_interactions(data.interactions, random_state=0)
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(50, random_state=0))
catalog = ItemCatalog(encoder.fit_transform(data.item_frame["text"]), ids=data.item_ids)

# %%
# Five recommenders; popularity and the nearest content are added.
ridge, graph = RidgeRecommender(content_weight=0), GraphFilterRecommender(content_weight=0)
with_text = {
    "ridge + text": RidgeRecommender(100, content_weight=0.3, catalog=catalog),
    "filter + text": GraphFilterRecommender(catalog=catalog),
}
blend = BlendedRecommender([("ridge", with_text["ridge + text"]), ("filter", with_text["filter + text"])])
recommenders = {"ridge": ridge, "filter": graph, **with_text, "blend": blend}
table, users = compare_recommenders(recommenders, X, y, n_resamples=1999, return_users=True)
print(table["ndcg@10"].round(3).to_string())

# %%
# The users are the same for all, so that differences have much narrower intervals than the means: pairs are compared
# user by user.
pairs = paired_bootstrap(users["ndcg@10"], n_resamples=1999)
print(pairs.round(4).head(6).to_string())

# %%
# Left: the means. The intervals of the first three overlap. Right: the differences to the best one, for the same
# users. The ridge without texts is worse beyond chance, because its interval does not hold zero. The blend may be as
# good as the best one.
ndcg = table["ndcg@10"].iloc[::-1]
best = table.index[0]
rng = np.random.default_rng(0)
differences = {}
for name in ndcg.index:
    each = (users["ndcg@10"][name] - users["ndcg@10"][best]).dropna().to_numpy()
    draws = each[rng.integers(len(each), size=(1999, len(each)))].mean(axis=1)
    differences[name] = (each.mean(), *np.quantile(draws, [0.025, 0.975]))
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True)
for place, name in enumerate(ndcg.index):
    row = ndcg.loc[name]
    colour = "#999999" if name in ("popularity", "content") else "C0"
    left.plot([row["low"], row["high"]], [place, place], color=colour, lw=3, alpha=0.5, solid_capstyle="round")
    left.plot(row["mean"], place, "o", color=colour, ms=8)
    mean, low, high = differences[name]
    right.plot([low, high], [place, place], color=colour, lw=3, alpha=0.5, solid_capstyle="round")
    right.plot(mean, place, "o", color=colour, ms=8)
left.set_yticks(range(len(ndcg)), ndcg.index)
left.set(xlabel="NDCG@10", title="Means and 95 % intervals")
right.axvline(0, color="black", lw=0.8, ls="--")
right.set(xlabel=f"difference to {best}", title="Differences, user by user")
for panel in (left, right):
    panel.grid(axis="x")
plt.show()
