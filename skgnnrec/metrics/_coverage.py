"""How much of the catalog the recommendations show."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, validate_params

from skgnnrec.metrics._hits import PADDING, check_recommended


@validate_params(
    {
        "recommended": ["array-like"],
        "n_items": [Interval(Integral, 1, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def catalog_coverage(recommended: ArrayLike, *, n_items: int, k: int | None = None) -> float:
    """Share of the catalog that stands in at least one user's list.

    Coverage is ``|union of the lists| / n_items`` [1]_. It tells a recommender that shows everyone the same
    few items from one that uses the whole catalog.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        Item positions, best first; shorter lists are padded with -1 at the end.
    n_items : int
        Number of items in the catalog, at least 1.
    k : int or None, default=None
        Length of the list to look at, at most n; None takes all n.

    Returns
    -------
    coverage : float
        Between 0 (no item was recommended) and 1 (every item was, to someone).

    Raises
    ------
    ValueError
        If `recommended` holds positions outside the catalog, an item twice in a row or padding before an
        item, or if `k` is larger than n.

    References
    ----------
    .. [1] M. Ge, C. Delgado-Battenfeld and D. Jannach, "Beyond accuracy: evaluating recommender systems by
       coverage and serendipity", RecSys 2010.

    Examples
    --------
    >>> from skgnnrec.metrics import catalog_coverage
    >>> catalog_coverage([[0, 1], [1, 2]], n_items=4)
    0.75
    """
    lists = check_recommended(recommended, n_items, k)
    return len(np.unique(lists[lists != PADDING])) / n_items
