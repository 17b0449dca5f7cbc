"""Accuracy, time and memory on the test parts. Each row is measured in a process of its own."""

from functools import partial

import numpy as np
from common import EXPERIMENTS, TITLES, Row, Rows, Section, in_process, peak_mib, timed
from models import MODELS, build, embed, load
from tasks import RANK, TASKS, Task, accuracy, cold_split

from skgnnrec import ContentRecommender, ItemCatalog
from skgnnrec.metrics import catalog_coverage, recall_at_k
from skgnnrec.recommenders import BaseRecommender


def rows_of(task_name: str, model_name: str) -> Rows:
    """Yield the row of a model, or of a baseline of cold items."""
    task = TASKS[task_name]("test")
    if model_name == "random":
        found = random_cold_recall(task)
    elif model_name == "text cosine":
        found = cold_recall(task, ContentRecommender(catalog=ItemCatalog(embed(task_name, task))))
    else:
        if task.texts is not None:
            embed(task_name, task)  # is not part of the time
        yield in_process("results", task_name, model_name)
        return
    yield {"model": model_name, "cold_recall@10": round(found, 4)}


def worker(task_name: str, model_name: str) -> Row:
    """Return the figures of one recommender on one task."""
    task, k = load(task_name, model_name), RANK.get(task_name, 10)
    model, X = build(task_name, model_name, task), task.histories
    fit_s, _ = timed(lambda: model.fit(X))
    rank_s, (ranked, _) = timed(lambda: model.recommend(X, k))
    row = {
        "model": model_name,
        **accuracy(task.held_out, ranked, k),
        "coverage": round(catalog_coverage(ranked, n_items=X.shape[1]), 4),
        "fit_s": round(fit_s, 2),
        "rank_s": round(rank_s, 2),
        "peak_mib": peak_mib(),
    }
    if task.recent is not None:  # the same model, with equal weights for all interactions of a history
        flat = accuracy(task.held_out, model.recommend(task.history, k)[0], k)
        row |= {f"{name}, no recency": value for name, value in flat.items()}
    if MODELS[model_name].get("text"):
        row["cold_recall@10"] = round(cold_recall(task, model), 4)
    return row


def cold_recall(task: Task, model: BaseRecommender) -> float:
    """Return recall@10 among a fifth of the items, whose interactions are removed before the fit."""
    history, held_out, cold, users = cold_split(task)
    return recall_at_k(held_out[users], model.fit(history).recommend(history[users], 10, candidates=cold)[0])


def random_cold_recall(task: Task) -> float:
    """Return recall@10 of a random order of the same cold items."""
    _, held_out, cold, users = cold_split(task)
    random = np.random.default_rng(0).random((len(users), len(cold)))
    return recall_at_k(held_out[users], cold[np.argsort(-random, axis=1, kind="stable")[:, :10]])


SECTIONS = {
    name: Section(TITLES[name], partial(rows_of, name), tuple(rows)) for name, rows in EXPERIMENTS["results"].items()
}
