"""Who gets recommended: the popular items, or the long tail."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skgnnrec._recommended import chosen_for
from skgnnrec._validation import check_interactions
from skgnnrec.catalog import ItemCatalog
from skgnnrec.inspection._plotting import GREY, as_named, legend_above, line_styles, new_axes, plain_numbers


class LongTailDisplay:
    """How often items are recommended over how popular they are.

    Items of similar popularity are taken together; a point is the mean number of lists that show an item of such a
    group. A line above the dashed one favours these items more than users themselves did.

    It is recommended to use `from_estimator` or `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    popularity : ndarray of shape (n_items,)
        The number of users who have each item.
    frequency : dict of str to ndarray of shape (n_items,)
        For each recommender, the number of lists that each item is in.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        A line for each recommender.
    proportional_ : matplotlib Line2D
        The dashed line: as many lists in proportion to popularity.

    See Also
    --------
    skgnnrec.metrics.catalog_coverage : The share of items that are recommended at all.

    References
    ----------
    .. [1] H. Abdollahpouri, R. Burke and B. Mobasher, "Managing popularity bias in recommender systems with
       personalized re-ranking", FLAIRS 2019.

    Examples
    --------
    >>> from skgnnrec.inspection import LongTailDisplay
    >>> display = LongTailDisplay.from_predictions([5, 2, 1, 0], [[0, 1], [0, 2]])
    >>> display.frequency["recommender"]
    array([2, 1, 1, 0])
    """

    def __init__(self, *, popularity: NDArray[np.float64], frequency: Mapping[str, NDArray[np.int64]]) -> None:
        self.popularity = popularity
        self.frequency = frequency

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, k: int = 10, name: str | None = None, ax: Any = None
    ) -> "LongTailDisplay":
        """Draw what fitted recommenders recommend.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            Fitted recommenders, by name where there are several; also searches over them, and `TableRecommender`, whose
            matrix of histories is its `interactions_`.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories, which recommendations and popularity are made from.
        k : int, default=10
            Length of the lists.
        name : str, default=None
            Name of a single recommender; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : LongTailDisplay
            The drawn display.
        """
        lists = {key: _recommend(each, X, k) for key, each in as_named(estimator, name).items()}
        checked = check_interactions(X)
        return cls.from_predictions(np.bincount(checked.indices, minlength=checked.shape[1]), lists, ax=ax)

    @classmethod
    def from_predictions(
        cls, popularity: ArrayLike, recommended: Any, *, name: str | None = None, ax: Any = None
    ) -> "LongTailDisplay":
        """Draw lists.

        Parameters
        ----------
        popularity : array-like of shape (n_items,)
            The number of users who have each item, >= 0.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            Item positions, padded with -1; by name where there are several recommenders.
        name : str, default=None
            Name of a single recommender.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : LongTailDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If a position is no integer, or outside the catalog.
        """
        counts = np.asarray(popularity, dtype=np.float64)
        frequency = {}
        for key, lists in as_named(recommended, name).items():
            items = np.asarray(lists).ravel()
            if items.dtype.kind not in "iu":
                raise ValueError(f"recommended must hold positions, which are integers; got dtype {items.dtype}.")
            items = items[items != -1]
            if len(items) and (items.min() < 0 or items.max() >= len(counts)):
                raise ValueError(
                    f"recommended must hold positions from 0 to {len(counts) - 1}, or -1 as padding; got "
                    f"{items.min()} to {items.max()}."
                )
            frequency[key] = np.bincount(items, minlength=len(counts))
        return cls(popularity=counts, frequency=frequency).plot(ax=ax)

    def plot(self, ax: Any = None, *, n_groups: int = 12) -> "LongTailDisplay":
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        n_groups : int, default=12
            Number of groups of similar popularity, their bounds evenly spaced on a logarithmic scale. Items that nobody
            has are a group of their own.

        Returns
        -------
        display : LongTailDisplay
            The display itself, with `ax_` and `figure_`.
        """
        self.ax_ = new_axes(ax, "LongTailDisplay.plot")
        self.figure_ = self.ax_.figure
        group, x = _group(self.popularity, n_groups)
        sizes = np.bincount(group, minlength=len(x))
        means = {
            name: np.bincount(group, weights=frequency, minlength=len(x)) / sizes
            for name, frequency in self.frequency.items()
        }
        n_shown = np.mean([frequency.sum() for frequency in self.frequency.values()])
        fair = x * n_shown / max(self.popularity.sum(), 1)
        (self.proportional_,) = self.ax_.plot(x, fair, color=GREY, ls="--", label="in proportion to popularity")
        self.lines_ = []
        for name, style in line_styles(means).items():
            self.lines_ += self.ax_.plot(x, means[name], label=name, markersize=5, **style)
        _set_scales(self.ax_, x, np.concatenate([fair, *means.values()]))
        self.ax_.grid(alpha=0.3)
        self.ax_.set(xlabel="Users who have the item", ylabel="Lists that show the item (mean)")
        legend_above(self.ax_, len(means) + 1)
        return self


def _recommend(estimator: Any, X: Any, k: int) -> NDArray[np.int64]:
    """Return the lists of all users as positions, whatever the ids of the items."""
    check_is_fitted(estimator)
    recommender = chosen_for(estimator, X)
    found, scores = recommender.recommend(X, k)
    ids = recommender.item_ids_
    positions = found if ids is None else ItemCatalog(ids, ids=ids).positions(found)
    return np.where(np.isneginf(scores), -1, positions)


def _group(popularity: NDArray[np.float64], n_groups: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the group of each item, and the mean popularity of each group."""
    bounds = np.geomspace(1, max(popularity.max(initial=1), 1) * (1 + 1e-9), n_groups + 1)[1:]
    raw = np.where(popularity > 0, 1 + np.searchsorted(bounds, popularity), 0)
    group = np.unique(raw, return_inverse=True)[1]
    return group, np.bincount(group, weights=popularity) / np.bincount(group)


def _set_scales(ax: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Use logarithmic axes, linear next to zero where there is a zero to show."""
    for axis, set_scale, values in ((ax.xaxis, ax.set_xscale, x), (ax.yaxis, ax.set_yscale, y)):
        positive = values[values > 0]
        if len(positive) == len(values):
            set_scale("log")
        elif len(positive):
            set_scale("symlog", linthresh=10.0 ** np.floor(np.log10(positive.min())), linscale=0.4)
        if len(positive):
            plain_numbers(axis)
