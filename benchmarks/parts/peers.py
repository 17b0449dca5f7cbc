"""Comparison with other packages: the same data, threads and metrics, each package in an environment of its own.

Each package fits the same matrix and returns lists of 20 items for all users with held-out interactions, and this
module computes the metrics. systems.json contains the rows: the first candidate of each has the documented settings.
`python benchmarks/run.py peers search` selects the settings of each row from its candidates on the validation parts, in
peers_settings.json. Rows that take less than `SHORT` seconds are measured again in turn with a row of skgnnrec.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, N_THREADS, STORE, TITLES, Row, Rows, Section, ratios, spread, stored, write_json
from models import embed
from process import NoFigureError, Process, user_lines
from scipy import sparse
from tasks import TASKS, Task, cold_split, nonempty
from tasks import accuracy as accuracy_of

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

    def suits(self, task_name: str) -> bool:
        """Return whether the system is measured on a task. Gowalla has no texts."""
        return task_name in self.tasks and (task_name != "gowalla" or self.text != "vectors")

    @contextmanager
    def running(self, task_name: str, task: Task, users: np.ndarray, **more: Any) -> Iterator[Process]:
        """Start the driver, and let it read the data from a temporary folder."""
        files = {"X": task.history, "users": users, **more}
        files |= {} if task.recent is None else {"histories": task.recent[users]}
        if task.texts is not None and (self.text == "vectors" or self.encodes):
            files["vectors"] = embed(task_name, task)
        with tempfile.TemporaryDirectory() as folder, Process(self.package, self.driver) as process:
            if task.texts is not None:
                write_json(Path(folder, "texts.json"), task.texts)
            for key, value in files.items():
                if sparse.issparse(value):
                    sparse.save_npz(Path(folder, f"{key}.npz"), sparse.csr_matrix(value), compressed=False)
                else:
                    np.save(Path(folder, f"{key}.npy"), value)
            process.version = process.ask("read", LIMIT, folder=folder, n_threads=N_THREADS)["version"]
            yield process

    def fit(self, process: Process, parameters: Row, limit: float, share: float = 1.0) -> Row:
        """Fit a driver; graph models train for a share of the limit, and are ended at five times the limit."""
        seconds = {"seconds": max(5.0, share * limit) if share < 1 else limit} if self.trained else {}
        return process.ask("fit", 5 * limit if self.trained else limit, parameters={**parameters, **seconds})


SYSTEMS = {name: System(**each) for name, each in json.loads((HERE / "systems.json").read_text()).items()}


def asked_users(task: Task, sample: int | None = None) -> np.ndarray:
    """Return the users with a history and held-out interactions, or a random sample of them."""
    users = np.intersect1d(nonempty(task.held_out), nonempty(task.history))
    return users if sample is None else np.sort(np.random.default_rng(0).permutation(users)[:sample])


def lists(process: Process, of: str, limit: float, n: int = N) -> tuple[np.ndarray, Row]:
    """Return the lists of a driver and its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lists.npy")
        answer = process.ask("lists", limit, of=of, n=n, to=str(path))
        return np.load(path), answer


def accuracy(held_out: sparse.csr_array, seen: sparse.csr_array | None, found: np.ndarray, at: tuple = (10, 20)) -> Row:
    """Return recall and NDCG of lists. Lists with repeated items or items of the history are refused."""
    if seen is not None:
        rows, columns = np.repeat(np.arange(found.shape[0]), found.shape[1]), found.ravel()
        known = columns >= 0
        has = sparse.csr_array((np.ones(known.sum()), (rows[known], columns[known])), shape=seen.shape)
        if has.multiply(seen).nnz or has.max() > 1:
            raise NoFigureError("its lists hold items twice, or that the user has")
    return {key: value for k in at for key, value in accuracy_of(held_out, found[:, :k], k).items()}


class Measured:
    """The measurements of a system on the test part of a task."""

    def __init__(self, name: str, task_name: str) -> None:
        self.name, self.task_name, self.system = name, task_name, SYSTEMS[name]
        self.limit, self.task = LIMITS.get(task_name, LIMIT), TASKS[task_name]("test")
        chosen, n = stored("peers_settings").get(task_name, {}).get(name), len(self.system.candidates)
        self.source = "defaults" if self.system.package == "skgnnrec" else "documented"
        if chosen is None or n == 1:
            chosen = self.system.candidates[0]
        else:
            self.source = f"best of {n}"
        self.parameters = {**self.system.fixed, **chosen}

    def listed(self, of: str, task: Task, users: np.ndarray, **more: Any) -> np.ndarray:
        """Return the lists of a fit to other data."""
        with self.system.running(self.task_name, task, users, **more) as process:
            self.system.fit(process, self.parameters, self.limit)
            return lists(process, of, self.limit)[0]

    def row(self) -> Row:
        """Return the figures of the test part."""
        n_items, users = self.task.history.shape[1], asked_users(self.task)
        if self.system.squares_items and n_items > LARGEST_SQUARE:
            size = f"{n_items} x {n_items}, {8 * n_items**2 / 1e9:.0f} GB in float64"
            raise NoFigureError(f"not run: inverts a matrix of {size}")
        held_out, seen = self.task.held_out[users], self.task.history[users]
        with self.system.running(self.task_name, self.task, users) as process:
            row = {"version": process.version, "settings": self.source, "parameters": self.parameters}
            if self.system.encodes:
                row["encode_s"] = round(process.ask("encode", 4 * self.limit)["seconds"], 2)
            fit = self.system.fit(process, self.parameters, self.limit)
            found, ranked = lists(process, "known", self.limit)
            row |= accuracy(held_out, seen, found)
            if self.task.recent is not None and self.system.newcomers is None:
                weighted = accuracy(held_out, seen, lists(process, "weighted", self.limit)[0])
                row |= {f"{key}, recency": value for key, value in weighted.items()}
            row |= {"fit_s": round(fit["seconds"], 3), "lists_s": round(ranked["seconds"], 3)}
            row |= {"users_per_s": round(len(users) / ranked["seconds"]), "peak_mib": ranked["peak_mib"]}
            row["model_mib"] = round(process.ask("size", self.limit)["mib"], 2)
        row["lines"] = user_lines(self.system.driver)
        return row | {key: fit[key] for key in ("epochs",) if key in fit}

    def newcomers(self) -> Row:
        """Return the figures for a fifth of the users, who were not in the fit."""
        if self.system.newcomers is not None:
            raise NoFigureError(self.system.newcomers)
        task, users = self.task, asked_users(self.task)
        new = np.sort(np.random.default_rng(0).permutation(users)[: len(users) // 5])
        kept = np.setdiff1d(np.arange(task.history.shape[0]), new)
        rest = Task(task.history[kept], None, task.held_out[kept], task.texts)
        found = self.listed("newcomers", rest, asked_users(rest)[:1], newcomers=task.history[new])
        found = accuracy(task.held_out[new], task.history[new], found)
        return {f"new users, {key}": value for key, value in found.items()}

    def cold(self) -> Row:
        """Return the figures for a fifth of the items, without interactions in the fit, ranked on their own."""
        if self.task.texts is None:
            return {}
        if self.system.cold is not None:
            raise NoFigureError(self.system.cold)
        history, held_out, cold, users = cold_split(self.task)
        rest = Task(history, None, held_out, self.task.texts)
        found = accuracy(held_out[users], None, self.listed("cold", rest, users, cold=cold))
        return {f"cold items, {key}": value for key, value in found.items()}

    def compare(self) -> Row:
        """Return the seconds of a row and their ratios to the row of skgnnrec, which take turns."""
        pair = (self, Measured(self.system.against, self.task_name))
        taken: dict[str, tuple[list[float], list[float]]] = {"fit_s": ([], []), "lists_s": ([], [])}
        users = asked_users(self.task)
        with (
            self.system.running(self.task_name, self.task, users) as first,
            pair[1].system.running(self.task_name, self.task, users) as second,
        ):
            for _ in range(ROUNDS):
                for place, (each, process) in enumerate(zip(pair, (first, second), strict=True)):
                    fit = each.system.fit(process, each.parameters, self.limit)
                    taken["fit_s"][place].append(fit["seconds"])
                    taken["lists_s"][place].append(lists(process, "known", self.limit)[1]["seconds"])
        row: Row = {key: spread(theirs)["median"] for key, (theirs, _) in taken.items()}
        times = {f"{key.removesuffix('_s')}, times": ratios(*both) for key, both in taken.items()}
        return {**row, "against": self.system.against, **times}


def rows_of(task_name: str, name: str) -> Rows:
    """Yield the row of a system on the test part, with the reason of what it lacks."""
    measured = Measured(name, task_name)
    row: Row = {"recommender": name, "package": measured.system.package}
    try:
        row |= measured.row()
    except NoFigureError as failure:
        yield {**row, "failed": str(failure)}
        return
    for more in measured.system.more:
        try:
            row |= getattr(measured, more)()
        except NoFigureError as failure:
            row[more] = str(failure)
    if row["fit_s"] + row["lists_s"] < SHORT and measured.system.against:
        row |= measured.compare()
    yield row


def search() -> Rows:
    """Yield the candidates of each row with their NDCG on the validation parts, and store the best of each."""
    for task_name in COMPARED:
        task, limit = TASKS[task_name]("validation"), LIMITS.get(task_name, LIMIT)
        users, k = asked_users(task, SEARCH_USERS), 20 if task_name == "gowalla" else 10
        held_out, seen = task.held_out[users], task.history[users]
        for name, system in SYSTEMS.items():
            if task_name not in system.tasks or len(system.candidates) < 2:
                continue
            row, scores = {"data": task_name, "recommender": name}, []
            try:
                with system.running(task_name, task, users) as process:
                    for candidate in system.candidates:
                        system.fit(process, {**system.fixed, **candidate}, limit, SEARCH_SHARE)
                        scores.append(accuracy(held_out, seen, lists(process, "known", limit)[0])[f"ndcg@{k}"])
                        yield {**row, "candidate": candidate, "ndcg": scores[-1]}
            except NoFigureError as failure:
                yield {**row, "failed": str(failure)}
            if scores:
                settings = stored("peers_settings")
                settings.setdefault(task_name, {})[name] = system.candidates[int(np.argmax(scores))]
                write_json(STORE / "peers_settings.json", settings)


SECTIONS = {}
for _name in COMPARED:
    _rows = tuple(name for name, system in SYSTEMS.items() if system.suits(_name))
    SECTIONS[_name] = Section(f"Side by side: {TITLES[_name]}", partial(rows_of, _name), _rows, "recommender")
SECTIONS["search"] = Section("Candidates on the validation parts", search)
