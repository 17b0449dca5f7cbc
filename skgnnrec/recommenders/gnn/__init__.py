"""Trained graph neural networks for the ranking of items."""

from skgnnrec.recommenders.gnn._recommender import GNNRecommender

__all__ = ["GNNRecommender"]
