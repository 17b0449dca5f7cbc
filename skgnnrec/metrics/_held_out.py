"""What an evaluation looks at: histories, what was held out, and the lists that should hold it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class HeldOutRanking(NamedTuple):
    """One ranking of held-out interactions, from which any number of metrics follows.

    The ``rank_held_out`` of recommenders makes it, scorers read it. Whatever has such a method can be scored.

    Parameters
    ----------
    histories : csr_array of shape (n_users, n_columns)
        What the recommendations were made from. There may be more columns than items of the recommender: those are
        held-out items that it does not know.
    held_out : csr_array of shape (n_users, n_columns)
        What they should find.
    recommended : ndarray of shape (n_users, n), int64
        Positions of items, best first, padded with -1; empty for users with nothing held out.
    item_counts : ndarray of shape (n_items,)
        How many users of the fit have each item.
    users : ndarray of shape (n_users,) or None, default=None
        Ids of the users, where the recommender knows them by id.

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
