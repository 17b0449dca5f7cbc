"""Measure exported recommenders: graphs of ONNX, and indexes of nearest items.

    python benchmarks/export.py [--task T]

Graphs of ONNX run in onnxruntime with one thread, for single users. Their lists of 20 items are compared with those of
`recommend`: the share of users with the same list, and the largest difference of a score relative to the best score of
the list. The time of a call (p50) is beside that of `ranker`. The indexes of usearch and of voyager hold the item
embeddings of `GNNRecommender` on Gowalla, with the popularity bias as a further dimension. The result is the recall of
the best 100 items and the number of queries per second with one thread; the exact lists are those of a matrix product.
Rows are written to export.json.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import usearch.index
import voyager
from process import N_THREADS
from run import machine
from scipy import sparse
from tasks import TASKS

from skgnnrec import GNNRecommender, GraphFilterRecommender, RidgeRecommender
from skgnnrec.export import to_onnx

RESULTS = Path(__file__).parent / "export.json"
N, N_USERS, N_QUERIES, N_BEST = 20, 300, 3000, 100
GNN = {"embedding_dim": 64, "max_iter": 3, "early_stopping": False}
MODELS = {
    "RidgeRecommender": RidgeRecommender,
    "GraphFilterRecommender": GraphFilterRecommender,
    "GNNRecommender": lambda: GNNRecommender(**GNN),
}
NOT_ON = {"gowalla": ["RidgeRecommender"]}  # a matrix of 41,000 x 41,000 does not fit into memory
DEPTHS = [128, 256, 512]  # candidates that a search looks at


def of_graphs(task_name: str) -> list[dict[str, Any]]:
    """Return the rows of the graphs of ONNX of a task."""
    X = TASKS[task_name]("test").history
    asked = np.random.default_rng(0).choice(np.flatnonzero(np.diff(X.indptr)), N_USERS)
    names = [name for name in MODELS if name not in NOT_ON.get(task_name, [])]
    return [{"model": name, **compare(MODELS[name]().fit(X), X[asked])} for name in names]


def compare(model: Any, X: sparse.csr_array) -> dict[str, Any]:
    """Return how the lists and the times of a graph differ from those of its recommender."""
    items, scores = model.recommend(X, N)
    rank, histories = model.ranker(), np.split(X.indices, X.indptr[1:-1])
    session, mib = session_of(model)
    inputs = [
        {
            "positions": history[None].astype(np.int64),
            "weights": np.ones((1, len(history)), dtype=np.float32),
            "n": np.array([N]),
        }
        for history in histories
    ]
    found, of_graph = timed(lambda each: session.run(None, each), inputs)
    _, of_ranker = timed(lambda history: rank(history, n=N), histories)
    lists, best = (np.concatenate(part) for part in zip(*found, strict=True))
    return {
        "same_lists": float((lists == items).all(axis=1).mean()),
        "largest_difference": float((np.abs(best - scores).max(axis=1) / np.abs(scores).max(axis=1)).max()),
        "onnx_p50_ms": of_graph,
        "ranker_p50_ms": of_ranker,
        "mib": mib,
    }


def session_of(model: Any) -> tuple[Any, float]:
    """Return a session of onnxruntime with one thread, and the size of the graph in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        to_onnx(model, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(path, options), round(os.path.getsize(path) / 2**20, 1)


def timed(call: Callable[[Any], Any], inputs: list[Any]) -> tuple[list[Any], float]:
    """Return the results of calls, and the median of their milliseconds."""
    found, taken = [], []
    for each in inputs:
        before = time.perf_counter()
        found.append(call(each))
        taken.append(1e3 * (time.perf_counter() - before))
    return found, round(float(np.median(taken[10:])), 3)


def of_indexes() -> list[dict[str, Any]]:
    """Return the rows of the indexes."""
    X = TASKS["gowalla"]("test").history
    model = GNNRecommender(**GNN).fit(X)
    items = np.hstack([model.item_embedding_, model.item_bias_[:, None]]).astype(np.float32)
    users = model.transform(X[:N_QUERIES])
    queries = np.hstack([users, np.ones((len(users), 1), dtype=np.float32)])
    before = time.perf_counter()
    exact = [np.argpartition(-(items @ query), N_BEST)[:N_BEST] for query in queries]
    rows = [{"index": "exact", "recall": 1.0, "queries_per_s": round(len(queries) / (time.perf_counter() - before))}]
    for package, build in {"usearch": _usearch, "voyager": _voyager}.items():
        before = time.perf_counter()
        search = build(items)
        built = round(time.perf_counter() - before, 2)
        for depth in DEPTHS:
            before = time.perf_counter()
            found = search(queries, depth)
            seconds = time.perf_counter() - before
            recall = np.mean([len(np.intersect1d(a, b)) / N_BEST for a, b in zip(found, exact, strict=True)])
            row = {"index": package, "depth": depth, "build_s": built, "recall": round(float(recall), 4)}
            rows.append({**row, "queries_per_s": round(len(queries) / seconds)})
    return rows


def _usearch(items: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    index = usearch.index.Index(ndim=items.shape[1], metric="ip", dtype="f32", connectivity=16, expansion_add=128)
    index.add(np.arange(len(items), dtype=np.uint64), items, threads=N_THREADS)

    def search(queries: np.ndarray, depth: int) -> np.ndarray:
        index.expansion_search = depth
        return index.search(queries, N_BEST, threads=1).keys.astype(np.int64)

    return search


def _voyager(items: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    index = voyager.Index(voyager.Space.InnerProduct, num_dimensions=items.shape[1], M=16, ef_construction=128)
    index.add_items(items, num_threads=N_THREADS)
    return lambda queries, depth: index.query(queries, k=N_BEST, num_threads=1, query_ef=depth)[0].astype(np.int64)


def main() -> None:
    """Read the command line, measure, and write export.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=["online_retail", "beauty", "gowalla", "index"], action="append")
    given = parser.parse_args().task or ["online_retail", "beauty", "gowalla", "index"]
    for name in given:
        rows = of_indexes() if name == "index" else of_graphs(name)
        for row in rows:
            print(name, json.dumps(row), flush=True)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
        results["command"] = "python benchmarks/export.py"
        results["machine"] = {**machine(), "threads": N_THREADS}
        results["rows"][name] = rows
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
