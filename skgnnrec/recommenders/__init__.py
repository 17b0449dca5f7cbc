"""Recommenders as scikit-learn estimators: a sample is a user, a feature is an item."""

from skgnnrec.ranking import MicroBatcher, Ranker
from skgnnrec.recommenders._base import BaseRecommender
from skgnnrec.recommenders._content import ContentRecommender
from skgnnrec.recommenders._cv import GraphFilterRecommenderCV, RidgeRecommenderCV
from skgnnrec.recommenders._graph_filter import GraphFilterRecommender
from skgnnrec.recommenders._log import LogRecommender
from skgnnrec.recommenders._popularity import PopularityRecommender
from skgnnrec.recommenders._ridge import RidgeRecommender
from skgnnrec.recommenders._social import SocialRecommender
from skgnnrec.recommenders._user_content import UserContentRecommender
from skgnnrec.recommenders._user_ranker import UserRanker
from skgnnrec.recommenders._wrapping import WrappingRecommender as WrappingRecommender  # no public name
from skgnnrec.recommenders.gnn import GNNRecommender
from skgnnrec.recommenders.ratings import GNNRatingRegressor
from skgnnrec.recommenders.sequence import SequenceRecommender

__all__ = [
    "BaseRecommender",
    "ContentRecommender",
    "GNNRatingRegressor",
    "GNNRecommender",
    "GraphFilterRecommender",
    "GraphFilterRecommenderCV",
    "LogRecommender",
    "MicroBatcher",
    "PopularityRecommender",
    "Ranker",
    "RidgeRecommender",
    "RidgeRecommenderCV",
    "SequenceRecommender",
    "SocialRecommender",
    "UserContentRecommender",
    "UserRanker",
]
