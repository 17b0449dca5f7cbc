"""Find operations that are slower in one commit than in another, side by side on one machine.

    python benchmarks/guard.py [--base HEAD] [--head WORKTREE] [--rounds 15] [--only NAME ...]

The sources of both commits are written into folders of their own; "WORKTREE" are the present files. A worker process
for each imports its package, with one thread, and prepares the operations. The workers take turns with each operation,
in a changing order. The ratio is the median of the ratios of pairs of turns, with an interval from their quantiles. An
operation is slower if its median ratio is above 1.25 and its interval above 1; it is measured again before it counts.
The exit status is 1 then.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
TOLERANCE, TRIES = 1.25, 2
WORKTREE = "WORKTREE"


def operations() -> dict[str, Callable[[], Any]]:
    """Return the measured operations by name."""
    from skgnnrec import GNNRecommender, GraphFilterRecommender, ItemCatalog, LogRecommender, RidgeRecommender
    from skgnnrec.datasets import make_interactions
    from skgnnrec.metrics import ranking_metrics
    from skgnnrec.model_selection import paired_bootstrap, split_interactions

    data = make_interactions(3000, 1200, n_interactions=60_000, random_state=0)
    X, log, rng = data.interactions, data.events, np.random.default_rng(0)
    catalog = ItemCatalog(rng.standard_normal((1200, 64)).astype(np.float32))
    past, future = split_interactions(X, random_state=0)
    values = {name: rng.random(3000) for name in "ab"}
    models = {
        "filter": GraphFilterRecommender(catalog=catalog),
        "ridge": RidgeRecommender(catalog=catalog),
        "gnn": GNNRecommender(embedding_dim=32, max_iter=1, early_stopping=False, device="cpu"),
    }
    watched: dict[str, Callable[[], Any]] = {}
    for name, model in models.items():
        watched[f"fit {name}"] = lambda model=model: model.fit(X)
        model.fit(X)
        watched[f"recommend {name}, all users"] = lambda model=model: model.recommend(X)
        one = [X[[user]] for user in range(50)]
        watched[f"recommend {name}, 50 users one by one"] = lambda model=model, one=one: [
            model.recommend(x) for x in one
        ]
    lists = models["ridge"].recommend(X, 20)[0]
    of_log = LogRecommender(RidgeRecommender(), user="user_id", item="item_id")
    return watched | {
        "score ridge": lambda: models["ridge"].score(past, future),
        "fit log of ridge": lambda: of_log.fit(log),
        "ranking_metrics": lambda: ranking_metrics(X, lists),
        "split_interactions": lambda: split_interactions(X, random_state=0),
        "paired_bootstrap": lambda: paired_bootstrap(values),
    }


def serve() -> None:
    """Prepare the operations, print their names, and run those that are asked for."""
    output, sys.stdout = sys.stdout, sys.stderr
    watched = operations()
    print(json.dumps(list(watched)), file=output, flush=True)
    for line in sys.stdin:
        before = time.perf_counter()
        watched[json.loads(line)]()
        print(time.perf_counter() - before, file=output, flush=True)


class Worker:
    """A process with the package of one commit."""

    def __init__(self, commit: str, folder: Path) -> None:
        if commit == WORKTREE:
            folder = ROOT
        else:
            archive = subprocess.run(["git", "archive", commit, "skgnnrec"], cwd=ROOT, capture_output=True, check=True)
            folder.mkdir()
            subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
        command = [sys.executable, "-P", str(Path(__file__)), "--worker"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | one | {"PYTHONPATH": str(folder)}, **pipes)
        self.names: list[str] = json.loads(self._line(f"{commit} cannot run the operations"))

    def _line(self, problem: str) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(problem)
        return line

    def seconds(self, name: str) -> float:
        """Return the seconds of an operation."""
        print(json.dumps(name), file=self.process.stdin, flush=True)
        return float(self._line(f"{name}: the worker ended"))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate()


def compare(base: Worker, head: Worker, name: str, rounds: int) -> tuple[float, float, float]:
    """Return the median ratio of head to base, and the ends of its interval (sign test, 95 %)."""
    ratios = []
    for number in range(rounds + 1):
        pair = [base, head] if number % 2 else [head, base]
        taken = {worker: worker.seconds(name) for worker in pair}
        ratios += [taken[head] / taken[base]] if number else []  # the first turn warms up
    ratios.sort()
    depth = max(0, int((rounds - 1.96 * rounds**0.5) / 2))
    return float(np.median(ratios)), ratios[depth], ratios[-1 - depth]


def main(arguments: list[str] | None = None) -> None:
    """Compare two commits; exit status 1 if an operation is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="HEAD")
    parser.add_argument("--head", default=WORKTREE)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+")
    given = parser.parse_args(arguments)
    slower = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        commits = {"base": given.base, "head": given.head}
        workers = [stack.enter_context(Worker(commit, Path(folder, name))) for name, commit in commits.items()]
        for name in given.only or [name for name in workers[1].names if name in workers[0].names]:
            for _ in range(TRIES):
                ratio, low, high = compare(*workers, name, given.rounds)
                is_slower = ratio > TOLERANCE and low > 1
                if not is_slower:
                    break
            print(f"{name:45} {ratio:5.2f} times the base ({low:.2f} to {high:.2f})", flush=True)
            slower += [name] if is_slower else []
    if slower:
        raise SystemExit(f"slower than {TOLERANCE} times {given.base}: {', '.join(slower)}")


if __name__ == "__main__":
    serve() if sys.argv[1:2] == ["--worker"] else main()
