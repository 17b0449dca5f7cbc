"""Find operations that have become slower, in units of a reference operation on the same machine.

    python benchmarks/guard.py            compare with guard.json; exit status 1 if an operation takes 1.5 times as long
    python benchmarks/guard.py --store    store the measured times as the new standard

The reference consists of similar operations (products, sums over a sparse matrix, a selection) in NumPy and SciPy. The
operation and the reference take turns on one thread, and the shortest of several runs counts. This reduces the
influence of the processor and of other processes. Operations that seem slower are measured again.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from run import machine
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec import GNNRecommender, GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import paired_bootstrap, split_interactions
from skgnnrec.ranking import top_k

STANDARD = Path(__file__).parent / "guard.json"
RUNS, TRIES = 7, 3
TOLERANCE = 1.5
ONE_BY_ONE = 50  # users in separate calls

Operation = Callable[[], Any]


def reference() -> Operation:
    """Return the reference operation."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((400, 400)).astype(np.float32)
    S = sparse.random_array((1500, 1500), density=0.02, random_state=0, dtype=np.float32, format="csr")
    scores = rng.standard_normal((300, 1500)).astype(np.float32)

    def run() -> None:
        A @ A @ A
        S @ S
        np.partition(scores, 1480, axis=1)

    return run


def operations() -> dict[str, Operation]:
    """Return the measured operations by name."""
    data = make_interactions(3000, 1200, n_interactions=60_000, random_state=0)
    X, log = data.interactions, data.events
    vectors = np.random.default_rng(0).standard_normal((1200, 64)).astype(np.float32)
    catalog = ItemCatalog(vectors)
    gnn = {"embedding_dim": 32, "max_iter": 1, "early_stopping": False, "device": "cpu"}
    fitted = {
        "filter": GraphFilterRecommender(catalog=catalog).fit(X),
        "ridge": RidgeRecommender(catalog=catalog).fit(X),
        "gnn": GNNRecommender(**gnn).fit(X),
    }
    lists = fitted["ridge"].recommend(X, 20)[0]
    scores = fitted["ridge"].decision_function(X)
    past, future = split_interactions(X, random_state=0)
    per_user = {name: np.random.default_rng(i).random(3000) for i, name in enumerate("ab")}
    watched: dict[str, Operation] = {
        "fit filter + vectors": lambda: GraphFilterRecommender(catalog=catalog).fit(X),
        "fit ridge + vectors": lambda: RidgeRecommender(catalog=catalog).fit(X),
        "fit gnn, one epoch": lambda: GNNRecommender(**gnn).fit(X),
        "fit log of ridge": lambda: LogRecommender(RidgeRecommender(), user="user_id", item="item_id").fit(log),
        "top_k": lambda: top_k(scores, 20),
        "ranking_metrics": lambda: ranking_metrics(X, lists),
        "split_interactions": lambda: split_interactions(X, random_state=0),
        "paired_bootstrap": lambda: paired_bootstrap(per_user),
        "score ridge": lambda: fitted["ridge"].score(past, future),
    }
    for name, model in fitted.items():
        watched[f"recommend {name}, all users"] = lambda model=model: model.recommend(X)
        one = [X[[user]] for user in range(ONE_BY_ONE)]
        watched[f"recommend {name}, {ONE_BY_ONE} users one by one"] = lambda model=model, one=one: [
            model.recommend(row) for row in one
        ]
    return watched


def measure(operation: Operation, unit: Operation) -> float:
    """Return the time of an operation in units of the reference."""
    best = {"operation": np.inf, "unit": np.inf}
    for _ in range(RUNS):
        for name, call in (("unit", unit), ("operation", operation)):
            before = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - before)
    return best["operation"] / best["unit"]


def compare(watched: dict[str, Operation], unit: Operation, standard: dict[str, float]) -> list[str]:
    """Return the operations that have become slower."""
    slower = []
    for name, operation in watched.items():
        ratio = min(measure(operation, unit) for _ in range(2))
        for _ in range(TRIES):
            if ratio <= TOLERANCE * standard.get(name, np.inf):
                break
            ratio = min(ratio, measure(operation, unit))
        change = ratio / standard.get(name, np.nan)
        print(f"{name:45} {ratio:8.2f} units, {change:5.2f} times the standard", flush=True)
        if change > TOLERANCE:
            slower.append(name)
    return slower


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", action="store_true", help="store the measured times as the new standard")
    given = parser.parse_args()
    with threadpool_limits(1):
        watched, unit = operations(), reference()
        if given.store:
            ratios = {name: round(min(measure(call, unit) for _ in range(2)), 3) for name, call in watched.items()}
            stored = {"command": "python benchmarks/guard.py --store", "machine": machine(), "ratios": ratios}
            STANDARD.write_text(json.dumps(stored, indent=2) + "\n")
        slower = compare(watched, unit, json.loads(STANDARD.read_text())["ratios"])
    if slower:
        raise SystemExit(f"slower than {TOLERANCE} times the standard: {', '.join(slower)}")
