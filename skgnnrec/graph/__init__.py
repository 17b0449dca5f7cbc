"""Graphs of users and items: statistics, normalisation, co-occurrence, neighbours by content, message passing."""

from skgnnrec.graph._cooccurrence import (
    Spectrum,
    leading_eigenvectors,
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
from skgnnrec.graph._statistics import Statistics, count_users, largest_of_rows, pairs_that_fit

__all__ = [
    "SimilarityGraph",
    "Spectrum",
    "Statistics",
    "count_users",
    "inverse_power",
    "item_degrees",
    "largest_of_rows",
    "leading_eigenvectors",
    "message_passing",
    "nearest_items",
    "next_item_sums",
    "normalized_history",
    "pairs_that_fit",
    "popularity_scale",
    "rescale",
    "ridge_response",
    "sharpened_cooccurrence",
    "spectrum_of",
    "spectrum_of_sums",
    "tail_slope",
]
