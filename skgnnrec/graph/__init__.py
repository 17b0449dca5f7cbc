"""Graphs of users and items: degrees, normalisation, co-occurrence, low-pass part, neighbours by text, messages."""

from skgnnrec.graph._cooccurrence import low_pass_factors, sharpened_cooccurrence
from skgnnrec.graph._degrees import degrees, inverse_power, normalize, normalized_history, user_scale
from skgnnrec.graph._neighbors import SimilarityGraph
from skgnnrec.graph._propagation import MessagePassing as MessagePassing
from skgnnrec.graph._propagation import message_passing

__all__ = [
    "SimilarityGraph",
    "degrees",
    "inverse_power",
    "low_pass_factors",
    "message_passing",
    "normalize",
    "normalized_history",
    "sharpened_cooccurrence",
    "user_scale",
]
