"""Recommenders that put the lists of other recommenders into another order."""

from skgnnrec.reranking._calibration import CalibratedRecommender
from skgnnrec.reranking._diversity import DiverseRecommender
from skgnnrec.reranking._exploration import ExploringRecommender
from skgnnrec.reranking._fairness import FairRecommender
from skgnnrec.reranking._long_tail import LongTailRecommender
from skgnnrec.reranking._rules import RulesRecommender

__all__ = [
    "CalibratedRecommender",
    "DiverseRecommender",
    "ExploringRecommender",
    "FairRecommender",
    "LongTailRecommender",
    "RulesRecommender",
]
