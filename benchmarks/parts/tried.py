"""What does not help, or helps on some data only, on validation parts. Each row changes one setting of the defaults."""

from collections.abc import Iterator
from functools import partial

from common import Section
from models import embed
from tasks import TASKS, TITLES, Task, sample_users

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.compose import BlendedRecommender
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import BaseRecommender

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


def rows_of(name: str) -> Iterator[dict]:
    """Yield the NDCG@10 of the changes on the validation part of a task."""
    task = TASKS[name]("validation")
    items = {} if task.texts is None else {"catalog": ItemCatalog(embed(name, task))}
    start = {kind: evaluate(cls(**items), task) for kind, cls in CLASSES.items()}
    blend = BlendedRecommender([(kind, cls(**items)) for kind, cls in CLASSES.items()])
    row = {"recommender": "blend", "change": "ridge and filter, equal weights", "defaults": max(start.values())}
    yield {**row, "changed": evaluate(blend, task)}
    for kind, description, changed in CHANGES:
        if items or not {"gamma", "content_weight"} & set(changed):
            row = {"recommender": kind, "change": description, "defaults": start[kind]}
            yield {**row, "changed": evaluate(CLASSES[kind](**items, **changed), task)}


def evaluate(model: BaseRecommender, task: Task) -> float:
    """Return the NDCG@10 of a fit, for some of the users."""
    histories = task.history if task.recent is None else task.recent
    users = sample_users(task, 5000)
    ranked, _ = model.fit(histories).recommend(histories[users], 10)
    return round(ndcg_at_k(task.held_out[users], ranked), 4)


SECTIONS = {
    name: Section(f"One setting changed, validation part, NDCG@10: {TITLES[name]}", partial(rows_of, name))
    for name in ("online_retail", "movietweetings", "movietweetings_quarter")
}
