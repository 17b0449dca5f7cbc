"""What all parts share: sections, machine and versions, storing, timing, memory, and worker processes."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import joblib

HERE = Path(__file__).parent
STORE = Path(os.environ.get("SKGNNREC_BENCHMARKS", HERE))  # of the results
EXPERIMENTS: dict[str, Any] = tomllib.loads((HERE / "experiments.toml").read_text(encoding="utf-8"))
TITLES: dict[str, str] = EXPERIMENTS["titles"]
N_THREADS = int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count()))
PACKAGES = ("skgnnrec", "numpy", "scipy", "scikit-learn", "torch")

Row = dict[str, Any]
Rows = Iterator[Row]


class Section(NamedTuple):
    """One table of results."""

    title: str
    measure: Callable[..., Rows]  # yields rows; takes names of rows where `rows` is not empty
    rows: tuple[str, ...] = ()  # names of rows that can be measured alone
    key: str = "model"  # the column of the names


def sections(title: str, measure: Callable[..., Rows], names: Iterable[str]) -> dict[str, Section]:
    """Return a section for each name, the first argument of `measure`; {} in the title is the data set."""
    return {name: Section(title.format(short_title(name)), partial(measure, name)) for name in names}


def short_title(section: str) -> str:
    """Return the name of the data set of a section."""
    return TITLES.get(section.partition(", ")[0], section).partition(",")[0]


@cache
def code_version() -> str:
    """Return a hash of the sources of the package."""
    sources = sorted((HERE.parent / "skgnnrec").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def machine() -> dict[str, Any]:
    """Return the date, the machine, the versions of packages, the threads, and the version of the code."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    described = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # Virtual machines hide the model of the processor; its instruction sets tell generations apart.
    vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in described.get("flags", "")), "?")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{described.get('model name', '?')} ({vectors}), {joblib.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "threads": N_THREADS,
        "code": code_version(),
    }


def stored(part: str) -> dict[str, Any]:
    """Return the stored sections of a part: each has rows, and the machine that they were measured on."""
    path = STORE / f"{part}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def stored_rows(part: str, section: str) -> list[Row]:
    """Return the stored rows of a section."""
    return stored(part).get(section, {"rows": []})["rows"]


def store(part: str, section: str, rows: list[Row], **more: Any) -> None:
    """Write the rows of a section, and keep the other sections."""
    content = stored(part)
    content[section] = {"machine": machine(), "command": command_of(part, section), **more, "rows": rows}
    write_json(STORE / f"{part}.json", content)


def write_json(path: Path, content: Any) -> None:
    """Write an object as JSON that people can read."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


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
        start = number % len(names)
        for name in names[start:] + names[:start]:
            taken, _ = timed(calls[name])
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Return the median, the minimum and the maximum."""
    return {key: round(float(of(values)), digits) for key, of in (("median", median), ("min", min), ("max", max))}


def ratios(slow: list[float], fast: list[float]) -> dict[str, float]:
    """Return the spread of the ratios of two lists of seconds, measured in turn."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)], 2)


def rounded(row: Row, digits: int = 4) -> Row:
    """Return a row with rounded numbers."""
    return {key: round(float(value), digits) if isinstance(value, float) else value for key, value in row.items()}


def peak_mib() -> int:
    """Return the peak memory of this process; a child inherits that of `getrusage` from its parent, this one not."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) // 1024


def forget_peak() -> int:
    """Let the peak memory of this process begin at its present memory, and return it."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_mib()


def in_process(part: str, *arguments: str, **variables: str) -> Any:
    """Return what `worker` of a part returns in a new process, so that peak memory and threads are its own."""
    command = [sys.executable, str(HERE / "run.py"), "--worker", part, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])
