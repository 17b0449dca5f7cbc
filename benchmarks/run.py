"""Measure accuracy, time and memory on the test parts; write the figures to results.json.

    python benchmarks/run.py [task ...] [--models name ...]

With `--models`, the other rows of a task are kept; each row has its date. Each row is measured in a separate process,
so that the peak memory is that of the row. The item vectors are computed before and are not part of the time.
`report.py` writes the figures into the pages.
"""

import json
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from memory import peak_mib
from models import MODELS, build, chosen_settings, embed
from tasks import TASKS, Task

from skgnnrec import ContentRecommender, ItemCatalog
from skgnnrec.metrics import catalog_coverage, ranking_metrics
from skgnnrec.model_selection import split_interactions
from skgnnrec.recommenders import BaseRecommender

HERE = Path(__file__).parent
RANK = {"gowalla": 20, "lastfm": 20, "lastfm_quarter": 20, "movietweetings_quarter": 20}
SELECTED = ("filter, elementwise", "filter", "filter + text", "ridge", "ridge + text")  # rows with selected settings
CLOSED_FORMS = [name for name in MODELS if name not in SELECTED and not name.startswith("gnn")]
WITHOUT_TEXT = [name for name in CLOSED_FORMS if "text" not in name]
FILTERS = [name for name in MODELS if name.startswith("filter") and "text" not in name]
ROWS = {
    # A dense inverse of the 40,981 places of Gowalla would take 20 GB.
    "gowalla": [
        "popularity",
        "filter, defaults",
        "filter, elementwise",
        "filter",
        "filter, self-tuned",
        "gnn, defaults",
    ],
    "beauty": [name for name in MODELS if name not in ("filter, defaults", "filter, elementwise")],
    "toys": [*CLOSED_FORMS, "gnn + text, defaults"],
    "online_retail": list(MODELS),
    "movietweetings": list(MODELS),
    "lastfm": [*WITHOUT_TEXT, "gnn, defaults"],
    "lastfm_quarter": [*WITHOUT_TEXT, "gnn, defaults"],
    "movietweetings_quarter": [*CLOSED_FORMS, "gnn, defaults"],
}


def run_row(task_name: str, model_name: str) -> dict:
    """Return the figures of one recommender on one task."""
    decay = chosen_settings(task_name, model_name).get("decay")
    task = TASKS[task_name]("test", decay) if decay else TASKS[task_name]("test")
    model = build(task_name, model_name, task)
    k = RANK.get(task_name, 10)
    histories = task.history if task.recent is None else task.recent
    before = time.perf_counter()
    model.fit(histories)
    fitted = time.perf_counter()
    ranked, _ = model.recommend(histories, k)
    done = time.perf_counter()
    metrics = ranking_metrics(task.held_out, ranked)
    row = {
        "task": task_name,
        "model": model_name,
        f"recall@{k}": round(metrics["recall"], 4),
        f"ndcg@{k}": round(metrics["ndcg"], 4),
        "coverage": round(catalog_coverage(ranked, n_items=task.history.shape[1]), 4),
        "fit_s": round(fitted - before, 2),
        "rank_s": round(done - fitted, 2),
        "peak_mib": peak_mib(),
    }
    if task.recent is not None:  # the same model, with equal weights for all interactions of a history
        flat = ranking_metrics(task.held_out, model.recommend(task.history, k)[0])
        row |= {f"recall@{k}, no recency": round(flat["recall"], 4), f"ndcg@{k}, no recency": round(flat["ndcg"], 4)}
    if MODELS[model_name][2]:
        row["cold_recall@10"] = round(cold_recall(task, model), 4)
    return row


def cold_recall(task: Task, model: BaseRecommender) -> float:
    """Return recall@10 among a fifth of the items, whose interactions are removed before the fit."""
    history, held_out, cold, users = cold_split(task)
    ranked, _ = model.fit(history).recommend(history[users], 10, candidates=cold)
    return ranking_metrics(held_out[users], ranked)["recall"]


def cold_baselines(task_name: str, task: Task) -> list[dict]:
    """Return recall@10 of a random order and of the text cosine among the same cold items."""
    history, held_out, cold, users = cold_split(task)
    random = np.random.default_rng(0).random((len(users), len(cold)))
    content = ContentRecommender(catalog=ItemCatalog(embed(task_name, task))).fit(history)
    lists = {
        "random": cold[np.argsort(-random, axis=1, kind="stable")[:, :10]],
        "text cosine": content.recommend(history[users], 10, candidates=cold)[0],
    }
    rows = []
    for name, ranked in lists.items():
        recall = ranking_metrics(held_out[users], ranked)["recall"]
        row = {"task": task_name, "model": name, "cold_recall@10": round(recall, 4)}
        rows.append({**row, "date": machine()["date"]})
    return rows


def cold_split(task: Task) -> tuple:
    """Return histories without a fifth of the items, the held-out interactions, these items, and the users to rank."""
    history, held_out = split_interactions(task.history, hold_out="cold_items", test_size=0.2, random_state=0)
    cold = np.flatnonzero(np.bincount(held_out.indices, minlength=held_out.shape[1]))
    users = np.flatnonzero((np.diff(history.indptr) > 0) & (np.diff(held_out.indptr) > 0))
    return history, held_out, cold, users


def run_task(task_name: str, models: list[str]) -> list[dict]:
    """Return the rows of models, each from a separate process, and for all models also the baselines."""
    task = TASKS[task_name]("test")
    rows = []
    if task.texts is not None:
        before = time.perf_counter()
        embed(task_name, task)
        print(f"{task_name}: item vectors ready in {time.perf_counter() - before:.0f} s", flush=True)
        if models == ROWS[task_name]:
            rows += cold_baselines(task_name, task)
    for model_name in models:
        command = [sys.executable, __file__, "--row", task_name, model_name]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append({**row, "date": machine()["date"]})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def machine() -> dict:
    """Return the date, the machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    described = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # Virtual machines hide the model of the processor; its instruction sets tell generations apart.
    vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in described.get("flags", "")), "?")
    cpu = f"{described.get('model name', '?')} ({vectors})"
    packages = {name: version(name) for name in ("skgnnrec", "numpy", "scipy", "scikit-learn", "torch")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{cpu}, {joblib.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **packages,
    }


def main(names: list[str], models: list[str]) -> None:
    """Measure tasks, and keep the other results."""
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {"tasks": {}}
    for name in names:
        chosen = [model for model in ROWS[name] if model in models] if models else ROWS[name]
        kept = [row for row in results["tasks"].get(name, []) if models and row["model"] not in chosen]
        results["tasks"][name] = kept + run_task(name, chosen)
        results["machine"] = machine()
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        print(json.dumps(run_row(*sys.argv[2:4])))
    else:
        words = [*sys.argv[1:], "--models"]
        cut = words.index("--models")
        main(words[:cut] or list(TASKS), words[cut + 1 : -1])
