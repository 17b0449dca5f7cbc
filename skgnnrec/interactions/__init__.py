"""Checks and conversions of input data: matrices, logs, tables, ids and times; splits of matrices."""

from skgnnrec.interactions._hold_out import (
    hold_out_cold_items,
    hold_out_future,
    hold_out_last,
    hold_out_share,
    hold_out_share_of_users,
    labelled_as,
    row_of_each,
)
from skgnnrec.interactions._ids import as_ids, describe_type, first_few
from skgnnrec.interactions._logs import (
    Log,
    hide_share,
    matrix_of_pairs,
    read_log,
    warn_of_types,
    weigh,
)
from skgnnrec.interactions._matrix import (
    balance,
    binarize,
    check_interactions,
    column_labels,
    column_vocabulary,
)
from skgnnrec.interactions._packing import pack, unpack
from skgnnrec.interactions._pairs import columns_of_pairs
from skgnnrec.interactions._sparse import check_indices
from skgnnrec.interactions._tables import Table, read_table
from skgnnrec.interactions._times import SPAN, Times, read_times
from skgnnrec.interactions._vocabulary import Vocabulary

__all__ = [
    "SPAN",
    "Log",
    "Table",
    "Times",
    "Vocabulary",
    "as_ids",
    "balance",
    "binarize",
    "check_indices",
    "check_interactions",
    "column_labels",
    "column_vocabulary",
    "columns_of_pairs",
    "describe_type",
    "first_few",
    "hide_share",
    "hold_out_cold_items",
    "hold_out_future",
    "hold_out_last",
    "hold_out_share",
    "hold_out_share_of_users",
    "labelled_as",
    "matrix_of_pairs",
    "pack",
    "read_log",
    "read_table",
    "read_times",
    "row_of_each",
    "unpack",
    "warn_of_types",
    "weigh",
]
