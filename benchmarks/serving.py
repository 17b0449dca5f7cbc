"""How fast are lists served, to all users at once and to one at a time, beside packages with the same kind of model?

    python benchmarks/serving.py [--task T] [--kind KIND]

Models of a kind have the same dimensions, or the same weights of all pairs of items. They are fitted briefly: what is
timed is `recommend`, 20 items, seen ones left out, in processes that take turns. All users: users a second, a median
over rounds. One user: milliseconds of a call with one user, p50 and p99 of many. The ratio is theirs over ours in the
same round (above 1: ours is faster). Rows are stored in serving.json as they come.
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


# The first of a kind is ours.
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
    "neighbours of items: all that share a user; 200; 200": {
        "GraphFilterRecommender, no low-pass": _ours("GraphFilterRecommender", low_pass_weight=0),
        "implicit item-kNN": _implicit("nearest_neighbours.CosineRecommender", K=200),
        "skrecsys item-kNN": _skrecsys("ItemKNNRecommender", n_neighbors=200),
    },
}
NOT_ON = {"gowalla": ["weights of all pairs of items"]}  # 41,000 items squared are more than the machine holds


def measure(kind: str, task_name: str) -> list[dict[str, Any]]:
    """Return the rows of a kind."""
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
    for name, taken in rounds.items():
        rows[name]["users_per_s"] = round(len(users) / spread(taken["all_s"])["median"])
        rows[name] |= {key: spread(values) for key, values in taken.items()}
        if name != ours and ours in rounds:
            pairs = {key: zip(taken[key], rounds[ours][key], strict=True) for key in taken}
            rows[name]["ratio"] = {key: spread([theirs / mine for theirs, mine in both]) for key, both in pairs.items()}
    return list(rows.values())


def take_turns(processes: dict[str, Process]) -> dict[str, dict[str, list[float]]]:
    """Return seconds for all users and milliseconds for one, in each round."""
    taken: dict[str, dict[str, list[float]]] = {name: {"all_s": [], "p50_ms": [], "p99_ms": []} for name in processes}
    for _ in range(ROUNDS):
        for name, process in processes.items():
            taken[name]["all_s"].append(lists(process, "known", LIMIT, N)[1]["seconds"])
            one = process.ask("one", LIMIT, n=N, n_calls=CALLS)
            taken[name]["p50_ms"].append(one["p50_ms"])
            taken[name]["p99_ms"].append(one["p99_ms"])
    return taken


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
