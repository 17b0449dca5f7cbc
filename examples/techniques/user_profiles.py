"""
User profiles: a personal list before the first click
=====================================================

A member of a library fills in a form: an age, a town, a sentence about favourite books.
:class:`~skgnnrec.UserContentRecommender` turns the form into a list without any history, and uses both when there is
one.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender, UserContentRecommender
from skgnnrec.datasets import make_log
from skgnnrec.inspection import explain
from skgnnrec.metrics import ndcg_at_k

plt.style.use("skgnnrec.inspection.style")
rng = np.random.default_rng(0)

# %%
# Members and books of six shelves. What a member writes in the form names shelves that the member likes, and one at
# random; the age says a little, the town says nothing.
shelves = {
    "crime": ["a murder", "a detective", "an alibi", "a clue", "a fog", "a harbour"],
    "gardens": ["roses", "compost", "an orchard", "a hedge", "seeds", "a greenhouse"],
    "history": ["a queen", "a siege", "an archive", "a treaty", "a monk", "a dynasty"],
    "space": ["a planet", "a comet", "an engine", "an orbit", "a colony", "a signal"],
    "cooking": ["bread", "a stew", "a pie", "pepper", "a market", "a stove"],
    "travel": ["a train", "a desert", "a ferry", "a map", "a border", "a monastery"],
}
data = make_log(shelves, 1500, 300, n_interactions=22_000, topic_concentration=0.25, random_state=0)
X, names = sparse.csr_array(data.interactions), list(shelves)
taste = data.user_topics.to_numpy()
words = np.array([rng.choice(names, 2, p=row) for row in taste])
others = rng.choice(names, (1500, 1))
sentences = [f"I like books about {a} and {b}, sometimes {c}" for (a, b), (c,) in zip(words, others, strict=True)]
profiles = pd.DataFrame(
    {
        "member": data.user_ids,
        "about": sentences,
        "age": 20 + 40 * (0.5 * taste[:, 1] + 0.5 * rng.random(1500)),
        "town": rng.choice(["Bath", "York", "Ely"], 1500),
    }
)
print(profiles.head(3).to_string(index=False))

# %%
# A ColumnTransformer turns the form into vectors, as it does for items. The profiles are a catalog with the ids of the
# users, and a log passes the ids of its users on.
encoder = make_column_transformer(
    (make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0)), "about"),
    (KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"), ["age"]),
    (OneHotEncoder(sparse_output=False), ["town"]),
)
model = UserContentRecommender(RidgeRecommender(), ItemCatalog(profiles, ids="member"), user_encoder=encoder)
log = data.events[data.events["user_id"] < 1200]
library = LogRecommender(model, user="user_id", item="item_id").fit(log)
members = [1300, 1301, 1302]  # members whom the log does not know
titles = data.item_frame.set_index("item_id")
for member, items in zip(members, library.recommend(members, 4)[0], strict=True):
    print(f"{profiles['about'][member]:55s}", titles["topic"][items].tolist())

# %%
# A profile counts most at first: the last 300 members are unknown to the fit, and show only some of their books. Their
# further books are the ones to find.
old, new = np.arange(1200), np.arange(1200, 1500)
ridge, popular = RidgeRecommender().fit(X[old]), PopularityRecommender().fit(X[old])
both = model.fit(X[old], users=old)
order = np.concatenate([rng.permutation(n) for n in np.diff(X[new].indptr)])
sizes, curves = [0, 1, 2, 4, 6, 8], {"history and profile": [], "history": [], "popularity": []}
for size in sizes:
    known, hidden = X[new].copy(), X[new].copy()
    known.data, hidden.data = (order < size).astype(float), (order >= 8).astype(float)
    known.eliminate_zeros()
    hidden.eliminate_zeros()
    lists = {
        "history and profile": both.recommend(known, 10, users=new)[0],
        "history": ridge.recommend(known, 10)[0],
        "popularity": popular.recommend(known, 10)[0],
    }
    for name, found in lists.items():
        curves[name].append(ndcg_at_k(hidden, found))
print({name: np.round(values, 3).tolist() for name, values in curves.items()})

# %%
# The profile is a further input of the regression. An explanation shows its part of the score, beside the books.
explanation = explain(both, X[old[:200]], users=old[:200])
lengths = np.diff(X[old[:200]].indptr)
totals = explanation.assign(size=explanation["contribution"].abs()).pivot_table(
    index="user", columns="kind", values="size", aggfunc="sum"
)
share = totals["profile"] / totals.sum(axis=1)

# %%
# Left: before the first book, the profile is worth about one book; after a few books it changes little. Right: the part
# of the profile in the scores shrinks with the history.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
for (name, values), style in zip(curves.items(), ["o-", "o-", "--"], strict=True):
    left.plot(sizes, values, style, label=name, color={"popularity": "#999999"}.get(name))
left.set(xlabel="known books", ylabel="NDCG@10", title="New members", ylim=0)
left.legend(loc="lower right")
right.scatter(lengths, share, s=14, alpha=0.6)
right.set(xlabel="books of a member", ylabel="share of the profile", title="What a list is made of", ylim=0)
plt.show()
