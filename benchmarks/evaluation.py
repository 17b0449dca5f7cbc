"""Measure the metrics, the searches and the guard; write the figures to evaluation.json.

    python benchmarks/evaluation.py [metrics] [search] [leak]

- metrics: do the ranking metrics agree with ranx (pip install ranx), and how long does either take on the lists of all
  users of Gowalla?
- search: what do 40 candidates that differ in the weights of the filter cost, in a search with a cache and one by one?
- leak: what does a leak add to the score, and is it caught?
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from models import text_embedder
from run import machine
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from tasks import TASKS

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, ndcg_at, ranking_metrics, recall_at
from skgnnrec.model_selection import SameUsers, check_leakage, split_interactions

RESULTS = Path(__file__).parent / "evaluation.json"
GRID = {"low_pass_weight": np.linspace(0.05, 0.4, 8).tolist(), "text_weight": [0.1, 0.2, 0.3, 0.6, 1.0]}
N_SCORED = 2000  # users that a search is scored on


def seconds(call: Callable[[], Any], repeat: int = 1) -> tuple[float, Any]:
    """Return the shortest time of some calls, and what the last one returned."""
    best = np.inf
    for _ in range(repeat):
        before = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - before)
    return best, result


def measure_metrics() -> list[dict[str, Any]]:
    """Compare with ranx on the test part of Gowalla, the lists from the filter without its low-pass part."""
    import ranx

    as_ranx(sparse.csr_array(np.eye(2)), np.eye(2, dtype=int))  # compiles
    task = TASKS["gowalla"]("test")
    lists, _ = GraphFilterRecommender(low_pass_weight=0).fit(task.history).recommend(task.history, 100)
    users = np.flatnonzero(np.diff(task.held_out.indptr))
    held_out, lists = task.held_out[users], lists[users]
    rows = []
    for k in (20, 100):
        ours_s, ours = seconds(lambda k=k: ranking_metrics(held_out, lists, k=k), 5)
        names = [f"{name}@{k}" for name in ours]
        build_s, (qrels, run) = seconds(lambda k=k: as_ranx(held_out, lists[:, :k]))
        ranx.evaluate(qrels, run, names)  # compiles
        ranx_s, theirs = seconds(lambda n=names, q=qrels, r=run: ranx.evaluate(q, r, n), 5)
        per_user = ranking_metrics(held_out, lists, k=k, average=False)["map"]
        n_held_out = np.diff(held_out.indptr)
        # ranx divides average precision by all held-out items, ours by the most that a list can hold.
        ours["map"] = float(np.mean(per_user * np.minimum(n_held_out, k) / n_held_out))
        row = {"users": len(users), "items": held_out.shape[1], "k": k, "metrics": ", ".join(ours)}
        row["largest difference"] = float(max(abs(ours[name] - theirs[f"{name}@{k}"]) for name in ours))
        row |= {"skgnnrec_s": round(ours_s, 3), "ranx_s": round(ranx_s, 3), "ranx_build_s": round(build_s, 2)}
        rows.append(row)
    return rows


def as_ranx(held_out: sparse.csr_array, lists: np.ndarray) -> tuple[Any, Any]:
    """Return truth and lists in the form of ranx."""
    from ranx import Qrels, Run

    ends = held_out.indptr
    names = np.arange(held_out.shape[1]).astype(str)
    truth = {str(u): dict.fromkeys(names[held_out.indices[ends[u] : ends[u + 1]]], 1) for u in range(len(lists))}
    scores = np.arange(lists.shape[1], 0, -1.0)
    return Qrels(truth), Run({str(u): dict(zip(names[row], scores, strict=True)) for u, row in enumerate(lists)})


def measure_search() -> list[dict[str, Any]]:
    """Compare a search of 40 candidates that shares its early work with 40 fits that do not."""
    shop = TASKS["online_retail"]("validation")
    with_text = GraphFilterRecommender(items=ItemCatalog(shop.texts), item_encoder=text_embedder())
    rows = [compare_costs("Online Retail, filter + TextEmbedder", with_text, shop.history, shop.held_out, GRID)]
    places = TASKS["gowalla"]("validation")
    grid = {"low_pass_weight": np.linspace(0.02, 0.8, 40).tolist()}
    rows.append(compare_costs("Gowalla, filter", GraphFilterRecommender(), places.history, places.held_out, grid))
    grid = {"n_recommendations": list(range(1, 41))}
    rows.append(compare_costs("Online Retail, ridge", RidgeRecommender(), shop.history, shop.held_out, grid))
    return rows


def compare_costs(name: str, model: Any, X: sparse.csr_array, y: sparse.csr_array, grid: dict) -> dict[str, Any]:
    """Return the seconds of both, the scores of which must be equal."""
    asked = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(y.indptr)))[:N_SCORED]
    keep = np.zeros(y.shape[0])
    keep[asked] = 1
    y = sparse.csr_array(sparse.diags_array(keep) @ y)  # fitted to all users, scored on some
    y.eliminate_zeros()
    fit_s, rank_s, alone = 0.0, 0.0, []
    for candidate in ParameterGrid(grid):
        took, fitted = seconds(lambda c=candidate: clone(model).set_params(**c).fit(X))
        ranked, score = seconds(lambda f=fitted: f.score(X, y))
        fit_s, rank_s = fit_s + took, rank_s + ranked
        alone.append(score)
    print(f"{name}: {len(alone)} fits {fit_s:.1f} s, ranked {rank_s:.1f} s", flush=True)
    with tempfile.TemporaryDirectory() as memory:
        search = GridSearchCV(clone(model).set_params(memory=memory), grid, cv=SameUsers(), refit=False)
        search_s, _ = seconds(lambda: search.fit(X, y))
    results = search.cv_results_
    assert np.allclose(results["mean_test_score"], alone, rtol=1e-6)
    search_fit_s = float(results["mean_fit_time"].sum())
    return {
        "task": name,
        "candidates": len(alone),
        "separate_fit_s": round(fit_s, 1),
        "search_fit_s": round(search_fit_s, 1),
        "fit_ratio": round(fit_s / search_fit_s, 1),
        "separate_rank_s": round(rank_s, 1),
        "search_rank_s": round(float(results["mean_score_time"].sum()), 1),
        "search_total_s": round(search_s, 1),
        "total_ratio": round((fit_s + rank_s) / search_s, 1),
    }


def measure_leak() -> list[dict[str, Any]]:
    """Score a ridge on MovieTweetings as it should be, with the future in its fit, and on a split at random."""
    task = TASKS["movietweetings"]("test")
    everything = sparse.csr_array(((task.history + task.held_out) > 0).astype(np.float32))
    scorer = JointScorer([ndcg_at(10), recall_at(10)])
    random_past, random_future = split_interactions(everything, test_size=0.2, random_state=0)
    rows = []
    for name, train, past, future in (
        ("the past only", task.history, task.history, task.held_out),
        ("the future is in the fit", everything, task.history, task.held_out),
        ("a random fifth is held out", random_past, random_past, random_future),
    ):
        times = sparse.csr_array(task.held_out + everything)  # 1 in the past, 2 in the future
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LeakageWarning)
            counts = check_leakage(train, future, timestamp=times)
            scores = scorer(RidgeRecommender().fit(train), past, future)
        messages = [str(w.message) for w in caught if w.category is LeakageWarning]
        rows.append({"fit on": name, **{k: round(v, 4) for k, v in scores.items()}, **counts, "warned": messages})
    return rows


PARTS: dict[str, Callable[[], Any]] = {"metrics": measure_metrics, "search": measure_search, "leak": measure_leak}


if __name__ == "__main__":
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in sys.argv[1:] or list(PARTS):
        results[part] = {"machine": machine(), "rows": PARTS[part]()}
        print(json.dumps(results[part]["rows"], indent=2), flush=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
