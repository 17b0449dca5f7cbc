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
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from common import EXPERIMENTS, HERE, N_THREADS

from skgnnrec._memory import available_memory

DRIVERS = HERE / "drivers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skgnnrec"
PEERS = Path(os.environ.get("SKGNNREC_PEERS", CACHE / "peers"))
MEMORY_SHARE = 0.7  # of the memory of the machine, for a driver
PRESENT = ("skgnnrec", "scikit-learn")  # the environment of this script has these two
INSTALLS: dict[str, list[list[str]]] = EXPERIMENTS["installs"]


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

    version: str  # of the package

    def __init__(self, package: str, driver: str, n_threads: int = N_THREADS, **variables: str) -> None:
        try:
            python = environment(package)
        except NoFigureError as error:
            raise NoFigureError(f"cannot be installed: {error}") from error
        threads = {f"{library}_NUM_THREADS": str(n_threads) for library in ("OMP", "MKL", "OPENBLAS", "RAYON")}
        variables = {**variables_of(package), **threads, **variables}
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed on exit
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log, "text": True}
        command = [str(python), str(DRIVERS / driver)]
        self.process = subprocess.Popen(command, env=variables, preexec_fn=_limit_memory, **pipes)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def ask(self, command: str, limit: float, **arguments: Any) -> Any:
        """Return the answer to a command, or raise NoFigureError if it fails or exceeds the time limit."""
        with suppress(BrokenPipeError):  # the process has ended, which is detected below
            print(json.dumps({"do": command, **arguments}), file=self.process.stdin, flush=True)
        end = time.monotonic() + limit
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            if time.monotonic() > end:
                raise NoFigureError(f"{command}: over the limit of {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            said = self.log.read().strip() or "no message"
            raise NoFigureError(f"{command}: ended with {self.process.wait()}: {said.splitlines()[-1][:200]}")
        answer = json.loads(line)
        if isinstance(answer, dict) and "failed" in answer:
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
