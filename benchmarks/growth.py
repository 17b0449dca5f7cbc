"""Measure how time and memory grow with the number of users, items and interactions.

    python benchmarks/growth.py [--axis users|items|interactions] [--model NAME]

One number grows from 1x to 16x. With more users, each user has as many interactions as before. With more items or more
interactions, the number of users is fixed. Each size is measured in a separate process. The exponent is the slope of
the logarithm of the cost over the logarithm of the size. The memory is the memory of the fit and the ranking without
the data. `report.py` draws the plot.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import forget_peak, peak_mib
from run import machine
from scipy import sparse

from skgnnrec import GraphFilterRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions

HERE = Path(__file__).parent
RESULTS = HERE / "growth.json"
USERS, ITEMS, PER_USER = 10_000, 2_500, 25
FACTORS = (1, 2, 4, 8, 16)
MODELS = {"filter": GraphFilterRecommender, "ridge": RidgeRecommender}
AXES = ("users", "items", "interactions")
LARGEST = {("ridge", "items"): 8}  # 16x is 40,000 items: more than a fit of 12 n_items² bytes can hold
COSTS = ("fit_s", "recommend_s", "added_mib")


def make(axis: str, factor: int) -> sparse.csr_array:
    """Return the interactions of one size."""
    scale = dict.fromkeys(AXES, 1) | {axis: factor}
    n_users = USERS * scale["users"]
    n_interactions = n_users * PER_USER * scale["interactions"]
    data = make_interactions(n_users, ITEMS * scale["items"], n_interactions=n_interactions, random_state=0)
    return data.interactions


def measure(model_name: str, path: str) -> dict:
    """Return the seconds and the memory of one size. The process must not have measured anything before."""
    X = sparse.csr_array(sparse.load_npz(path))
    forget_peak()
    base = peak_mib()
    before = time.perf_counter()
    model = MODELS[model_name]().fit(X)
    fitted = time.perf_counter()
    model.recommend(X)
    return {
        "users": X.shape[0],
        "items": X.shape[1],
        "interactions": X.nnz,
        "fit_s": round(fitted - before, 2),
        "recommend_s": round(time.perf_counter() - fitted, 2),
        "data_mib": base,
        "added_mib": peak_mib() - base,
    }


def exponent(rows: list[dict], axis: str, column: str) -> float:
    """Return the slope of log(column) over log(size)."""
    x, y = (np.log([max(row[name], 1e-2) for row in rows]) for name in (axis, column))
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def measure_axis(axis: str, models: list[str]) -> dict[str, dict]:
    """Return rows and exponents of each model."""
    rows: dict[str, list[dict]] = {name: [] for name in models}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "X.npz"))
        for factor in FACTORS:
            sparse.save_npz(path, make(axis, factor), compressed=False)
            for name in models:
                if factor <= LARGEST.get((name, axis), factor):
                    command = [sys.executable, __file__, "--size", name, path]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    rows[name].append({"times": factor, **json.loads(done.stdout)})
                    print(axis, name, json.dumps(rows[name][-1]), flush=True)
    return {
        name: {"rows": sizes, "exponents": {cost: exponent(sizes, axis, cost) for cost in COSTS}}
        for name, sizes in rows.items()
    }


def main(axes: list[str], models: list[str]) -> None:
    """Measure every size and write growth.json."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if "growth" not in results:
        results = {"command": "python benchmarks/growth.py", "growth": {}}
    for axis in axes:
        measured = measure_axis(axis, models)
        for name, grown in measured.items():
            print(f"{name}: exponents over the {axis}: {grown['exponents']}", flush=True)
        results["growth"].setdefault(axis, {}).update(measured)
        results["machine"] = machine()
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--axis", choices=AXES, action="append")
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--size", nargs=2, metavar=("MODEL", "PATH"), help="measure one matrix and print the row")
    given = parser.parse_args()
    if given.size:
        print(json.dumps(measure(*given.size)))
    else:
        main(given.axis or list(AXES), given.model or list(MODELS))
