"""
Tuning: a grid, and an estimator that tunes itself
==================================================

Two settings of the ridge matter most where items have texts: the strength of the penalty, ``alpha``, and the weight of
the texts, ``content_weight``. A grid search draws the whole landscape; :class:`~skgnnrec.RidgeRecommenderCV` walks
through it in one fit. The last interactions are kept out of both and give the final figures.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, RidgeRecommender, RidgeRecommenderCV
from skgnnrec.datasets import make_log
from skgnnrec.model_selection import SameUsers, split_interactions

plt.style.use("skgnnrec.inspection.style")

# %%
# Recipes that few people have cooked, so that the texts have something to add. The interactions have three parts: to
# learn, to choose, to report.
kitchens = {
    "Italian": ["tomato sauce", "fresh basil", "ricotta", "penne", "gnocchi", "parmesan", "olives", "pesto"],
    "Indian": ["red lentils", "garam masala", "paneer", "basmati rice", "mango chutney", "cardamom", "ghee", "naan"],
    "Mexican": ["black beans", "tortillas", "avocado", "jalapenos", "lime", "sweet corn", "coriander", "chipotle"],
    "Japanese": ["miso", "udon noodles", "nori", "pickled ginger", "tofu", "sesame", "wasabi", "dashi"],
    "French": ["shallots", "tarragon", "puff pastry", "goat cheese", "Dijon mustard", "leeks", "butter", "cream"],
    "baking": ["dark chocolate", "hazelnuts", "cinnamon", "yeast dough", "vanilla", "raspberries", "almonds", "icing"],
}
data = make_log(kitchens, 1200, 300, n_interactions=7_000, templates=["{0} with {1}", "{0}, {1}"], random_state=0)
X, y_test = split_interactions(data.interactions, random_state=0)
X_fit, y_choose = split_interactions(X, random_state=1)
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(50, random_state=0))
catalog = ItemCatalog(encoder.fit_transform(data.item_frame["text"]), ids=data.item_ids)

# %%
# All combinations.
grid = {"alpha": [1, 3, 10, 30, 100, 300, 1000], "content_weight": [0, 0.3, 1, 3, 10, 30]}
start = time.perf_counter()
search = GridSearchCV(RidgeRecommender(catalog=catalog), grid, cv=SameUsers(), refit=False).fit(X_fit, y_choose)
n_tried = len(search.cv_results_["params"])
print(f"grid: {n_tried} candidates in {time.perf_counter() - start:.1f} s, {search.best_params_}")

# %%
# The estimator that tunes itself hides interactions on its own, and searches one parameter after the other.
start = time.perf_counter()
own = {"content_weight": grid["content_weight"], "alpha": grid["alpha"]}
tuned = RidgeRecommenderCV(own, catalog=catalog).fit(X)
n_tried = len(tuned.cv_results_["params"])
print(f"self-tuned: {n_tried} candidates in {time.perf_counter() - start:.1f} s, {tuned.best_params_}")

# %%
# The final figures, on interactions that no search has seen.
finalists = {
    "defaults": RidgeRecommender(catalog=catalog).fit(X),
    "grid": RidgeRecommender(catalog=catalog, **search.best_params_).fit(X),
    "self-tuned": tuned,
}
for name, recommender in finalists.items():
    print(f"{name:11} NDCG@10 {recommender.score(X, y_test):.3f}")

# %%
# The landscape: here, the weight of the texts decides, and the defaults weigh them too much. From 100 on, the penalty
# makes hardly a difference. Both searches end in the same column, and beat the defaults on the test part.
scores = search.cv_results_["mean_test_score"].reshape(len(grid["alpha"]), -1)
figure, ax = plt.subplots(figsize=(7.5, 4.8))
image = ax.imshow(scores, cmap="viridis", aspect="auto")
for row, column in np.ndindex(scores.shape):
    colour = "black" if scores[row, column] > scores.min() + 0.6 * np.ptp(scores) else "white"
    ax.text(column, row, f"{scores[row, column]:.3f}", ha="center", va="center", color=colour, size=8)
for params, colour, size, label in (
    (search.best_params_, "C5", 26, "grid"),
    (tuned.best_params_, "black", 34, "self-tuned"),
    ({"alpha": 10, "content_weight": 3}, "white", 18, "defaults"),
):
    place = grid["content_weight"].index(params["content_weight"]), grid["alpha"].index(params["alpha"])
    ax.plot(*place, "s", ms=size, mfc="none", mec=colour, mew=2, label=label)
ax.set(xlabel="content_weight", ylabel="alpha", title="NDCG@10 on held-out interactions")
ax.set_xticks(range(len(grid["content_weight"])), grid["content_weight"])
ax.set_yticks(range(len(grid["alpha"])), grid["alpha"])
ax.grid(False)
ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), facecolor="#dddddd", frameon=True, markerscale=0.4)
plt.show()
