"""Compare skgnnrec with other packages: the same data, threads and metrics, each package in its own environment.

    python benchmarks/peers.py [--task T] [--row NAME] [--search] [--limit SECONDS]

Each package fits the same matrix and returns lists of 20 items for all users with held-out interactions. This script
computes the metrics. A row is written to peers.json when it is complete, and a new run replaces it. Rows that take only
a few seconds are measured again in turn, for the spread of the ratios. `--search` selects the settings of each row from
four candidates on the validation parts and writes them to peers_settings.json. Without this file the documented
settings are used.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from environments import version_of
from models import embed
from process import N_THREADS, NoFigureError, Process, user_lines
from run import cold_split, machine
from scipy import sparse
from systems import SYSTEMS, System
from tasks import TASKS, Task

from skgnnrec.metrics import ranking_metrics

HERE = Path(__file__).parent
RESULTS, SETTINGS = HERE / "peers.json", HERE / "peers_settings.json"
N = 20  # items in a list
LIMIT, LIMITS = 60, {"gowalla": 300}  # seconds of a fit, and of all lists; graph models stop training then
SEARCH_SHARE = 0.1  # of the limit, for a candidate of a graph model
SEARCH_USERS = 4000
LARGEST_SQUARE = 30_000  # items
SHORT = 3.0  # seconds of fit and lists of rows that are measured in turn
ROUNDS = 5


@contextmanager
def written(
    task_name: str, task: Task, held_out_users: np.ndarray, systems: list[System], **more: Any
) -> Iterator[str]:
    """Write the data for the drivers into a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sparse.save_npz(folder / "X.npz", sparse.csr_matrix(task.history), compressed=False)
        np.save(folder / "users.npy", held_out_users)
        if task.recent is not None:
            sparse.save_npz(folder / "histories.npz", sparse.csr_matrix(task.recent[held_out_users]), compressed=False)
        if task.texts is not None:
            (folder / "texts.json").write_text(json.dumps(task.texts), encoding="utf-8")
            if any(system.text == "vectors" or system.encodes for system in systems):
                np.save(folder / "vectors.npy", embed(task_name, task))
        for key, value in more.items():
            if sparse.issparse(value):
                sparse.save_npz(folder / f"{key}.npz", sparse.csr_matrix(value), compressed=False)
            else:
                np.save(folder / f"{key}.npy", value)
        yield name


def asked_users(task: Task, sample: int | None = None) -> np.ndarray:
    """Return the users with a history and held-out interactions, or a random sample of them."""
    users = np.flatnonzero((np.diff(task.held_out.indptr) > 0) & (np.diff(task.history.indptr) > 0))
    return users if sample is None else np.sort(np.random.default_rng(0).permutation(users)[:sample])


def start(system: System, folder: str) -> Process:
    """Start the driver of a system and let it read the data."""
    process = Process(system.package, system.driver)
    try:
        process.ask("read", LIMIT, folder=folder, n_threads=N_THREADS)
    except NoFigureError:
        process.__exit__()
        raise
    return process


def lists(process: Process, of: str, limit: float, n: int = N) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the lists of a driver and its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lists.npy")
        answer = process.ask("lists", limit, of=of, n=n, to=str(path))
        return np.load(path), answer


def accuracy(
    held_out: sparse.csr_array, seen: sparse.csr_array | None, found: np.ndarray, at: tuple = (10, 20)
) -> dict:
    """Return recall and NDCG of lists. Lists with repeated items or items of the history are refused."""
    if seen is not None:
        rows = np.repeat(np.arange(found.shape[0]), found.shape[1])
        columns = found.ravel()
        known = columns >= 0
        has = sparse.csr_array((np.ones(known.sum()), (rows[known], columns[known])), shape=seen.shape)
        if has.multiply(seen).nnz or has.max() > 1:
            raise NoFigureError("its lists hold items twice, or that the user has")
    row = {}
    for k in at:
        metrics = ranking_metrics(held_out, found[:, :k], k=k)
        row |= {f"recall@{k}": round(metrics["recall"], 4), f"ndcg@{k}": round(metrics["ndcg"], 4)}
    return row


def limit_of(task_name: str, given: float | None) -> float:
    """Return the time limit of a fit in seconds."""
    return LIMITS.get(task_name, LIMIT) if given is None else given


def parameters_of(name: str, task_name: str) -> tuple[dict[str, Any], str]:
    """Return the settings of a row and their source."""
    system = SYSTEMS[name]
    if len(system.candidates) > 1 and SETTINGS.exists():
        chosen = json.loads(SETTINGS.read_text()).get(task_name, {}).get(name)
        if chosen is not None:
            return chosen, f"best of {len(system.candidates)}"
    return system.candidates[0], "documented" if system.package != "skgnnrec" else "defaults"


def run_row(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures of a system on the test part, or the reason why it has none."""
    system = SYSTEMS[name]
    parameters, source = parameters_of(name, task_name)
    row: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "threads": N_THREADS}
    row |= {"package": system.package, "lines": user_lines(system.driver)}
    row |= {"settings": source, "parameters": parameters}
    seconds = {"seconds": limit} if system.trained else {}
    try:
        task = TASKS[task_name]("test")
        _refuse_squares(system, task)
        users = asked_users(task)
        with written(task_name, task, users, [system]) as folder, start(system, folder) as process:
            row["version"] = version_of(system.package)
            if system.encodes:
                row["encode_s"] = round(process.ask("encode", 4 * limit)["seconds"], 2)
            hard = 5 * limit if system.trained else limit
            fitted = process.ask("fit", hard, parameters={**system.fixed, **parameters, **seconds})
            found, ranked = lists(process, "known", limit)
            held_out, seen = task.held_out[users], task.history[users]
            row |= accuracy(held_out, seen, found)
            row |= {"fit_s": round(fitted["seconds"], 3), "lists_s": round(ranked["seconds"], 3)}
            row |= {"users_per_s": round(len(users) / ranked["seconds"]), "peak_mib": ranked["peak_mib"]}
            row |= {"epochs": fitted["epochs"]} if "epochs" in fitted else {}
            row["model_mib"] = round(process.ask("size", limit)["mib"], 2)
            if task.recent is not None and _takes_rows(system):
                weighted, _ = lists(process, "weighted", limit)
                row |= {f"{key}, recency": value for key, value in accuracy(held_out, seen, weighted).items()}
    except NoFigureError as failure:
        row["failed"] = str(failure)
    return row


def _refuse_squares(system: System, task: Task) -> None:
    """Refuse models that would need too much time and memory for the items of the task."""
    n_items = task.history.shape[1]
    if system.squares_items and n_items > LARGEST_SQUARE:
        raise NoFigureError(
            f"not run: inverts a matrix of {n_items} x {n_items}, {8 * n_items**2 / 1e9:.0f} GB in float64"
        )


def _takes_rows(system: System) -> bool:
    return system.newcomers is None


def run_newcomers(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures for a fifth of the users, who were not in the fit."""
    system = SYSTEMS[name]
    if system.newcomers is not None:
        return {"newcomers": system.newcomers}
    task = TASKS[task_name]("test")
    users = asked_users(task)
    new = np.sort(np.random.default_rng(0).permutation(users)[: len(users) // 5])
    fitted_on = np.setdiff1d(np.arange(task.history.shape[0]), new)
    seen, held_out = task.history[new], task.held_out[new]
    rest = Task(task.history[fitted_on], None, task.held_out[fitted_on], task.texts)
    data = written(task_name, rest, asked_users(rest)[:1], [system], newcomers=seen)
    with data as folder, start(system, folder) as process:
        found = _fit_and_list(process, name, task_name, "newcomers", limit)
    return {f"new users, {key}": value for key, value in accuracy(held_out, seen, found).items()}


def run_cold(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures for a fifth of the items, without interactions in the fit, ranked on their own."""
    system = SYSTEMS[name]
    task = TASKS[task_name]("test")
    if task.texts is None:
        return {}
    if system.cold is not None:
        return {"cold": system.cold}
    history, held_out, cold, users = cold_split(task)
    split = Task(history, None, held_out, task.texts)
    with written(task_name, split, users, [system], cold=cold) as folder, start(system, folder) as process:
        found = _fit_and_list(process, name, task_name, "cold", limit)
    return {f"cold items, {key}": value for key, value in accuracy(held_out[users], None, found).items()}


def _fit_and_list(process: Process, name: str, task_name: str, of: str, limit: float) -> np.ndarray:
    system = SYSTEMS[name]
    seconds = {"seconds": limit} if system.trained else {}
    hard = 5 * limit if system.trained else limit
    process.ask("fit", hard, parameters={**system.fixed, **parameters_of(name, task_name)[0], **seconds})
    return lists(process, of, limit)[0]


MORE = {"newcomers": run_newcomers, "cold": run_cold}


def search(name: str, task_name: str, limit: float) -> dict[str, Any] | None:
    """Return the best candidate on the validation part, by NDCG@10 (Gowalla: @20)."""
    system = SYSTEMS[name]
    task = TASKS[task_name]("validation")
    users = asked_users(task, SEARCH_USERS)
    k = 20 if task_name == "gowalla" else 10
    share = max(5.0, SEARCH_SHARE * limit)
    scores = []
    try:
        _refuse_squares(system, task)
        with written(task_name, task, users, [system]) as folder, start(system, folder) as process:
            for candidate in system.candidates:
                seconds = {"seconds": share} if system.trained else {}
                process.ask("fit", limit, parameters={**system.fixed, **candidate, **seconds})
                found, _ = lists(process, "known", limit)
                scores.append(accuracy(task.held_out[users], task.history[users], found)[f"ndcg@{k}"])
                print(f"  {task_name}: {name}: {candidate}: {scores[-1]:.4f}", flush=True)
    except NoFigureError as failure:
        print(f"  {task_name}: {name}: {failure}", flush=True)
    return system.candidates[int(np.argmax(scores))] if scores else None


def interleave(names: list[str], task_name: str, limit: float) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of fits and lists of systems that take turns."""
    task = TASKS[task_name]("test")
    taken: dict[str, dict[str, list[float]]] = {name: {"fit_s": [], "lists_s": []} for name in names}
    systems = {name: SYSTEMS[name] for name in names}
    with written(task_name, task, asked_users(task), list(systems.values())) as folder, ExitStack() as stack:
        processes = {name: stack.enter_context(start(system, folder)) for name, system in systems.items()}
        for _ in range(ROUNDS):
            for name, process in processes.items():
                parameters = {**SYSTEMS[name].fixed, **parameters_of(name, task_name)[0]}
                taken[name]["fit_s"].append(process.ask("fit", limit, parameters=parameters)["seconds"])
                taken[name]["lists_s"].append(lists(process, "known", limit)[1]["seconds"])
    return taken


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the minimum and the maximum."""
    return {key: round(float(of(values)), 3) for key, of in (("median", median), ("min", min), ("max", max))}


def run_ratios(rows: dict[str, dict], task_name: str, limit: float) -> None:
    """Measure short rows again in turn, and replace their seconds by medians and ratios to the rows of skgnnrec.

    Rows of skgnnrec that are stored take part even if they were not requested.
    """
    stored = read_results()["tasks"][task_name]["rows"]
    rows |= {ours: stored[ours] for ours in {SYSTEMS[name].against for name in rows} if ours in stored}
    short = [name for name, row in rows.items() if row.get("fit_s", np.inf) + row.get("lists_s", np.inf) < SHORT]
    taken = interleave(short, task_name, limit)
    for name in short:
        rows[name] |= {key: round(median(values), 3) for key, values in taken[name].items()}
        rows[name]["spread"] = {key: spread(values) for key, values in taken[name].items()}
        against = SYSTEMS[name].against
        if against in short:
            both = {key: zip(taken[name][key], taken[against][key], strict=True) for key in ("fit_s", "lists_s")}
            ratios = {key: spread([theirs / mine for theirs, mine in pairs]) for key, pairs in both.items()}
            rows[name]["ratio"] = {"against": against, **ratios}


def read_results() -> dict[str, Any]:
    """Return the stored results."""
    return (
        json.loads(RESULTS.read_text()) if RESULTS.exists() else {"command": "python benchmarks/peers.py", "tasks": {}}
    )


def store(task_name: str, rows: dict[str, dict]) -> None:
    """Write rows to peers.json, in the order of the systems."""
    results = read_results()
    stored = {**results["tasks"].get(task_name, {}).get("rows", {}), **rows}
    ordered = {name: stored[name] for name in SYSTEMS if name in stored}
    results["tasks"][task_name] = {"machine": machine(), "limit_s": limit_of(task_name, None), "rows": ordered}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def run_searches(names: list[str], task_name: str, limit: float) -> None:
    """Select the settings of rows with several candidates."""
    for name in names:
        if len(SYSTEMS[name].candidates) > 1:
            chosen = search(name, task_name, limit)
            settings = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
            if chosen is not None:
                settings.setdefault(task_name, {})[name] = chosen
                SETTINGS.write_text(json.dumps(settings, indent=2) + "\n")


def run_task(names: list[str], task_name: str, limit: float) -> None:
    """Measure rows one after the other, then short rows in turn."""
    rows: dict[str, dict] = {}
    for name in names:
        rows[name] = run_row(name, task_name, limit)
        if "failed" not in rows[name]:
            for more, run in MORE.items():
                try:
                    rows[name] |= run(name, task_name, limit) if more in SYSTEMS[name].more else {}
                except NoFigureError as failure:
                    rows[name][more] = str(failure)
        print(task_name, name, json.dumps(rows[name]), flush=True)
        store(task_name, {name: rows[name]})
    run_ratios(rows, task_name, limit)
    store(task_name, rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=list(TASKS), action="append", help="default: all but gowalla")
    parser.add_argument("--row", choices=list(SYSTEMS), action="append", help="default: all")
    parser.add_argument("--search", action="store_true", help="choose settings on the validation parts")
    parser.add_argument("--limit", type=float, help=f"seconds of a fit; default: {LIMIT}, Gowalla {LIMITS['gowalla']}")
    given = parser.parse_args()
    for task_name in given.task or [name for name in TASKS if name != "gowalla"]:
        names = [name for name in given.row or SYSTEMS if suits(SYSTEMS[name], task_name)]
        limit = limit_of(task_name, given.limit)
        (run_searches if given.search else run_task)(names, task_name, limit)


def suits(system: System, task_name: str) -> bool:
    """Return whether a system can be measured on a task. Gowalla has no texts."""
    if system.tasks is not None:
        return task_name in system.tasks
    return task_name != "gowalla" or system.text != "vectors"


if __name__ == "__main__":
    main()
