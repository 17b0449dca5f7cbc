"""Splits that hold out interactions, for use with scikit-learn's own searches, and the comparison of recommenders.

Logs, tables of one interaction a row, need no splitter of their own: on events sorted by time
``train_test_split(events, shuffle=False)`` cuts off the latest ones, and ``TimeSeriesSplit`` does so
repeatedly.
"""

from skgnnrec.model_selection._bootstrap import paired_bootstrap
from skgnnrec.model_selection._compare import compare_recommenders
from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.model_selection._split_interactions import split_interactions

__all__ = ["SameUsers", "compare_recommenders", "paired_bootstrap", "split_interactions"]
