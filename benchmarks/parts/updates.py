"""Updates of fitted recommenders.

- seconds: `partial_fit` and `forget` with 100 interactions of Online Retail and Amazon Beauty, and a new fit.
- month: the accuracy of the last 30 days of Online Retail, with daily updates, daily fits, and without updates.
"""

import warnings

import numpy as np
from common import Rows, Section, timed
from models import embed
from tasks import TASKS, nonempty

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.exceptions import EmptyHistoryWarning

N_INTERACTIONS, N_REPEATS, N_DAYS = 100, 5, 30
MODELS = {"ridge + text": RidgeRecommender, "filter + text": GraphFilterRecommender}


def seconds() -> Rows:
    """Yield the times of a fit to all users, of the first update, and of further ones."""
    for task_name in ("online_retail", "beauty"):
        task = TASKS[task_name]("test")
        X = task.history
        n_new = int(np.searchsorted(np.cumsum(np.diff(X.indptr)[::-1]), N_INTERACTIONS)) + 1
        old, new = X[:-n_new], X[-n_new:]
        users = nonempty(task.held_out)[:2000]
        for model_name, cls in MODELS.items():
            model = cls(catalog=ItemCatalog(embed(task_name, task)))
            taken = {"fit": [timed(lambda model=model, X=X: model.fit(X))[0] for _ in range(3)]}
            model.fit(old)
            first, _ = timed(lambda model=model, new=new: model.partial_fit(new))
            for _ in range(N_REPEATS):
                for name, call in {"forget": model.forget, "update": model.partial_fit}.items():
                    taken.setdefault(name, []).append(timed(lambda call=call, new=new: call(new))[0])
            median = {name: float(np.median(each)) for name, each in taken.items()}
            updated = model.recommend(X[users], 10)[0]
            same = float((updated == model.fit(X).recommend(X[users], 10)[0]).mean())
            yield {
                "data": task_name, "recommender": model_name, "users": n_new, "interactions": int(new.nnz),
                "fit, s": round(median["fit"], 3), "first update, s": round(first, 3),
                "update, s": round(median["update"], 3), "forget, s": round(median["forget"], 3),
                "fit / update": round(median["fit"] / median["update"], 1), "equal places of lists": round(same, 4),
            }  # fmt: skip


def month() -> Rows:
    """Yield the NDCG@10 of 30 days, and the seconds of all updates, of three ways to keep a model up to date."""
    data = load_online_retail()
    log = data["events"].sort_values("timestamp", kind="stable")
    day = log["timestamp"].dt.normalize()
    days = np.sort(day.unique())[-N_DAYS:]
    catalog = ItemCatalog(embed("online_retail", TASKS["online_retail"]("test")), ids=data["item_ids"])
    columns = {"user": "user_id", "item": "item_id", "timestamp": "timestamp"}
    for name in ("no update", "daily update", "daily fit"):
        rec = LogRecommender(RidgeRecommender(catalog=catalog), **columns, rank_decay=0.85).fit(log[day < days[0]])
        scores, elapsed = [], 0.0
        for each in days:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", EmptyHistoryWarning)
                scores.append(round(rec.score(log[day == each]), 4))
            if name != "no update":
                call, part = (rec.partial_fit, day == each) if name == "daily update" else (rec.fit, day <= each)
                elapsed += timed(lambda call=call, part=part: call(log[part]))[0]
        row = {"way": name, "NDCG@10, mean of 30 days": round(float(np.nanmean(scores)), 4)}
        yield {**row, "seconds for all days": round(elapsed, 1), "ndcg_of_days": scores}


SECTIONS = {
    "seconds": Section("Updates with 100 interactions, compared with a new fit", seconds),
    "month": Section("The last 30 days of Online Retail: ridge + text, with and without updates", month),
}
