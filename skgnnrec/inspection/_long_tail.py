"""Plot of the recommendation frequency over the popularity of the items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgnnrec.inspection._axes import GREY, legend_above, line_styles, new_axes, plain_numbers
from skgnnrec.inspection._rankings import check_count, named_estimators, named_lists, recommend_each
from skgnnrec.metrics import check_numbers

PROPORTIONAL = "in proportion to popularity"


class LongTailDisplay:
    """Plot how often items are recommended over their popularity.

    Items with similar popularity form a group. A point of a line is the mean number of lists with an item of the group.
    Above the dashed line, the items are recommended more often than in proportion to their popularity.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    popularity : ndarray of shape (n_items,)
        The number of users of each item.
    frequency : dict of str to ndarray of shape (n_items,)
        The number of lists with each item, for each recommender.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        The line of each recommender.
    proportional_ : matplotlib Line2D
        The dashed line of frequencies in proportion to popularity.

    See Also
    --------
    skgnnrec.metrics.catalog_coverage : Compute the share of the catalog that is recommended.

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
        """Plot the recommendations of fitted recommenders.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            A fitted recommender, or fitted recommenders by name. Fitted searches and pipelines are accepted too.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories of the users. The popularity of an item is its number of users in `X`. For `LogRecommender`, a
            log or the matrix `interactions_`; the users of the log receive the recommendations.
        k : int, default=10
            The length of the lists.
        name : str, default=None
            The name of a single recommender. If None, it is the name of its class.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : LongTailDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the recommenders know different items.
        """
        check_count("k", k)
        popularity, lists = recommend_each(named_estimators(estimator, name), X, k)
        return cls.from_predictions(popularity, lists, ax=ax)

    @classmethod
    def from_predictions(
        cls, popularity: ArrayLike, recommended: Any, *, name: str | None = None, ax: Any = None
    ) -> "LongTailDisplay":
        """Plot recommendation lists.

        Parameters
        ----------
        popularity : array-like of shape (n_items,)
            The non-negative number of users of each item.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            The recommended items of each user, as positions in `popularity`, padded with -1. A dict has the lists of
            several recommenders by name, which have the same users and the same length.
        name : str, default=None
            The name of a single recommender.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : LongTailDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If `popularity` is not a list of numbers >= 0, or if the lists are invalid or differ in users or length.
        """
        counts = _check_popularity(popularity)
        lists = named_lists(recommended, name, len(counts), one_length=True)
        frequency = {key: np.bincount(table[table != -1], minlength=len(counts)) for key, table in lists.items()}
        return cls(popularity=counts, frequency=frequency).plot(ax=ax)

    def plot(self, ax: Any = None, *, n_groups: int = 12) -> "LongTailDisplay":
        """Plot the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.
        n_groups : int, default=12
            The number of groups of items with similar popularity. Their bounds have equal distances on a logarithmic
            scale. Items without users form a further group.

        Returns
        -------
        display : LongTailDisplay
            The display itself.
        """
        check_count("n_groups", n_groups)
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
        is_first = PROPORTIONAL not in self.ax_.get_legend_handles_labels()[1]
        (self.proportional_,) = self.ax_.plot(x, fair, color=GREY, ls="--", label=PROPORTIONAL if is_first else "_")
        self.lines_ = []
        for name, style in line_styles(means, self.ax_).items():
            self.lines_ += self.ax_.plot(x, means[name], label=name, markersize=5, **style)
        _set_scales(self.ax_)
        self.ax_.grid(alpha=0.3)
        self.ax_.set(xlabel="Users of the item", ylabel="Lists with the item (mean)")
        legend_above(self.ax_)
        return self


def _check_popularity(popularity: Any) -> NDArray[np.float64]:
    expected = "the number of users of each item, shape (n_items,), >= 0"
    counts = check_numbers(popularity, "popularity", expected)
    if not len(counts) or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"popularity must hold {expected}; got {counts[:5].tolist()}.")
    return counts


def _group(popularity: NDArray[np.float64], n_groups: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the group of each item, and the mean popularity of each group."""
    bounds = np.geomspace(1, max(popularity.max(initial=1), 1) * (1 + 1e-9), n_groups + 1)[1:]
    raw = np.where(popularity > 0, 1 + np.searchsorted(bounds, popularity), 0)
    group = np.unique(raw, return_inverse=True)[1]
    return group, np.bincount(group, weights=popularity) / np.bincount(group)


def _set_scales(ax: Any) -> None:
    """Use logarithmic scales for all lines; the scale of an axis with zeros is linear next to zero."""
    x, y = (np.concatenate([line.get_data()[i] for line in ax.lines]) for i in (0, 1))
    for axis, set_scale, values in ((ax.xaxis, ax.set_xscale, x), (ax.yaxis, ax.set_yscale, y)):
        positive = values[values > 0]
        if len(positive) == len(values):
            set_scale("log")
        elif len(positive):
            set_scale("symlog", linthresh=10.0 ** np.floor(np.log10(positive.min())), linscale=0.4)
        if len(positive):
            plain_numbers(axis)
