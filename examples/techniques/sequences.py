"""
Sequences: which item comes next
================================

A hiker who has slept in the huts 3, 4 and 5 of a round trail sleeps in hut 6 next, or in hut 2: it depends on the
direction. A matrix of who has been where cannot tell; :class:`~skgnnrec.SequenceRecommender` reads histories in their
order. This page compares its three heads with recommenders that see the same histories as sets.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender, SequenceRecommender

plt.style.use("skgnnrec.inspection.style")

# %%
# A log of hikers on a round trail of 40 huts. Half of them walk clockwise, the others counterclockwise, and now and
# then somebody walks past a hut.
rng = np.random.default_rng(0)
rows = []
for hiker in range(600):
    hut, direction = rng.integers(40), rng.choice([1, -1])
    for night in range(rng.integers(4, 9)):
        rows.append((hiker, hut + 1, night))
        hut = (hut + direction * rng.choice([1, 2], p=[0.85, 0.15])) % 40
log = pd.DataFrame(rows, columns=["hiker", "hut", "night"])
print(log.head(6).to_string(index=False))

# %%
# The last hut of every hiker is held out. ``LogRecommender`` makes histories of the log: a sequence model reads the
# order of the times, and the regression of the next item reads it from weights that decay (``rank_decay``).
is_last = ~log.duplicated("hiker", keep="last")
past, future = log[~is_last], log[is_last]

settings = {"embedding_dim": 32, "learning_rate_init": 0.02, "batch_size": 64, "max_iter": 16, "device": "cpu"}
recommenders = {
    "popularity": PopularityRecommender(),
    "ridge": RidgeRecommender(),
    "ridge, next item": RidgeRecommender(order_weight=0.8, rank_decay=0.7),
    **{f"sequence, {head}": SequenceRecommender(head, **settings) for head in ("mlp", "gru", "attention")},
}
shares = {}
for name, recommender in recommenders.items():
    rec = LogRecommender(recommender, user="hiker", item="hut", timestamp="night", rank_decay=0.7).fit(past)
    shares[name] = np.mean(rec.recommend(future["hiker"], 1)[0][:, 0] == future["hut"])
print(pd.Series(shares).round(3).to_string())

# %%
# The same three huts in both directions. The answer turns around with the history.
for history in ([3, 4, 5], [5, 4, 3]):
    items, _ = rec.recommend(histories=[history], n_recommendations=2)
    print(history, "-> next", items[0].tolist())

# %%
# On the left, how often the next hut of a hiker is the first of the list: a set leaves two huts to guess from. On the
# right, the scores of the huts after the same three huts in both directions.
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=[1, 1.2])
left.barh(list(shares), list(shares.values()), color=["#bbbbbb"] * 2 + ["C1"] + ["C0"] * 3)
left.invert_yaxis()
left.set(xlabel="hikers whose next hut is ranked first", xlim=(0, 1))

huts = np.arange(1, 13)
for history, color in (([5, 6, 7], "C0"), ([7, 6, 5], "C1")):
    items, scores = rec.recommend(histories=[history], candidates=huts, n_recommendations=12, exclude_seen=False)
    right.plot(huts, pd.Series(scores[0], index=items[0])[huts], marker="o", color=color, label=f"after {history}")
right.axvspan(4.7, 7.3, color="#eeeeee", zorder=0)
right.set(xlabel="hut", ylabel="score", title="The same huts, two directions")
right.legend()
plt.show()
