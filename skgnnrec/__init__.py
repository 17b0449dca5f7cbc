"""Recommenders that read: text embeddings and graph models as scikit-learn estimators."""

from skgnnrec.adaptation import InteractionAdapter, MaskedLMAdapter
from skgnnrec.catalog import ItemCatalog
from skgnnrec.recommenders import (
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    PopularityRecommender,
    RidgeRecommender,
    TableRecommender,
)
from skgnnrec.text import TextEmbedder

__version__ = "0.1.0.dev0"

__all__ = [
    "GNNRatingRegressor",
    "GNNRecommender",
    "GraphFilterRecommender",
    "InteractionAdapter",
    "ItemCatalog",
    "MaskedLMAdapter",
    "PopularityRecommender",
    "RidgeRecommender",
    "TableRecommender",
    "TextEmbedder",
    "__version__",
]
