"""Exported recommenders: graphs of ONNX.

The graphs run in onnxruntime with one thread, for single users. Their lists of 20 items are compared with those of
`recommend`: the share of users with the same list, and the largest difference of a score relative to the best score of
the list. The time of a call (p50) is beside that of `ranker`.
"""

import os
import tempfile
from typing import Any

import numpy as np
from common import Rows, rounded, sections, timed
from tasks import TASKS, nonempty

from skgnnrec import GNNRecommender, GraphFilterRecommender, RidgeRecommender
from skgnnrec.export import to_onnx

N, N_USERS = 20, 300
MODELS = (
    RidgeRecommender(),
    GraphFilterRecommender(),
    GNNRecommender(embedding_dim=64, max_iter=3, early_stopping=False),
)


def graphs(task_name: str) -> Rows:
    """Yield how the lists and the times of graphs of ONNX differ from those of the recommenders."""
    import onnxruntime

    X = TASKS[task_name]("test").history
    asked = X[np.random.default_rng(0).choice(nonempty(X), N_USERS)]
    histories, options = np.split(asked.indices, asked.indptr[1:-1]), onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # The ridge of Gowalla, a matrix of 41,000 x 41,000, does not fit into memory.
    for model in MODELS[1:] if task_name == "gowalla" else MODELS:
        items, scores = model.fit(X).recommend(asked, N)
        rank = model.ranker()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            to_onnx(model, path)
            session, mib = onnxruntime.InferenceSession(path, options), round(os.path.getsize(path) / 2**20, 1)

        def run(history: np.ndarray, session: Any = session) -> Any:
            weights = np.ones((1, len(history)), dtype=np.float32)
            positions = history[None].astype(np.int64)
            return session.run(None, {"positions": positions, "weights": weights, "n": np.array([N])})

        of_graph, found = zip(*(timed(lambda h=h, run=run: run(h)) for h in histories), strict=True)
        of_ranker, _ = zip(*(timed(lambda h=h, rank=rank: rank(h, n=N)) for h in histories), strict=True)
        lists, best = (np.concatenate(part) for part in zip(*found, strict=True))
        differences = np.abs(best - scores).max(axis=1) / np.abs(scores).max(axis=1)
        row = {"model": type(model).__name__, "same_lists": float((lists == items).all(axis=1).mean())}
        row |= {"largest_difference": float(differences.max()), "onnx_p50_ms": 1e3 * float(np.median(of_graph))}
        yield rounded(row | {"ranker_p50_ms": 1e3 * float(np.median(of_ranker)), "mib": mib}, 7)


SECTIONS = sections("Exported graphs: {}", graphs, ("online_retail", "beauty", "gowalla"))
