"""Find operations that are slower in one commit than in another, side by side on one machine.

    python benchmarks/guard.py [--base HEAD] [--head WORKTREE] [--rounds 15] [--only NAME ...]

The sources of both commits are written into folders of their own; "WORKTREE" are the present files. A worker process
for each imports its package, with one thread, and prepares the operations. The workers take turns with each operation,
in a changing order. The ratio is the median of the ratios of pairs of turns, with an interval from their quantiles. An
operation is slower if its median ratio is above 1.25 and its interval above 1; it is measured again before it counts.
The exit status is 1 then.
"""

import argparse
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from common import HERE
from process import Process

TOLERANCE, TRIES, LIMIT = 1.25, 2, 300
WORKTREE = "WORKTREE"


def worker(commit: str, folder: Path) -> Process:
    """Return a process with the package of one commit, which is written into a folder."""
    if commit != WORKTREE:
        archive = subprocess.run(
            ["git", "archive", commit, "skgnnrec"], cwd=HERE.parent, capture_output=True, check=True
        )
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    path = str(HERE.parent if commit == WORKTREE else folder)
    return Process("skgnnrec", "operations.py", n_threads=1, PYTHONPATH=path)


def compare(base: Process, head: Process, name: str, rounds: int) -> tuple[float, float, float]:
    """Return the median ratio of head to base, and the ends of its interval (sign test, 95 %)."""
    ratios = []
    for number in range(rounds + 1):
        pair = [base, head] if number % 2 else [head, base]
        taken = {worker: worker.ask("seconds", LIMIT, name=name) for worker in pair}
        ratios += [taken[head] / taken[base]] if number else []  # the first turn warms up
    ratios.sort()
    depth = max(0, int((rounds - 1.96 * rounds**0.5) / 2))
    return float(np.median(ratios)), ratios[depth], ratios[-1 - depth]


def is_slower(base: Process, head: Process, name: str, rounds: int) -> bool:
    """Return whether an operation is slower each time that it is measured, and print the ratio."""
    for _ in range(TRIES):
        ratio, low, high = compare(base, head, name, rounds)
        print(f"{name:45} {ratio:5.2f} times the base ({low:.2f} to {high:.2f})", flush=True)
        if ratio <= TOLERANCE or low <= 1:
            return False
    return True


def main(arguments: list[str] | None = None) -> None:
    """Compare two commits; exit status 1 if an operation is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="HEAD")
    parser.add_argument("--head", default=WORKTREE)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        commits = {"base": given.base, "head": given.head}
        base, head = (stack.enter_context(worker(each, Path(folder, name))) for name, each in commits.items())
        known = base.ask("names", LIMIT)
        names = given.only or [name for name in head.ask("names", LIMIT) if name in known]
        slower = [name for name in names if is_slower(base, head, name, given.rounds)]
    if slower:
        raise SystemExit(f"slower than {TOLERANCE} times {given.base}: {', '.join(slower)}")


if __name__ == "__main__":
    main()
