"""Measure updates of fitted recommenders; write the figures to updates.json and updates.png.

    python benchmarks/updates.py [seconds] [month]

- seconds: the time of `partial_fit` and `forget` with 100 interactions of Online Retail and Amazon Beauty, and of a
  new fit.
- month: the accuracy of the last 30 days of Online Retail, with daily updates, daily fits, and without updates.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from models import embed
from run import machine
from tasks import TASKS

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.exceptions import EmptyHistoryWarning

HERE = Path(__file__).parent
N_INTERACTIONS, N_REPEATS, N_DAYS = 100, 5, 30
MODELS = {"ridge + text": RidgeRecommender, "filter + text": GraphFilterRecommender}


def seconds(task_name: str, model_name: str) -> dict:
    """Return the times of a fit to all users, of the first update, and of further ones."""
    task = TASKS[task_name]("test")
    X = task.history
    n_new = int(np.searchsorted(np.cumsum(np.diff(X.indptr)[::-1]), N_INTERACTIONS)) + 1
    old, new = X[:-n_new], X[-n_new:]
    model = MODELS[model_name](catalog=ItemCatalog(embed(task_name, task)))
    fits = [_timed(lambda: model.fit(X)) for _ in range(3)]
    model.fit(old)
    first = _timed(lambda: model.partial_fit(new))
    forgets, updates = [], []
    for _ in range(N_REPEATS):
        forgets.append(_timed(lambda: model.forget(new)))
        updates.append(_timed(lambda: model.partial_fit(new)))
    users = np.flatnonzero(np.diff(task.held_out.indptr))[:2000]
    updated = model.recommend(X[users], 10)[0]
    same = float((updated == model.fit(X).recommend(X[users], 10)[0]).mean())
    fit, update = float(np.median(fits)), float(np.median(updates))
    return {
        "data": task_name, "recommender": model_name, "users": n_new, "interactions": int(new.nnz),
        "fit, s": round(fit, 3), "first update, s": round(first, 3), "update, s": round(update, 3),
        "forget, s": round(float(np.median(forgets)), 3), "fit / update": round(fit / update, 1),
        "equal places of lists": round(same, 4),
    }  # fmt: skip


def month() -> dict:
    """Return the NDCG@10 of each day, and the seconds of all updates, of three ways to keep a model up to date."""
    data = load_online_retail()
    log = data["events"].sort_values("timestamp", kind="stable")
    day = log["timestamp"].dt.normalize()
    days = np.sort(day.unique())[-N_DAYS:]
    catalog = ItemCatalog(embed("online_retail", TASKS["online_retail"]("test")), ids=data["item_ids"])
    settings = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rank_decay": 0.85}

    def start() -> LogRecommender:
        return LogRecommender(RidgeRecommender(catalog=catalog), **settings).fit(log[day < days[0]])

    found = {"days": [str(each)[:10] for each in days]}
    for name in ("no update", "daily update", "daily fit"):
        rec, scores, elapsed = start(), [], 0.0
        for each in days:
            today = log[day == each]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", EmptyHistoryWarning)
                scores.append(round(rec.score(today), 4))
            if name == "daily update":
                elapsed += _timed(lambda rec=rec, today=today: rec.partial_fit(today))
            elif name == "daily fit":
                elapsed += _timed(lambda rec=rec, each=each: rec.fit(log[day <= each]))
        found[name] = {"ndcg@10": scores, "mean": round(float(np.nanmean(scores)), 4), "seconds": round(elapsed, 1)}
    return found


def _timed(call) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def draw(found: dict) -> None:
    """Draw the mean NDCG of the days until each day."""
    figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name, style in zip(("daily fit", "daily update", "no update"), ("-", "--", ":"), strict=True):
        scores = np.array(found[name]["ndcg@10"], dtype=float)
        mean = np.nancumsum(scores) / np.maximum(np.cumsum(~np.isnan(scores)), 1)
        ax.plot(np.arange(1, len(mean) + 1), mean, style, label=f"{name}, {found[name]['seconds']} s")
    ax.set(xlabel="Days after the fit", ylabel="NDCG@10, mean of the days so far", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(HERE / "updates.png", dpi=120)


def main(parts: list[str]) -> None:
    """Measure the parts, and keep the other results."""
    path = HERE / "updates.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if "seconds" in parts:
        rows = [seconds(task, model) for task in ("online_retail", "beauty") for model in MODELS]
        results["seconds"] = {"rows": rows, "machine": machine()}
        print(json.dumps(rows, indent=1))
    if "month" in parts:
        found = month()
        draw(found)
        rows = [
            {
                "way": name,
                "NDCG@10, mean of 30 days": found[name]["mean"],
                "seconds for all days": found[name]["seconds"],
            }
            for name in ("no update", "daily update", "daily fit")
        ]
        results["month"] = {"rows": rows, "days": found, "machine": machine()}
        print(json.dumps(rows, indent=1))
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["seconds", "month"])
