"""
A social network: music from friends
====================================

People with similar tastes become friends. A music service can use the friends of newcomers, who have no history yet.
The matrix product ``friends @ X`` sums the histories of the friends, and any recommender takes the sum in the place of
a history. The artists of the friends are recommended too, with ``exclude_seen=False``.
:class:`~skgnnrec.SocialRecommender` keeps the graph and chooses the weight of the friends.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from scipy import sparse
from sklearn.manifold import MDS

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_log
from skgnnrec.metrics import recall_at_k

plt.style.use("skgnnrec.inspection.style")

# %%
# Listeners and artists, in the manner of LastFM. Artists have invented names, made of words of their genre.
genres = {
    "folk": ["Willow", "Hearth", "Fiddle", "Meadow", "Lantern", "Cider", "Raven", "Harvest"],
    "metal": ["Iron", "Wrath", "Anvil", "Crypt", "Thunder", "Rust", "Ember", "Titan"],
    "jazz": ["Blue", "Velvet", "Swing", "Smoke", "Quartet", "Midnight", "Brass", "Satin"],
    "techno": ["Pulse", "Vector", "Neon", "Signal", "Binary", "Voltage", "Carbon", "Phase"],
    "pop": ["Sugar", "Summer", "Glitter", "Kiss", "Star", "Dream", "Heart", "Dance"],
}
data = make_log(
    genres,
    600,
    250,
    n_interactions=12_000,
    templates=["{0} {1}", "The {0} {1}"],
    topic_concentration=0.15,
    random_state=0,
)
X, artists = sparse.csr_array(data.interactions), data.item_frame["text"].to_numpy()

# %%
# Friends: each person befriends others, with a high probability where they like the same genres.
rng = np.random.default_rng(0)
likeness = data.user_topics.to_numpy() @ data.user_topics.to_numpy().T
np.fill_diagonal(likeness, 0)
chance = 8 * likeness**2 / (likeness**2).sum(axis=1, keepdims=True)  # about 8 friends for each
friends = sparse.csr_array(rng.random(chance.shape) < chance, dtype=np.float64)
friends = friends.maximum(friends.T)
print(f"{friends.nnz // 2} friendships, {friends.sum(axis=1).mean():.0f} friends for each person")

# %%
# The last 150 people are newcomers. Their own histories are hidden from the recommender, which only knows their
# friends among the others.
old, new = slice(0, 450), slice(450, 600)
ridge = RidgeRecommender(n_recommendations=10).fit(X[old])
popular, _ = PopularityRecommender().fit(X[old]).recommend(sparse.csr_array((150, 250)))
known = friends[new][:, old]


def recall_with(n_friends: int) -> np.ndarray:
    """Return the recall of each newcomer who has at least 8 friends, of whom `n_friends` count."""
    few = known.copy()
    few.data = (np.concatenate([rng.permutation(n) for n in np.diff(few.indptr)]) < n_friends).astype(float)
    found, _ = ridge.recommend(few @ X[old], exclude_seen=False)
    return recall_at_k(X[new][enough], found[enough], average=False)


enough = known.sum(axis=1) >= 8
numbers = [1, 2, 3, 4, 6, 8]
recalls = [recall_with(number).mean() for number in numbers]
baseline = recall_at_k(X[new][enough], popular[enough])
print("recall@10 of the charts:", round(baseline, 3))
print("recall@10 by the number of friends:", dict(zip(numbers, np.round(recalls, 3).tolist(), strict=True)))

# %%
# Left: 160 listeners, placed by what they like, with their friendships. Right: one friend is enough to beat the
# charts, two are better, and further ones add little.
favourite = data.user_topics.to_numpy().argmax(axis=1)
shown = rng.choice(450, 160, replace=False)
places = MDS(random_state=0, n_init=1, init="random").fit_transform(np.sqrt(data.user_topics.to_numpy()[shown]))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
pairs = sparse.triu(friends[shown][:, shown]).tocoo()
lines = np.stack([places[pairs.row], places[pairs.col]], axis=1)
left.add_collection(LineCollection(lines, colors="#bbbbbb", linewidths=0.5, zorder=0))
for number, genre in enumerate(genres):
    left.scatter(*places[favourite[shown] == number].T, s=28, label=genre, edgecolor="white", linewidth=0.5)
left.set(title="Friends like the same genres")
left.set_axis_off()
left.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0.04))
right.plot(numbers, recalls, "o-", label="ridge on the friends' artists")
right.axhline(baseline, color="#999999", ls="--", label="charts")
right.set(xlabel="friends who are known", ylabel="recall@10", title="First lists of newcomers", ylim=0)
right.legend(loc="lower right")
plt.show()
