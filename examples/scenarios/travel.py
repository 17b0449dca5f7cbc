"""
Travel: a sentence beside the history
=====================================

A traveller with many holidays by the sea asks for the mountains. The history and the sentence disagree, and
``query_weight`` is the share of the sentence. The offers are those for the month and the budget of the traveller.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import make_log

plt.style.use("skgnnrec.inspection.style")

# %%
# Bookings of a year. The destinations are invented, and get a price and the months in which they are open.
holidays = {
    "sea": ["white beaches", "a quiet bay", "coral reefs", "sailing lessons", "a fishing village", "surf waves"],
    "mountains": [
        "hiking trails",
        "a mountain hut",
        "ridge walks",
        "a glacier view",
        "alpine meadows",
        "climbing rocks",
    ],
    "cities": ["old museums", "rooftop bars", "a cathedral", "street markets", "opera nights", "design hotels"],
    "wellness": ["hot springs", "yoga mornings", "a spa hotel", "forest baths", "slow food", "a silent retreat"],
    "family": ["a water park", "pony rides", "a bike path", "a holiday farm", "a puppet theatre", "campfire evenings"],
}
data = make_log(
    holidays,
    500,
    300,
    n_interactions=6000,
    templates=["{0} and {1}", "a week with {0} and {1}", "{0} near {1}"],
    topic_concentration=0.3,
    random_state=3,
)
rng = np.random.default_rng(0)
offers = data.item_frame.assign(
    price=rng.lognormal(6.4, 0.5, 300).round(-1).astype(int), from_month=rng.integers(1, 8, 300)
)
offers["to_month"] = offers["from_month"] + 5

# %%
# The recommender learns from the bookings and the descriptions.
encoder = make_pipeline(TfidfVectorizer(stop_words="english"), TruncatedSVD(40, random_state=0))
ridge = RidgeRecommender(catalog=ItemCatalog(offers[["item_id", "text"]], ids="item_id"), item_encoder=encoder)
recommender = LogRecommender(ridge, user="user_id", item="item_id").fit(data.events)

# %%
# A traveller who loves the sea, with at most 800 pounds, in July.
kind_of = offers["topic"].to_numpy()
booked = pd.crosstab(data.events["user_id"], kind_of[data.events["item_id"]])
traveller = int((booked["sea"] - 5 * booked["mountains"]).idxmax())
print(f"Traveller {traveller} has booked: {booked.loc[traveller].to_dict()}")
is_open = (offers["from_month"] <= 7) & (offers["to_month"] >= 7) & (offers["price"] <= 800)
candidates = offers.loc[is_open, "item_id"].to_numpy()
sentence = "hiking trails and a mountain hut"
for weight in (0.0, 0.5, 1.0):
    found, _ = recommender.recommend(
        [traveller], n_recommendations=3, candidates=candidates, query=sentence, query_weight=weight
    )
    shown = offers.loc[found[0], "text"] + " (" + offers.loc[found[0], "price"].astype(str) + " £)"
    print(f"weight {weight}: " + "; ".join(shown))

# %%
# The composition of a list of ten, for each weight of the sentence. Up to a quarter, the sentence changes nothing.
# Between a quarter and a half the list holds offers of both kinds, and from a half on only mountains.
weights = np.linspace(0, 1, 21)
shares = pd.DataFrame(0.0, index=weights, columns=list(holidays))
for weight in weights:
    found, _ = recommender.recommend(
        [traveller], n_recommendations=10, candidates=candidates, query=sentence, query_weight=weight
    )
    shares.loc[weight] = [(kind_of[found[0].astype(int)] == kind).sum() for kind in holidays]
shares = shares.loc[:, shares.any()]
print(shares.iloc[::4].to_string())
figure, ax = plt.subplots()
ax.stackplot(weights, shares.T, labels=shares.columns, alpha=0.85, edgecolor="white", linewidth=0.6)
ax.set(xlim=(0, 1), ylim=(0, 10), xlabel="query_weight", ylabel="offers in the list")
ax.set_title(f"From the sea to the mountains: “{sentence}”")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
ax.grid(False)
plt.show()
