"""
Film and video: a map of taste
==============================

MovieTweetings collects ratings that people sent to Twitter. The recommender learns from the viewers alone which films
resemble each other, and a map makes it visible.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec import GraphFilterRecommender, ItemCatalog
from skgnnrec.datasets import load_movietweetings
from skgnnrec.inspection import EmbeddingMapDisplay

plt.style.use("skgnnrec.inspection.style")

# %%
# Films that at least 30 people rated 6 or higher, and people with at least three of these films.
data = load_movietweetings()
liked = data.events[data.events["rating"] >= 6]
liked = liked[liked.groupby("item_id")["user_id"].transform("nunique") >= 30]
liked = liked[liked.groupby("user_id")["item_id"].transform("nunique") >= 3]
users, rows = np.unique(liked["user_id"], return_inverse=True)
films, columns = np.unique(liked["item_id"], return_inverse=True)
X = sparse.csr_array((np.ones(len(liked)), (rows, columns)), shape=(len(users), len(films)))
X.data[:] = 1
frame = data.item_frame.set_index("item_id").loc[films]
titles = frame["title"] + " (" + frame["year"].astype(str) + ")"
print(f"{len(users):,} people, {len(films):,} films")

# %%
# Similar films by the interactions alone.
recommender = GraphFilterRecommender(n_components=20, catalog=ItemCatalog(titles, ids=films), content_weight=0).fit(X)
neighbours = {}
for title in ("Star Wars (1977)", "Iron Man 3 (2013)", "The Dark Knight (2008)", "Amour (2012)"):
    film = titles.index[titles == title][0]
    similar, _ = recommender.similar_items([film], n=4)
    neighbours[title] = titles[similar[0]].tolist()
    print(f"{title}\n    " + "; ".join(neighbours[title]))

# %%
# A new viewer names two films, and gets a list without any fit.
basket = pd.DataFrame(
    np.isin(films, titles.index[titles.isin(["The Artist (2011)", "Amour (2012)"])])[None].astype(float)
)
items, _ = recommender.recommend(basket.to_numpy(), n_recommendations=5)
print("After The Artist and Amour: " + "; ".join(titles[items[0]]))

# %%
# Each point is a film; near points have the same audience. The recommender knows neither titles nor years, and still
# time orders the map: the films of the season are together, and the classics are far from them.
year = frame["year"].astype(int).to_numpy()
names = ["before 1995", "1995 to 2004", "2005 to 2010", "2011 and 2012", "2013"]
period = np.array(names)[np.searchsorted([1995, 2005, 2011, 2013], year, side="right")]
figure, ax = plt.subplots(figsize=(9.5, 6))
display = EmbeddingMapDisplay.from_estimator(recommender, texts=titles.to_numpy(), groups=period, ax=ax)
for title in ("Iron Man 3 (2013)", "Pulp Fiction (1994)", "Psycho (1960)", "Skyfall (2012)", "Inception (2010)"):
    place = display.coordinates[(titles == title).to_numpy()][0]
    ax.annotate(title, place, (6, 6), textcoords="offset points", weight="bold", size=9)
ax.set_title("Films with the same audience are near each other", pad=14)
plt.show()
