"""Coverage of the catalog by recommendation lists."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec.metrics._lists import PADDING, check_recommended


@validate_params(
    {
        "recommended": ["array-like"],
        "n_items": [Interval(Integral, 1, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def catalog_coverage(recommended: ArrayLike, *, n_items: int, k: int | None = None) -> float:
    """Compute the share of the catalog that is recommended to at least one user.

    The coverage is ``|union of the lists| / n_items`` [1]_. It is low if all users receive the same few items.

    Parameters
    ----------
    recommended : array-like of int of shape (n_users, n)
        The recommended items of each user, best first, as positions. Shorter lists are padded with -1 at the end.
    n_items : int
        The number of items in the catalog, at least 1.
    k : int or None, default=None
        The number of items to evaluate in each list, at most n. If None, all n items are evaluated.

    Returns
    -------
    coverage : float
        A value between 0 (no item is recommended) and 1 (each item is recommended to at least one user).

    Raises
    ------
    ValueError
        If a list has an invalid position, an item twice or padding before an item, or if `k` > n.

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
