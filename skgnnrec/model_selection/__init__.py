"""Splits that hold out interactions for the searches of scikit-learn, and the comparison of recommenders.

`split_interactions` splits a matrix into the past `X` and the future `y`. Logs, which have one interaction a row, are
split by rows: at random, by user or by item with the splitters of scikit-learn, by time with `RollingWindows` and
`LeaveLastOut`. `check_leakage` warns of splits in which a recommender learns from what it is scored on.
`compare_recommenders` compares recommenders on one split, `benchmark` on several data sets and protocols.
"""

from skgnnrec.model_selection._benchmark import BenchmarkData, BenchmarkResult, benchmark, rerun_benchmark
from skgnnrec.model_selection._bootstrap import paired_bootstrap
from skgnnrec.model_selection._compare import compare_recommenders
from skgnnrec.model_selection._leakage import check_leakage
from skgnnrec.model_selection._log_splitters import LeaveLastOut, RollingWindows
from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.model_selection._split_interactions import split_interactions

__all__ = [
    "BenchmarkData",
    "BenchmarkResult",
    "LeaveLastOut",
    "RollingWindows",
    "SameUsers",
    "benchmark",
    "check_leakage",
    "compare_recommenders",
    "paired_bootstrap",
    "rerun_benchmark",
    "split_interactions",
]
