"""Measure compressed models: bytes, accuracy and speed; write the figures to compression.json.

    python benchmarks/compression.py [--task T]

Each recommender is fitted once, with the settings of `run.py`, and compressed in several ways. The size is that of the
file that `save` writes, in MiB and relative to that of the recommender. The NDCG is that of all users of the test part,
with its ratio to that of the recommender. The latency is the median of 500 calls of the ranker for single users, in
milliseconds; the speed is that of `recommend` for 2,000 users, the best of three calls.

The task "text" is the graph of ONNX of the text embedder, as it is and with dynamic quantisation by onnxruntime. The
cosines are those with the vectors of the embedder, the NDCG is that of "ridge + text" on Online Retail.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from models import build, chosen_settings, text_embedder
from onnxruntime.quantization import quantize_dynamic
from process import N_THREADS
from run import RANK, machine
from scipy import sparse
from tasks import TASKS
from tokenizers import Tokenizer

from skgnnrec import ItemCatalog, compress, save
from skgnnrec.export import to_onnx
from skgnnrec.metrics import ranking_metrics
from skgnnrec.recommenders import BaseRecommender

RESULTS = Path(__file__).parent / "compression.json"
ROWS = {
    "online_retail": ["ridge", "ridge + text", "filter"],
    "beauty": ["ridge", "ridge + text", "filter + text"],
    "gowalla": ["filter"],  # a matrix of 41,000 x 41,000 does not fit into memory
}
WAYS: list[dict[str, Any]] = [
    {"dtype": "float16"},
    {"dtype": "int8"},
    {"n_largest": 100},
    {"n_largest": 200},
    {"n_largest": 400},
    {"rank": 256},
    {"rank": 512},
]
N_CALLS, N_USERS, ROUNDS = 500, 2000, 3
BATCH = 64  # texts


def measure(task_name: str, model_name: str) -> list[dict[str, Any]]:
    """Return the rows of a recommender."""
    decay = chosen_settings(task_name, model_name).get("decay")
    task = TASKS[task_name]("test", decay) if decay else TASKS[task_name]("test")
    histories = task.history if task.recent is None else task.recent
    k = RANK.get(task_name, 10)
    full = build(task_name, model_name, task).fit(histories)
    rows: list[dict[str, Any]] = []
    for way in [{}, *WAYS]:
        before = time.perf_counter()
        rec = compress(full, **way) if way else full
        compressed = time.perf_counter()
        mib = size_of(rec)
        ndcg = float(ranking_metrics(task.held_out, rec.recommend(histories, k)[0])["ndcg"])
        first = rows[0] if rows else {"MiB": mib, f"ndcg@{k}": ndcg}
        rows.append(
            {
                "recommender": model_name,
                "compress": ", ".join(f"{name}={value!r}" for name, value in way.items()),
                "MiB": mib,
                "share of bytes": mib / first["MiB"],
                f"ndcg@{k}": ndcg,
                "ratio of ndcg": ndcg / first[f"ndcg@{k}"],
                "ranker_p50_ms": latency(rec, histories, k),
                "users_per_s": speed(rec, histories, k),
                "compress_s": compressed - before if way else "",
            }
        )
    digits = {"MiB": 1, "share of bytes": 3, f"ndcg@{k}": 5, "ratio of ndcg": 4, "ranker_p50_ms": 3, "compress_s": 1}
    return [
        {name: round(value, digits[name]) if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    ]


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
        before = time.perf_counter()
        rank(X.indices[row], X.data[row], k)
        taken.append(1e3 * (time.perf_counter() - before))
    return float(np.median(taken))


def speed(rec: BaseRecommender, X: sparse.csr_array, k: int) -> int:
    """Return the users per second of `recommend`."""
    X = X[np.random.default_rng(0).choice(X.shape[0], N_USERS)]
    taken = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        rec.recommend(X, k)
        taken.append(time.perf_counter() - before)
    return round(N_USERS / min(taken))


def of_embedder() -> list[dict[str, Any]]:
    """Return the rows of the text embedder."""
    settings = chosen_settings("online_retail", "ridge + text")
    task = TASKS["online_retail"]("test", settings["decay"])
    embedder = text_embedder()
    expected, rows = embedder.fit_transform(task.texts), []
    with tempfile.TemporaryDirectory() as folder:
        full, small = os.path.join(folder, "full.onnx"), os.path.join(folder, "small.onnx")
        to_onnx(embedder, full)
        quantize_dynamic(full, small)
        for name, path in (("float32", full), ("int8", small)):
            vectors, seconds = vectors_of(path, os.path.join(embedder.model, "tokenizer.json"), task.texts)
            rec = build("online_retail", "ridge + text", task).set_params(catalog=ItemCatalog(vectors))
            ranked, _ = rec.fit(task.recent).recommend(task.recent, 10)
            cosines = np.einsum("ij,ij->i", vectors, expected) / np.linalg.norm(vectors, axis=1)
            rows.append(
                {
                    "graph": name,
                    "MiB": round(os.path.getsize(path) / 2**20, 1),
                    "mean cosine": round(float((cosines / np.linalg.norm(expected, axis=1)).mean()), 4),
                    "ndcg@10": round(float(ranking_metrics(task.held_out, ranked)["ndcg"]), 5),
                    "texts_per_s": round(len(vectors) / seconds),
                }
            )
    return rows


def vectors_of(path: str, tokenizer: str, texts: list[str]) -> tuple[np.ndarray, float]:
    """Return the vectors of texts by a graph of ONNX with one thread, and the seconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session, encode = onnxruntime.InferenceSession(path, options), Tokenizer.from_file(tokenizer)
    encode.enable_padding()
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors: list[Any] = [None] * len(texts)
    before = time.perf_counter()
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        encoded = encode.encode_batch([texts[place] for place in batch])
        inputs = {
            "input_ids": np.array([each.ids for each in encoded]),
            "attention_mask": np.array([each.attention_mask for each in encoded]),
        }
        for place, vector in zip(batch, session.run(None, inputs)[0], strict=True):
            vectors[place] = vector
    return np.array(vectors), time.perf_counter() - before


def main() -> None:
    """Read the command line, measure, and write compression.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=[*ROWS, "text"], action="append", help="default: all")
    for task_name in parser.parse_args().task or [*ROWS, "text"]:
        models = ROWS.get(task_name, [])
        rows = [row for model_name in models for row in measure(task_name, model_name)] or of_embedder()
        for row in rows:
            print(task_name, json.dumps(row), flush=True)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[task_name] = {"machine": {**machine(), "threads": N_THREADS}, "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
