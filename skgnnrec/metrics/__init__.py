"""Metrics of recommendation lists, and scorers for model selection.

The ranking metrics compare recommendation lists with held-out interactions. Other metrics measure coverage, diversity,
novelty and fairness. Held-out interactions are a matrix of shape (n_users, n_items). Recommendation lists are an array
of item positions of shape (n_users, n), best first; the method `rank_held_out` of recommenders returns both.
"""

from skgnnrec.metrics._auc import auc_at_k
from skgnnrec.metrics._average import check_numbers as check_numbers  # internal, for skgnnrec.inspection
from skgnnrec.metrics._coverage import catalog_coverage
from skgnnrec.metrics._diversity import intra_list_diversity, miscalibration
from skgnnrec.metrics._exposure import gini_index, group_gap, item_exposure
from skgnnrec.metrics._lists import check_recommended as check_recommended  # internal, for skgnnrec.inspection
from skgnnrec.metrics._matrices import check_held_out as check_held_out  # internal, for skgnnrec.inspection
from skgnnrec.metrics._matrices import check_vectors as check_vectors  # internal, for skgnnrec.inspection
from skgnnrec.metrics._popularity import average_popularity, novelty, popularity_lift, serendipity
from skgnnrec.metrics._ranking import (
    hit_rate_at_k,
    map_at_k,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    ranking_metrics,
    recall_at_k,
)
from skgnnrec.metrics._scorers import JointScorer, RankingScorer
from skgnnrec.ranking import HeldOutRanking

__all__ = [
    "HeldOutRanking",
    "JointScorer",
    "RankingScorer",
    "auc_at_k",
    "average_popularity",
    "catalog_coverage",
    "gini_index",
    "group_gap",
    "hit_rate_at_k",
    "intra_list_diversity",
    "item_exposure",
    "map_at_k",
    "miscalibration",
    "mrr_at_k",
    "ndcg_at_k",
    "novelty",
    "popularity_lift",
    "precision_at_k",
    "ranking_metrics",
    "recall_at_k",
    "serendipity",
]
