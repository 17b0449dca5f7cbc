"""Saved recommenders are loaded and answer where neither torch nor the libraries of text models are installed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from skgnnrec import (
    GNNRecommender,
    GraphFilterRecommender,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
    save,
)
from skgnnrec.compose import CompressedRecommender

WITHOUT = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "dgl"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import numpy as np
import skgnnrec
rec = skgnnrec.load(sys.argv[1])
if isinstance(rec, skgnnrec.LogRecommender):
    lists = [rec.recommend(["user 1"], 5)[0][0].tolist(), rec.ranker()("user 1", 5)[0].tolist()]
else:
    histories = np.eye(40)[:7] + np.eye(40)[5:12]
    lists = [rec.recommend(histories, 5)[0].tolist(), rec.ranker().batch([[0, 5], [3, 8]], n=5)[0].tolist()]
    rec.score(histories), rec.transform(histories), rec.similar_items([3])
print(json.dumps(lists))
"""
RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "ridge": RidgeRecommender(),
    "filter": GraphFilterRecommender(n_components=8),
    "compressed": CompressedRecommender(GraphFilterRecommender(n_components=8), rank=16),
    "gnn": GNNRecommender(embedding_dim=8, conv="lightgcn", max_iter=2, device="cpu"),
    "sequence": SequenceRecommender(embedding_dim=8, max_iter=2, device="cpu"),
}


def lists_of(path):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_recommender_answers_without_torch(name, X, path):
    rec = RECOMMENDERS[name].fit(sparse.csr_array(X))
    save(rec, path)
    histories = np.eye(40)[:7] + np.eye(40)[5:12]
    many, few = lists_of(path)
    assert many == rec.recommend(histories, 5)[0].tolist()
    assert few == [many[0], many[3]]


def test_a_log_recommender_answers_without_torch(X, path):
    users, items = X.nonzero()
    log = {"user": [f"user {user}" for user in users], "item": items.tolist()}
    rec = LogRecommender(RidgeRecommender()).fit(log)
    save(rec, path)
    assert lists_of(path) == [rec.recommend(["user 1"], 5)[0][0].tolist()] * 2
