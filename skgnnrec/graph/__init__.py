"""Graphs of users and items: degrees, normalisation, co-occurrence, low-pass part, neighbours by text."""

from skgnnrec.graph._cooccurrence import low_pass_factors, sharpened_cooccurrence
from skgnnrec.graph._degrees import degrees, inverse_power, normalize
from skgnnrec.graph._neighbors import SimilarityGraph

__all__ = [
    "SimilarityGraph",
    "degrees",
    "inverse_power",
    "low_pass_factors",
    "normalize",
    "sharpened_cooccurrence",
]
