"""Splits that hold out interactions, for use with scikit-learn's own searches and cross-validation.

Logs, tables of one interaction a row, need no splitter of their own: on events sorted by time
``train_test_split(events, shuffle=False)`` cuts off the latest ones, and ``TimeSeriesSplit`` does so
repeatedly.
"""

from skgnnrec.model_selection._same_users import SameUsers
from skgnnrec.model_selection._split_interactions import split_interactions

__all__ = ["SameUsers", "split_interactions"]
