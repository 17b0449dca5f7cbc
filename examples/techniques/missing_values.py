"""
Missing values in item and user data
====================================

Real catalogs have gaps: a weight that nobody has measured, a description that nobody has written. The encoder of a
recommender is any transformer of scikit-learn, so imputers stand inside it: they learn from the items of the fit, and
fill the gaps of new ones.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - it makes IterativeImputer importable
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender, UserContentRecommender
from skgnnrec.datasets import make_log
from skgnnrec.metrics import recall_at_k

plt.style.use("skgnnrec.inspection.style")
rng = np.random.default_rng(0)

# %%
# Tents, skis, boats and bicycles: eight measurements follow from what a thing is and how large it is, and therefore
# predict each other. There are a brand and a description, too.
kinds = {
    "tent": ["light poles", "two doors", "a groundsheet", "a porch", "a stove vent"],
    "ski": ["steel edges", "a soft flex", "a wide tip", "race bindings", "a twin tip"],
    "boat": ["a drain plug", "oar locks", "an air keel", "a spray deck", "a bow line"],
    "bicycle": ["disc brakes", "a steel frame", "wide tyres", "a rack", "a dynamo"],
}
data = make_log(kinds, 700, 400, n_interactions=14_000, topic_concentration=0.2, random_state=0)
X, items = sparse.csr_array(data.interactions), data.item_frame
kind = pd.Categorical(items["topic"]).codes
size = rng.normal(size=400)
centres, slopes = rng.normal(scale=1.2, size=(4, 8)), rng.normal(size=8)
measures = [f"measure {number}" for number in range(8)]
table = pd.DataFrame(centres[kind] + np.outer(size, slopes) + 0.2 * rng.normal(size=(400, 8)), columns=measures)
table["brand"] = rng.choice(np.array(["Alba", "Brise", "Cima"], dtype=object), 400)
table["text"] = items["text"].astype(object)


def with_gaps(share: float) -> pd.DataFrame:
    """Return the table without a share of its values; most descriptions are missing anyway."""
    rng = np.random.default_rng(1)
    is_missing = rng.random(table.shape) < share
    return table.mask(is_missing).assign(text=table["text"].mask(rng.random(400) < 0.8))


print(with_gaps(0.4).iloc[:4, [0, 1, 2, 8, 9]].round(2).to_string())

# %%
# Numbers need an imputer: the mean, the median, or a model that predicts each measure from the others. A missing brand
# is a brand of its own for OneHotEncoder. A missing text is an empty text, whose vector is zero; TextEmbedder treats it
# in the same way.


def encoder_with(imputer):
    return make_column_transformer(
        (make_pipeline(imputer, StandardScaler()), measures),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["brand"]),
        (make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0)), "text"),
    )


imputers = {
    "mean": SimpleImputer(strategy="mean"),
    "median": SimpleImputer(strategy="median"),
    "model": IterativeImputer(max_iter=20, tol=0.05, random_state=0),
}

# %%
# A quarter of the items is new: nobody has chosen them yet, so that only their data can place them. The imputers are
# fitted to the other items, and fill the gaps of the new ones in the same call.
is_new = rng.random(400) < 0.25
old, new = np.flatnonzero(~is_new), np.flatnonzero(is_new)
shares, accuracy = [0.0, 0.2, 0.4, 0.6, 0.8], {name: [] for name in imputers}
for share in shares:
    catalog = ItemCatalog(with_gaps(share))
    for name, imputer in imputers.items():
        rec = GraphFilterRecommender(catalog=catalog.take(old), item_encoder=encoder_with(imputer)).fit(X[:, old])
        found, _ = rec.recommend(X[:, old], 10, candidates=catalog.take(new))
        accuracy[name].append(recall_at_k(X[:, new], found))
print({name: np.round(values, 3).tolist() for name, values in accuracy.items()})

# %%
# Users have gaps as well. The same encoders read their profiles; here, a form with two thirds of its answers missing.
answers = pd.DataFrame(data.user_topics.to_numpy(), columns=list("abcd"))
answers = answers.mask(np.random.default_rng(2).random(answers.shape) < 2 / 3)
known, newcomers = np.arange(500), np.arange(500, 700)
nothing = sparse.csr_array((200, 400))
users = {"popularity": 0.0}
popular = RidgeRecommender().fit(X[known]).recommend(nothing, 10)[0]
users["popularity"] = recall_at_k(X[newcomers], popular)
for name, imputer in imputers.items():
    rec = UserContentRecommender(RidgeRecommender(), user_encoder=make_pipeline(imputer, StandardScaler()))
    rec.fit(X[known], users=answers.iloc[known])
    users[name] = recall_at_k(X[newcomers], rec.recommend(nothing, 10, users=answers.iloc[newcomers])[0])
print({name: round(float(value), 3) for name, value in users.items()})

# %%
# Left: two fifths of the values can be missing before the lists suffer, and the imputers differ little. A vector
# consists of many values, so that an error in one of them hardly moves an item. Start with the mean, and let a search
# decide whether a model is worth its time. Right: even a form with many gaps beats the popularity ranking.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=[3, 2])
for name, values in accuracy.items():
    left.plot(shares, values, "o-", label=f"imputed by {name}")
left.axhline(10 / len(new), color="#999999", ls="--", label="random order")
left.set(xlabel="share of missing values", ylabel="recall@10 of new items", title="Gaps in the catalog", ylim=0)
left.legend()
bars = right.bar(list(users), list(users.values()), color=["#999999", "C0", "C1", "C2"])
right.bar_label(bars, fmt="%.2f")
right.set(ylabel="recall@10", title="New users, two thirds of the form missing")
plt.show()
