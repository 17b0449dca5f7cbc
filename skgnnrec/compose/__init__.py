"""Recommenders made of other recommenders."""

from skgnnrec.compose._blended import BlendedRecommender
from skgnnrec.compose._compressed import CompressedRecommender, compress

__all__ = ["BlendedRecommender", "CompressedRecommender", "compress"]
