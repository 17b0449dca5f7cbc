"""Graphs of users and items: degrees, normalisation, co-occurrence, low-pass part, neighbours by text, messages."""

from skgnnrec.graph._cooccurrence import low_pass_factors, sharpened_cooccurrence
from skgnnrec.graph._degrees import degrees, inverse_power, normalize
from skgnnrec.graph._neighbors import SimilarityGraph
from skgnnrec.graph._propagation import MessagePassing, message_passing

__all__ = [
    "MessagePassing",
    "SimilarityGraph",
    "degrees",
    "inverse_power",
    "low_pass_factors",
    "message_passing",
    "normalize",
    "sharpened_cooccurrence",
]
