"""The speed of recommendation, for all users and for single users, compared with other packages.

Models of one kind have the same number of dimensions or the same weights of item pairs. The fits are short, because
only the recommendation of 20 items without items of the history is timed. The packages run in processes that take
turns. For single users, it is the time of a call in milliseconds (p50 and p99). Where the package has such a function,
similar items of all items are timed as well. The rows "ranker" are the function that the method `ranker` returns. The
ratios are the time of the row divided by the time of `recommend` of skgnnrec in the same round.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from common import Section, spread
from process import NoFigureError, Process, version_of
from tasks import TASKS, TITLES

from parts.peers import LIMIT, System, asked_users, lists, start, written

ROUNDS, CALLS, N, FIT_LIMIT, DIM = 5, 200, 20, 300, 64
OURS, IMPLICIT = ("skgnnrec", "with_skgnnrec.py", ""), ("implicit", "with_implicit.py", "implicit.")
SKRECSYS = ("skrecsys", "with_skrecsys.py", "skrecsys.recommendation.")
# The first of each kind is the model of skgnnrec.
KINDS: dict[str, dict[str, tuple]] = {
    f"dot products, {DIM} dimensions": {
        "GNNRecommender": (OURS, "GNNRecommender", {"embedding_dim": DIM, "max_iter": 1, "early_stopping": False}),
        "implicit ALS": (IMPLICIT, "als.AlternatingLeastSquares", {"factors": DIM, "iterations": 3}),
        "skrecsys ALS": (SKRECSYS, "AlternatingLeastSquares", {"n_factors": DIM, "n_iter": 3}),
    },
    "weights of all pairs of items": {
        "RidgeRecommender": (OURS, "RidgeRecommender", {}),
        "skrecsys EASE": (SKRECSYS, "EASE", {}),
    },
    "neighbours of items that share a user, and 512 singular vectors": {
        "GraphFilterRecommender": (OURS, "GraphFilterRecommender", {}),
    },
    "neighbours of items: all that share a user; 200; 200": {
        "GraphFilterRecommender, no spectrum": (OURS, "GraphFilterRecommender", {"n_components": 0}),
        "implicit item-kNN": (IMPLICIT, "nearest_neighbours.CosineRecommender", {"K": 200}),
        "skrecsys item-kNN": (SKRECSYS, "ItemKNNRecommender", {"n_neighbors": 200}),
    },
}
NOT_ON = {"gowalla": ["weights of all pairs of items"]}  # a matrix of 41,000 x 41,000 does not fit into memory


def rows_of(task_name: str) -> Iterator[dict]:
    """Yield the rows of all kinds of models."""
    task = TASKS[task_name]("test")
    users = asked_users(task)
    for kind, models in KINDS.items():
        if kind in NOT_ON.get(task_name, []):
            continue
        rows: dict[str, dict[str, Any]] = {}
        taken: dict[str, dict[str, list[float]]] = {}
        with written(task_name, task, users, []) as folder, ExitStack() as stack:
            ready: dict[str, Process] = {}
            for name, ((package, driver, prefix), model, parameters) in models.items():
                rows[name] = {"kind": kind, "recommender": name, "package": package}
                try:
                    system = System(package, driver, {"model": prefix + model, **parameters})
                    ready[name] = stack.enter_context(start(system, folder))
                    ready[name].ask("fit", FIT_LIMIT, parameters=system.fixed)
                    rows[name]["version"] = version_of(package)
                except NoFigureError as error:
                    ready.pop(name, None)
                    yield {**rows.pop(name), "failed": str(error)}
            for _ in range(ROUNDS):
                for name, process in ready.items():
                    time(process, "known", "lists", taken.setdefault(name, {}))
                    if models[name][0] is OURS:
                        rows[f"{name}, ranker"] = {**rows[name], "recommender": f"{name}, ranker"}
                        time(process, "ranker", "rank", taken.setdefault(f"{name}, ranker", {}))
        first = next(iter(taken), None)
        for name, each in taken.items():
            row = {"users_per_s": round(len(users) / spread(each["all_s"])["median"])}
            row |= {key: spread(values) for key, values in each.items() if key != "similar_s"}
            if "similar_s" in each:
                row["items_per_s"] = round(task.history.shape[1] / spread(each["similar_s"])["median"])
            for key in each if name != first else ():
                if key in taken[first]:
                    ratios = [theirs / ours for theirs, ours in zip(each[key], taken[first][key], strict=True)]
                    row[f"{key.removesuffix('_s')}, times"] = spread(ratios, 2)
            yield rows[name] | row


def time(process: Process, of: str, by: str, taken: dict[str, list[float]]) -> None:
    """Add the seconds for all users and all items, and the milliseconds for single users."""
    found = {"all_s": lists(process, of, LIMIT, N)[1]["seconds"]}
    found |= process.ask("one", LIMIT, n=N, n_calls=CALLS, by=by)
    similar = process.ask("similar", LIMIT, n=N) if by == "lists" else {}
    for key, value in {**found, **({"similar_s": similar["seconds"]} if similar else {})}.items():
        taken.setdefault(key, []).append(value)


SECTIONS = {
    name: Section(f"Serving: {TITLES[name].partition(',')[0]}", partial(rows_of, name))
    for name in ("online_retail", "gowalla")
}
