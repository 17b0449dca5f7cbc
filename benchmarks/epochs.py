"""Measure the seconds of a training epoch on Gowalla, and compare with packages that have the same models.

    python benchmarks/epochs.py [steps]

The LightGCN of RecBole and the XSimGCL of skrecsys are compared with the settings of `GNNRecommender` that have these
names. Interactions, batch size, dimensions, threads and machine are the same. Each package runs in its own environment
(`environments.py`). Both packages of a pair are started first. Then they take turns: each runs some steps in its own
training loop for a few seconds. The seconds of an epoch are the seconds of a step times the number of steps. The
argument `steps` fixes the number of steps per turn.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from environments import PEERS, environment, variables_of, version_of
from run import machine
from scipy import sparse
from tasks import DATA

HERE = Path(__file__).parent
TRAIN = DATA / "gowalla" / "train.npz"
BATCH, DIM, RATE = 2048, 64, 1e-3
ROUNDS, PORTION_S, WARM_UP = 7, 8, 3  # turns of each package, seconds of a turn, steps before the first turn


@dataclass
class Entrant:
    """One package with the parameters of a model."""

    package: str
    driver: str
    parameters: dict[str, Any]
    says: str  # the operations of an epoch


OURS = {"loss": "bpr", "embedding_dim": DIM, "batch_size": BATCH, "learning_rate_init": RATE, "n_negatives": 1}
OURS["alpha"] = 1e-4 / BATCH  # the other packages divide the penalty by the batch size
PAIRS = {
    "LightGCN": [
        Entrant(
            "skgnnrec",
            "ours.py",
            {**OURS, "conv": "lightgcn", "n_layers": 1, "keep_input": True},
            "no user vectors: 2 products with half of the graph, the third for all users; 2048 random interactions",
        ),
        Entrant(
            "recbole",
            "recbole_lightgcn.py",
            {"n_layers": 3, "embedding_size": DIM, "train_batch_size": BATCH, "learning_rate": RATE},
            "3 products with the whole graph; 2048 random interactions",
        ),
    ],
    "XSimGCL": [
        Entrant(
            "skgnnrec",
            "ours.py",
            {**OURS, "conv": "lightgcn", "n_layers": 2, "contrast_weight": 0.2, "noise": 0.2, "temperature": 0.15},
            "no user vectors: 5 products with half of the graph; 2048 random interactions",
        ),
        Entrant(
            "skrecsys",
            "skrecsys_xsimgcl.py",
            {"n_factors": DIM, "batch_size": BATCH, "learning_rate": RATE, "contrastive_weight": 0.2, "eps": 0.2}
            | {"temperature": 0.15, "n_layers": 3},
            "3 products with the whole graph; 2048 random interactions",
        ),
    ],
}


class Runner:
    """A process that has prepared the training and runs steps on request."""

    def __init__(self, entrant: Entrant) -> None:
        python = environment(entrant.package)
        self.log = PEERS / f"{entrant.driver}.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [str(python), str(HERE / "peers" / entrant.driver), str(TRAIN), json.dumps(entrant.parameters)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=variables_of(entrant.package),
                text=True,
            )
        self.about = {"version": version_of(entrant.package), **self.answer()}

    def answer(self) -> dict[str, Any]:
        """Return the next answer of the process."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.log}: {(self.log.read_text().strip() or 'no answer').splitlines()[-1]}")
        return json.loads(line)

    def seconds(self, steps: int) -> float:
        """Return the mean seconds of a step."""
        print(steps, file=self.process.stdin, flush=True)
        return self.answer()["seconds"] / steps

    def portion(self, steps_per_epoch: int) -> int:
        """Return the number of steps that take PORTION_S seconds, after the first steps."""
        self.seconds(1)  # the first step allocates memory
        return max(WARM_UP, min(steps_per_epoch, round(PORTION_S / self.seconds(WARM_UP))))

    def stop(self) -> None:
        """End the process."""
        self.process.communicate()  # closes its input, which ends its training


def compare(model: str, steps_per_epoch: int, fixed_steps: int | None) -> list[dict]:
    """Return the rows of both packages and the row of their ratio."""
    runners: dict[str, Runner] = {}
    rows: dict[str, dict] = {}
    for entrant in PAIRS[model]:
        rows[entrant.package] = {"model": model, "package": entrant.package}
        try:
            runners[entrant.package] = Runner(entrant)
            rows[entrant.package] |= runners[entrant.package].about
        except RuntimeError as error:
            rows[entrant.package]["failed"] = str(error)
    try:
        portions = {name: fixed_steps or runner.portion(steps_per_epoch) for name, runner in runners.items()}
        seconds: dict[str, list[float]] = {name: [] for name in runners}  # of an epoch, for each turn
        for _ in range(ROUNDS):
            for name, runner in runners.items():
                seconds[name].append(runner.seconds(portions[name]) * steps_per_epoch)
    finally:
        for runner in runners.values():
            runner.stop()
    for entrant in PAIRS[model]:
        if entrant.package in runners:
            rows[entrant.package] |= {
                "seconds_per_epoch": spread(seconds[entrant.package]),
                "steps_per_epoch": steps_per_epoch,
                "steps_timed": ROUNDS * portions[entrant.package],
                "epoch": entrant.says,
                "parameters": entrant.parameters,
            }
    if len(runners) < 2:
        return list(rows.values())
    ours, peer = rows
    ratios = spread([theirs / mine for mine, theirs in zip(*seconds.values(), strict=True)])
    return [*rows.values(), {"model": model, "package": f"{peer} / {ours}", "ratio": ratios}]


def spread(values: list[float]) -> dict[str, float]:
    """Return the median, the minimum and the maximum."""
    return {name: round(of(values), 2) for name, of in (("median", median), ("min", min), ("max", max))}


def main(fixed_steps: int | None) -> None:
    """Compare the pairs and write epochs.json."""
    PEERS.mkdir(parents=True, exist_ok=True)
    steps_per_epoch = round(sparse.load_npz(TRAIN).nnz / BATCH)
    results: dict[str, Any] = {"command": "python benchmarks/epochs.py", "machine": machine(), "rows": []}
    for model in PAIRS:
        for row in compare(model, steps_per_epoch, fixed_steps):
            shown = {name: value for name, value in row.items() if name not in ("epoch", "parameters")}
            print(json.dumps(shown), flush=True)
            results["rows"].append(row)
    (HERE / "epochs.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
