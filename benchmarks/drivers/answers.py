"""The driver of a package: read commands from standard input and print the answers, one JSON object per line.

All drivers import this module, each in the environment of its package. It needs only numpy and scipy. Lines of a
driver that end in `# *` are lines that a user of the package writes, from a matrix and texts in memory to
recommendation lists. They are counted.
"""

import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

BLOCK = 1024  # users to score at once, where the package leaves that to its users
WARM_UP = 20  # calls before the timed calls


@dataclass
class Data:
    """The data, which are the same for all packages."""

    X: sparse.csr_matrix  # (n_users, n_items): binary, to fit
    users: np.ndarray  # rows of X to recommend to
    n_threads: int
    histories: sparse.csr_matrix | None = None  # of `users`, the entries weighted by recency
    newcomers: sparse.csr_matrix | None = None  # (n_newcomers, n_items): histories of users who are not in X
    cold: np.ndarray | None = None  # items without interactions in X
    texts: list[str] | None = None
    vectors: np.ndarray | None = None  # of the texts


def read(folder: Path, n_threads: int) -> Data:
    """Read the data from a folder."""
    found: dict[str, Any] = {}
    for path in folder.iterdir():
        if path.suffix == ".npz":
            found[path.stem] = sparse.csr_matrix(sparse.load_npz(path)).astype(np.float32)
        elif path.suffix == ".npy":
            found[path.stem] = np.load(path)
        elif path.suffix == ".json":
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return Data(n_threads=n_threads, **found)


class Driver:
    """Base class of the drivers. A method is None if the package does not have that function."""

    package: str
    encode: Callable[[list[str]], np.ndarray] | None = None
    lists_of_rows: Callable[[sparse.csr_matrix, int], np.ndarray] | None = None  # for users who are not in the fit
    lists_among: Callable[[np.ndarray, np.ndarray, int], np.ndarray] | None = None  # users, items, n
    similar: Callable[[np.ndarray, int], np.ndarray] | None = None  # items, n
    rank: Callable[[np.ndarray, int], np.ndarray] | None = None  # users, n: as `lists`, by a faster way

    def __init__(self) -> None:
        self.model: Any = None
        self.not_counted = 0.0  # seconds in `fit` that do not count as fitting
        self.about: dict[str, Any] = {}  # further results of the fit

    def fit(self, data: Data, **parameters: Any) -> None:
        """Set `model`."""
        raise NotImplementedError

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        """Return the n best items of users of the fit, without items of their histories."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write the fitted model."""
        with path.open("wb") as file:
            pickle.dump(self.model, file, protocol=pickle.HIGHEST_PROTOCOL)


def best(scores: np.ndarray, seen: sparse.csr_matrix, n: int) -> np.ndarray:
    """Return the columns of the n best scores of each row, without seen items, best first, padded with -1."""
    scores[np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr)), seen.indices] = -np.inf
    chosen = np.argpartition(-scores, n - 1, axis=1)[:, :n]
    values = np.take_along_axis(scores, chosen, axis=1)
    chosen[values == -np.inf] = -1
    return np.take_along_axis(chosen, np.argsort(-values, axis=1, kind="stable"), axis=1)


def rows_of(X: sparse.csr_matrix, users: np.ndarray) -> sparse.csr_matrix:
    """Return the rows of users. For a single user, a slice avoids the cost of a selection, as in a server."""
    return X[users] if len(users) > 1 else X[users[0] : users[0] + 1]


def in_blocks(n_rows: int, rank: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return the lists of all rows, computed in blocks of rows."""
    return np.vstack([rank(slice(start, start + BLOCK)) for start in range(0, n_rows, BLOCK)])


def peak_mib() -> int:
    """Return the peak memory of this process in MiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) // 1024


class Answers:
    """The commands, by name."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def read(self, folder: str, n_threads: int) -> dict:
        self.data = read(Path(folder), n_threads)
        return {"version": version(self.driver.package)}

    def encode(self) -> dict:
        before = time.perf_counter()
        self.data.vectors = self.driver.encode(self.data.texts)
        return {"seconds": time.perf_counter() - before}

    def fit(self, parameters: dict) -> dict:
        self.driver.not_counted = 0.0
        before = time.perf_counter()
        self.driver.fit(self.data, **parameters)
        seconds = time.perf_counter() - before - self.driver.not_counted
        return {"seconds": seconds, "peak_mib": peak_mib(), **self.driver.about}

    def lists(self, of: str, n: int, to: str) -> dict:
        """Rank all items for known users, weighted histories or new users, or cold items for known users."""
        data, driver = self.data, self.driver
        calls = {
            "known": lambda: driver.lists(data.users, n),
            "weighted": lambda: driver.lists_of_rows(data.histories, n),
            "newcomers": lambda: driver.lists_of_rows(data.newcomers, n),
            "ranker": lambda: driver.rank(data.users, n),
            "cold": lambda: driver.lists_among(data.users, data.cold, n),
        }
        before = time.perf_counter()
        lists = calls[of]()
        seconds = time.perf_counter() - before
        np.save(to, np.asarray(lists, dtype=np.int64))
        return {"seconds": seconds, "peak_mib": peak_mib()}

    def similar(self, n: int) -> dict:
        """Find similar items of all items, where the package has that function."""
        if self.driver.similar is None:
            return {}
        before = time.perf_counter()
        self.driver.similar(np.arange(self.data.X.shape[1]), n)
        return {"seconds": time.perf_counter() - before}

    def one(self, n: int, n_calls: int, by: str = "lists") -> dict:
        """Rank for single users, one after the other, as a server does."""
        asked = np.random.default_rng(0).choice(self.data.users, WARM_UP + n_calls)
        taken, rank = [], getattr(self.driver, by)
        for user in asked:
            before = time.perf_counter()
            rank(np.array([user]), n)
            taken.append(1e3 * (time.perf_counter() - before))
        return dict(zip(("p50_ms", "p99_ms"), np.percentile(taken[WARM_UP:], [50, 99]).tolist(), strict=True))

    def size(self) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            self.driver.save(path)
            return {"mib": path.stat().st_size / 2**20}


def answer(driver: Driver) -> None:
    """Answer the commands to a driver until standard input ends."""
    serve(Answers(driver))


def serve(answers: Any) -> None:
    """Answer commands, the names of methods, until standard input ends. The answer to a failed command is its error."""
    output, sys.stdout = sys.stdout, sys.stderr  # libraries print to standard output
    for line in sys.stdin:
        command = json.loads(line)
        try:
            found = getattr(answers, command.pop("do"))(**command)
        except Exception as error:
            message = (str(error).strip() or "no message").splitlines()[0]
            found = {"failed": f"{type(error).__name__}: {message}"}
        print(json.dumps(found), file=output, flush=True)
