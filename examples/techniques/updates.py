"""
Updates and forgetting
======================

A recommender of last month does not know the items of this month, and users who leave have the right to be forgotten.
Closed forms are sums over users, so that updates and forgetting are exact: ``partial_fit`` adds to the sum, ``forget``
subtracts from it.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skgnnrec import LogRecommender, RidgeRecommender
from skgnnrec.datasets import make_log

plt.style.use("skgnnrec.inspection.style")

# %%
# A year of podcasts. New episodes appear all the time, and lose half of their listeners in a month.
themes = {
    "history": ["the Romans", "the silk road", "lost cities", "a spy trial", "the plague years"],
    "science": ["black holes", "gut bacteria", "deep sea fish", "new batteries", "ancient DNA"],
    "money": ["index funds", "house prices", "side jobs", "tax returns", "coffee trade"],
    "running": ["marathon plans", "trail shoes", "injury stories", "altitude", "pacing"],
}
data = make_log(
    themes,
    500,
    240,
    n_interactions=18_000,
    templates=["{0} and {1}", "from {0} to {1}", "{0}, then {1}"],
    new_item_share=0.8,
    half_life=30,
    random_state=0,
)
log = data.events
weeks = pd.date_range("2024-09-02", periods=15, freq="7D")

# %%
# One recommender stays as it was on 2 September. The other learns each week. Both recommend on Monday for the week to
# come.
columns = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rank_decay": 0.95}
frozen = LogRecommender(RidgeRecommender(), **columns).fit(log[log["timestamp"] < weeks[0]])
updated = LogRecommender(RidgeRecommender(), **columns).fit(log[log["timestamp"] < weeks[0]])


def share_found(recommender: LogRecommender, plays: pd.DataFrame) -> float:
    """Return the share of the plays that are in the lists of ten."""
    listeners, rows = np.unique(plays["user_id"], return_inverse=True)
    lists, _ = recommender.recommend(listeners)
    return (lists[rows] == plays["item_id"].to_numpy()[:, None]).any(axis=1).mean()


found, seconds = [], 0.0
for monday in weeks:
    plays = log[(log["timestamp"] >= monday) & (log["timestamp"] < monday + pd.Timedelta("7D"))]
    found.append((share_found(frozen, plays), share_found(updated, plays)))
    start = time.perf_counter()
    updated = updated.partial_fit(plays)
    seconds += time.perf_counter() - start
print(f"{len(weeks)} updates in {seconds:.1f} s")
print(f"found in the last week: {found[-1][0]:.0%} without updates, {found[-1][1]:.0%} with updates")

# %%
# Twenty listeners leave. After ``forget``, the scores are those of a recommender that has never seen them.
leaving = updated.user_ids_[:20]
seen = log[log["timestamp"] < weeks[-1] + pd.Timedelta("7D")]
anew = LogRecommender(RidgeRecommender(), **columns).fit(seen[~seen["user_id"].isin(leaving)])
pairs = seen.loc[~seen["user_id"].isin(leaving), ["user_id", "item_id"]].iloc[:2000]
before = np.abs(updated.predict(pairs) - anew.predict(pairs)).max()
after = np.abs(updated.forget(users=leaving).predict(pairs) - anew.predict(pairs)).max()
print(f"largest difference to a new fit: {before:.0e} before, {after:.0e} after")

# %%
# The frozen recommender loses most of its hits within weeks, because it cannot know the new episodes. The weekly
# updates keep the level.
figure, ax = plt.subplots()
shares = np.array(found)
ax.plot(weeks, shares[:, 1], "o-", label="updated each week")
ax.plot(weeks, shares[:, 0], "s--", color="#999999", label="as on 2 September")
ax.fill_between(weeks, shares[:, 0], shares[:, 1], alpha=0.1, lw=0)
ax.set(ylim=0, title="Plays of the week that were in the lists of Monday")
ax.set_yticks([0, 0.05, 0.1, 0.15, 0.2], ["0 %", "5 %", "10 %", "15 %", "20 %"])
ax.set_xticks(weeks[::3], [f"{monday:%-d %b}" for monday in weeks[::3]])
ax.legend()
plt.show()
