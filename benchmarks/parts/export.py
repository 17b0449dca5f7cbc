"""Exported recommenders: graphs of ONNX.

The graphs run in onnxruntime with one thread, for single users. Their lists of 20 items are compared with those of
`recommend`: the share of users with the same list, and the largest difference of a score relative to the best score of
the list. The time of a call (p50) is beside that of `ranker`.
"""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from common import Section, rounded, timed
from tasks import TASKS, TITLES

from skgnnrec import GNNRecommender, GraphFilterRecommender, RidgeRecommender
from skgnnrec.export import to_onnx

N, N_USERS = 20, 300
MODELS = {
    "RidgeRecommender": RidgeRecommender,
    "GraphFilterRecommender": GraphFilterRecommender,
    "GNNRecommender": lambda: GNNRecommender(embedding_dim=64, max_iter=3, early_stopping=False),
}


def graphs(task_name: str) -> Iterator[dict]:
    """Yield how the lists and the times of graphs of ONNX differ from those of the recommenders."""
    import onnxruntime

    X = TASKS[task_name]("test").history
    asked = X[np.random.default_rng(0).choice(np.flatnonzero(np.diff(X.indptr)), N_USERS)]
    histories, options = np.split(asked.indices, asked.indptr[1:-1]), onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for name, build in MODELS.items():
        if task_name == "gowalla" and name == "RidgeRecommender":
            continue  # a matrix of 41,000 x 41,000 does not fit into memory
        model = build().fit(X)
        items, scores = model.recommend(asked, N)
        rank = model.ranker()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            to_onnx(model, path)
            session, mib = onnxruntime.InferenceSession(path, options), round(os.path.getsize(path) / 2**20, 1)

        def run(history: np.ndarray, session: Any = session) -> Any:
            weights = np.ones((1, len(history)), dtype=np.float32)
            return session.run(
                None, {"positions": history[None].astype(np.int64), "weights": weights, "n": np.array([N])}
            )

        of_graph, found = zip(*(timed(lambda h=h, run=run: run(h)) for h in histories), strict=True)
        of_ranker, _ = zip(*(timed(lambda h=h, rank=rank: rank(h, n=N)) for h in histories), strict=True)
        lists, best = (np.concatenate(part) for part in zip(*found, strict=True))
        yield rounded({
            "model": name, "same_lists": float((lists == items).all(axis=1).mean()),
            "largest_difference": float((np.abs(best - scores).max(axis=1) / np.abs(scores).max(axis=1)).max()),
            "onnx_p50_ms": 1e3 * float(np.median(of_graph)), "ranker_p50_ms": 1e3 * float(np.median(of_ranker)),
            "mib": mib,
        }, 7)  # fmt: skip


SECTIONS = {
    name: Section(f"Exported graphs: {TITLES[name].partition(',')[0]}", partial(graphs, name))
    for name in ("online_retail", "beauty", "gowalla")
}
