"""Graphs of users and items: statistics, normalisation, co-occurrence, neighbours by content, message passing."""

from skgnnrec.graph._cooccurrence import (
    Spectrum,
    leading_eigenvectors,
    multiply_by_cooccurrence,
    ridge_response,
    sharpened_cooccurrence,
    spectrum_of,
    spectrum_of_sums,
    tail_slope,
)
from skgnnrec.graph._degrees import inverse_power, item_degrees, normalized_history, popularity_scale, rescale
from skgnnrec.graph._neighbors import SimilarityGraph, nearest_items
from skgnnrec.graph._order import next_item_sums
from skgnnrec.graph._propagation import MessagePassing as MessagePassing
from skgnnrec.graph._propagation import message_passing
from skgnnrec.graph._statistics import (
    PAIR_BYTES,
    Statistics,
    check_pairs,
    cooccurrence_rows,
    count_users,
    largest_of_rows,
    most_pairs,
    pairs_that_fit,
    pruned_rows,
    stack_rows,
    weighted_interactions,
)

__all__ = [
    "PAIR_BYTES",
    "SimilarityGraph",
    "Spectrum",
    "Statistics",
    "check_pairs",
    "cooccurrence_rows",
    "count_users",
    "inverse_power",
    "item_degrees",
    "largest_of_rows",
    "leading_eigenvectors",
    "message_passing",
    "most_pairs",
    "multiply_by_cooccurrence",
    "nearest_items",
    "next_item_sums",
    "normalized_history",
    "pairs_that_fit",
    "popularity_scale",
    "pruned_rows",
    "rescale",
    "ridge_response",
    "sharpened_cooccurrence",
    "spectrum_of",
    "spectrum_of_sums",
    "stack_rows",
    "tail_slope",
    "weighted_interactions",
]
