"""Settings that are best on the validation parts, for the rows of results. One parameter after another is searched.

The section of a task stores its rows in settings.json, from which `models.py` reads them.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from common import Section
from models import MODELS, embed
from tasks import RANK, TASKS, TITLES, Task, sample_users

from skgnnrec import ItemCatalog
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

N_USERS = {"gowalla": 10_000}  # in the sample; 4,000 for other tasks
DECAYS = [0.55, 0.65, 0.75, 0.85, 0.95]
FILTER_GRID = {"popularity_exponent": [0.1, 0.25, 0.4], "alpha": [0.1, 0.3, 1.0], "low_pass_weight": [0.3, 1.0, 2.0]}
RIDGE_GRID = {"alpha": [3.0, 10.0, 25.0], "user_exponent": [0.0, 0.5], "item_exponent": [-0.1, 0.0, 0.1]}
GRIDS = {
    "filter, elementwise": {"degree_exponent": [0.4, 0.5, 0.6], "sharpness": [0.5, 0.7, 1.0]},
    "filter": FILTER_GRID,
    "filter + text": {"content_weight": [0.03, 0.1, 0.3, 1.0], **FILTER_GRID},
    "ridge": RIDGE_GRID,
    "ridge + text": {"content_weight": [1.0, 3.0, 8.0], "gamma": [0.0, 0.5, 1.0], **RIDGE_GRID},
}
SELECTED = ("gowalla", "beauty", "online_retail", "movietweetings")


def grids_of(task_name: str) -> tuple[str, ...]:
    """Return the searched models; Gowalla has no texts, and more items than a ridge takes."""
    return tuple(GRIDS) if task_name != "gowalla" else ("filter, elementwise", "filter")


def select(task_name: str, model_name: str) -> Iterator[dict[str, Any]]:
    """Yield the selected settings of a model for a task."""
    task = TASKS[task_name]("validation")
    cls, fixed, with_text, _ = MODELS[model_name]
    model = cls(**fixed, **({"catalog": ItemCatalog(embed(task_name, task))} if with_text else {}))
    row = {"model": model_name, "parameters": search(model, GRIDS[model_name], task_name, task)}
    if task.recent is not None:
        row["decay"] = search_decay(model.set_params(**row["parameters"]), task_name, task)
    yield row


def search_decay(model: BaseRecommender, task_name: str, task: Task) -> float:
    """Return the best recency decay. The fit does not depend on it."""
    users, scores = sample_users(task, 4000), {}
    model.fit(task.history)
    for decay in DECAYS:
        task = TASKS[task_name]("validation", decay)
        scores[decay] = ndcg_at_k(task.held_out[users], model.recommend(task.recent[users], 10)[0])
        print(f"  decay {decay}: {scores[decay]:.4f}", flush=True)
    return max(scores, key=scores.__getitem__)


def search(model: BaseRecommender, grid: dict[str, list], task_name: str, task: Task) -> dict[str, Any]:
    """Return the best value of each parameter, searched one parameter at a time."""
    users, k = sample_users(task, N_USERS.get(task_name, 4000)), RANK.get(task_name, 10)
    histories = task.history if task.recent is None else task.recent
    scores: dict[tuple, float] = {}

    def score(settings: dict[str, Any]) -> float:
        key = tuple(settings.values())
        if key not in scores:
            fitted = model.set_params(**settings).fit(task.history)
            scores[key] = ndcg_at_k(task.held_out[users], fitted.recommend(histories[users], k)[0])
            print(f"  {settings}: {scores[key]:.4f}", flush=True)
        return scores[key]

    best = {name: model.get_params()[name] for name in grid}
    for name, values in grid.items():
        best = max(({**best, name: value} for value in values), key=score)
    return best


SECTIONS = {name: Section(f"Settings: {TITLES[name]}", partial(select, name), grids_of(name)) for name in SELECTED}
