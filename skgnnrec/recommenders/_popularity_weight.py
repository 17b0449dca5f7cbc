"""The weight of popularity in the scores, chosen on interactions that the scores have not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec.interactions import binarize, has_order, row_of_each
from skgnnrec.ranking import Sum

__all__ = [
    "DRAWN_ROWS",
    "Draw",
    "best_popularity_weight",
    "draw_targets",
    "enough_users",
    "is_noticeable",
    "weight_for_users_left_out",
    "without",
]

# The number of users at which the weight of popularity in a history falls to a quarter, at most this share of all
# users. Popularity would otherwise rank the items of small data sets.
ENOUGH_USERS, ENOUGH_SHARE = 50.0, 0.025
# A choice by fewer interactions would be noise. More than the largest number cost time and change little.
FEWEST_DRAWN, MOST_DRAWN = 200, 1000
LIST_LENGTH = 20
# The mean factor of popularity in the histories, below which its weight changes too little to be worth a comparison.
NOTICEABLE_FACTOR = 0.02
# Among weights that are equally good, the smallest one leaves the scores as they are.
TOLERANCE = 0.002
LEFT_OUT_SHARE = 0.2  # of users, at most
DRAWN_ROWS = 250  # of dense scores at a time


class Draw(NamedTuple):
    """Some histories without one item, and their scores by a model that has not seen the users."""

    scores: np.ndarray  # (n_drawn, n_items)
    popularity: np.ndarray  # (n_drawn, n_items), the term of weight 1
    histories: sparse.csr_array  # (n_drawn, n_items), with the target
    targets: np.ndarray  # (n_drawn,)


def enough_users(n_users: int) -> float:
    """Return the number of users at which the weight of popularity in a history falls to a quarter."""
    return min(ENOUGH_USERS, ENOUGH_SHARE * n_users)


def draw_targets(X: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of two or more interactions, and one of their items: the latest one where values of rows differ."""
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(np.diff(X.indptr) > 1)
    if has_order(X):
        rows = rng.permutation(rows)[:MOST_DRAWN]
        ends = zip(X.indptr[rows], X.indptr[rows + 1], strict=True)
        entries = np.array([start + X.data[start:stop].argmax() for start, stop in ends], dtype=np.int64)
    else:
        of_each = row_of_each(X)
        entries = np.flatnonzero(np.isin(of_each, rows))
        entries = rng.permutation(entries)[:MOST_DRAWN]
        rows = of_each[entries]
    if len(entries) < FEWEST_DRAWN:
        entries, rows = entries[:0], rows[:0]
    return rows, X.indices[entries]


def is_noticeable(X: sparse.csr_array, item_counts: np.ndarray, enough: float) -> bool:
    """Return whether the items of the histories have so few users that the weight of popularity matters."""
    evidence = (binarize(X) @ item_counts.astype(np.float64))[np.diff(X.indptr) > 0]
    return len(evidence) > 0 and float(((enough / (enough + evidence)) ** 2).mean()) >= NOTICEABLE_FACTOR


def without(X: sparse.csr_array, targets: np.ndarray) -> sparse.csr_array:
    """Return the rows of X without one item each."""
    kept = X.indices != np.repeat(targets, np.diff(X.indptr))
    return sparse.csr_array((X.data[kept], (row_of_each(X)[kept], X.indices[kept])), shape=X.shape)


def best_popularity_weight(draws: Iterable[Draw], weights: tuple[float, ...], otherwise: float) -> float:
    """Return the smallest weight within a tolerance of the best mean NDCG@20, `otherwise` where nothing was drawn."""
    gains = np.zeros(len(weights))
    for draw in draws:
        for place, weight in enumerate(weights):
            gains[place] += _gains(draw, weight).sum()
    return weights[int(np.argmax(gains >= (1 - TOLERANCE) * gains.max()))] if gains.any() else otherwise


def _gains(draw: Draw, weight: float) -> np.ndarray:
    """Return the discounted gain of each target in the list of its history; tied items share their ranks."""
    scores = draw.scores + np.float32(weight) * draw.popularity
    rows = np.arange(len(scores))
    own = scores[rows, draw.targets][:, None]
    scores[row_of_each(draw.histories), draw.histories.indices] = -np.inf
    ranks = (scores > own).sum(axis=1) + (scores == own).sum(axis=1) / 2
    return np.where(ranks < LIST_LENGTH, 1 / np.log2(2 + ranks), 0.0)


def weight_for_users_left_out(
    recommender: Any, X: sparse.csr_array, item_counts: np.ndarray, weights: tuple[float, ...], otherwise: float
) -> float:
    """Return the weight that ranks items of some users best by a fit to the others, without item vectors.

    Where the items of the histories have many users, it is `otherwise`, without a fit.
    """
    users, targets = draw_targets(X)
    left_out = np.random.default_rng(0).permutation(np.unique(users))[: int(LEFT_OUT_SHARE * X.shape[0])]
    is_drawn = np.isin(users, left_out)
    if not is_drawn.any() or not is_noticeable(X, item_counts, enough_users(X.shape[0])):
        return otherwise
    trial = clone(recommender).set_params(popularity_weight=1.0, catalog=None, item_encoder=None, memory=None)
    trial.fit(X[np.setdiff1d(np.arange(X.shape[0]), left_out)])
    scorer = trial._scorer()
    assert isinstance(scorer, Sum)  # with popularity as its last term
    return best_popularity_weight(_draws(X[users[is_drawn]], targets[is_drawn], scorer), weights, otherwise)


def _draws(X: sparse.csr_array, targets: np.ndarray, scorer: Sum) -> Iterator[Draw]:
    """Yield the scores of histories without their targets, those of the last term apart."""
    behavior, popularity = Sum(scorer.terms[:-1]), scorer.terms[-1]
    for start in range(0, len(targets), DRAWN_ROWS):
        drawn, left_out = X[start : start + DRAWN_ROWS], targets[start : start + DRAWN_ROWS]
        histories = without(drawn, left_out)
        yield Draw(behavior.scores(histories), popularity.scores(histories), drawn, left_out)
