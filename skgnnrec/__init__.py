"""Recommenders that read: text embeddings and graph models as scikit-learn estimators."""

from skgnnrec.catalog import ItemCatalog
from skgnnrec.compose import compress
from skgnnrec.image import ImageEmbedder
from skgnnrec.persistence import load, save
from skgnnrec.recommenders import (
    ContentRecommender,
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    GraphFilterRecommenderCV,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
    SequenceRecommender,
    SocialRecommender,
    UserContentRecommender,
)
from skgnnrec.text import TextEmbedder
from skgnnrec.text.finetuning import InteractionFineTuner, MaskedLMFineTuner

__version__ = "0.1.0.dev0"

__all__ = [
    "ContentRecommender",
    "GNNRatingRegressor",
    "GNNRecommender",
    "GraphFilterRecommender",
    "GraphFilterRecommenderCV",
    "ImageEmbedder",
    "InteractionFineTuner",
    "ItemCatalog",
    "LogRecommender",
    "MaskedLMFineTuner",
    "PopularityRecommender",
    "RidgeRecommender",
    "RidgeRecommenderCV",
    "SequenceRecommender",
    "SocialRecommender",
    "TextEmbedder",
    "UserContentRecommender",
    "__version__",
    "compress",
    "load",
    "save",
]
