"""How time and memory grow with the interactions: 1x, 2x, 4x, 8x users with the same habits.

    python benchmarks/growth.py

Each size runs in a process of its own. The exponent is the slope of log cost over log interactions.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from memory import peak_mib

from skgnnrec import GraphFilterRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions

HERE = Path(__file__).parent
USERS, ITEMS, PER_USER = 10_000, 5_000, 25
MODELS = {"filter": GraphFilterRecommender, "ridge": RidgeRecommender}


def measure(model_name: str, factor: int) -> dict:
    """Return seconds and memory of one size."""
    n_users = USERS * factor
    X = make_interactions(n_users, ITEMS, n_interactions=n_users * PER_USER, random_state=0).interactions
    base = peak_mib()
    before = time.perf_counter()
    model = MODELS[model_name]().fit(X)
    fitted = time.perf_counter()
    model.recommend(X)
    return {
        "model": model_name,
        "interactions": X.nnz,
        "fit_s": round(fitted - before, 2),
        "recommend_s": round(time.perf_counter() - fitted, 2),
        "data_mib": base,
        "peak_mib": peak_mib(),
    }


def exponent(rows: list[dict], column: str) -> float:
    """Return the slope of log(column) over log(interactions)."""
    x, y = (np.log([row[name] for row in rows]) for name in ("interactions", column))
    return round(float(np.polyfit(x, y, 1)[0]), 2)


def main() -> None:
    """Measure every size and write growth.json."""
    results = {}
    for model_name in MODELS:
        rows = []
        for factor in (1, 2, 4, 8):
            command = [sys.executable, __file__, model_name, str(factor)]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(json.dumps(rows[-1]), flush=True)
        exponents = {column: exponent(rows, column) for column in ("fit_s", "recommend_s", "peak_mib")}
        print(f"{model_name}: exponents {exponents}", flush=True)
        results[model_name] = {"rows": rows, "exponents": exponents}
    (HERE / "growth.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
