"""The weight of popularity beside a dense ridge regression, by exact scores of interactions without their users."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from skgnnrec.graph import count_users
from skgnnrec.ranking import PopularityTerm
from skgnnrec.recommenders._new_items import known_items
from skgnnrec.recommenders._popularity_weight import (
    DRAWN_ROWS,
    Draw,
    best_popularity_weight,
    draw_targets,
    enough_users,
    is_noticeable,
    without,
)
from skgnnrec.recommenders._regression import Regression

__all__ = ["POPULARITY_WEIGHTS", "popularity_weight", "shares_of_users"]

POPULARITY_WEIGHTS = (0.0, 3.0, 10.0, 30.0, 100.0)


def shares_of_users(item_counts: np.ndarray) -> np.ndarray:
    """Return the number of users of each item, as a vector of unit length."""
    return (item_counts / (np.linalg.norm(item_counts) or 1)).astype(np.float32)


def popularity_weight(X: sparse.csr_array, found: Regression, key: str | None) -> float:
    """Return the weight of popularity that ranks left-out items best; the key tells a cache what the others are."""
    rows, targets = draw_targets(X)
    item_counts, enough = count_users(X), enough_users(X.shape[0])
    if not is_noticeable(X, item_counts, enough):
        return 0.0
    share = np.full(X.shape[1], found.mean_length(known_items(item_counts)))
    # A user counts neither among those who share the items of the history nor among those who have the target.
    term = PopularityTerm(share, item_counts - 1, shares_of_users(item_counts), enough)

    def draws() -> Iterator[Draw]:
        for start in range(0, len(rows), DRAWN_ROWS):
            drawn, left_out = X[rows[start : start + DRAWN_ROWS]], targets[start : start + DRAWN_ROWS]
            popularity = term.scores(without(drawn, left_out))
            places = np.arange(len(left_out)), left_out
            popularity[places] *= (1 - 1 / item_counts[left_out]).astype(np.float32)
            yield Draw(found.scores_without(drawn, left_out), popularity, drawn, left_out)

    return best_popularity_weight(draws(), POPULARITY_WEIGHTS, otherwise=0.0)
