"""Diversity of recommendation lists, and their calibration to the histories of the users."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils._param_validation import validate_params
from sklearn.utils.extmath import row_norms

from skgnnrec._constraints import Interval
from skgnnrec.metrics._average import average_users
from skgnnrec.metrics._lists import check_recommended, indicator
from skgnnrec.metrics._matrices import check_histories, check_one_row_each, check_vectors

BLOCK_BYTES = 1 << 26  # for the sums of the vectors of a block of users
SMALLEST_LENGTH = 1e-300  # the reciprocals of shorter vectors would overflow

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
    """Compute the mean cosine distance between the items of a recommendation list.

    The diversity of a list is the mean of ``1 - cosine(v_i, v_j)`` over all pairs of its items [1]_. The time is linear
    in the length of the list, because the cosines of all pairs follow from the sum of the unit vectors.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    item_vectors : {array-like, sparse matrix} of shape (n_items, n_dimensions)
        The vectors of the items, such as text vectors, categories or the `item_embedding_` of a recommender. Only their
        direction matters. A vector of zeros has distance 1 from all others.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    diversity : float or ndarray of shape (n_users,)
        A value between 0 (all vectors have the same direction) and 2, and at most 1 for non-negative vectors. Users
        with fewer than two recommended items do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, if a vector is not
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
    block = max(1, BLOCK_BYTES // (8 * max(1, vectors.shape[1])))
    with np.errstate(all="ignore"):  # lists with fewer than two items get nan, as 0 / 0
        own = members @ row_norms(vectors, squared=True)
        total = [row_norms(members[i : i + block] @ vectors, squared=True) for i in range(0, len(lists), block)]
        cosines = (np.concatenate([np.empty(0), *total]) - own) / (n_listed * (n_listed - 1))
    values = np.where(n_listed > 1, np.clip(1 - cosines, 0, 2), np.nan)
    return average_users(values, sample_weight, average, "two recommended items")


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
    """Compute the divergence between the categories of a recommendation list and of the user's history.

    The miscalibration is the Kullback-Leibler divergence ``sum_g p_g ln(p_g / q_g)``. Here p is the distribution of the
    categories in the history, and ``q = (1 - alpha) r + alpha p`` smooths the distribution r in the list, so that the
    divergence is finite [1]_. The weight of an item is divided among its categories in proportion to the values in
    `item_categories`.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    histories : {array-like, sparse matrix} of shape (n_users, n_items)
        The histories of the users. The values are the weights of the interactions.
    item_categories : {array-like, sparse matrix} of shape (n_items, n_categories)
        The non-negative degree to which each item belongs to each category, for example an indicator matrix of genres.
        Items with zeros only have no category and do not count.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.
    alpha : float, default=0.01
        The weight of p in q, in (0, 1).
    sample_weight : array-like of shape (n_users,) or None, default=None
        Non-negative weights of the users in the mean. If None, all users have the same weight.
    average : bool, default=True
        If True, return the mean over the users. If False, return one value per user.

    Returns
    -------
    miscalibration : float or ndarray of shape (n_users,)
        A value between 0 (equal distributions) and ``ln(1 / alpha)`` (no common category), in nats. Users without
        categories in the history or in the list do not count in the mean; their own value is nan.

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, if `k` > n, if `item_categories` has
        negative values, or if the mean has no users.

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
    chosen = check_histories(histories, "histories").astype(np.float64)
    categories = _row_shares(check_histories(item_categories, "item_categories").astype(np.float64))
    if categories.shape[0] != chosen.shape[1]:
        raise ValueError(
            "item_categories must have one row per item, and histories one column per item; got "
            f"{categories.shape[0]} rows and {chosen.shape[1]} columns."
        )
    lists = check_recommended(recommended, chosen.shape[1], k)
    check_one_row_each(lists, chosen, "histories")
    shares = ((matrix @ categories).toarray() for matrix in (chosen, indicator(lists, chosen.shape[1])))
    wanted, shown = map(_row_shares, shares)
    with np.errstate(all="ignore"):  # 0 * log(0) counts as 0
        mixed = (1 - alpha) * shown + alpha * wanted
        terms = np.where(wanted > 0, wanted * np.log(wanted / mixed), 0.0)
    both = wanted.any(axis=1) & shown.any(axis=1)
    values = np.where(both, np.maximum(terms.sum(axis=1), 0.0), np.nan)
    return average_users(values, sample_weight, average, "categories in the history and in the list")


def _unit_rows(item_vectors: Any) -> Any:
    """Return checked vectors, scaled to unit length; vectors of zeros stay as they are."""
    vectors = check_vectors(item_vectors, "item_vectors")
    # Two steps avoid overflow and underflow in the squares.
    with np.errstate(all="ignore"):
        for length in (_largest_of_rows, row_norms):
            lengths = length(vectors)
            lengths = np.where(lengths == 0, 1.0, np.maximum(lengths, SMALLEST_LENGTH))
            vectors = sparse.diags_array(1 / lengths) @ vectors
    return vectors


def _largest_of_rows(vectors: Any) -> NDArray[np.float64]:
    largest = abs(vectors).max(axis=1)
    return np.asarray(largest.toarray() if sparse.issparse(largest) else largest, dtype=np.float64).ravel()


def _row_shares(matrix: Any) -> Any:
    """Return rows divided by their sums; rows of zeros stay as they are."""
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    sums[sums == 0] = 1.0
    return sparse.diags_array(1 / sums) @ matrix
