"""Comparison with other packages: the same data, threads and metrics, each package in an environment of its own.

Each package fits the same matrix and returns lists of 20 items for all users with held-out interactions, and this
module computes the metrics. systems.json contains the rows: the first candidate of each has the documented settings.
`python benchmarks/run.py peers search` selects the settings of each row from its candidates on the validation parts, in
peers_settings.json. Rows that take less than `SHORT` seconds are measured again in turn with a row of skgnnrec.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, N_THREADS, STORE, Section, spread
from models import embed
from process import NoFigureError, Process, user_lines, version_of
from scipy import sparse
from tasks import TASKS, TITLES, Task, cold_split

from skgnnrec.metrics import ranking_metrics

SETTINGS = STORE / "peers_settings.json"
COMPARED = ("online_retail", "beauty", "movietweetings", "gowalla")
N, ROUNDS, SHORT = 20, 5, 3.0  # items in a list; rounds of rows that take less than so many seconds
LIMIT, LIMITS = 60, {"gowalla": 300}  # seconds of a fit, and of all lists; graph models stop training then
SEARCH_SHARE, SEARCH_USERS = 0.1, 4000  # of the limit, for a candidate of a graph model
LARGEST_SQUARE = 30_000  # items


@dataclass
class System:
    """A row of the comparison."""

    package: str
    driver: str
    fixed: dict[str, Any]
    candidates: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    text: str | None = None  # "raw" texts or "vectors" of them
    encodes: bool = False  # whether the time of the text vectors is measured
    against: str | None = None  # the row of skgnnrec with the same kind of model
    newcomers: str | None = None  # the reason if it cannot recommend to new users
    cold: str | None = "cannot: reads no item data"  # the reason if it cannot rank cold items
    more: tuple[str, ...] = ("newcomers", "cold")  # further measurements, each with a separate fit
    trained: bool = False  # trains until the time limit or early stopping
    tasks: tuple[str, ...] = COMPARED
    squares_items: bool = False  # inverts a matrix of items by items


SYSTEMS = {name: System(**each) for name, each in json.loads((HERE / "systems.json").read_text()).items()}


@contextmanager
def written(task_name: str, task: Task, users: np.ndarray, systems: list[System], **more: Any) -> Iterator[str]:
    """Write the data for the drivers into a temporary folder."""
    files = {"X": task.history, "users": users, **more}
    files |= {} if task.recent is None else {"histories": task.recent[users]}
    if task.texts is not None and any(system.text == "vectors" or system.encodes for system in systems):
        files["vectors"] = embed(task_name, task)
    with tempfile.TemporaryDirectory() as folder:
        if task.texts is not None:
            Path(folder, "texts.json").write_text(json.dumps(task.texts), encoding="utf-8")
        for key, value in files.items():
            if sparse.issparse(value):
                sparse.save_npz(Path(folder, f"{key}.npz"), sparse.csr_matrix(value), compressed=False)
            else:
                np.save(Path(folder, f"{key}.npy"), value)
        yield folder


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
        rows, columns = np.repeat(np.arange(found.shape[0]), found.shape[1]), found.ravel()
        known = columns >= 0
        has = sparse.csr_array((np.ones(known.sum()), (rows[known], columns[known])), shape=seen.shape)
        if has.multiply(seen).nnz or has.max() > 1:
            raise NoFigureError("its lists hold items twice, or that the user has")
    row = {}
    for k in at:
        metrics = ranking_metrics(held_out, found[:, :k], k=k)
        row |= {f"{name}@{k}": round(metrics[name], 4) for name in ("recall", "ndcg")}
    return row


def parameters_of(name: str, task_name: str) -> tuple[dict[str, Any], str]:
    """Return the settings of a row and their source."""
    system = SYSTEMS[name]
    stored = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
    chosen = stored.get(task_name, {}).get(name) if len(system.candidates) > 1 else None
    if chosen is not None:
        return {**system.fixed, **chosen}, f"best of {len(system.candidates)}"
    return {**system.fixed, **system.candidates[0]}, "defaults" if system.package == "skgnnrec" else "documented"


def fit(process: Process, system: System, parameters: dict[str, Any], limit: float, share: float = 1.0) -> dict:
    """Fit a driver; graph models train for a share of the limit, and are ended at five times the limit."""
    seconds = {"seconds": max(5.0, share * limit) if share < 1 else limit} if system.trained else {}
    return process.ask("fit", 5 * limit if system.trained else limit, parameters={**parameters, **seconds})


def rows_of(task_name: str, name: str) -> Iterator[dict]:
    """Yield the row of a system on the test part, with the reason of what it lacks."""
    system, limit = SYSTEMS[name], LIMITS.get(task_name, LIMIT)
    row: dict[str, Any] = {"recommender": name, "package": system.package}
    try:
        row |= run_row(name, task_name, limit)
    except NoFigureError as failure:
        yield {**row, "failed": str(failure)}
        return
    for more, run in (("newcomers", run_newcomers), ("cold", run_cold)):
        try:
            row |= run(name, task_name, limit) if more in system.more else {}
        except NoFigureError as failure:
            row[more] = str(failure)
    if row["fit_s"] + row["lists_s"] < SHORT and system.against:
        row |= compare(name, task_name, limit)
    yield row


def run_row(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures of a system on the test part."""
    system, task = SYSTEMS[name], TASKS[task_name]("test")
    n_items, users = task.history.shape[1], asked_users(task)
    parameters, source = parameters_of(name, task_name)
    if system.squares_items and n_items > LARGEST_SQUARE:
        size = f"{n_items} x {n_items}, {8 * n_items**2 / 1e9:.0f} GB in float64"
        raise NoFigureError(f"not run: inverts a matrix of {size}")
    with written(task_name, task, users, [system]) as folder, start(system, folder) as process:
        row = {"version": version_of(system.package), "settings": source, "parameters": parameters}
        if system.encodes:
            row["encode_s"] = round(process.ask("encode", 4 * limit)["seconds"], 2)
        fitted = fit(process, system, parameters, limit)
        found, ranked = lists(process, "known", limit)
        held_out, seen = task.held_out[users], task.history[users]
        row |= accuracy(held_out, seen, found)
        if task.recent is not None and system.newcomers is None:
            weighted, _ = lists(process, "weighted", limit)
            row |= {f"{key}, recency": value for key, value in accuracy(held_out, seen, weighted).items()}
        row |= {"fit_s": round(fitted["seconds"], 3), "lists_s": round(ranked["seconds"], 3)}
        row |= {"users_per_s": round(len(users) / ranked["seconds"]), "peak_mib": ranked["peak_mib"]}
        row |= {"model_mib": round(process.ask("size", limit)["mib"], 2), "lines": user_lines(system.driver)}
        return row | ({"epochs": fitted["epochs"]} if "epochs" in fitted else {})


def run_newcomers(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures for a fifth of the users, who were not in the fit."""
    if SYSTEMS[name].newcomers is not None:
        return {"newcomers": SYSTEMS[name].newcomers}
    task = TASKS[task_name]("test")
    users = asked_users(task)
    new = np.sort(np.random.default_rng(0).permutation(users)[: len(users) // 5])
    kept = np.setdiff1d(np.arange(task.history.shape[0]), new)
    rest = Task(task.history[kept], None, task.held_out[kept], task.texts)
    found = _fit_and_list(name, task_name, rest, asked_users(rest)[:1], "newcomers", limit, newcomers=task.history[new])
    found = accuracy(task.held_out[new], task.history[new], found)
    return {f"new users, {key}": value for key, value in found.items()}


def run_cold(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the figures for a fifth of the items, without interactions in the fit, ranked on their own."""
    task = TASKS[task_name]("test")
    if task.texts is None or SYSTEMS[name].cold is not None:
        return {} if task.texts is None else {"cold": SYSTEMS[name].cold}
    history, held_out, cold, users = cold_split(task)
    rest = Task(history, None, held_out, task.texts)
    found = accuracy(held_out[users], None, _fit_and_list(name, task_name, rest, users, "cold", limit, cold=cold))
    return {f"cold items, {key}": value for key, value in found.items()}


def _fit_and_list(name: str, task_name: str, task: Task, users: np.ndarray, of: str, limit: float, **more: Any) -> Any:
    system = SYSTEMS[name]
    with written(task_name, task, users, [system], **more) as folder, start(system, folder) as process:
        fit(process, system, parameters_of(name, task_name)[0], limit)
        return lists(process, of, limit)[0]


def compare(name: str, task_name: str, limit: float) -> dict[str, Any]:
    """Return the seconds of a row and their ratios to the row of skgnnrec, which take turns."""
    task, against = TASKS[task_name]("test"), SYSTEMS[name].against
    taken: dict[str, dict[str, list[float]]] = {each: {"fit_s": [], "lists_s": []} for each in (name, against)}
    systems = [SYSTEMS[each] for each in taken]
    with written(task_name, task, asked_users(task), systems) as folder, ExitStack() as stack:
        ready = {each: stack.enter_context(start(SYSTEMS[each], folder)) for each in taken}
        for _ in range(ROUNDS):
            for each, process in ready.items():
                fitted = fit(process, SYSTEMS[each], parameters_of(each, task_name)[0], limit)
                taken[each]["fit_s"].append(fitted["seconds"])
                taken[each]["lists_s"].append(lists(process, "known", limit)[1]["seconds"])
    theirs, ours = taken[name], taken[against]
    ratios = {key: [a / b for a, b in zip(theirs[key], ours[key], strict=True)] for key in theirs}
    medians = {key: spread(values)["median"] for key, values in theirs.items()}
    times = {f"{key.removesuffix('_s')}, times": spread(values, 2) for key, values in ratios.items()}
    return {**medians, "against": against, **times}


def search() -> Iterator[dict]:
    """Yield the candidates of each row with their NDCG on the validation parts, and store the best of each."""
    for task_name in COMPARED:
        task, limit = TASKS[task_name]("validation"), LIMITS.get(task_name, LIMIT)
        users, k = asked_users(task, SEARCH_USERS), 20 if task_name == "gowalla" else 10
        for name, system in SYSTEMS.items():
            if task_name not in system.tasks or len(system.candidates) < 2:
                continue
            scores = {}
            try:
                with written(task_name, task, users, [system]) as folder, start(system, folder) as process:
                    for place, candidate in enumerate(system.candidates):
                        fit(process, system, {**system.fixed, **candidate}, limit, SEARCH_SHARE)
                        found, _ = lists(process, "known", limit)
                        scores[place] = accuracy(task.held_out[users], task.history[users], found)[f"ndcg@{k}"]
                        yield {"data": task_name, "recommender": name, "candidate": candidate, "ndcg": scores[place]}
            except NoFigureError as failure:
                yield {"data": task_name, "recommender": name, "failed": str(failure)}
            if scores:
                settings = json.loads(SETTINGS.read_text()) if SETTINGS.exists() else {}
                best = system.candidates[max(scores, key=scores.__getitem__)]
                settings.setdefault(task_name, {})[name] = best
                SETTINGS.write_text(json.dumps(settings, indent=2) + "\n")


def suits(system: System, task_name: str) -> bool:
    """Return whether a system is measured on a task. Gowalla has no texts."""
    return task_name in system.tasks and (task_name != "gowalla" or system.text != "vectors")


SECTIONS = {
    name: Section(
        f"Side by side: {TITLES[name]}",
        partial(rows_of, name),
        tuple(system for system in SYSTEMS if suits(SYSTEMS[system], name)),
        "recommender",
    )
    for name in COMPARED
}
SECTIONS["search"] = Section("Candidates on the validation parts", search)
