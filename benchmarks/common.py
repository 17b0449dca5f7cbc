"""What all parts share: machine and versions, storing, timing, memory, and worker processes."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import joblib

HERE = Path(__file__).parent
STORE = Path(os.environ.get("SKGNNREC_BENCHMARKS", HERE))  # of the results
N_THREADS = int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count()))
PACKAGES = ("skgnnrec", "numpy", "scipy", "scikit-learn", "torch")
WORKER = HERE / "run.py"


class Section(NamedTuple):
    """One table of results."""

    title: str
    measure: Callable[..., Any]  # returns rows, one after the other; takes names of rows where `rows` is not empty
    rows: tuple[str, ...] = ()  # names of rows that can be measured alone
    key: str = "model"  # the column of the names


@cache
def code_version() -> str:
    """Return a hash of the sources of the package."""
    sources = sorted((HERE.parent / "skgnnrec").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def machine(*more: str) -> dict[str, Any]:
    """Return the date, the machine, the versions of packages, the threads, and the version of the code."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    described = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # Virtual machines hide the model of the processor; its instruction sets tell generations apart.
    vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in described.get("flags", "")), "?")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{described.get('model name', '?')} ({vectors}), {joblib.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: version(name) for name in (*PACKAGES, *more)},
        "threads": N_THREADS,
        "code": code_version(),
    }


def stored(part: str) -> dict[str, Any]:
    """Return the stored sections of a part: each has rows, and the machine that they were measured on."""
    path = STORE / f"{part}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "tasks" in content:  # as run.py wrote results.json until 2026-11-29
        on = content["machine"]
        return {name: {"machine": on, "rows": rows} for name, rows in content["tasks"].items()}
    return content


def store(part: str, section: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Write the rows of a section, and keep the other sections."""
    content = stored(part)
    content[section] = {"machine": machine(), "command": command_of(part, section), **more}
    content[section]["rows"] = rows
    (STORE / f"{part}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def command_of(part: str, section: str) -> str:
    """Return the command that measures a section."""
    return f"python benchmarks/run.py {part} " + (f'"{section}"' if " " in section else section)


def timed(
    call: Callable[[], Any], repeat: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Return the shortest time of repeated calls, and the result of the last one."""
    taken = []
    for _ in range(repeat):
        before = clock()
        result = call()
        taken.append(clock() - before)
    return min(taken), result


def in_turn(calls: dict[str, Callable[[], Any]], rounds: int, warm_up: int = 0) -> dict[str, list[float]]:
    """Return the seconds of calls that take turns; each round begins with another one."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(warm_up + rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            taken, _ = timed(calls[name])
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Return the median, the minimum and the maximum."""
    return {key: round(float(of(values)), digits) for key, of in (("median", median), ("min", min), ("max", max))}


def rounded(row: dict[str, Any], digits: int = 4) -> dict[str, Any]:
    """Return a row with rounded numbers."""
    return {key: round(value, digits) if isinstance(value, float) else value for key, value in row.items()}


def peak_mib() -> int:
    """Return the peak memory of this process; a child inherits that of `getrusage` from its parent, this one not."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) // 1024


def in_process(part: str, *arguments: str, **variables: str) -> Any:
    """Return what `worker` of a part returns in a new process, so that peak memory and threads are its own."""
    command = [sys.executable, str(WORKER), "--worker", part, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])
