"""Measures of recommendation lists against held-out interactions, and what else makes a list good.

All of them take the held-out interactions as a (sparse) matrix, users × items, and the lists as a table of
item positions, best first, as `recommend` returns them. Means are taken over the users who have something
held out.
"""

from skgnnrec.metrics._auc import auc_at_k
from skgnnrec.metrics._coverage import catalog_coverage
from skgnnrec.metrics._diversity import intra_list_diversity, miscalibration
from skgnnrec.metrics._exposure import gini_index, group_gap, item_exposure
from skgnnrec.metrics._held_out import HeldOutRanking
from skgnnrec.metrics._named_scorers import (
    auc_at,
    coverage_at,
    hit_rate_at,
    map_at,
    mrr_at,
    ndcg_at,
    precision_at,
    recall_at,
)
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

__all__ = [
    "HeldOutRanking",
    "JointScorer",
    "RankingScorer",
    "auc_at",
    "auc_at_k",
    "average_popularity",
    "catalog_coverage",
    "coverage_at",
    "gini_index",
    "group_gap",
    "hit_rate_at",
    "hit_rate_at_k",
    "intra_list_diversity",
    "item_exposure",
    "map_at",
    "map_at_k",
    "miscalibration",
    "mrr_at",
    "mrr_at_k",
    "ndcg_at",
    "ndcg_at_k",
    "novelty",
    "popularity_lift",
    "precision_at",
    "precision_at_k",
    "ranking_metrics",
    "recall_at",
    "recall_at_k",
    "serendipity",
]
