"""Accuracy, time and memory on the test parts. Each row is measured in a process of its own."""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
from common import Section, in_process, peak_mib
from models import MODELS, build, chosen_settings, embed
from tasks import RANK, TASKS, TITLES, Task, cold_split

from skgnnrec import ContentRecommender, ItemCatalog
from skgnnrec.metrics import catalog_coverage, ranking_metrics
from skgnnrec.recommenders import BaseRecommender

BASELINES = ("random", "text cosine")  # of cold items
SELECTED = ("filter, elementwise", "filter", "filter + text", "ridge", "ridge + text")  # rows with selected settings
CLOSED_FORMS = [name for name in MODELS if name not in SELECTED and not name.startswith("gnn")]
WITHOUT_TEXT = [name for name in CLOSED_FORMS if "text" not in name]
FILTERS = ["filter, defaults", "filter, elementwise", "filter", "filter, self-tuned"]
ROWS = {
    # A dense inverse of the 40,981 places of Gowalla would take 20 GB.
    "gowalla": ["popularity", *FILTERS, "gnn, defaults"],
    "beauty": [*BASELINES, *(name for name in MODELS if name not in ("filter, defaults", "filter, elementwise"))],
    "toys": [*BASELINES, *CLOSED_FORMS, "gnn + text, defaults"],
    "online_retail": [*BASELINES, *MODELS],
    "movietweetings": [*BASELINES, *MODELS],
    "lastfm": [*WITHOUT_TEXT, "gnn, defaults"],
    "lastfm_quarter": [*WITHOUT_TEXT, "gnn, defaults"],
    "movietweetings_quarter": [*BASELINES, *CLOSED_FORMS, "gnn, defaults"],
}


def rows_of(task_name: str, model_name: str) -> Iterator[dict]:
    """Yield the row of a model."""
    if model_name in BASELINES:
        yield cold_baseline(task_name, model_name)
        return
    task = TASKS[task_name]("test")
    if task.texts is not None:
        embed(task_name, task)  # is not part of the time
    yield in_process("results", task_name, model_name)


def worker(task_name: str, model_name: str) -> dict:
    """Return the figures of one recommender on one task."""
    decay = chosen_settings(task_name, model_name).get("decay")
    task = TASKS[task_name]("test", decay) if decay else TASKS[task_name]("test")
    model, k = build(task_name, model_name, task), RANK.get(task_name, 10)
    histories = task.history if task.recent is None else task.recent
    before = time.perf_counter()
    model.fit(histories)
    fitted = time.perf_counter()
    ranked, _ = model.recommend(histories, k)
    done = time.perf_counter()
    metrics = ranking_metrics(task.held_out, ranked)
    row = {
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


def cold_baseline(task_name: str, name: str) -> dict:
    """Return recall@10 of a random order or of the text cosine among the same cold items."""
    task = TASKS[task_name]("test")
    history, held_out, cold, users = cold_split(task)
    if name == "random":
        random = np.random.default_rng(0).random((len(users), len(cold)))
        ranked = cold[np.argsort(-random, axis=1, kind="stable")[:, :10]]
    else:
        content = ContentRecommender(catalog=ItemCatalog(embed(task_name, task))).fit(history)
        ranked = content.recommend(history[users], 10, candidates=cold)[0]
    return {"model": name, "cold_recall@10": round(ranking_metrics(held_out[users], ranked)["recall"], 4)}


SECTIONS = {name: Section(TITLES[name], partial(rows_of, name), tuple(ROWS[name])) for name in TASKS}
