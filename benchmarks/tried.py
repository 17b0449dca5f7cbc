"""Measure what does not help, or helps on some data only, on validation parts; write the figures to tried.json.

    python benchmarks/tried.py [task ...]

Each row changes one setting of a recommender with defaults. The settings of the test parts are not selected here.
"""

import json
import sys
from pathlib import Path

import numpy as np
from models import embed
from run import machine
from tasks import TASKS, Task

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.compose import BlendedRecommender
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

PATH = Path(__file__).parent / "tried.json"
N_USERS = 5000
CLASSES = {"ridge": RidgeRecommender, "filter": GraphFilterRecommender}
# What is changed: (recommender, description, parameters).
CHANGES = [
    ("ridge", "linear kernel", {"gamma": 0.0}),
    ("ridge", "sharper kernel", {"gamma": 2.0}),
    ("ridge", "more content", {"content_weight": 10.0}),
    ("ridge", "exponent of the users", {"user_exponent": 0.5}),
    ("ridge", "exponent of the items", {"item_exponent": 0.1}),
    ("ridge", "exponents of users and items", {"user_exponent": 0.5, "item_exponent": 0.2}),
    ("ridge", "less popular items", {"popularity_exponent": -0.1}),
    ("ridge", "more popular items", {"popularity_exponent": 0.1}),
    ("ridge", "order of histories", {"order_weight": 0.8}),
    ("filter", "elementwise power", {"sharpness": 0.7}),
    ("filter", "elementwise power alone", {"sharpness": 0.7, "n_components": 0}),
    ("filter", "no low-pass term", {"low_pass_weight": 0.0}),
    ("filter", "fewer components", {"n_components": 128}),
    ("filter", "exponent of the degrees", {"degree_exponent": 0.4}),
    ("filter", "more content", {"content_weight": 1.0}),
]


def rows_of(name: str) -> list[dict]:
    """Return the NDCG@10 of the changes on the validation part of a task."""
    task = TASKS[name]("validation")
    items = {} if task.texts is None else {"catalog": ItemCatalog(embed(name, task))}
    start = {kind: evaluate(cls(**items), task) for kind, cls in CLASSES.items()}
    blended = evaluate(BlendedRecommender([(kind, cls(**items)) for kind, cls in CLASSES.items()]), task)
    found = [("blend", "ridge and filter, equal weights", max(start.values()), blended)]
    for kind, description, changed in CHANGES:
        if items or not {"gamma", "content_weight"} & set(changed):
            found.append((kind, description, start[kind], evaluate(CLASSES[kind](**items, **changed), task)))
            print(name, *found[-1], flush=True)
    columns = ("recommender", "change", "defaults", "changed")
    return [{"data": name, **dict(zip(columns, row, strict=True))} for row in found]


def evaluate(model: BaseRecommender, task: Task) -> float:
    """Return the NDCG@10 of a fit, for some of the users."""
    histories = task.history if task.recent is None else task.recent
    users = np.flatnonzero(np.diff(task.held_out.indptr))
    users = np.sort(np.random.default_rng(0).permutation(users)[:N_USERS])
    ranked, _ = model.fit(histories).recommend(histories[users], 10)
    return round(ndcg_at_k(task.held_out[users], ranked), 4)


def main(names: list[str]) -> None:
    """Measure tasks, and keep the rows of the others."""
    results = json.loads(PATH.read_text()) if PATH.exists() else {"tried": {"rows": []}}
    for name in names:
        kept = [row for row in results["tried"]["rows"] if row["data"] != name]
        results["tried"] = {"rows": kept + rows_of(name), "machine": machine()}
        PATH.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["online_retail", "movietweetings", "movietweetings_quarter"])
