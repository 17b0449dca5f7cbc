"""Measure the influence of `popularity_exponent` of `GNNRecommender` on the training part of Gowalla.

    python benchmarks/prior.py

A fifth of the interactions of each user is held out, in two ways: at random, or as a block, the interactions nearest to
a random one in a space of 64 spectral dimensions. In the first case the held-out items resemble the history, in the
second case they do not. The model is trained for two epochs in each case. With a fixed number of epochs, the exponent
has no influence on the training. The script writes NDCG@20 and recall@20 for each exponent and for the graph filter to
prior.json. The test part is not used.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from models import build
from run import machine
from scipy import sparse
from scipy.sparse.linalg import svds
from tasks import TASKS, Task

from skgnnrec import GNNRecommender
from skgnnrec.metrics import ranking_metrics

HERE = Path(__file__).parent
EXPONENTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
K, EPOCHS, SHARE, DIM = 20, 2, 0.2, 64

Split = tuple[sparse.csr_array, sparse.csr_array]


def random_split() -> Split:
    """Hold out a random fifth of the interactions of each user: the validation part."""
    task = TASKS["gowalla"]("validation")
    return task.history, task.held_out


def block_split() -> Split:
    """Hold out the fifth of the interactions of each user that is nearest to a random one of them."""
    X = TASKS["gowalla"]("test").history
    rng = np.random.default_rng(0)
    n_users, n_items = (np.maximum(X.sum(axis=axis), 1) for axis in (1, 0))
    normalized = sparse.csr_array(X.multiply(n_users[:, None] ** -0.5).multiply(n_items**-0.5))
    _, _, right = svds(normalized, k=DIM, rng=0)
    items = right.T / np.maximum(np.linalg.norm(right.T, axis=1, keepdims=True), 1e-12)
    is_held_out = np.zeros(X.nnz, dtype=bool)
    for first, last in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        vectors = items[X.indices[first:last]]
        n_held_out = int(SHARE * len(vectors))
        if n_held_out:
            nearness = vectors @ vectors[rng.integers(len(vectors))]
            is_held_out[first + np.argsort(-nearness, kind="stable")[:n_held_out]] = True
    return _part(X, ~is_held_out), _part(X, is_held_out)


def _part(X: sparse.csr_array, is_kept: np.ndarray) -> sparse.csr_array:
    ends = np.concatenate([[0], np.cumsum(is_kept)])[X.indptr]
    return sparse.csr_array((X.data[is_kept], X.indices[is_kept], ends), shape=X.shape)


SPLITS: dict[str, Callable[[], Split]] = {"random": random_split, "block": block_split}


def measure(split: str) -> list[dict]:
    """Return a row for the filter and a row for each exponent."""
    history, held_out = SPLITS[split]()
    task = Task(history, None, held_out, None)
    rows = []

    def add(model: str, lists: np.ndarray, **more: float) -> None:
        metrics = ranking_metrics(held_out, lists)
        quality = {f"{name}@{K}": round(metrics[name], 4) for name in ("recall", "ndcg")}
        rows.append({"held out": split, "model": model, **more, **quality})
        print(json.dumps(rows[-1]), flush=True)

    add("filter", build("gowalla", "filter", task).fit(history).recommend(history, K)[0])
    model = GNNRecommender(max_iter=EPOCHS, early_stopping=False, popularity_exponent=0.0).fit(history)
    log_popularity = np.log1p(np.bincount(history.indices, minlength=history.shape[1]))
    for exponent in EXPONENTS:
        model.item_bias_[:] = model.temperature * exponent * log_popularity
        add(f"gnn, {EPOCHS} epochs", model.recommend(history, K)[0], popularity_exponent=exponent)
    return rows


if __name__ == "__main__":
    found = [row for split in SPLITS for row in measure(split)]
    results = {"command": "python benchmarks/prior.py", "machine": machine(), "rows": found}
    (HERE / "prior.json").write_text(json.dumps(results, indent=2) + "\n")
