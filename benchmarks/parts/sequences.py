"""Trained sequence models on the next purchase, alone and blended with the ridge.

The items have MiniLM vectors of their titles. The defaults of `SequenceRecommender` were selected on the validation
part of Amazon Beauty. The weight of the sequence model in a blend is selected among seven by the NDCG@10 on the
validation part of the task, to whose histories both recommenders are fitted. `cpu_s` is the processor time of the fits.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from common import Section, rounded, timed
from models import embed
from tasks import TASKS, Task

from skgnnrec import ItemCatalog, RidgeRecommender, SequenceRecommender
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.ranking import standardize
from skgnnrec.recommenders import BaseRecommender

TITLES = {"beauty": "Sequence models: Amazon Beauty, last item", "toys": "Sequence models: Amazon Toys, last item"}
SEQUENCE = "sequence + text"
RECOMMENDERS: dict[str, Callable[..., BaseRecommender]] = {
    "ridge + text, defaults": RidgeRecommender,
    "ridge + text, next item": partial(RidgeRecommender, order_weight=0.8, rank_decay=0.7),
    SEQUENCE: SequenceRecommender,
    "sequence + text, gru": partial(SequenceRecommender, "gru"),
    "sequence + text, mlp": partial(SequenceRecommender, "mlp"),
    "sequence, text alone": partial(SequenceRecommender, id_embedding=False),
}
BLENDS = {f"{ridge}, blended with {SEQUENCE}": ridge for ridge in list(RECOMMENDERS)[:2]}
WEIGHTS = np.array([0, 0.2, 0.3, 0.4, 0.5, 0.6, 1])
MOST_USERS = 8000  # by whom a weight is selected
BLOCK_USERS = 1024


def rows_of(task_name: str, name: str) -> Iterator[dict]:
    """Yield the row of a recommender or of a blend."""
    if name not in BLENDS:
        task = TASKS[task_name]("test")
        cpu_s, model = fit(task_name, task, name)
        row = {"model": name, **accuracy(task, model.recommend(task.recent, 10)[0]), "cpu_s": cpu_s}
        yield rounded(row | {"epochs": getattr(model, "n_iter_", None)})
        return
    found, cpu_s, weight = {}, 0.0, 0.0
    for part in ("validation", "test"):
        task = TASKS[task_name](part)
        fits = [fit(task_name, task, each) for each in (BLENDS[name], SEQUENCE)]
        cpu_s += sum(seconds for seconds, _ in fits)
        weights = WEIGHTS if part == "validation" else np.array([weight])
        users = np.arange(task.recent.shape[0])
        if part == "validation":
            users = np.random.default_rng(0).permutation(users)[:MOST_USERS]
        task = replace(task, recent=task.recent[users], held_out=task.held_out[users])
        found = {each: accuracy(task, lists) for each, lists in blended(task, [model for _, model in fits], weights)}
        weight = max(found, key=lambda each: found[each]["ndcg@10"])
    yield rounded({"model": name, **found[weight], "cpu_s": cpu_s, "weight": weight})


def fit(task_name: str, task: Task, name: str) -> tuple[float, BaseRecommender]:
    """Return the processor time of the fit of a recommender, and the recommender."""
    model = RECOMMENDERS[name](catalog=ItemCatalog(embed(task_name, task)))
    return timed(lambda: model.fit(task.recent), clock=time.process_time)


def accuracy(task: Task, lists: np.ndarray) -> dict[str, float]:
    """Return the accuracy of lists."""
    return {"recall@10": recall_at_k(task.held_out, lists), "ndcg@10": ndcg_at_k(task.held_out, lists)}


def blended(task: Task, parts: list[BaseRecommender], weights: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Yield weights of the second recommender, and the lists by the sum of the standardised scores."""
    lists: dict[float, list[np.ndarray]] = {float(weight): [] for weight in weights}
    for start in range(0, task.recent.shape[0], BLOCK_USERS):
        histories = task.recent[start : start + BLOCK_USERS]
        first, second = (standardize(part.decision_function(histories)) for part in parts)
        for weight in lists:
            scores = (1 - weight) * first + weight * second
            scores[histories.nonzero()] = -np.inf
            best = np.argpartition(-scores, 10, axis=1)[:, :10]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            lists[weight].append(np.take_along_axis(best, order, axis=1))
    for weight, found in lists.items():
        yield weight, np.vstack(found)


SECTIONS = {
    task: Section(title, partial(rows_of, task), rows=(*RECOMMENDERS, *BLENDS)) for task, title in TITLES.items()
}
