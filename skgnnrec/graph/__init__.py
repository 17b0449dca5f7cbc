"""Graphs of users and items: statistics, normalisation, co-occurrence, neighbours by content, message passing."""

from skgnnrec.graph._cooccurrence import low_pass_factors, sharpened_cooccurrence
from skgnnrec.graph._degrees import inverse_power, item_degrees, normalized_history, rescale
from skgnnrec.graph._neighbors import SimilarityGraph
from skgnnrec.graph._propagation import MessagePassing as MessagePassing
from skgnnrec.graph._propagation import message_passing
from skgnnrec.graph._statistics import Statistics, count_users

__all__ = [
    "SimilarityGraph",
    "Statistics",
    "count_users",
    "inverse_power",
    "item_degrees",
    "low_pass_factors",
    "message_passing",
    "normalized_history",
    "rescale",
    "sharpened_cooccurrence",
]
