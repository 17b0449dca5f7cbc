"""Privacy: differentially private fits, federated fits, and audits of what a recommender reveals."""

from skgnnrec.privacy._audit import MembershipAttack, membership_attack
from skgnnrec.privacy._federated import federated_average, federated_fit, fit_statistics, silo_statistics
from skgnnrec.privacy._gaussian import gaussian_epsilon, gaussian_noise_multiplier
from skgnnrec.privacy._private import PrivateRecommender
from skgnnrec.privacy._secure_sum import SecureSumServer, SecureSumSilo

__all__ = [
    "MembershipAttack",
    "PrivateRecommender",
    "SecureSumServer",
    "SecureSumSilo",
    "federated_average",
    "federated_fit",
    "fit_statistics",
    "gaussian_epsilon",
    "gaussian_noise_multiplier",
    "membership_attack",
    "silo_statistics",
]
