"""Measure re-rankers: accuracy against diversity, calibration, novelty and exposure, and time; write reranking.json.

    python benchmarks/reranking.py [--task T]

The recommender has the settings of `run.py`: the ridge with texts on Online Retail, the filter with texts on Amazon
Beauty. It is fitted once with a cache, and each re-ranker takes 100 candidates of each user of the test part. The
strength is `diversity`, `calibration`, `novelty`, or the minimum share of the long tail. Columns:

- ndcg@10: of the held-out items; relative: the ratio to that of the recommender alone;
- diversity: the mean cosine distance of text vectors in a list;
- miscalibration: the divergence of the categories in a list from those in the history, in nats. The categories are 30
  clusters of the text vectors;
- novelty: the mean of -log2 of the share of users who have the item;
- tail: the share of the long tail in the lists, which are all items but those with the most users, which together have
  80 % of the interactions;
- coverage: the share of the items that are in a list.

The times are those of 1,000 candidates for each of 2,000 users, in milliseconds for a user, the best of three calls,
with the ranking by the recommender. The recommender alone, which is "none", has lists of 10 and of 1,000 items.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from models import build, chosen_settings, embed
from process import N_THREADS
from run import machine
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from tasks import TASKS, Task

from skgnnrec import ItemCatalog
from skgnnrec.metrics import catalog_coverage, intra_list_diversity, miscalibration, ndcg_at_k, novelty
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.reranking import (
    CalibratedRecommender,
    DiverseRecommender,
    FairRecommender,
    LongTailRecommender,
    RulesRecommender,
)

RESULTS = Path(__file__).parent / "reranking.json"
MODELS = {"online_retail": "ridge + text", "beauty": "filter + text"}
STRENGTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
RERANKERS: dict[str, Any] = {
    "diverse, mmr": lambda rec, strength, **more: DiverseRecommender(rec, diversity=strength, **more),
    "diverse, dpp": lambda rec, strength, **more: DiverseRecommender(rec, diversity=strength, method="dpp", **more),
    "calibrated": lambda rec, strength, **more: CalibratedRecommender(rec, "category", calibration=strength, **more),
    "long tail": lambda rec, strength, **more: LongTailRecommender(rec, novelty=strength, **more),
    "fair": lambda rec, strength, **more: FairRecommender(rec, "part", {"tail": strength}),
}
N_CATEGORIES, HEAD = 30, 0.8
N_CANDIDATES, N_USERS, ROUNDS = 1000, 2000, 3


def described(task_name: str, task: Task) -> pd.DataFrame:
    """Return text vectors, category and part of each item."""
    vectors = embed(task_name, task)
    table = pd.DataFrame(vectors, columns=[f"v{place}" for place in range(vectors.shape[1])])
    counts = np.bincount(task.history.indices, minlength=len(vectors))
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    parts = np.empty(len(vectors), dtype=object)
    parts[order] = np.where(before < HEAD * counts.sum(), "head", "tail")
    categories = KMeans(N_CATEGORIES, n_init=1, random_state=0).fit_predict(vectors)
    return table.assign(category=categories, part=parts)


def curves(task: Task, table: pd.DataFrame, rec: BaseRecommender) -> list[dict[str, Any]]:
    """Return the rows of all re-rankers and strengths; the first is that of the recommender."""
    vectors = table.iloc[:, :-2].to_numpy()
    categories = np.eye(N_CATEGORIES)[table["category"]]
    is_tail = (table["part"] == "tail").to_numpy()
    X = task.recent

    def row(name: str, strength: float | str, model: BaseRecommender) -> dict[str, Any]:
        lists = model.fit(X).recommend(X, 10)[0]
        return {
            "re-ranker": name,
            "strength": strength,
            "ndcg@10": round(float(ndcg_at_k(task.held_out, lists)), 4),
            "diversity": round(float(intra_list_diversity(lists, vectors)), 3),
            "miscalibration": round(float(miscalibration(lists, X, categories)), 3),
            "novelty": round(float(novelty(lists, task.history)), 2),
            "tail": round(float(is_tail[lists].mean()), 3),
            "coverage": round(float(catalog_coverage(lists, n_items=len(table))), 3),
        }

    rows = [row("none", "", rec)]
    for name, rerank in RERANKERS.items():
        rows += [row(name, strength, rerank(rec, strength)) for strength in STRENGTHS]
    for limit in (3, 2, 1):
        model = RulesRecommender(rec, category="category", max_per_category=limit)
        rows.append(row(f"rules, at most {limit} per category", "", model))
    return [{**found, "relative": round(found["ndcg@10"] / rows[0]["ndcg@10"], 3)} for found in rows]


def times(task: Task, rec: BaseRecommender) -> list[dict[str, Any]]:
    """Return the time of each re-ranker for a batch of users."""
    X = task.recent[np.random.default_rng(0).choice(task.recent.shape[0], N_USERS)]
    models = {"none": rec} | {name: rerank(rec, 0.3, n_candidates=N_CANDIDATES) for name, rerank in RERANKERS.items()}
    models["rules, at most 2 per category"] = RulesRecommender(rec, category="category", max_per_category=2)
    rows = []
    for name, model in models.items():
        model.fit(task.recent)
        for n in (10, N_CANDIDATES) if model is rec else (10,):
            taken = []
            for _ in range(ROUNDS):
                before = time.perf_counter()
                model.recommend(X, n)
                taken.append(time.perf_counter() - before)
            rows.append({"re-ranker": name, "length of lists": n, "ms per user": round(1e3 * min(taken) / N_USERS, 3)})
    return rows


def main() -> None:
    """Read the command line, measure, and write reranking.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=MODELS, action="append", help="default: all")
    for task_name in parser.parse_args().task or MODELS:
        model_name = MODELS[task_name]
        task = TASKS[task_name]("test", chosen_settings(task_name, model_name)["decay"])
        table = described(task_name, task)
        with tempfile.TemporaryDirectory() as folder:
            rec = build(task_name, model_name, task).set_params(
                catalog=ItemCatalog(table),
                item_encoder=make_column_transformer(("passthrough", list(table.columns[:-2]))),
                memory=folder,
            )
            parts = {task_name: curves(task, table, rec), f"{task_name}, time": times(task, rec)}
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        for part, rows in parts.items():
            for row in rows:
                print(part, json.dumps(row), flush=True)
            results[part] = {"machine": {**machine(), "threads": N_THREADS}, "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
