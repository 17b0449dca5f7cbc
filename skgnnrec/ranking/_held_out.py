"""Held-out interactions and the recommendation lists that are evaluated on them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["HeldOutRanking"]


class HeldOutRanking(NamedTuple):
    """Recommendation lists and the held-out interactions that they should contain.

    Recommenders return it from ``rank_held_out``, and scorers compute metrics from it. An estimator with such a method
    can be scored by all of them.

    Parameters
    ----------
    histories : csr_array of shape (n_users, n_columns)
        The histories that the recommendations are made from. Columns beyond the items of the recommender are held-out
        items that it does not know.
    held_out : csr_array of shape (n_users, n_columns)
        The interactions that the lists should contain.
    recommended : ndarray of shape (n_users, n), int64
        Positions of items, best first, padded with -1; empty for users without held-out interactions.
    item_counts : ndarray of shape (n_items,)
        The number of users of each item in the fit.
    users : ndarray of shape (n_users,) or None, default=None
        Ids of the users, where they are known.

    Examples
    --------
    >>> from skgnnrec import PopularityRecommender
    >>> from skgnnrec.metrics import recall_at_k
    >>> ranking = PopularityRecommender().fit([[1, 1, 0], [0, 1, 1]]).rank_held_out([[0, 1, 0]], [[0, 0, 1]], 2)
    >>> ranking.recommended
    array([[0, 2]])
    >>> recall_at_k(ranking.held_out, ranking.recommended)
    1.0
    """

    histories: sparse.csr_array
    held_out: sparse.csr_array
    recommended: NDArray[np.int64]
    item_counts: NDArray[Any]
    users: NDArray[Any] | None = None
