"""Checks and conversions of input data: matrices, logs, tables, ids and times; splits of matrices."""

from skgnnrec.interactions._big_logs import read_big_log
from skgnnrec.interactions._hold_out import (
    ENOUGH_HELD_OUT,
    hide_from_fit,
    hold_out_cold_items,
    hold_out_future,
    hold_out_last,
    hold_out_share,
    hold_out_share_of_users,
    labelled_as,
    row_of_each,
)
from skgnnrec.interactions._ids import as_ids, as_positions, describe_type, first_few, joined_ids
from skgnnrec.interactions._logs import (
    Log,
    concatenate_logs,
    hide_share,
    matrix_of_pairs,
    read_log,
    warn_of_types,
    weigh,
)
from skgnnrec.interactions._logs_as_matrices import refuse_log
from skgnnrec.interactions._matrix import (
    balance,
    binarize,
    check_interactions,
    column_labels,
    column_vocabulary,
    shape_of,
)
from skgnnrec.interactions._order import has_order, places_from_end, weigh_by_rank
from skgnnrec.interactions._packing import pack, unpack
from skgnnrec.interactions._pairs import columns_of_pairs
from skgnnrec.interactions._rows import find_rows, row_keys
from skgnnrec.interactions._sources import LogSource, open_log
from skgnnrec.interactions._sparse import check_indices
from skgnnrec.interactions._tables import Table, naming, read_table
from skgnnrec.interactions._times import SPAN, Times, conversion_to_times, read_times
from skgnnrec.interactions._vocabulary import Vocabulary
from skgnnrec.interactions._warnings import warn_caller

__all__ = [
    "ENOUGH_HELD_OUT",
    "SPAN",
    "Log",
    "LogSource",
    "Table",
    "Times",
    "Vocabulary",
    "as_ids",
    "as_positions",
    "balance",
    "binarize",
    "check_indices",
    "check_interactions",
    "column_labels",
    "column_vocabulary",
    "columns_of_pairs",
    "concatenate_logs",
    "conversion_to_times",
    "describe_type",
    "find_rows",
    "first_few",
    "has_order",
    "hide_from_fit",
    "hide_share",
    "hold_out_cold_items",
    "hold_out_future",
    "hold_out_last",
    "hold_out_share",
    "hold_out_share_of_users",
    "joined_ids",
    "labelled_as",
    "matrix_of_pairs",
    "naming",
    "open_log",
    "pack",
    "places_from_end",
    "read_big_log",
    "read_log",
    "read_table",
    "read_times",
    "refuse_log",
    "row_keys",
    "row_of_each",
    "shape_of",
    "unpack",
    "warn_caller",
    "warn_of_types",
    "weigh",
    "weigh_by_rank",
]
