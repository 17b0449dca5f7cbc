"""A whole system, step by step: masked words, node features, graph convolution, head, early stopping and search.

Online Retail, last fifth in time. `search` selects settings on the validation part, one parameter after the other,
until a round improves the NDCG@10 by less than one per cent. `steps` measures each step on the test part, the result of
the search, and recommenders with default settings beside them. The AUC is that of the whole catalog. `cpu_s` is the
processor time of the fit; that of the training by masked words has a row of its own.
"""

import time
from typing import Any

import numpy as np
from common import EXPERIMENTS, Row, Rows, Section, rounded, stored_rows, timed
from models import CACHE, embed, text_embedder
from tasks import TASKS, Task, accuracy, nonempty

import skgnnrec
from parts.results import cold_recall
from skgnnrec.metrics import auc_at_k
from skgnnrec.recommenders import BaseRecommender

TASK = "online_retail"
MASKED = CACHE / f"{TASK}_masked_words.npz"
STEPS: dict[str, dict[str, Any]] = EXPERIMENTS["whole_system"]["steps"]
TRIED: dict[str, list] = EXPERIMENTS["whole_system"]["tried"]
ENOUGH = 0.01  # the relative improvement of a round that is worth another round


def masked_words(texts: list[str]) -> Any:
    """Return vectors, seconds and losses of a training with texts, from the folder .cache if they are there."""
    if not MASKED.exists():
        CACHE.mkdir(exist_ok=True)
        tuner = skgnnrec.MaskedLMFineTuner(text_embedder())
        seconds, _ = timed(lambda: tuner.fit(texts), clock=time.process_time)
        np.savez(MASKED, vectors=tuner.transform(texts), losses=np.negative(tuner.validation_scores_), seconds=seconds)
    return np.load(MASKED)


def build(task: Task, step: dict[str, Any]) -> BaseRecommender:
    """Return the unfitted recommender of a step or of a candidate of the search."""
    named = {key: value or None if key == "conv" else value for key, value in step.items() if key != "cold"}
    kind, vectors = named.pop("class", None), named.pop("vectors", None)
    if vectors:
        of_items = embed(TASK, task) if vectors == "pretrained" else masked_words(task.texts)["vectors"]
        named["catalog"] = skgnnrec.ItemCatalog(of_items)
    start = {} if kind else EXPERIMENTS["whole_system"]["start"]
    return getattr(skgnnrec, kind or "GNNRecommender")(**{**start, **named})


def fitted(task: Task, step: dict[str, Any]) -> tuple[BaseRecommender, Row, float]:
    """Return a fitted recommender, its AUC of the whole catalog, NDCG@10 and recall@10, and the time of the fit."""
    seconds, model = timed(lambda: build(task, step).fit(task.recent), clock=time.process_time)
    asked = nonempty(task.held_out)
    lists, _ = model.recommend(task.recent[asked], task.history.shape[1])
    auc = auc_at_k(task.held_out[asked], lists, seen=task.history[asked])
    return model, {**rounded({"AUC": auc}), **accuracy(task.held_out[asked], lists)}, round(seconds, 1)


def steps(name: str) -> Rows:
    """Yield the row of a step on the test part; cold items where a fit without them can rank them."""
    task, step = TASKS[TASK]("test"), STEPS[name]
    if not step:
        found = masked_words(task.texts)
        losses = [round(float(loss), 2) for loss in found["losses"]]
        yield {"step": name, "cpu_s": round(float(found["seconds"]), 1), "epochs": len(losses), "held-out loss": losses}
        return
    if step == {"cold": True}:  # the best candidate of the search
        step = step | max(stored_rows("whole_system", "search"), key=lambda row: row["ndcg@10"])["settings"]
    model, row, seconds = fitted(task, step)
    if step.get("cold") and step.get("vectors"):
        row["cold_recall@10"] = round(cold_recall(task, build(task, step)), 4)
    yield {"step": name, **row, "cpu_s": seconds} | ({"epochs": model.n_iter_} if hasattr(model, "n_iter_") else {})


def search() -> Rows:
    """Yield the candidates of the search on the validation part, in the order in which they are tried."""
    task, tried = TASKS[TASK]("validation"), {}
    best = {name: values[0] for name, values in TRIED.items()}

    def score(candidate: dict[str, Any]) -> float:
        key = tuple(candidate.values())
        if key not in tried:
            _, row, seconds = fitted(task, candidate)
            tried[key] = {"candidate": len(tried) + 1, "settings": candidate, **row, "cpu_s": seconds}
        return tried[key]["ndcg@10"]

    gain = 1.0
    while gain >= ENOUGH:
        before = score(best)
        for name, values in TRIED.items():
            allowed = [best | {name: value} for value in values]
            best = max((each for each in allowed if each["vectors"] or each["id_embedding"]), key=score)
        gain = score(best) / before - 1
    yield from tried.values()


SECTIONS = {
    "search": Section("A whole system on Online Retail: the search on the validation part", search),
    "steps": Section("A whole system on Online Retail, step by step", steps, tuple(STEPS), "step"),
}
