"""Measures of recommendation lists against held-out interactions.

All of them take the held-out interactions as a (sparse) matrix, users × items, and the lists as a table of
item positions, best first, as `recommend` returns them. Means are taken over the users who have something
held out.
"""

from skgnnrec.metrics._coverage import catalog_coverage
from skgnnrec.metrics._ranking import (
    hit_rate_at_k,
    map_at_k,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    ranking_metrics,
    recall_at_k,
)

__all__ = [
    "catalog_coverage",
    "hit_rate_at_k",
    "map_at_k",
    "mrr_at_k",
    "ndcg_at_k",
    "precision_at_k",
    "ranking_metrics",
    "recall_at_k",
]
