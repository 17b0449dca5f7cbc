"""The splitter for held-out interactions of users of the training data."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples

from skgnnrec._memory import check_memory
from skgnnrec.interactions import naming


class SameUsers(BaseCrossValidator):
    """Use all rows as training and as test data, for held-out interactions in `y`.

    Recommenders ignore `y` in `fit`, so held-out interactions can be passed as `y`. Each candidate of a search learns
    from the past `X` of all users and is scored on their future `y`. There is one split. Do not use it with estimators
    that learn from `y`: they would be scored on their training data.

    See Also
    --------
    split_interactions : Split interactions into `X` and `y`.

    Notes
    -----
    The searches of scikit-learn take a sparse `y`. In version 1.9, ``cross_validate`` and ``cross_val_score`` take only
    a dense `y` or the position of one held-out item per user. ``GridSearchCV(rec, {}, cv=SameUsers())`` evaluates
    ``rec`` with a sparse `y` and without changes of its parameters.

    Examples
    --------
    >>> from skgnnrec.model_selection import SameUsers
    >>> for train, test in SameUsers().split([[1, 0], [0, 1], [1, 1]]):
    ...     print(train, test)
    [0 1 2] [0 1 2]

    With a recommender ``rec`` and a parameter grid, the search is
    ``GridSearchCV(rec, grid, cv=SameUsers()).fit(X_past, y_future)``.
    """

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield one split, with all rows in both parts.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_items)
            The histories. Only the number of rows is used.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of shape (n_users,)
            The positions of all rows.
        test : ndarray of shape (n_users,)
            The positions of all rows.

        Raises
        ------
        MemoryLimitError
            If the machine cannot hold the positions.
        """
        with naming("X"):
            n_users = _num_samples(X)
        needed = 2 * np.dtype(np.intp).itemsize * n_users
        check_memory(needed, f"The split of {n_users} users", "Number users from 0 without gaps.")
        yield np.arange(n_users), np.arange(n_users)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, which is 1.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            1.
        """
        return 1
