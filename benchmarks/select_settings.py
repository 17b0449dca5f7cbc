"""Choose settings on the validation parts only, and write them to settings.json.

    python benchmarks/select_settings.py [task ...]

One parameter at a time from a common start, two rounds: some 30 fits a model, on a seeded sample of 4,000 users.
"""

import json
import sys
from typing import Any

import numpy as np
from models import MODELS, SETTINGS, embed
from tasks import TASKS, Task

from skgnnrec import ItemCatalog
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

N_USERS = 4000
RANK = {"gowalla": 20}  # the k of NDCG@k; 10 elsewhere
FILTER_GRID = {
    "degree_exponent": [0.4, 0.5, 0.6],
    "sharpness": [0.5, 0.7, 1.0],
    "low_pass_weight": [0.05, 0.1, 0.2, 0.4],
    "n_components": [64, 128, 256, 448],
}
TEXT_GRID = {"text_weight": [0.1, 0.3, 1.0, 3.0], "n_neighbors": [10, 20, 50]}
RIDGE_GRID = {"alpha": [1.0, 3.0, 10.0, 25.0]}
RIDGE_TEXT_GRID = {"text_weight": [0.3, 1.0, 3.0, 8.0]}
GRIDS = {
    "filter, no low-pass": {name: FILTER_GRID[name] for name in ("degree_exponent", "sharpness")},
    "filter": FILTER_GRID,
    "filter + text": {**FILTER_GRID, **TEXT_GRID},
    "ridge": RIDGE_GRID,
    "ridge + text": {**RIDGE_GRID, **RIDGE_TEXT_GRID},
}


def select(task_name: str) -> dict[str, dict[str, Any]]:
    """Return the chosen settings of each model that suits the task."""
    task = TASKS[task_name]("validation")
    chosen = {}
    for model_name, grid in GRIDS.items():
        _, fixed, with_text, _ = MODELS[model_name]
        if (with_text and task.texts is None) or ("ridge" in model_name and task.history.shape[1] > 15_000):
            continue
        items = {"items": ItemCatalog(embed(task_name, task))} if with_text else {}
        model = MODELS[model_name][0](**fixed, **items)
        chosen[model_name] = search(model, grid, task, RANK.get(task_name, 10))
        print(f"{task_name}: {model_name}: {chosen[model_name]}", flush=True)
    return chosen


def search(model: BaseRecommender, grid: dict[str, list], task: Task, k: int) -> dict[str, Any]:
    """Return the best value of each parameter, found one parameter at a time."""
    users = np.flatnonzero(np.diff(task.held_out.indptr) > 0)
    users = np.sort(np.random.default_rng(0).permutation(users)[:N_USERS])
    scores: dict[tuple, float] = {}

    def score(settings: dict[str, Any]) -> float:
        key = tuple(settings.values())
        if key not in scores:
            fitted = model.set_params(**settings).fit(task.history)
            histories = task.history if task.recent is None else task.recent
            scores[key] = ndcg_at_k(task.held_out[users], fitted.recommend(histories[users], k)[0])
            print(f"  {settings}: {scores[key]:.4f}", flush=True)
        return scores[key]

    best = {name: model.get_params()[name] for name in grid}
    for _ in range(2):
        for name, values in grid.items():
            best = max(({**best, name: value} for value in values), key=score)
    return best


if __name__ == "__main__":
    names = sys.argv[1:] or list(TASKS)
    settings = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    for name in names:
        settings[name] = select(name)
        SETTINGS.write_text(json.dumps(settings, indent=2) + "\n")
