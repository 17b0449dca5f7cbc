"""Online experiments: assignment of users, sample sizes, interleaving and off-policy evaluation.

The functions need no recommender. Users and items are ids, recommendation lists are arrays of items, and logs are
arrays with one row per recommendation.
"""

from skgnnrec.online._buckets import assign_buckets
from skgnnrec.online._interleaving import InterleavingResult, interleave, interleaving_credit, interleaving_test
from skgnnrec.online._off_policy import (
    PolicyValue,
    clipped_ips_value,
    doubly_robust_value,
    ips_value,
    snips_value,
)
from skgnnrec.online._power import (
    power_of_means,
    power_of_proportions,
    sample_size_of_means,
    sample_size_of_proportions,
)

__all__ = [
    "InterleavingResult",
    "PolicyValue",
    "assign_buckets",
    "clipped_ips_value",
    "doubly_robust_value",
    "interleave",
    "interleaving_credit",
    "interleaving_test",
    "ips_value",
    "power_of_means",
    "power_of_proportions",
    "sample_size_of_means",
    "sample_size_of_proportions",
    "snips_value",
]
