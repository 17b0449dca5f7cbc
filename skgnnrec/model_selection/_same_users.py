"""The splitter for held-out interactions of users who are all in the training data."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples


class SameUsers(BaseCrossValidator):
    """Train and test on all rows: the split is not between users but between `X` and `y`.

    Recommenders ignore `y` in `fit`, so interactions that are held out can ride along as `y`: each candidate
    of a search learns from the past of all users, `X`, and is scored on what they did next, `y`. There is one
    split, in which every row is in both parts. Estimators that learn from `y` would be scored on what they
    learned.

    See Also
    --------
    split_interactions : Makes the pair of matrices.

    Notes
    -----
    The searches of scikit-learn take a sparse `y`; ``cross_validate`` and ``cross_val_score`` of version 1.9 take dense
    ones only, or the position of one held-out item per user. ``GridSearchCV(rec, {}, cv=SameUsers())`` evaluates
    ``rec`` as it is with a sparse `y`.

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
        """Yield the positions of all rows, as train and as test, once.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_users, n_items)
            The histories; only their number is used.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Yields
        ------
        train : ndarray of shape (n_users,)
            Positions of all rows.
        test : ndarray of shape (n_users,)
            Positions of all rows.
        """
        n_users = _num_samples(X)
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
