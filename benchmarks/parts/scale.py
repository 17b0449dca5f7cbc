"""Rates of one core, from which `scale.py` computes what a large problem needs on a cluster.

The sizes are beyond the caches of the processor, as those of a large problem are. Rates are those of the time of the
processor in a process with one thread. Other parts measure reading logs, embedding texts, indexes of nearest items, and
requests to the service.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import Row, Rows, Section, in_process, timed
from scipy import sparse

from skgnnrec import GNNRecommender
from skgnnrec.datasets import make_interactions

DIM = 64


def rates() -> Rows:
    """Yield the rate of each operation."""
    for name in OPERATIONS:
        yield in_process("scale", name, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")


def propagation() -> tuple[str, int, float]:
    """Return edges and seconds of the sums of item vectors over histories: 1 million items, 256 MB."""
    rng = np.random.default_rng(0)
    n_users, n_items, n_edges = 100_000, 1_000_000, 4_000_000
    items = (n_items * rng.random(n_edges) ** 2).astype(np.int32)  # popular items are more likely
    items = rng.permutation(n_items).astype(np.int32)[items]
    starts = np.arange(n_users + 1, dtype=np.int32) * (n_edges // n_users)
    X = sparse.csr_array((np.ones(n_edges, dtype=np.float32), items, starts), shape=(n_users, n_items))
    vectors = rng.standard_normal((n_items, DIM), dtype=np.float32)
    return f"edges with {DIM} numbers", n_edges, seconds(lambda: X @ vectors)


def statistics() -> tuple[str, int, float]:
    """Return pairs of items of one history and the seconds of their counts."""
    X = make_interactions(20_000, 50_000, n_interactions=600_000, random_state=0).interactions.astype(np.float32)
    n_pairs = int((np.diff(X.indptr).astype(np.int64) ** 2).sum())
    return "pairs of items", n_pairs, seconds(lambda: X.T.tocsr() @ X)


def training() -> tuple[str, int, float]:
    """Return interactions and seconds of an epoch without propagation; the preparation is not part of them."""
    X = make_interactions(20_000, 10_000, n_interactions=400_000, random_state=0).interactions
    options = {"embedding_dim": DIM, "n_negatives": 1024, "batch_size": 2048, "early_stopping": False, "device": "cpu"}
    GNNRecommender(max_iter=1, **options).fit(X[:1000])  # loads what is used first
    one, four = (seconds(lambda n=n: GNNRecommender(max_iter=n, **options).fit(X)) for n in (1, 4))
    return "interactions", X.nnz, (four - one) / 3


def seconds(call: Callable[[], Any]) -> float:
    """Return the time of the processor of a call."""
    return timed(call, clock=time.process_time)[0]


OPERATIONS = {each.__name__: each for each in (propagation, statistics, training)}


def worker(name: str) -> Row:
    """Return the rate of an operation."""
    unit, number, taken = OPERATIONS[name]()
    return {"operation": name, "unit": unit, "number": number, "cpu_s": round(taken, 3), "per_s": round(number / taken)}


SECTIONS = {"rates": Section("Rates of one core, beyond its caches", rates)}
