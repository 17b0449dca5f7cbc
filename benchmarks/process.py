"""Run a driver in a separate process and exchange JSON objects with it, one per line."""

import json
import os
import re
import resource
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
from environments import PEERS, environment, variables_of

from skgnnrec._memory import available_memory

DRIVERS = Path(__file__).parent / "drivers"
N_THREADS = int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count()))
MEMORY_SHARE = 0.7  # of the memory of the machine, for a driver


class NoFigureError(Exception):
    """Raised when a package has no result; the message is the reason."""


class Process:
    """A driver that waits for commands. Leaving the `with` block ends it."""

    def __init__(self, package: str, driver: str) -> None:
        try:
            python = environment(package)
        except RuntimeError as error:
            raise NoFigureError(f"cannot be installed: {error}") from error
        self.log = PEERS / f"{driver}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        threads = {f"{library}_NUM_THREADS": str(N_THREADS) for library in ("OMP", "MKL", "OPENBLAS", "RAYON")}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [str(python), str(DRIVERS / driver)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**variables_of(package), **threads},
                text=True,
                preexec_fn=_limit_memory,
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, command: str, limit: float, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command.

        Raises
        ------
        NoFigureError
            If the command fails, the driver ends, or the time limit is exceeded.
        """
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
        limit = int(MEMORY_SHARE * available)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def user_lines(driver: str) -> int:
    """Return the number of lines of a driver that a user of the package writes: lines that end in `# *`."""
    return len(re.findall(r"# \*$", (DRIVERS / driver).read_text(encoding="utf-8"), flags=re.MULTILINE))
