"""Item vectors from interactions: item2vec in closed form beside a spectral embedding.

The data are the purchases of Online Retail, the test part. Vectors are learned from histories (all pairs of items of
a user) or from baskets (pairs of one time, and of neighbouring times). `ContentRecommender` ranks the items by cosines
with the history. Columns:

- ndcg@10, recall@10: of what the users bought in the held-out time, from their histories;
- completion, ndcg@10: of one half of what a user bought in the held-out time, from the other half;
- seconds: of learning the vectors.
"""

from collections.abc import Callable

import numpy as np
from common import Row, Rows, Section, timed
from models import embed
from tasks import TASKS, Task, accuracy

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog
from skgnnrec.embedding import ItemToVec
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import split_interactions

VECTORS: dict[str, Callable[[Task, int], np.ndarray]] = {
    "spectral, histories": lambda task, n: GraphFilterRecommender(n_components=n).fit(task.history).item_embedding_,
    "ItemToVec, histories": lambda task, n: ItemToVec(n).fit(task.history).item_vectors_,
    "ItemToVec, baskets": lambda task, n: ItemToVec(n, window=0).fit(task.recent).item_vectors_,
    "ItemToVec, neighbouring baskets": lambda task, n: ItemToVec(n, window=1).fit(task.recent).item_vectors_,
}


def rows_of() -> Rows:
    """Yield the rows of all vectors."""
    task = TASKS["online_retail"]("test")
    yield row_of("texts, MiniLM", embed("online_retail", task), task)
    for n in (64, 128, 256):
        for name, learn in VECTORS.items():
            seconds, vectors = timed(lambda learn=learn, n=n: learn(task, n))
            yield row_of(name, vectors, task, round(seconds, 1))


def row_of(name: str, vectors: np.ndarray, task: Task, seconds: float | str = "") -> Row:
    """Return the accuracy of the nearest items."""
    used = np.where(np.linalg.norm(vectors, axis=1, keepdims=True) > 0, vectors, 1e-9)
    rec = ContentRecommender(catalog=ItemCatalog(used)).fit(task.history)
    known, asked = split_interactions(task.held_out, hold_out="random", test_size=0.5, random_state=0)
    completed = round(ndcg_at_k(asked, rec.recommend(known, 10)[0]), 4)
    row = {
        "vectors": name,
        "dimensions": vectors.shape[1],
        **accuracy(task.held_out, rec.recommend(task.recent, 10)[0]),
    }
    return {**row, "completion, ndcg@10": completed, "seconds": seconds}


TITLE = "Item vectors from interactions: Online Retail, ranked by ContentRecommender"
SECTIONS = {"embeddings": Section(TITLE, rows_of)}
