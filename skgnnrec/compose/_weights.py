"""Weights of blended scores, selected on held-out interactions."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from skgnnrec.ranking import Scorer

__all__ = ["select_weights"]

N_CANDIDATES = 100  # of each scorer and user: the best items of a blend are among them
N_STEPS = 20
BLOCK_ROWS = 256


def select_weights(
    scorers: Sequence[Scorer], X: sparse.csr_array, held_out: sparse.csr_array, n_recommendations: int
) -> tuple[np.ndarray, float]:
    """Return weights of scores in the same unit, with sum 1, and their mean NDCG on held-out items.

    Greedy selection with replacement (Caruana et al., ICML 2004): each step adds the scorer that raises the NDCG most,
    and the weights are the shares of the steps.
    """
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, X.shape[0], BLOCK_ROWS)]
    found = [_candidates(scorers, X[rows], held_out[rows]) for rows in blocks]
    scores = np.concatenate([block[0] for block in found], axis=1)  # (n_scorers, n_users, n_candidates)
    hits = np.concatenate([block[1] for block in found])
    discounts = 1.0 / np.log2(np.arange(2, n_recommendations + 2))
    ideal = np.cumsum(discounts)[np.minimum(np.diff(held_out.indptr), n_recommendations) - 1]

    def ndcg(total: np.ndarray) -> float:
        n = min(n_recommendations, total.shape[1])
        best = np.argpartition(-total, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(total, best, axis=1), axis=1, kind="stable")
        gains = np.take_along_axis(hits, np.take_along_axis(best, order, axis=1), axis=1) * discounts[:n]
        return float((gains.sum(axis=1) / ideal).mean())

    counts, total, best = np.zeros(len(scorers)), np.zeros_like(scores[0]), -1.0
    kept = counts
    for _ in range(N_STEPS):
        reached = [ndcg(total + part) for part in scores]
        chosen = int(np.argmax(reached))
        counts = counts + (np.arange(len(scorers)) == chosen)
        total = total + scores[chosen]
        if reached[chosen] > best:
            best, kept = reached[chosen], counts
    return kept / kept.sum(), best


def _candidates(
    scorers: Sequence[Scorer], X: sparse.csr_array, held_out: sparse.csr_array
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the best items of each scorer, and whether these are held out."""
    everything = np.stack([scorer.scores(X) for scorer in scorers])
    seen = X.toarray() > 0
    n = min(N_CANDIDATES, X.shape[1])
    ranked = np.where(seen, -np.inf, everything)
    items = np.concatenate([np.argpartition(-part, n - 1, axis=1)[:, :n] for part in ranked], axis=1)
    items.sort(axis=1)
    is_left_out = np.take_along_axis(seen, items, axis=1)
    is_left_out[:, 1:] |= items[:, 1:] == items[:, :-1]
    scores = np.stack([np.take_along_axis(part, items, axis=1) for part in everything])
    scores[:, is_left_out] = -np.inf
    return scores, np.take_along_axis(held_out.toarray() > 0, items, axis=1) & ~is_left_out
