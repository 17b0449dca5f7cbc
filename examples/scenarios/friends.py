"""
Friends: how much they should count, and who they could be
==========================================================

Listeners of a music service have histories and friends. :class:`~skgnnrec.SocialRecommender` adds the mean history of
the friends to that of the listener, with a weight that a search chooses. The same friendships, taken as a matrix of
users and users, suggest people to follow.
"""

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.model_selection import GridSearchCV

from skgnnrec import ContentRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender, SocialRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.inspection import explain, reasons
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.model_selection import SameUsers, split_interactions

plt.style.use("skgnnrec.inspection.style")
rng = np.random.default_rng(0)

# %%
# 900 listeners and 300 artists of ten genres. Friends tend to like the same genres, but most do not share all of them.
# One listener in six is a newcomer without history.
data = make_interactions(900, 300, n_interactions=0.05, n_topics=10, topic_concentration=0.3, random_state=0)
X = sparse.csr_array(data.interactions)
likeness = (data.user_topics @ data.user_topics.T) ** 2
np.fill_diagonal(likeness, 0)
friends = sparse.csr_array(rng.random(likeness.shape) < 7 * likeness / likeness.sum(axis=1, keepdims=True))
friends = sparse.csr_array(friends + friends.T, dtype=np.float32)
past, future = split_interactions(X, random_state=0)
is_new = np.arange(900) % 6 == 0
past = sparse.csr_array(sparse.diags_array((~is_new).astype(np.float32)) @ past)
print(f"{friends.nnz // 2} friendships, {is_new.sum()} newcomers")

# %%
# The rows of a matrix have no ids. Therefore all methods take ``users``, the row of each user in the graph. A search
# with ``cv=SameUsers()`` needs none: its rows are always all rows. Half of the held-out artists choose the weight, and
# the other half measures it.
validation, test = split_interactions(future, test_size=0.5, random_state=0)
grid = {"friend_weight": [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6]}
search = GridSearchCV(SocialRecommender(RidgeRecommender(), friends), grid, cv=SameUsers()).fit(past, validation)
print(search.best_params_)

# %%
# For users that a fold leaves out, metadata routing splits ``users`` like the rows of the matrix, while the graph
# remains whole.
sklearn.set_config(enable_metadata_routing=True)
routed = SocialRecommender(RidgeRecommender(), friends).set_fit_request(users=True).set_score_request(users=True)
folds = GridSearchCV(routed, grid, cv=3).fit(past[~is_new], users=np.flatnonzero(~is_new))
sklearn.set_config(enable_metadata_routing=False)
print("three folds of users choose", folds.best_params_)

# %%
# Short and long histories differ: the fewer artists a listener has, the more do friends help.
everyone, n_known = np.arange(900), np.diff(past.indptr)
groups = {
    "newcomers": n_known == 0,
    "up to 8 artists": (n_known > 0) & (n_known <= 8),
    "more than 8": n_known > 8,
}
curves = {name: [] for name in groups}
for weight in grid["friend_weight"]:
    model = SocialRecommender(RidgeRecommender(), friends, friend_weight=weight).fit(past)
    found = ndcg_at_k(test, model.recommend(past, 10, users=everyone)[0], average=False)
    for name, members in groups.items():
        curves[name].append(np.nanmean(found[members]))

# %%
# An explanation names friends as a source of their own. A person who was not in the fit can bring friends along.
best = search.best_estimator_
print(reasons(explain(best, past[:2], users=[0, 1])).groupby("user").first().to_string())
print("friends of 5 and 17:", best.recommend(sparse.csr_array((1, 300)), 5, friends=[[5, 17]])[0])

# %%
# People to follow: the graph is the matrix, and users are recommended to users. The diagonal makes everybody their own
# friend, so that nobody is recommended to themselves. The items are users, so their content is what they listen to: its
# vectors find people whom no common friend connects. A fifth of the friendships is hidden.
pairs = sparse.triu(friends, k=1).tocoo()
is_hidden = rng.random(pairs.nnz) < 0.2


def graph_of(chosen):
    graph = sparse.coo_array((np.ones(chosen.sum()), (pairs.row[chosen], pairs.col[chosen])), shape=friends.shape)
    return sparse.csr_array(graph + graph.T)


known, hidden = graph_of(~is_hidden), graph_of(is_hidden)
known = sparse.csr_array(known + sparse.eye_array(900))
tastes = ItemCatalog(TruncatedSVD(32, random_state=0).fit_transform(past))
people = {
    "most friends": PopularityRecommender(),
    "taste alone": ContentRecommender(catalog=tastes),
    "friends alone": RidgeRecommender(),
    "friends and taste": RidgeRecommender(catalog=tastes),
}
found = {name: recall_at_k(hidden, model.fit(known).recommend(known, 20)[0], k=20) for name, model in people.items()}
print({name: round(float(value), 3) for name, value in found.items()})

# %%
# Left: friends are all that is known of newcomers, whatever their weight; long histories want them little. Right: the
# friends of friends suggest people, and the artists of a person find further ones.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
for name, values in curves.items():
    left.plot(range(len(values)), values, "o-", label=name)
left.axvline(grid["friend_weight"].index(search.best_params_["friend_weight"]), color="#999999", ls=":", zorder=0)
left.set_xticks(range(len(values)), grid["friend_weight"])
left.set(xlabel="weight of the friends (dotted: chosen)", ylabel="NDCG@10", title="The music of friends", ylim=0)
left.legend(loc="lower right")
bars = right.barh(list(found), list(found.values()), color=["#999999", "C1", "C0", "C2"])
right.bar_label(bars, fmt="%.2f", padding=3)
right.invert_yaxis()
right.set(xlabel="recall@20 of hidden friends", title="People to follow")
plt.show()
