"""A shop on a cluster
===================

Divide a log by users, embed titles, search, fit, train and recommend to all users on a cluster of Ray.

::

    pip install "skgnnrec[distributed]"
    python examples/ray_cluster.py

Here the cluster is two processes on this machine. On a real one, the script stays the same but for
``ray.init(address="auto")``, and the folder is one that all nodes see. If a node is lost, its work is repeated by the
others. If the script itself is interrupted, run it again with the same folder: what is written is not computed again.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import ray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skgnnrec import GNNRecommender, ItemCatalog, RidgeRecommender, distributed
from skgnnrec.datasets import make_interactions

folder = Path(sys.argv[1] if len(sys.argv) == 2 else tempfile.mkdtemp())
ray.init(num_cpus=2, object_store_memory=200_000_000, include_dashboard=False, ignore_reinit_error=True)

# %%
# The log of the shop comes in files by day, so that each user is in many of them. Sums over users need whole histories
# in one place: the first step divides the log by users.
data = make_interactions(1000, 200, n_interactions=20_000, random_state=0)
(folder / "log").mkdir(parents=True, exist_ok=True)
for day, events in enumerate(np.array_split(np.arange(len(data.events)), 5)):
    path = folder / "log" / f"day-{day}.parquet"
    if not path.exists():
        data.events.iloc[events].to_parquet(path)
columns = {"user": "user_id", "item": "item_id"}
shards = distributed.split_by_user(folder / "log", folder / "shards", n_shards=8, user="user_id")
sizes = [len(pd.read_parquet(shard)) for shard in shards]
print(f"{len(data.events)} interactions in {len(shards)} shards of {min(sizes)} to {max(sizes)}")

# %%
# The titles of the products are embedded in tasks of 50. Any transformer will do: a `TextEmbedder` has weights, which
# each process of a worker loads once.
titles = list(data["items"]["text"])
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(16, random_state=0)).fit(titles)
vectors = distributed.embed(titles, encoder, folder / "vectors", rows_per_task=50)
catalog = ItemCatalog(np.array(vectors, dtype=np.float32), ids=data.item_ids)
print(f"{vectors.shape[0]} titles as vectors of {vectors.shape[1]} dimensions")

# %%
# A search runs its fits on the cluster. A sample of the users suffices for the choice of a parameter. The matrix is
# stored once on each node, not once for each of the twelve fits.
search = GridSearchCV(RidgeRecommender(popularity_weight=0), {"alpha": [1, 10, 100, 1000]}, cv=3)
with distributed.ray_backend():
    search.fit(data.interactions[:500])
print("chosen:", search.best_params_)

# %%
# The recommender is fitted to sums over the shards, which are integers: the result is that of a fit on one machine.
recommender = RidgeRecommender(**search.best_params_, popularity_weight=0, catalog=catalog)
recommender = distributed.fit(recommender, shards, **columns)

# %%
# A graph neural network is trained by two processes, each with the users of four shards. If one of them is lost, both
# continue after the last epoch that is on the disk.
network = GNNRecommender(16, max_iter=3, catalog=catalog, checkpoint_dir=folder / "checkpoints")
network = distributed.fit(network, shards, n_workers=2, **columns)
print("loss in each epoch:", np.round(network.loss_curve_, 2))

# %%
# Each shard results in one file of recommendations, with a row for each user.
files = distributed.recommend(recommender, shards, folder / "lists", n_recommendations=5, **columns)
lists = pd.concat(map(pd.read_parquet, files)).set_index("user_id").sort_index()
print(f"lists of {len(lists)} users in {len(files)} files")
print(lists["items"].head(3).to_string())
