"""Trained sequence models for the ranking of the next item."""

from skgnnrec.recommenders.sequence._recommender import SequenceRecommender

__all__ = ["SequenceRecommender"]
