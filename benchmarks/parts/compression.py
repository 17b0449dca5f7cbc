"""Compressed models: bytes, accuracy and speed.

Each recommender is fitted once, with the settings of results, and compressed in several ways. The size is that of the
file that `save` writes, in MiB and relative to that of the recommender. The NDCG is that of all users of the test part,
with its ratio to that of the recommender. The latency is the median of 500 calls of the ranker for single users, in
milliseconds; the speed is that of `recommend` for 2,000 users, the best of three calls.
"""

import os
import tempfile
from typing import Any

import numpy as np
from common import Rows, rounded, sections, timed
from models import build, load
from scipy import sparse
from tasks import RANK

from skgnnrec import compress, save
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

ROWS = {
    "online_retail": ("ridge", "ridge + text", "filter"),
    "beauty": ("ridge", "ridge + text", "filter + text"),
    "gowalla": ("filter",),  # a matrix of 41,000 x 41,000 does not fit into memory
}
WAYS: list[dict[str, Any]] = [{}, {"dtype": "float16"}, {"dtype": "int8"}]
WAYS += [{"n_largest": 100}, {"n_largest": 200}, {"n_largest": 400}, {"rank": 256}, {"rank": 512}]
N_CALLS, N_USERS = 500, 2000


def rows_of(task_name: str) -> Rows:
    """Yield the rows of the recommenders of a task."""
    for model_name in ROWS[task_name]:
        task, k = load(task_name, model_name), RANK.get(task_name, 10)
        some = task.histories[np.random.default_rng(0).choice(task.histories.shape[0], N_USERS)]
        full, first = build(task_name, model_name, task).fit(task.histories), None
        for way in WAYS:
            taken, rec = timed(lambda way=way, full=full: compress(full, **way) if way else full)
            mib, ndcg = size_of(rec), ndcg_at_k(task.held_out, rec.recommend(task.histories, k)[0])
            first = first or (mib, ndcg)
            speed, _ = timed(lambda rec=rec, some=some, k=k: rec.recommend(some, k), 3)
            yield {
                "recommender": model_name,
                "compress": ", ".join(f"{name}={value!r}" for name, value in way.items()),
                "MiB": round(mib, 1),
                **rounded({"share of bytes": mib / first[0], f"ndcg@{k}": ndcg, "ratio of ndcg": ndcg / first[1]}, 5),
                "ranker_p50_ms": latency(rec, task.histories, k),
                "users_per_s": round(N_USERS / speed),
                "compress_s": round(taken, 1) if way else "",
            }


def size_of(rec: BaseRecommender) -> float:
    """Return the size of the file of a recommender, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "recommender.skgnnrec")
        save(rec, path)
        return os.path.getsize(path) / 2**20


def latency(rec: BaseRecommender, X: sparse.csr_array, k: int) -> float:
    """Return the median of the milliseconds of a call of the ranker."""
    rank, taken = rec.ranker(), []
    for user in np.random.default_rng(0).choice(X.shape[0], N_CALLS):
        row = slice(X.indptr[user], X.indptr[user + 1])
        taken.append(1e3 * timed(lambda row=row: rank(X.indices[row], X.data[row], k))[0])
    return round(float(np.median(taken)), 3)


SECTIONS = sections("Compressed recommenders: {}", rows_of, ROWS)
