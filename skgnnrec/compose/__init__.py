"""Recommenders made of other recommenders."""

from skgnnrec.compose._backfill import BackfillRecommender
from skgnnrec.compose._blended import BlendedRecommender
from skgnnrec.compose._compressed import CompressedRecommender, compress
from skgnnrec.compose._switching import SwitchingRecommender
from skgnnrec.compose._two_stage import TwoStageRecommender

__all__ = [
    "BackfillRecommender",
    "BlendedRecommender",
    "CompressedRecommender",
    "SwitchingRecommender",
    "TwoStageRecommender",
    "compress",
]
