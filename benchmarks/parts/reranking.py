"""Re-rankers: accuracy against diversity, calibration, novelty and exposure, and time.

The recommender has the settings of results: the ridge with texts on Online Retail, the filter with texts on Amazon
Beauty. It is fitted once with a cache, and each re-ranker takes 100 candidates of each user of the test part. Columns:

- ndcg@10: of the held-out items; relative: the ratio to that of the recommender alone;
- diversity: the mean cosine distance of text vectors in a list;
- miscalibration: the divergence of the categories in a list from those in the history, in nats. The categories are 30
  clusters of the text vectors;
- novelty: the mean of -log2 of the share of users who have the item;
- tail: the share of the long tail in the lists: all items but those with the most users, which together have 80 % of
  the interactions; coverage: the share of the items that are in a list.

Times are those of 1,000 candidates for each of 2,000 users, the best of three calls, with the ranking by the
recommender. The recommender alone, which is "none", has lists of 10 and of 1,000 items.
"""

import tempfile
from typing import Any

import numpy as np
import pandas as pd
from common import Rows, sections, timed
from models import build, embed, load
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from tasks import Task

from skgnnrec import ItemCatalog, metrics, reranking
from skgnnrec.recommenders import BaseRecommender

MODELS = {"online_retail": "ridge + text", "beauty": "filter + text"}
STRENGTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
DIVERSE = reranking.DiverseRecommender
RERANKERS: dict[str, Any] = {
    "diverse, mmr": lambda rec, strength, **more: DIVERSE(rec, diversity=strength, **more),
    "diverse, dpp": lambda rec, strength, **more: DIVERSE(rec, diversity=strength, method="dpp", **more),
    "calibrated": lambda rec, strength, **more: reranking.CalibratedRecommender(
        rec, "category", calibration=strength, **more
    ),
    "long tail": lambda rec, strength, **more: reranking.LongTailRecommender(rec, novelty=strength, **more),
    "fair": lambda rec, strength, **more: reranking.FairRecommender(rec, "part", {"tail": strength}),
}
N_CATEGORIES, HEAD = 30, 0.8
N_CANDIDATES, N_USERS, ROUNDS = 1000, 2000, 3


def described(task_name: str, task: Task) -> pd.DataFrame:
    """Return text vectors, category and part of each item."""
    vectors = embed(task_name, task)
    counts = np.bincount(task.history.indices, minlength=len(vectors))
    order = np.argsort(-counts, kind="stable")
    parts = np.empty(len(vectors), dtype=object)
    parts[order] = np.where(np.cumsum(counts[order]) - counts[order] < HEAD * counts.sum(), "head", "tail")
    categories = KMeans(N_CATEGORIES, n_init=1, random_state=0).fit_predict(vectors)
    return pd.DataFrame(vectors).rename(columns="v{}".format).assign(category=categories, part=parts)


def rows_of(section: str) -> Rows:
    """Yield the rows of accuracy or of time."""
    task_name, _, what = section.partition(", ")
    task = load(task_name, MODELS[task_name])
    table = described(task_name, task)
    encoder = make_column_transformer(("passthrough", list(table.columns[:-2])))
    with tempfile.TemporaryDirectory() as folder:
        rec = build(task_name, MODELS[task_name], task)
        rec.set_params(catalog=ItemCatalog(table), item_encoder=encoder, memory=folder)
        yield from (times if what else curves)(task, table, rec)


def limited(rec: BaseRecommender, limit: int) -> dict[tuple, BaseRecommender]:
    """Return a recommender with a limit of items of a category, by its name."""
    rules = reranking.RulesRecommender(rec, category="category", max_per_category=limit)
    return {(f"rules, at most {limit} per category", ""): rules}


def curves(task: Task, table: pd.DataFrame, rec: BaseRecommender) -> Rows:
    """Yield the rows of all re-rankers and strengths; the first is that of the recommender."""
    models = {("none", ""): rec}
    models |= {(name, each): rerank(rec, each) for name, rerank in RERANKERS.items() for each in STRENGTHS}
    models |= limited(rec, 3) | limited(rec, 2) | limited(rec, 1)
    X, first, categories = task.recent, None, np.eye(N_CATEGORIES)[table["category"]]
    for (name, strength), model in models.items():
        lists = model.fit(X).recommend(X, 10)[0]
        accuracy = round(metrics.ndcg_at_k(task.held_out, lists), 4)
        first = first or accuracy
        diversity = metrics.intra_list_diversity(lists, table.iloc[:, :-2].to_numpy())
        yield {
            "re-ranker": name, "strength": strength, "ndcg@10": accuracy, "diversity": round(float(diversity), 3),
            "miscalibration": round(float(metrics.miscalibration(lists, X, categories)), 3),
            "novelty": round(float(metrics.novelty(lists, task.history)), 2),
            "tail": round(float((table["part"] == "tail").to_numpy()[lists].mean()), 3),
            "coverage": round(float(metrics.catalog_coverage(lists, n_items=len(table))), 3),
            "relative": round(accuracy / first, 3),
        }  # fmt: skip


def times(task: Task, table: pd.DataFrame, rec: BaseRecommender) -> Rows:
    """Yield the time of each re-ranker for a batch of users."""
    X = task.recent[np.random.default_rng(0).choice(task.recent.shape[0], N_USERS)]
    models = {(name, ""): rerank(rec, 0.3, n_candidates=N_CANDIDATES) for name, rerank in RERANKERS.items()}
    for (name, _), model in {("none", ""): rec, **models, **limited(rec, 2)}.items():
        model.fit(task.recent)
        for n in (10, N_CANDIDATES) if model is rec else (10,):
            taken, _ = timed(lambda model=model, n=n: model.recommend(X, n), ROUNDS)
            yield {"re-ranker": name, "length of lists": n, "ms per user": round(1e3 * taken / N_USERS, 3)}


SECTIONS = {}
for _name, _model in MODELS.items():
    SECTIONS |= sections("Re-rankers: {}, " + _model, rows_of, [_name])
    SECTIONS |= sections("Re-rankers: time with 1,000 candidates, {}", rows_of, [f"{_name}, time"])
