"""Prediction of explicit ratings."""

from skgnnrec.recommenders.ratings._regressor import GNNRatingRegressor

__all__ = ["GNNRatingRegressor"]
