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

import numpy as np
import pandas as pd
from common import Rows, Section, timed
from models import build, load
from sklearn.ensemble import HistGradientBoostingClassifier
from tasks import Task, accuracy

from skgnnrec import ItemCatalog, PopularityRecommender
from skgnnrec.compose import BlendedRecommender, TwoStageRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import paired_bootstrap
from skgnnrec.recommenders import BaseRecommender

TASK, SINGLE = "online_retail", ("ridge + text", "filter + text")
RANKER = {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 50, "random_state": 0}
# Higher scores and lower ranks never lower the probability.
SIGNS = {f"{name}_{kind}": 1 if kind == "score" else -1
         for name in ("ridge", "filter", "popularity") for kind in ("score", "rank")}  # fmt: skip


def sales() -> pd.DataFrame:
    """Return price, quantity and days since the first and the median sale of each item, of the sales before the cut."""
    data = load_online_retail()
    seconds = data.events["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
    cut = np.quantile(seconds, 0.8)
    past = data.events.assign(days=(cut - seconds) / 86_400)[seconds <= cut].groupby("item_id")
    found = past.agg({"unit_price": "median", "quantity": "median", "days": ["max", "median"]})
    found.columns = ["price", "quantity", "days_since_first", "days_since_median"]
    return found.reindex(data.item_ids).reset_index(drop=True)


def models(task: Task) -> dict[str, BaseRecommender]:
    """Return the recommenders by name."""
    single = [(name.split()[0], build(TASK, name, task)) for name in SINGLE]
    popular = ("popularity", PopularityRecommender())
    described = ("popularity", PopularityRecommender(catalog=ItemCatalog(sales())))
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


def rows_of() -> Rows:
    """Yield the figures of each recommender."""
    task = load(TASK, SINGLE[0])
    X, single = task.recent, {}
    users = np.random.default_rng(0).choice(X.shape[0], 1000, replace=False)
    for name, model in models(task).items():
        fit_s, _ = timed(lambda model=model: model.fit(X))
        taken, _ = timed(lambda model=model: model.recommend(X[users], 10), 3)
        lists = model.recommend(X, 10)[0]
        row = {"recommender": name, **accuracy(task.held_out, lists), "fit_s": round(fit_s, 1)}
        row["ms per 1,000 users"] = round(1e3 * taken)
        values = ndcg_at_k(task.held_out, lists, average=False)
        if name in SINGLE:
            single[name] = values
        else:
            best = max(single, key=lambda each: np.nanmean(single[each]))
            pair = paired_bootstrap({name: values, best: single[best]}).iloc[0]
            row["above the best"] = f"{pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})"
        yield row


SECTIONS = {"test": Section("Two stages: Online Retail, with price, quantity and recency as features", rows_of)}
