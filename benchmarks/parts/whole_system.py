"""A whole system, step by step: masked words, node features, graph convolution, head, early stopping and search.

Online Retail, last fifth in time. `search` selects settings on the validation part, one parameter after the other,
until a round improves the NDCG@10 by less than one per cent. `steps` measures each step on the test part, the result of
the search, and recommenders with default settings beside them. The AUC is that of the whole catalog. `cpu_s` is the
processor time of the fit; that of the training by masked words has a row of its own.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import Section, rounded, stored
from models import CACHE, embed, text_embedder
from tasks import TASKS, Task

from parts.results import cold_recall
from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    ItemCatalog,
    MaskedLMFineTuner,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.metrics import auc_at_k, ndcg_at_k, recall_at_k
from skgnnrec.recommenders import BaseRecommender

TASK = "online_retail"
MASKED = CACHE / f"{TASK}_masked_words.npz"
# The settings of the steps; the search starts with the last of them.
START: dict[str, Any] = {"embedding_dim": 64, "n_iter_no_change": 3, "id_embedding": False}
TRIED: dict[str, tuple] = {
    "vectors": ("masked words", "pretrained", None),
    "conv": ("lightgcn", None, "attention"),
    "id_embedding": (True, False),
    "embedding_dim": (64, 256),
    "temperature": (0.1, 0.2),
}
ENOUGH = 0.01  # the relative improvement of a round that is worth another round
GCN, ATTENTION = START | {"conv": "lightgcn"}, START | {"conv": "attention"}
LEARNED = GCN | {"id_embedding": True}
MASKED_WORDS, SEARCHED = "1 training by masked words", "6 after the search"
STEPS: dict[str, tuple[type[BaseRecommender], str | None, dict[str, Any]]] = {
    "0 popularity": (PopularityRecommender, None, {}),
    "0 texts alone, pretrained": (ContentRecommender, "pretrained", {}),
    "1 texts alone, masked words": (ContentRecommender, "masked words", {}),
    "2 node features and head, pretrained": (GNNRecommender, "pretrained", START),
    "2 node features and head, masked words": (GNNRecommender, "masked words", START),
    "3 GCN, pretrained": (GNNRecommender, "pretrained", GCN),
    "3 GCN": (GNNRecommender, "masked words", GCN),
    "3 GCN, another seed": (GNNRecommender, "masked words", GCN | {"random_state": 1}),
    "3 attention": (GNNRecommender, "masked words", ATTENTION),
    "4 GCN, learned embeddings": (GNNRecommender, "masked words", LEARNED),
    "5 the same without early stopping": (GNNRecommender, "masked words", LEARNED | {"early_stopping": False}),
    "beside: GNN, defaults, no texts": (GNNRecommender, None, {}),
    "beside: ridge, defaults, no texts": (RidgeRecommender, None, {}),
    "beside: ridge, defaults, pretrained": (RidgeRecommender, "pretrained", {}),
    "beside: ridge, defaults, masked words": (RidgeRecommender, "masked words", {}),
}
WITHOUT_COLD = ("3 GCN, another seed", "3 attention", "4 GCN, learned embeddings", "5 the same without early stopping")
ROWS = (*list(STEPS)[:2], MASKED_WORDS, *list(STEPS)[2:11], SEARCHED, *list(STEPS)[11:])


def train_by_masked_words(texts: list[str]) -> None:
    """Train with the texts of the items, and store vectors, seconds and losses in the folder .cache."""
    CACHE.mkdir(exist_ok=True)
    before = time.process_time()
    tuner = MaskedLMFineTuner(text_embedder()).fit(texts)
    seconds = time.process_time() - before
    np.savez(MASKED, vectors=tuner.transform(texts), losses=np.negative(tuner.validation_scores_), seconds=seconds)


def vectors_of(task: Task, name: str | None) -> np.ndarray | None:
    """Return the vectors of the items, from the folder .cache if they were computed before."""
    if name is None:
        return None
    if name == "pretrained":
        return embed(TASK, task)
    if not MASKED.exists():
        train_by_masked_words(task.texts)
    return np.load(MASKED)["vectors"]


def build(cls: type[BaseRecommender], of_items: np.ndarray | None, settings: dict[str, Any]) -> BaseRecommender:
    """Return an unfitted recommender."""
    return cls(**settings, **({} if of_items is None else {"catalog": ItemCatalog(of_items)}))


def accuracy(task: Task, model: BaseRecommender) -> dict[str, float]:
    """Return the AUC of the whole catalog, NDCG@10 and recall@10."""
    asked = np.flatnonzero(np.diff(task.held_out.indptr))
    lists, _ = model.recommend(task.recent[asked], task.history.shape[1])
    held_out, best = task.held_out[asked], lists[:, :10]
    return {
        "AUC": auc_at_k(held_out, lists, seen=task.history[asked]),
        "ndcg@10": ndcg_at_k(held_out, best),
        "recall@10": recall_at_k(held_out, best),
    }


def measure_step(name: str) -> Iterator[dict]:
    """Yield the row of a step on the test part; cold items where a fit without them can rank them."""
    task = TASKS[TASK]("test")
    if name == MASKED_WORDS:
        vectors_of(task, "masked words")
        found = np.load(MASKED)
        losses = [round(float(loss), 2) for loss in found["losses"]]
        yield {"step": name, "cpu_s": round(float(found["seconds"]), 1), "epochs": len(losses), "held-out loss": losses}
        return
    if name == SEARCHED:
        rows = stored("whole_system")["search"]["rows"]
        chosen = max(rows, key=lambda row: row["ndcg@10"])["settings"]
        settings = START | {key: value for key, value in chosen.items() if key != "vectors"}
        cls, of_items = GNNRecommender, vectors_of(task, chosen["vectors"])
    else:
        cls, content, settings = STEPS[name]
        of_items = vectors_of(task, content)
    before = time.process_time()
    model = build(cls, of_items, settings).fit(task.recent)
    seconds = round(time.process_time() - before, 1)
    row = {"step": name, **rounded(accuracy(task, model))}
    if of_items is not None and name not in WITHOUT_COLD:
        row["cold_recall@10"] = round(cold_recall(task, build(cls, of_items, settings)), 4)
    yield row | {"cpu_s": seconds} | ({"epochs": model.n_iter_} if hasattr(model, "n_iter_") else {})


def measure_search() -> Iterator[dict]:
    """Yield the candidates of the search on the validation part, in the order in which they are tried."""
    task = TASKS[TASK]("validation")
    vectors = {name: vectors_of(task, name) for name in TRIED["vectors"]}
    tried: dict[tuple, dict] = {}
    best = {name: values[0] for name, values in TRIED.items()}

    def score(candidate: dict[str, Any]) -> float:
        key = tuple(candidate.values())
        if key not in tried:
            settings = START | {name: value for name, value in candidate.items() if name != "vectors"}
            before = time.process_time()
            model = build(GNNRecommender, vectors[candidate["vectors"]], settings).fit(task.recent)
            seconds = round(time.process_time() - before, 1)
            row = {"candidate": len(tried) + 1, "settings": candidate, **rounded(accuracy(task, model))}
            tried[key] = row | {"cpu_s": seconds}
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
    "search": Section("A whole system on Online Retail: the search on the validation part", measure_search),
    "steps": Section("A whole system on Online Retail, step by step", measure_step, ROWS, "step"),
}
