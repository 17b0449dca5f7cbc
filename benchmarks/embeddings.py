"""Measure item vectors from interactions: item2vec in closed form beside a spectral embedding; write embeddings.json.

    python benchmarks/embeddings.py

The data are the purchases of Online Retail, the test part. Vectors are learned from histories (all pairs of items of
a user) or from baskets (pairs of one time, and of neighbouring times). `ContentRecommender` ranks the items by cosines
with the history. Columns:

- ndcg@10, recall@10: of what the users bought in the held-out time, from their histories;
- completion, ndcg@10: of one half of what a user bought in the held-out time, from the other half;
- seconds: of learning the vectors.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from models import embed
from run import machine
from scipy import sparse
from tasks import TASKS, Task

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog
from skgnnrec.embedding import ItemToVec
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.model_selection import split_interactions

RESULTS = Path(__file__).parent / "embeddings.json"
DIMENSIONS = (64, 128, 256)
VECTORS: dict[str, Callable[[Task, int], np.ndarray]] = {
    "spectral, histories": lambda task, n: GraphFilterRecommender(n_components=n).fit(task.history).item_embedding_,
    "ItemToVec, histories": lambda task, n: ItemToVec(n).fit(task.history).item_vectors_,
    "ItemToVec, baskets": lambda task, n: ItemToVec(n, window=0).fit(task.recent).item_vectors_,
    "ItemToVec, neighbouring baskets": lambda task, n: ItemToVec(n, window=1).fit(task.recent).item_vectors_,
}


def row_of(name: str, vectors: np.ndarray, task: Task, halves: tuple, seconds: float | str) -> dict[str, Any]:
    """Return the accuracy of the nearest items."""
    used = np.where(np.linalg.norm(vectors, axis=1, keepdims=True) > 0, vectors, 1e-9)
    rec = ContentRecommender(catalog=ItemCatalog(used)).fit(task.history)
    lists, _ = rec.recommend(task.recent, 10)
    completed, _ = rec.recommend(halves[0], 10)
    return {
        "vectors": name,
        "dimensions": vectors.shape[1],
        "ndcg@10": round(float(ndcg_at_k(task.held_out, lists)), 4),
        "recall@10": round(float(recall_at_k(task.held_out, lists)), 4),
        "completion, ndcg@10": round(float(ndcg_at_k(halves[1], completed)), 4),
        "seconds": seconds,
    }


def main() -> None:
    """Measure and write embeddings.json."""
    task = TASKS["online_retail"]("test")
    halves = split_interactions(sparse.csr_array(task.held_out), hold_out="random", test_size=0.5, random_state=0)
    rows = [row_of("texts, MiniLM", embed("online_retail", task), task, halves, "")]
    for n in DIMENSIONS:
        for name, learn in VECTORS.items():
            before = time.perf_counter()
            vectors = learn(task, n)
            rows.append(row_of(name, vectors, task, halves, round(time.perf_counter() - before, 1)))
            print(rows[-1], flush=True)
    RESULTS.write_text(json.dumps({"embeddings": {"machine": machine(), "rows": rows}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
