"""Measure the speed of recommendation, for all users and for single users, and compare with other packages.

    python benchmarks/serving.py [--task T] [--kind KIND]

Models of one kind have the same number of dimensions or the same weights of item pairs. The fits are short, because
only the recommendation of 20 items without items of the history is timed. The packages run in processes that take
turns. For all users, the result is the median number of users per second. For single users, it is the time of a call
in milliseconds (p50 and p99). Where the package has such a function, similar items of all items are timed as well. The
rows "ranker" are the function that the method `ranker` returns. The ratio is the time of the row divided by the time of
`recommend` of skgnnrec in the same round; above 1, `recommend` is faster. Rows are written to serving.json when they
are complete.
"""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environments import version_of
from peers import LIMIT, asked_users, lists, spread, start, written
from process import N_THREADS, NoFigureError, Process
from run import machine
from systems import System
from tasks import TASKS

RESULTS = Path(__file__).parent / "serving.json"
ROUNDS, CALLS, N = 5, 200, 20
FIT_LIMIT = 300
DIM = 64


def _ours(model: str, **parameters: Any) -> System:
    return System("skgnnrec", "with_skgnnrec.py", {"model": model, **parameters})


def _implicit(model: str, **parameters: Any) -> System:
    return System("implicit", "with_implicit.py", {"model": f"implicit.{model}", **parameters})


def _skrecsys(model: str, **parameters: Any) -> System:
    return System("skrecsys", "with_skrecsys.py", {"model": f"skrecsys.recommendation.{model}", **parameters})


# The first of each kind is the model of skgnnrec.
KINDS = {
    f"dot products, {DIM} dimensions": {
        "GNNRecommender": _ours("GNNRecommender", embedding_dim=DIM, max_iter=1, early_stopping=False),
        "implicit ALS": _implicit("als.AlternatingLeastSquares", factors=DIM, iterations=3),
        "skrecsys ALS": _skrecsys("AlternatingLeastSquares", n_factors=DIM, n_iter=3),
    },
    "weights of all pairs of items": {
        "RidgeRecommender": _ours("RidgeRecommender"),
        "skrecsys EASE": _skrecsys("EASE"),
    },
    "neighbours of items that share a user, and 512 singular vectors": {
        "GraphFilterRecommender": _ours("GraphFilterRecommender"),
    },
    "neighbours of items: all that share a user; 200; 200": {
        "GraphFilterRecommender, no spectrum": _ours("GraphFilterRecommender", n_components=0),
        "implicit item-kNN": _implicit("nearest_neighbours.CosineRecommender", K=200),
        "skrecsys item-kNN": _skrecsys("ItemKNNRecommender", n_neighbors=200),
    },
}
NOT_ON = {"gowalla": ["weights of all pairs of items"]}  # a matrix of 41,000 x 41,000 does not fit into memory


def measure(kind: str, task_name: str) -> list[dict[str, Any]]:
    """Return the rows of a kind of model."""
    task = TASKS[task_name]("test")
    users = asked_users(task)
    rows = {name: {"system": name, "package": system.package} for name, system in KINDS[kind].items()}
    ready: dict[str, Process] = {}
    with written(task_name, task, users, []) as folder, ExitStack() as stack:
        for name, system in KINDS[kind].items():
            try:
                process = stack.enter_context(start(system, folder))
                process.ask("fit", FIT_LIMIT, parameters=system.fixed)
                rows[name]["version"] = version_of(system.package)
                ready[name] = process
            except NoFigureError as error:
                rows[name]["failed"] = str(error)
        rounds = take_turns(ready)
    ours = next(iter(rows))
    if ours in rounds:
        rows = {ours: rows[ours], f"{ours}, ranker": {**rows[ours], "system": f"{ours}, ranker"}, **rows}
    for name, taken in rounds.items():
        rows[name]["users_per_s"] = round(len(users) / spread(taken["all_s"])["median"])
        if "similar_s" in taken:
            rows[name]["items_per_s"] = round(task.history.shape[1] / spread(taken["similar_s"])["median"])
        rows[name] |= {key: spread(values) for key, values in taken.items()}
        if name != ours and ours in rounds:
            pairs = {key: zip(taken[key], rounds[ours][key], strict=True) for key in taken}
            rows[name]["ratio"] = {key: spread([theirs / mine for theirs, mine in both]) for key, both in pairs.items()}
    return list(rows.values())


def take_turns(processes: dict[str, Process]) -> dict[str, dict[str, list[float]]]:
    """Return the seconds for all users and all items, and the milliseconds for single users, in each round."""
    taken: dict[str, dict[str, list[float]]] = {}
    for _ in range(ROUNDS):
        for place, (name, process) in enumerate(processes.items()):
            of_system = taken.setdefault(name, {})
            _time(process, "known", "lists", of_system)
            similar = process.ask("similar", LIMIT, n=N)
            if similar:
                of_system.setdefault("similar_s", []).append(similar["seconds"])
            if not place:
                _time(process, "ranker", "rank", taken.setdefault(f"{name}, ranker", {}))
    return taken


def _time(process: Process, of: str, by: str, taken: dict[str, list[float]]) -> None:
    """Add the seconds for all users and the milliseconds for single users."""
    one = process.ask("one", LIMIT, n=N, n_calls=CALLS, by=by)
    for key, value in {"all_s": lists(process, of, LIMIT, N)[1]["seconds"], **one}.items():
        taken.setdefault(key, []).append(value)


def main() -> None:
    """Read the command line, measure, and write serving.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=list(TASKS), action="append", help="default: online_retail, gowalla")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="default: all")
    given = parser.parse_args()
    for task_name in given.task or ["online_retail", "gowalla"]:
        for kind in given.kind or KINDS:
            if kind in NOT_ON.get(task_name, []):
                continue
            rows = measure(kind, task_name)
            for row in rows:
                print(task_name, json.dumps(row), flush=True)
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
            results["command"] = "python benchmarks/serving.py"
            results["machine"] = {**machine(), "threads": N_THREADS}
            results["rows"].setdefault(task_name, {})[kind] = rows
            RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
