"""What does not help, or helps on some data only, on validation parts. Each row changes one setting of the defaults.

The changes are in experiments.toml. The section "notes" of tried.json has what was tried by hand, once.
"""

from typing import Any

from common import EXPERIMENTS, Row, Rows, sections
from models import build
from tasks import TASKS, Task, sample_users

from skgnnrec.compose import BlendedRecommender
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

KINDS = ("ridge", "filter")


def rows_of(name: str) -> Rows:
    """Yield the NDCG@10 of the changes on the validation part of a task."""
    task = TASKS[name]("validation")

    def make(kind: str, parameters: dict[str, Any]) -> BaseRecommender:
        return build(name, f"{kind}{'' if task.texts is None else ' + text'}, defaults", task, parameters)

    start = {kind: evaluate(make(kind, {}), task) for kind in KINDS}
    blend = evaluate(BlendedRecommender([(kind, make(kind, {})) for kind in KINDS]), task)
    yield row_of("blend", "ridge and filter, equal weights", max(start.values()), blend)
    for change in EXPERIMENTS["tried"]:
        kind, parameters = change["recommender"], change["parameters"]
        if task.texts is not None or not {"gamma", "content_weight"} & set(parameters):
            yield row_of(kind, change["change"], start[kind], evaluate(make(kind, parameters), task))


def row_of(recommender: str, change: str, defaults: float, changed: float) -> Row:
    """Return a row."""
    return {"recommender": recommender, "change": change, "defaults": defaults, "changed": changed}


def evaluate(model: BaseRecommender, task: Task) -> float:
    """Return the NDCG@10 of a fit, for some of the users."""
    users = sample_users(task, 5000)
    ranked, _ = model.fit(task.histories).recommend(task.histories[users], 10)
    return round(ndcg_at_k(task.held_out[users], ranked), 4)


SECTIONS = sections(
    "One setting changed, validation part, NDCG@10: {}",
    rows_of,
    ("online_retail", "movietweetings", "movietweetings_quarter"),
)
