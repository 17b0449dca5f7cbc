"""How varied a list is, and whether it keeps the proportions of its user's interests."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.extmath import row_norms

from skgnnrec._validation import check_indices, check_interactions
from skgnnrec.metrics._average import average_listed
from skgnnrec.metrics._hits import check_one_row_each, check_recommended, indicator

BLOCK_BYTES = 1 << 26  # of the sums of vectors of a block of users

_CONSTRAINTS = {
    "recommended": ["array-like"],
    "k": [Interval(Integral, 1, None, closed="left"), None],
    "sample_weight": ["array-like", None],
    "average": ["boolean"],
}


@validate_params({**_CONSTRAINTS, "item_vectors": ["array-like", "sparse matrix"]}, prefer_skip_nested_validation=True)
def intra_list_diversity(
    recommended: ArrayLike,
    item_vectors: Any,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Mean cosine distance between the items of a list.

    The mean of ``1 - cosine(v_i, v_j)`` over the pairs of different items of a list [1]_. Time grows with the length
    of the list, not with the number of pairs: the cosines of all pairs sum up to what the sum of the unit vectors
    has beyond its parts.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    item_vectors : {array-like, sparse matrix} of shape (n_items, n_dimensions)
        A vector per item, of any length: text vectors, categories, or an `item_embedding_`. A vector of zeros is at
        distance 1 from every other.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    diversity : float or ndarray of shape (n_users,)
        Between 0 (all vectors point the same way) and 2; at most 1 for vectors without negative values. The mean is
        over users with at least two recommended items; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, if a vector is not
        finite, or if no list has two items.

    References
    ----------
    .. [1] B. Smyth and P. McClave, "Similarity vs. diversity", ICCBR 2001; C.-N. Ziegler et al., "Improving
       recommendation lists through topic diversification", WWW 2005.

    Examples
    --------
    >>> from skgnnrec.metrics import intra_list_diversity
    >>> vectors = [[1, 0], [2, 0], [0, 1]]
    >>> intra_list_diversity([[0, 1], [0, 2]], vectors, average=False)
    array([0., 1.])
    """
    vectors = _unit_rows(item_vectors)
    lists = check_recommended(recommended, vectors.shape[0], k)
    members = indicator(lists, vectors.shape[0])
    n_listed = np.diff(members.indptr).astype(np.float64)
    own = members @ row_norms(vectors, squared=True)  # 1 for each item with a vector
    block = max(1, BLOCK_BYTES // (8 * max(1, vectors.shape[1])))
    together = [row_norms(members[i : i + block] @ vectors, squared=True) for i in range(0, len(lists), block)]
    with np.errstate(invalid="ignore"):
        cosines = (np.concatenate([np.empty(0), *together]) - own) / (n_listed * (n_listed - 1))
    values = np.where(n_listed > 1, np.clip(1 - cosines, 0, 2), np.nan)
    return average_listed(values, sample_weight, average, "two recommended items")


@validate_params(
    {
        **_CONSTRAINTS,
        "histories": ["array-like", "sparse matrix"],
        "item_categories": ["array-like", "sparse matrix"],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def miscalibration(
    recommended: ArrayLike,
    histories: Any,
    item_categories: Any,
    *,
    k: int | None = None,
    alpha: float = 0.01,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
) -> float | NDArray[np.float64]:
    """Distance between the categories of a list and those of its user's history: 0 where it is calibrated.

    The Kullback-Leibler divergence ``sum_g p_g ln(p_g / q_g)`` of the history's distribution p over the categories
    from that of the list, ``q = (1 - alpha) list + alpha p``, which keeps it finite [1]_. Each item spreads its weight
    evenly over its categories, or in proportion to what `item_categories` says.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    histories : {array-like, sparse matrix} of shape (n_users, n_items)
        The histories of the same users; values weigh the interactions.
    item_categories : {array-like, sparse matrix} of shape (n_items, n_categories)
        How much an item belongs to each category, >= 0: an indicator matrix, for example of genres. Items of zeros
        have no category and do not count.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.
    alpha : float, default=0.01
        How much of p is mixed into q, in (0, 1).
    sample_weight : array-like of shape (n_users,) or None, default=None
        Weights >= 0 of the users in the mean.
    average : bool, default=True
        Whether to return the mean or one value per user.

    Returns
    -------
    miscalibration : float or ndarray of shape (n_users,)
        Between 0 (same proportions) and ``ln(1 / alpha)`` (no category in common), in nats. The mean is over users
        whose history and list have items with categories; one value per user is nan for the others.

    Raises
    ------
    ValueError
        If `recommended` is not a list of distinct positions per user, padded at the end, if `k` > n, if
        `item_categories` has negative values, or if there is no user to take the mean over.

    References
    ----------
    .. [1] H. Steck, "Calibrated recommendations", RecSys 2018.

    Examples
    --------
    >>> from skgnnrec.metrics import miscalibration
    >>> genres = [[1, 0], [1, 0], [0, 1], [0, 1]]
    >>> miscalibration([[1, 3], [1, -1]], [[1, 0, 1, 0], [1, 0, 1, 0]], genres, average=False).round(3)
    array([0.   , 1.959])
    """
    chosen = check_interactions(histories, input_name="histories").astype(np.float64)
    categories = _row_shares(check_interactions(item_categories, input_name="item_categories").astype(np.float64))
    if categories.shape[0] != chosen.shape[1]:
        raise ValueError(
            f"item_categories must have one row per item, histories one column; got {categories.shape[0]} rows and "
            f"{chosen.shape[1]} columns."
        )
    lists = check_recommended(recommended, chosen.shape[1], k)
    check_one_row_each(lists, chosen, "histories")
    shares = ((matrix @ categories).toarray() for matrix in (chosen, indicator(lists, chosen.shape[1])))
    wanted, shown = map(_row_shares, shares)
    mixed = (1 - alpha) * shown + alpha * wanted
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(wanted > 0, wanted * np.log(wanted / mixed), 0.0)
    both = wanted.any(axis=1) & shown.any(axis=1)
    values = np.where(both, np.maximum(terms.sum(axis=1), 0.0), np.nan)
    return average_listed(values, sample_weight, average, "categories in the history and in the list")


def _unit_rows(item_vectors: Any) -> Any:
    """Return checked vectors at unit length, zeros as they are."""
    if sparse.issparse(item_vectors):
        item_vectors = check_indices(item_vectors, "item_vectors")
    vectors = check_array(item_vectors, accept_sparse="csr", dtype=np.float64, input_name="item_vectors")
    # In two steps, so that lengths neither overflow nor vanish.
    for length in (_largest_of_rows, row_norms):
        lengths = length(vectors)
        lengths[lengths == 0] = 1.0
        vectors = sparse.diags_array(1 / lengths) @ vectors
    return vectors


def _largest_of_rows(vectors: Any) -> NDArray[np.float64]:
    largest = abs(vectors).max(axis=1)
    return np.asarray(largest.toarray() if sparse.issparse(largest) else largest, dtype=np.float64).ravel()


def _row_shares(matrix: Any) -> Any:
    """Return rows divided by their sums, rows of zeros as they are."""
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    sums[sums == 0] = 1.0
    return sparse.diags_array(1 / sums) @ matrix
