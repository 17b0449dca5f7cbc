"""Splits that hold out interactions, for use with scikit-learn's own searches, and the comparison of recommenders.

Matrices are split into a past and a future, `X` and `y`, by `split_interactions`. Logs, tables of one interaction a
row, are split by their rows: at random, by user or by item with scikit-learn's own splitters, by time with
`RollingWindows` and `LeaveLastOut`. `check_leakage` warns of splits that let a recommender learn from what it is
scored on.
"""

from skgnnrec.model_selection._bootstrap import paired_bootstrap
from skgnnrec.model_selection._compare import compare_recommenders
from skgnnrec.model_selection._leakage import check_leakage
from skgnnrec.model_selection._log_splitters import LeaveLastOut, RollingWindows
from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.model_selection._split_interactions import split_interactions

__all__ = [
    "LeaveLastOut",
    "RollingWindows",
    "SameUsers",
    "check_leakage",
    "compare_recommenders",
    "paired_bootstrap",
    "split_interactions",
]
