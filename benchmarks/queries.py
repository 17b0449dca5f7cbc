"""Measure rankings that a sentence steers, and what explanations say; write the figures to queries.json.

    python benchmarks/queries.py [task ...]

Each user asks for one held-out item, by half of the words of its description. The weight of the query is selected on
the validation part. For explanations, the items of the history with the largest contributions to the best
recommendation are removed from the history (deletion), or kept alone (insertion), and so are random items.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from models import text_embedder
from run import machine
from scipy import sparse
from tasks import TASKS, Task

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.inspection import explain
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.recommenders import BaseRecommender

PATH = Path(__file__).parent / "queries.json"
WEIGHTS = (0.3, 0.5, 0.7, 0.8, 0.9)
N_USERS, N_EXPLAINED = 1500, 300
SHARES = (0.1, 0.25, 0.5)  # of the history


def fit_all(task: Task) -> dict[str, BaseRecommender]:
    """Return fitted recommenders with the texts of the items."""
    items = {"catalog": ItemCatalog(task.texts), "item_encoder": text_embedder()}
    kinds = {"ridge + text": RidgeRecommender, "filter + text": GraphFilterRecommender, "text": ContentRecommender}
    return {name: kind(**items).fit(task.history) for name, kind in kinds.items()}


def questions(task: Task) -> tuple[sparse.csr_array, sparse.csr_array, list[str]]:
    """Return histories, one held-out item for each, and half of the words of its description."""
    rng = np.random.default_rng(0)
    histories = task.history if task.recent is None else task.recent
    users = np.sort(rng.permutation(np.flatnonzero(np.diff(task.held_out.indptr)))[:N_USERS])
    items = np.array([rng.choice(task.held_out[[user]].indices) for user in users])
    wanted = sparse.csr_array((np.ones(len(users)), (np.arange(len(users)), items)), (len(users), histories.shape[1]))
    return histories[users], wanted, [_half(task.texts[item], rng) for item in items]


def _half(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = np.sort(rng.permutation(len(words))[: max(1, len(words) // 2)])
    return " ".join(words[place] for place in kept)


def steer(model: BaseRecommender, asked: tuple, weight: float | None) -> dict:
    """Return the accuracy with one weight of the query; None ranks by the history alone."""
    X, wanted, queries = asked
    before = time.perf_counter()
    steering = {} if weight is None else {"query": queries, "query_weight": weight}
    ranked, _ = model.recommend(X, 10, **steering)
    seconds = time.perf_counter() - before
    return {
        "ndcg@10": round(ndcg_at_k(wanted, ranked), 4),
        "recall@10": round(recall_at_k(wanted, ranked), 4),
        "ms_per_user": round(1000 * seconds / X.shape[0], 2),
    }


def rows_of_queries(name: str) -> list[dict]:
    """Return the accuracy of history and query, alone and together, on both parts of a task."""
    rows = []
    for part in ("validation", "test"):
        task = TASKS[name](part)
        asked = questions(task)
        for model_name, model in fit_all(task).items():
            for weight in (None, *WEIGHTS, 1.0):
                row = {"data": name, "part": part, "recommender": model_name, "weight": weight}
                rows.append({**row, **steer(model, asked, weight)})
                print(rows[-1], flush=True)
    return rows


def rows_of_explanations(name: str) -> list[dict]:
    """Return how much the score of the best item falls without its reasons, or without random items."""
    task, rng, rows = TASKS[name]("test"), np.random.default_rng(0), []
    users = np.flatnonzero(np.diff(task.history.indptr) >= 10)
    X = task.history[np.sort(rng.permutation(users)[:N_EXPLAINED])]
    for model_name, model in fit_all(task).items():
        if model_name == "text":
            continue
        best, before = model.recommend(X, 1)
        found = explain(model, X, best).groupby(["user", "source"])["contribution"].sum()
        for share in SHARES:
            names = ("deletion", "deletion, random", "insertion", "insertion, random")
            changes: dict[str, list[float]] = {kind: [] for kind in names}
            for row in range(X.shape[0]):
                items = X.indices[X.indptr[row] : X.indptr[row + 1]]
                n = max(1, round(share * len(items)))
                reasons = found.get(row)
                ranked = {"": items[np.argsort(-reasons.reindex(items).fillna(0).to_numpy(), kind="stable")]}
                ranked[", random"] = rng.permutation(items)
                for kind, order in ranked.items():
                    for what, kept in (("deletion", order[n:]), ("insertion", order[:n])):
                        history = np.zeros((1, X.shape[1]))
                        history[0, kept] = 1
                        score = model.decision_function(history)[0, best[row, 0]]
                        changes[what + kind].append(score / before[row, 0])
            shares = {what: round(float(np.median(values)), 3) for what, values in changes.items()}
            rows.append({"data": name, "recommender": model_name, "share": share, **shares})
            print(rows[-1], flush=True)
    return rows


def main(names: list[str]) -> None:
    """Measure tasks, and keep the rows of the others."""
    results = json.loads(PATH.read_text()) if PATH.exists() else {}
    for kind, measure in (("queries", rows_of_queries), ("explanations", rows_of_explanations)):
        for name in names:
            kept = [row for row in results.get(kind, {}).get("rows", []) if row["data"] != name]
            results[kind] = {"rows": kept + measure(name), "machine": machine()}
            PATH.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["online_retail"])
