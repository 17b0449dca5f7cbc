"""Measure accuracy over the seconds of training on Gowalla, for `GNNRecommender` and the closed forms.

    python benchmarks/training.py [seconds]

Each setting trains on the training part for a number of seconds (default 900; less than half of it for BPR, whose
curves are flat) or for 40 epochs, whichever ends first. After an epoch, all users are ranked on the test part; this is
not part of the time. The scores have no influence on the settings: these are the settings of models.py and the presets
in the docstring of `GNNRecommender`. The script writes training.json and training.png.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from models import build
from run import machine
from tasks import TASKS, Task

from skgnnrec import GNNRecommender
from skgnnrec.metrics import ranking_metrics

HERE = Path(__file__).parent
K = 20
CLOSED_FORMS = ["filter, elementwise", "filter, defaults", "filter"]
LIGHTGCN = {"embedding_dim": 64, "conv": "lightgcn", "keep_input": True}
XSIMGCL = {"embedding_dim": 64, "conv": "lightgcn", "n_layers": 2, "contrast_weight": 0.2, "temperature": 0.15}
BPR = {"loss": "bpr", "batch_size": 2048, "learning_rate_init": 1e-3}
TRAINED = {
    "gnn, defaults": {},
    "gnn, LightGCN setting": LIGHTGCN,
    "gnn, XSimGCL setting": XSIMGCL,
    "gnn, LightGCN setting, BPR": {**LIGHTGCN, **BPR},
    "gnn, XSimGCL setting, BPR": {**XSIMGCL, **BPR},
}
BPR_SHARE = 0.4  # of the seconds
EVERY = {"gnn, LightGCN setting, BPR": 5}  # epochs between two points; 1 for other settings


class Curve:
    """A callback that ranks after epochs, measures the time without ranking, and stops at the time limit."""

    def __init__(self, task: Task, name: str, limit_s: float) -> None:
        self.task, self.name, self.limit_s = task, name, limit_s
        self.rows: list[dict] = []
        self.n_epochs, self.ranking_s, self.began = 0, 0.0, time.perf_counter()

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing before the fit."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing after the fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing before an epoch."""

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any) -> bool:
        """Rank all users, and return whether the time limit is reached."""
        if fitted_estimator is None:
            return False
        self.n_epochs += 1
        seconds = time.perf_counter() - self.began - self.ranking_s
        is_over = seconds > self.limit_s
        if self.n_epochs % EVERY.get(self.name, 1) == 0 or is_over:
            before = time.perf_counter()
            self.rows.append(point(self.name, seconds, fitted_estimator, self.task, epoch=self.n_epochs))
            self.ranking_s += time.perf_counter() - before
        return is_over


def point(name: str, seconds: float, recommender: Any, task: Task, **more: Any) -> dict:
    """Return the metrics of a recommender on the held-out part, with the seconds of training."""
    metrics = ranking_metrics(task.held_out, recommender.recommend(task.history, K)[0])
    quality = {f"recall@{K}": round(metrics["recall"], 4), f"ndcg@{K}": round(metrics["ndcg"], 4)}
    row = {"model": name, "fit_s": round(seconds, 1), **more, **quality}
    print(json.dumps(row), flush=True)
    return row


def draw(rows: list[dict]) -> None:
    """Write training.png."""
    import matplotlib.pyplot as plt

    from skgnnrec.inspection import AccuracyOverTimeDisplay

    columns = zip(*((row["model"], row["fit_s"], row[f"recall@{K}"]) for row in rows), strict=True)
    _, ax = plt.subplots(figsize=(8, 4))
    name = f"recall@{K} on Gowalla's test part"
    display = AccuracyOverTimeDisplay.from_predictions(*columns, score_name=name, ax=ax)
    display.figure_.savefig(HERE / "training.png", dpi=120, bbox_inches="tight")


def main(limit_s: float) -> None:
    """Measure, write training.json and draw the plot."""
    task = TASKS["gowalla"]("test")
    rows = []
    for name in CLOSED_FORMS:
        before = time.perf_counter()
        recommender = build("gowalla", name, task).fit(task.history)
        rows.append(point(name, time.perf_counter() - before, recommender, task))
    for name, params in TRAINED.items():
        curve = Curve(task, name, limit_s * (BPR_SHARE if params.get("loss") == "bpr" else 1))
        recommender = GNNRecommender(**params, early_stopping=False, max_iter=40, n_iter_no_change=40)
        recommender.set_callbacks(curve).fit(task.history)
        rows += curve.rows
    results = {"command": f"python benchmarks/training.py {limit_s:g}", "machine": machine(), "rows": rows}
    (HERE / "training.json").write_text(json.dumps(results, indent=2) + "\n")
    draw(rows)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 900.0)
