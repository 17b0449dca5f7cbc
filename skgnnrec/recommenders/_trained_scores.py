"""The scores of trained embeddings: cosines or dot products, and the prior of popularity."""

from __future__ import annotations

import numpy as np

from skgnnrec.ranking import Constant, Product, Scorer, Sum, round_for_exact_sums, to_unit_length

__all__ = ["comparable", "popularity_bias", "score_with_bias"]

LARGEST_BIAS = 1e30  # beyond it, sums of scores would not be finite in float32


def popularity_bias(popularity: np.ndarray, exponent: float, temperature: float) -> tuple[np.ndarray, float]:
    """Return the bias of each item, τ γ log(1 + n_i), and the bias of items without users.

    In the softmax of cosine / τ the bias is a prior proportional to (1 + n_i)^γ. Items without users are new, not
    unpopular, and get the mean bias of the others.
    """
    with np.errstate(all="ignore"):
        bias = temperature * exponent * np.log1p(popularity)
    if not bias.max(initial=0.0) <= LARGEST_BIAS:  # also where it is NaN
        raise ValueError(
            f"temperature={temperature} and popularity_exponent={exponent} give biases above {LARGEST_BIAS}. "
            "Lower one of them."
        )
    is_known = popularity > 0
    new_item_bias = float(bias[is_known].mean()) if is_known.any() else 0.0
    bias[~is_known] = new_item_bias
    with np.errstate(under="ignore"):
        return bias.astype(np.float32), new_item_bias


def comparable(items: np.ndarray, is_cosine: bool) -> np.ndarray:
    """Return item embeddings as factors of the scores: of length one for cosines, and rounded for exact sums."""
    return round_for_exact_sums(to_unit_length(items) if is_cosine else items, items.shape[1], axis=1)


def score_with_bias(factors: Product, bias: np.ndarray) -> Scorer:
    """Return the scorer that adds a bias to each candidate."""
    return Sum((Constant(bias), factors))
