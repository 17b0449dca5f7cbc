"""Two stages on Online Retail, with price, quantity and recency as features.

The recommenders of the first stage are the ridge and the filter with texts, with the settings of results, and the
popularity. The ranker is a `HistGradientBoostingClassifier`, whose settings were selected on the validation part.
Higher scores and lower ranks cannot lower its predictions. The catalog has, of the sales before the cut: the median
price and the median quantity of an item, the days since its first sale, and the days since its median sale. The
held-out purchases are the first ones of a user and an item in the last fifth of the time. Columns:

- ndcg@10 and recall@10: of the held-out items of all users;
- above the best: the mean difference of the NDCG to the best single recommender, with a 95 % bootstrap interval;
- fit_s: seconds of the fit; ms per 1,000 users: the time of lists of 10 items, the best of three calls.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from common import Section, timed
from models import build, chosen_settings
from sklearn.ensemble import HistGradientBoostingClassifier
from tasks import Task, online_retail

from skgnnrec import ItemCatalog, PopularityRecommender
from skgnnrec.compose import BlendedRecommender, TwoStageRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.model_selection import paired_bootstrap
from skgnnrec.recommenders import BaseRecommender

TASK, SINGLE = "online_retail", ("ridge + text", "filter + text")
RANKER = {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 50, "random_state": 0}
# Higher scores and lower ranks never lower the probability.
SIGNS = {f"{name}_{kind}": sign for name in ("ridge", "filter") for kind, sign in (("score", 1), ("rank", -1))}
SIGNS |= {"popularity_score": 1, "popularity_rank": -1}


def sales(part: str) -> pd.DataFrame:
    """Return price, quantity and days since the first and the median sale of each item, of the sales before the cut."""
    data = load_online_retail()
    events = data.events
    seconds = events["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
    if part == "validation":
        kept = seconds <= np.quantile(seconds, 0.8)
        events, seconds = events[kept], seconds[kept]
    cut = np.quantile(seconds, 0.8)
    past = events[seconds <= cut].assign(days=(cut - seconds[seconds <= cut]) / 86_400)
    found = past.groupby("item_id").agg(
        price=("unit_price", "median"),
        quantity=("quantity", "median"),
        days_since_first=("days", "max"),
        days_since_median=("days", "median"),
    )
    return found.reindex(data.item_ids).reset_index(drop=True)


def models(task: Task, part: str) -> dict[str, BaseRecommender]:
    """Return the recommenders by name."""
    single = [(name.split()[0], build(TASK, name, task)) for name in SINGLE]
    popular = ("popularity", PopularityRecommender())
    described = ("popularity", PopularityRecommender(catalog=ItemCatalog(sales(part))))
    ranker = HistGradientBoostingClassifier(**RANKER, monotonic_cst=SIGNS)
    return {
        **{name: rec for name, (_, rec) in zip(SINGLE, single, strict=True)},
        "blend of scores": BlendedRecommender(single, weights="auto"),
        "blend of ranks": BlendedRecommender(single, weights="auto", method="ranks"),
        "two stages, scores and ranks": TwoStageRecommender(
            [popular, *single], ranker, features=lambda frame: frame.filter(regex="_score$|_rank$")
        ),
        "two stages, with counts": TwoStageRecommender([popular, *single], ranker),
        "two stages, with price, quantity and recency": TwoStageRecommender([described, *single], ranker),
    }


def rows_of(part: str) -> Iterator[dict]:
    """Yield the figures of each recommender."""
    task = online_retail(part, chosen_settings(TASK, SINGLE[0])["decay"])
    X, single = task.recent, {}
    users = np.random.default_rng(0).choice(X.shape[0], 1000, replace=False)
    for name, model in models(task, part).items():
        fit_s, _ = timed(lambda model=model: model.fit(X))
        taken, _ = timed(lambda model=model: model.recommend(X[users], 10), 3)
        lists = model.recommend(X, 10)[0]
        values = ndcg_at_k(task.held_out, lists, average=False)
        row = {"recommender": name, "ndcg@10": round(float(np.nanmean(values)), 4)}
        row |= {"recall@10": round(float(recall_at_k(task.held_out, lists)), 4), "fit_s": round(fit_s, 1)}
        row["ms per 1,000 users"] = round(1e3 * taken)
        if name in SINGLE:
            single[name] = values
        else:
            best = max(single, key=lambda each: np.nanmean(single[each]))
            pair = paired_bootstrap({name: values, best: single[best]}).iloc[0]
            row["above the best"] = f"{pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})"
        yield row


TITLE = "Two stages: Online Retail, with price, quantity and recency as features"
SECTIONS = {"test": Section(TITLE, partial(rows_of, "test"))}
