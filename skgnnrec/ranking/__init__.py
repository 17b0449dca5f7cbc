"""Scorers, exact top-k by blocks, and rankings of held-out interactions."""

from skgnnrec.ranking._blocks import BLOCK_BYTES, rank_block, rank_in_blocks
from skgnnrec.ranking._compression import Compression
from skgnnrec.ranking._evaluate import (
    fitted_recommender,
    hide_interactions,
    innermost_estimator,
    rank_held_out,
    warn_of_leak,
)
from skgnnrec.ranking._exact import matmul_by_row, round_for_exact_sums, row_lengths, to_unit_length
from skgnnrec.ranking._held_out import HeldOutRanking
from skgnnrec.ranking._micro_batcher import MicroBatcher
from skgnnrec.ranking._mixture import Mixture
from skgnnrec.ranking._popularity_term import PopularityTerm
from skgnnrec.ranking._profiled import Profiled
from skgnnrec.ranking._quantized import Matrix, Quantized, multiply
from skgnnrec.ranking._ranker import Ranker
from skgnnrec.ranking._scorers import (
    ByRecency,
    Constant,
    DenseWeights,
    LowRank,
    Product,
    Rough,
    Scorer,
    SideBySide,
    SparseWeights,
    Sum,
    UserFactors,
    WithFallback,
    like,
)
from skgnnrec.ranking._smoothed import Smoothed
from skgnnrec.ranking._standardized import Standardized, standardize
from skgnnrec.ranking._steered import QUERY_WEIGHT, Steered
from skgnnrec.ranking._top_k import top_k

__all__ = [
    "BLOCK_BYTES",
    "QUERY_WEIGHT",
    "ByRecency",
    "Compression",
    "Constant",
    "DenseWeights",
    "HeldOutRanking",
    "LowRank",
    "Matrix",
    "MicroBatcher",
    "Mixture",
    "PopularityTerm",
    "Product",
    "Profiled",
    "Quantized",
    "Ranker",
    "Rough",
    "Scorer",
    "SideBySide",
    "Smoothed",
    "SparseWeights",
    "Standardized",
    "Steered",
    "Sum",
    "UserFactors",
    "WithFallback",
    "fitted_recommender",
    "hide_interactions",
    "innermost_estimator",
    "like",
    "matmul_by_row",
    "multiply",
    "rank_block",
    "rank_held_out",
    "rank_in_blocks",
    "round_for_exact_sums",
    "row_lengths",
    "standardize",
    "to_unit_length",
    "top_k",
    "warn_of_leak",
]
