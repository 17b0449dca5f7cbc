"""Recommenders as scikit-learn estimators: a sample is a user, a feature is an item."""

from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._content import ContentRecommender
from skgnnrec.recommenders._graph_filter import GraphFilterRecommender
from skgnnrec.recommenders._log import LogRecommender
from skgnnrec.recommenders._popularity import PopularityRecommender
from skgnnrec.recommenders._ridge import RidgeRecommender
from skgnnrec.recommenders.gnn import GNNRecommender
from skgnnrec.recommenders.ratings import GNNRatingRegressor

__all__ = [
    "BaseRecommender",
    "ContentRecommender",
    "GNNRatingRegressor",
    "GNNRecommender",
    "GraphFilterRecommender",
    "LogRecommender",
    "PopularityRecommender",
    "RidgeRecommender",
]
