"""Recommenders as scikit-learn estimators: a sample is a user, a feature is an item."""

from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._gnn import GNNRecommender
from skgnnrec.recommenders._gnn_rating import GNNRatingRegressor
from skgnnrec.recommenders._graph_filter import GraphFilterRecommender
from skgnnrec.recommenders._popularity import PopularityRecommender
from skgnnrec.recommenders._ridge import RidgeRecommender
from skgnnrec.recommenders._table import TableRecommender

__all__ = [
    "BaseRecommender",
    "GNNRatingRegressor",
    "GNNRecommender",
    "GraphFilterRecommender",
    "PopularityRecommender",
    "RidgeRecommender",
    "TableRecommender",
]
