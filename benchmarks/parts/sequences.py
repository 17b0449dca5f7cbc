"""Trained sequence models on the next purchase, alone and blended with the ridge.

The items have MiniLM vectors of their titles. The defaults of `SequenceRecommender` were selected on the validation
part of Amazon Beauty, and the head on those of Beauty and Toys. The weight of the sequence model in a blend is selected
among seven by the NDCG@10 on the validation part of the task, to whose histories both recommenders are fitted. `cpu_s`
is the processor time of the fits.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from common import Rows, Section, rounded, short_title, timed
from models import embed
from tasks import TASKS, Task, accuracy

from skgnnrec import ItemCatalog, RidgeRecommender, SequenceRecommender
from skgnnrec.ranking import standardize
from skgnnrec.recommenders import BaseRecommender

SEQUENCE = "sequence + text"
RECOMMENDERS: dict[str, Callable[..., BaseRecommender]] = {
    "ridge + text, defaults": RidgeRecommender,
    "ridge + text, next item": partial(RidgeRecommender, order_weight=0.8, rank_decay=0.7),
    SEQUENCE: SequenceRecommender,
    "sequence + text, gru": partial(SequenceRecommender, "gru"),
    "sequence + text, attention": partial(SequenceRecommender, "attention"),
    "sequence, text alone": partial(SequenceRecommender, id_embedding=False),
}
BLENDS = {f"{ridge}, blended with {SEQUENCE}": ridge for ridge in list(RECOMMENDERS)[:2]}
WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
MOST_USERS = 8000  # by whom a weight is selected
BLOCK_USERS = 1024


def rows_of(task_name: str, name: str) -> Rows:
    """Yield the row of a recommender or of a blend."""
    task = TASKS[task_name]("test")
    if name not in BLENDS:
        cpu_s, model = fit(task_name, task, name)
        row = {"model": name, **accuracy(task.held_out, model.recommend(task.recent, 10)[0]), "cpu_s": cpu_s}
        yield rounded(row | {"epochs": getattr(model, "n_iter_", None)})
        return
    validation = TASKS[task_name]("validation")
    users = np.random.default_rng(0).permutation(validation.recent.shape[0])[:MOST_USERS]
    first_s, found = blended(task_name, validation, BLENDS[name], users, WEIGHTS)
    weight = max(WEIGHTS, key=lambda each: found[each]["ndcg@10"])
    second_s, found = blended(task_name, task, BLENDS[name], np.arange(task.recent.shape[0]), (weight,))
    yield rounded({"model": name, **found[weight], "cpu_s": first_s + second_s, "weight": weight})


def fit(task_name: str, task: Task, name: str) -> tuple[float, BaseRecommender]:
    """Return the processor time of the fit of a recommender, and the recommender."""
    model = RECOMMENDERS[name](catalog=ItemCatalog(embed(task_name, task)))
    return timed(lambda: model.fit(task.recent), clock=time.process_time)


def blended(
    task_name: str, task: Task, name: str, users: np.ndarray, weights: tuple[float, ...]
) -> tuple[float, dict[float, dict[str, float]]]:
    """Return the processor time of the fits, and the accuracy of the sums of standardised scores by weight."""
    fits = [fit(task_name, task, each) for each in (name, SEQUENCE)]
    lists: dict[float, list[np.ndarray]] = {weight: [] for weight in weights}
    for start in range(0, len(users), BLOCK_USERS):
        histories = task.recent[users[start : start + BLOCK_USERS]]
        first, second = (standardize(model.decision_function(histories)) for _, model in fits)
        for weight, found in lists.items():
            scores = (1 - weight) * first + weight * second
            scores[histories.nonzero()] = -np.inf
            best = np.argpartition(-scores, 10, axis=1)[:, :10]
            order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
            found.append(np.take_along_axis(best, order, axis=1))
    held_out = task.held_out[users]
    return sum(seconds for seconds, _ in fits), {w: accuracy(held_out, np.vstack(each)) for w, each in lists.items()}


SECTIONS = {
    name: Section(f"Sequence models: {short_title(name)}, last item", partial(rows_of, name), (*RECOMMENDERS, *BLENDS))
    for name in ("beauty", "toys")
}
