"""Select settings on the validation parts; write them to settings.json.

    python benchmarks/select_settings.py [task ...]

The parameters are searched one at a time, starting from the defaults, on a random sample of the users. This takes 3 to
20 fits for each model.
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

N_USERS = {"gowalla": 10_000}  # in the sample; 4,000 for other tasks
DECAYS = [0.55, 0.65, 0.75, 0.85, 0.95]
RANK = {"gowalla": 20}  # the k of NDCG@k; 10 for other tasks
FILTER_GRID = {
    "popularity_exponent": [0.1, 0.25, 0.4],
    "alpha": [0.1, 0.3, 1.0],
    "low_pass_weight": [0.3, 1.0, 2.0],
}
TEXT_GRID = {"content_weight": [0.03, 0.1, 0.3, 1.0]}
RIDGE_GRID = {"alpha": [3.0, 10.0, 25.0], "user_exponent": [0.0, 0.5], "item_exponent": [-0.1, 0.0, 0.1]}
RIDGE_TEXT_GRID = {"content_weight": [1.0, 3.0, 8.0], "gamma": [0.0, 0.5, 1.0]}
GRIDS = {
    "filter, elementwise": {"degree_exponent": [0.4, 0.5, 0.6], "sharpness": [0.5, 0.7, 1.0]},
    "filter": FILTER_GRID,
    "filter + text": {**TEXT_GRID, **FILTER_GRID},
    "ridge": RIDGE_GRID,
    "ridge + text": {**RIDGE_TEXT_GRID, **RIDGE_GRID},
}
# Gowalla has no texts, and more items than a ridge takes.
GRIDS_OF = {"gowalla": {name: GRIDS[name] for name in ("filter, elementwise", "filter")}}


def select(task_name: str) -> dict[str, dict[str, Any]]:
    """Return the selected settings of each model for a task."""
    task = TASKS[task_name]("validation")
    chosen = {}
    for model_name, grid in GRIDS_OF.get(task_name, GRIDS).items():
        _, fixed, with_text, _ = MODELS[model_name]
        items = {"catalog": ItemCatalog(embed(task_name, task))} if with_text else {}
        model = MODELS[model_name][0](**fixed, **items)
        parameters = search(
            model, grid, task, sample_users(task, N_USERS.get(task_name, 4000)), RANK.get(task_name, 10)
        )
        chosen[model_name] = {"parameters": parameters}
        if task.recent is not None:
            chosen[model_name]["decay"] = search_decay(model.set_params(**parameters), task_name)
        print(f"{task_name}: {model_name}: {chosen[model_name]}", flush=True)
    return chosen


def search_decay(model: BaseRecommender, task_name: str) -> float:
    """Return the best recency decay. The fit does not depend on it."""
    users, scores = None, {}
    for decay in DECAYS:
        task = TASKS[task_name]("validation", decay)
        if users is None:
            users, model = sample_users(task), model.fit(task.history)
        scores[decay] = ndcg_at_k(task.held_out[users], model.recommend(task.recent[users], 10)[0])
        print(f"  decay {decay}: {scores[decay]:.4f}", flush=True)
    return max(scores, key=scores.__getitem__)


def sample_users(task: Task, n_users: int = 4000) -> np.ndarray:
    """Return a random sample of the users with held-out interactions."""
    users = np.flatnonzero(np.diff(task.held_out.indptr) > 0)
    return np.sort(np.random.default_rng(0).permutation(users)[:n_users])


def search(model: BaseRecommender, grid: dict[str, list], task: Task, users: np.ndarray, k: int) -> dict[str, Any]:
    """Return the best value of each parameter, searched one parameter at a time."""
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
    for name, values in grid.items():
        best = max(({**best, name: value} for value in values), key=score)
    return best


if __name__ == "__main__":
    names = sys.argv[1:] or list(TASKS)
    settings = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    for name in names:
        settings[name] = select(name)
        SETTINGS.write_text(json.dumps(settings, indent=2) + "\n")
