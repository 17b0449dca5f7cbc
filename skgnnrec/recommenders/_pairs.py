"""Scores of pairs of a user and an item, a block of users at a time."""

import numpy as np
from scipy import sparse

from skgnnrec.ranking import BLOCK_BYTES
from skgnnrec.recommenders._base import BaseRecommender

__all__ = ["score_pairs"]


def score_pairs(
    recommender: BaseRecommender,
    histories: sparse.csr_array,
    user_ids: np.ndarray,
    rows: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    *,
    out: np.ndarray,
) -> None:
    """Score the pairs of the users at `rows`, a block of users at a time."""
    place = np.full(histories.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    pairs = np.flatnonzero((place[users] >= 0) & (items >= 0))
    pairs = pairs[np.argsort(place[users[pairs]], kind="stable")]
    block = max(1, BLOCK_BYTES // (4 * histories.shape[1]))
    ends = np.searchsorted(place[users[pairs]], np.arange(0, len(rows) + block, block))
    for k, start in enumerate(range(0, len(rows), block)):
        inside = pairs[ends[k] : ends[k + 1]]
        some = rows[start : start + block]
        scores = recommender.decision_function(histories[some], **recommender._about(user_ids[some]))
        out[inside] = scores[place[users[inside]] - start, items[inside]]
