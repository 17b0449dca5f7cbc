"""Recommenders made of other recommenders."""

from skgnnrec.compose._blended import BlendedRecommender

__all__ = ["BlendedRecommender"]
