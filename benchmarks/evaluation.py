"""Measure the metrics, parameter searches and leakage checks; write the figures to evaluation.json.

    python benchmarks/evaluation.py [metrics] [search] [leak]

- metrics: agreement with ranx (pip install ranx), and the time for the lists of all users of Gowalla.
- search: the time of 40 candidates in a search with a cache, and as separate fits.
- leak: the score with and without a leak, and the warnings.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from models import text_embedder
from run import machine
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from tasks import TASKS, Task

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, RankingScorer, ranking_metrics
from skgnnrec.model_selection import SameUsers, check_leakage, split_interactions

RESULTS = Path(__file__).parent / "evaluation.json"
GRID = {"low_pass_weight": np.linspace(0.2, 1.6, 8).tolist(), "content_weight": [0.03, 0.1, 0.2, 0.3, 0.6]}
N_SCORED = 2000  # users that are scored in a search
N_SEPARATE = 40  # candidates that are fitted separately


def seconds(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter, repeat: int = 1) -> tuple:
    """Return the shortest time of repeated calls and the result of the last call."""
    best = np.inf
    for _ in range(repeat):
        before = clock()
        result = call()
        best = min(best, clock() - before)
    return best, result


def measure_metrics() -> list[dict[str, Any]]:
    """Compare with ranx on the test part of Gowalla, with lists of the filter without its spectral part."""
    import ranx

    as_ranx(sparse.csr_array(np.eye(2)), np.eye(2, dtype=int))  # the first call compiles
    task = TASKS["gowalla"]("test")
    lists, _ = GraphFilterRecommender(n_components=0).fit(task.history).recommend(task.history, 100)
    users = np.flatnonzero(np.diff(task.held_out.indptr))
    held_out, lists = task.held_out[users], lists[users]
    rows = []
    for k in (20, 100):
        ours_s, ours = seconds(lambda k=k: ranking_metrics(held_out, lists, k=k), repeat=5)
        names = [f"{name}@{k}" for name in ours]
        build_s, (qrels, run) = seconds(lambda k=k: as_ranx(held_out, lists[:, :k]))
        ranx.evaluate(qrels, run, names)  # the first call compiles
        ranx_s, theirs = seconds(lambda n=names, q=qrels, r=run: ranx.evaluate(q, r, n), repeat=5)
        per_user = ranking_metrics(held_out, lists, k=k, average=False)["map"]
        n_held_out = np.diff(held_out.indptr)
        # ranx divides average precision by the number of held-out items, skgnnrec by min(that number, k).
        ours["map"] = float(np.mean(per_user * np.minimum(n_held_out, k) / n_held_out))
        row = {"users": len(users), "items": held_out.shape[1], "k": k, "metrics": ", ".join(ours)}
        row["largest difference"] = float(max(abs(ours[name] - theirs[f"{name}@{k}"]) for name in ours))
        row |= {"skgnnrec_s": round(ours_s, 3), "ranx_s": round(ranx_s, 3), "ranx_build_s": round(build_s, 2)}
        rows.append(row)
    return rows


def as_ranx(held_out: sparse.csr_array, lists: np.ndarray) -> tuple[Any, Any]:
    """Return held-out interactions and lists as objects of ranx."""
    from ranx import Qrels, Run

    ends = held_out.indptr
    names = np.arange(held_out.shape[1]).astype(str)
    truth = {str(u): dict.fromkeys(names[held_out.indices[ends[u] : ends[u + 1]]], 1) for u in range(len(lists))}
    scores = np.arange(lists.shape[1], 0, -1.0)
    return Qrels(truth), Run({str(u): dict(zip(names[row], scores, strict=True)) for u, row in enumerate(lists)})


def measure_search() -> list[dict[str, Any]]:
    """Compare searches with a cache with separate fits."""
    shop = TASKS["online_retail"]("validation")
    # Without its own cache, so that separate fits include the time of the vectors.
    encoder = text_embedder().set_params(cache=None)
    with_text = GraphFilterRecommender(catalog=ItemCatalog(shop.texts), item_encoder=encoder)
    weights = {"low_pass_weight": np.linspace(0.05, 2.0, 40).tolist()}
    places = TASKS["gowalla"]("validation")
    return [
        compare_costs("Online Retail, filter", GraphFilterRecommender(), shop, weights),
        compare_costs("Online Retail, ridge", RidgeRecommender(), shop, {"n_recommendations": list(range(1, 41))}),
        compare_costs("Online Retail, filter + TextEmbedder", with_text, shop, GRID),
        compare_costs("Gowalla, filter", GraphFilterRecommender(), places, weights),
    ]


def compare_costs(name: str, model: Any, task: Task, grid: dict, n_separate: int = N_SEPARATE) -> dict[str, Any]:
    """Return the seconds of a search and of separate fits. Both must give the same scores."""
    rng = np.random.default_rng(0)
    users = rng.permutation(np.flatnonzero(np.diff(task.held_out.indptr)))[:N_SCORED]
    is_scored = np.bincount(users, minlength=task.held_out.shape[0]).astype(np.float32)
    X, y = task.history, sparse.csr_array(sparse.diags_array(is_scored) @ task.held_out)
    candidates = list(ParameterGrid(grid))
    chosen = rng.permutation(len(candidates))[:n_separate]
    fits, scores = [], []
    for place in chosen:
        took, fitted = seconds(lambda c=candidates[place]: clone(model).set_params(**c).fit(X))
        fits.append(took)
        scores.append(fitted.score(X, y))
    ranked = []

    def scoring(fitted: Any, X: Any, y: Any) -> float:
        took, score = seconds(lambda: fitted.score(X, y))
        ranked.append(took)
        return score

    with tempfile.TemporaryDirectory() as folder:
        cached = clone(model).set_params(memory=joblib.Memory(folder, mmap_mode="r", verbose=0))
        search = GridSearchCV(cached, grid, cv=SameUsers(), refit=False, scoring=scoring)
        total, _ = seconds(lambda: search.fit(X, y))
    assert np.allclose(search.cv_results_["mean_test_score"][chosen], scores, rtol=1e-6)
    fit_each, search_fit = float(np.mean(fits)), total - sum(ranked)
    row = {
        "task": name,
        "candidates": len(candidates),
        "separate fits": len(fits),
        "fit alone, s": round(fit_each, 2),
        "all fits of the search, s": round(search_fit, 2),
        "all rankings of the search, s": round(sum(ranked), 2),
        "times cheaper, fits": round(len(candidates) * fit_each / search_fit, 1),
        "times cheaper, with ranking": round((len(candidates) * fit_each + sum(ranked)) / total, 1),
    }
    print(json.dumps(row), flush=True)
    return row


def measure_leak() -> list[dict[str, Any]]:
    """Score a ridge on MovieTweetings with a split by time, with the future in its fit, and with a random split."""
    task = TASKS["movietweetings"]("test")
    everything = sparse.csr_array(((task.history + task.held_out) > 0).astype(np.float32))
    scorer = JointScorer([RankingScorer("ndcg", k=10), RankingScorer("recall", k=10)])
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
    for part in sys.argv[1:] or list(PARTS):
        rows = PARTS[part]()
        print(json.dumps(rows, indent=2), flush=True)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[part] = {"machine": machine(), "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
