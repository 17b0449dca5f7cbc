"""
Diversity: how much accuracy does variety cost?
===============================================

The ten best products can be ten colours of the same mug. :class:`~skgnnrec.reranking.DiverseRecommender` chooses a
list whose items differ, and ``diversity`` is the strength. This page draws what each strength costs.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import make_log
from skgnnrec.metrics import intra_list_diversity, ndcg_at_k
from skgnnrec.model_selection import split_interactions
from skgnnrec.reranking import DiverseRecommender

plt.style.use("skgnnrec.inspection.style")

# %%
# A shop with many variants: each text is a colour and a thing, and there are things of six rooms.
colours = ["red", "blue", "green", "white", "golden"]
rooms = {
    "kitchen": ["mug", "teapot", "apron", "cake tin"],
    "garden": ["lantern", "planter", "bird house", "watering can"],
    "office": ["notebook", "pen holder", "desk lamp", "calendar"],
    "bath": ["towel", "soap dish", "mirror", "basket"],
    "bedroom": ["cushion", "blanket", "night light", "clock"],
    "party": ["balloon", "garland", "candle", "paper plate"],
}
topics = {room: [f"{colour} {thing}" for thing in things for colour in colours] for room, things in rooms.items()}
data = make_log(topics, 600, 360, n_interactions=15_000, topic_concentration=0.5, item_exponent=0.8, random_state=0)
X, y = split_interactions(data.interactions, random_state=0)
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(30, random_state=0))
ridge = RidgeRecommender(catalog=ItemCatalog(data.item_frame["text"]), item_encoder=encoder)

# %%
# One user, without and with re-ranking.
names = data.item_frame["text"].to_numpy()
for strength in (0.0, 0.5):
    lists = DiverseRecommender(ridge, diversity=strength).fit(X).predict(X)
    print(f"diversity={strength}: " + "; ".join(names[lists[3, :5]]))

# %%
# The strength from 0 to 1, by both methods. Accuracy is the NDCG on hidden interactions; diversity is the mean cosine
# distance of two items of a list. Up to 0.3, variety is free here, and even helps a little; above 0.5, accuracy falls.
strengths = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0])
curves = {}
for method in ("mmr", "dpp"):
    points = []
    for strength in strengths:
        diverse = DiverseRecommender(ridge, diversity=strength, method=method).fit(X)
        lists = diverse.predict(X)
        points.append((intra_list_diversity(lists, diverse.item_vectors_), ndcg_at_k(y, lists)))
    curves[method] = np.array(points)
figure, ax = plt.subplots()
for method, marker, offset in (("mmr", "o", (-20, -10)), ("dpp", "s", (5, 5))):
    ax.plot(*curves[method].T, f"{marker}-", label=method)
    for place in (3, 5, 8):
        ax.annotate(f"{strengths[place]:g}", curves[method][place], offset, textcoords="offset points", size=9)
ax.plot(*curves["mmr"][0], "k*", ms=13, label="no re-ranking")
ax.set(xlabel="diversity of the lists", ylabel="NDCG@10", title="Variety by strength")
ax.legend()
plt.show()
for method, curve in curves.items():
    print(
        f"{method}: at 0.3, diversity {curve[3, 0] / curve[0, 0] - 1:+.0%}, NDCG {curve[3, 1] / curve[0, 1] - 1:+.0%}"
    )
