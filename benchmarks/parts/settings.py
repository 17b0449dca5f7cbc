"""Settings that are best on the validation parts, for the rows of results. One parameter after another is searched.

The section of a task stores its rows in settings.json, from which `models.py` reads them.
"""

from functools import partial
from typing import Any

from common import EXPERIMENTS, TITLES, Rows, Section
from models import build
from tasks import RANK, TASKS, Task, sample_users

from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

N_USERS = {"gowalla": 10_000}  # in the sample; 4,000 for other tasks
DECAYS = (0.55, 0.65, 0.75, 0.85, 0.95)
GRIDS: dict[str, dict[str, list]] = EXPERIMENTS["settings"]
ROWS = {"gowalla": ["filter, elementwise", "filter", "ridge"]} | {
    name: list(GRIDS) for name in ("beauty", "online_retail", "movietweetings")
}


def select(task_name: str, model_name: str) -> Rows:
    """Yield the selected settings of a model for a task."""
    task = TASKS[task_name]("validation")
    model = build(task_name, model_name, task, {})
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
    return max(scores, key=scores.__getitem__)


def search(model: BaseRecommender, grid: dict[str, list], task_name: str, task: Task) -> dict[str, Any]:
    """Return the best value of each parameter, searched one parameter at a time."""
    users, k = sample_users(task, N_USERS.get(task_name, 4000)), RANK.get(task_name, 10)
    scores: dict[tuple, float] = {}

    def score(settings: dict[str, Any]) -> float:
        key = tuple(settings.values())
        if key not in scores:
            fitted = model.set_params(**settings).fit(task.history)
            scores[key] = ndcg_at_k(task.held_out[users], fitted.recommend(task.histories[users], k)[0])
            print(f"  {settings}: {scores[key]:.4f}", flush=True)
        return scores[key]

    best = {name: model.get_params()[name] for name in grid}
    for name, values in grid.items():
        best = max(({**best, name: value} for value in values), key=score)
    return best


SECTIONS = {
    name: Section(f"Settings: {TITLES[name]}", partial(select, name), tuple(rows)) for name, rows in ROWS.items()
}
