"""Plot of a ranking metric by segments of users or items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from skgnnrec.inspection._axes import COLOURS, INTERVAL, METRIC_NAMES, legend_above, new_axes, start_at_zero
from skgnnrec.inspection._rankings import (
    check_count,
    check_metric,
    check_text,
    mean_and_error,
    named_estimators,
    named_lists,
    rank_each,
)
from skgnnrec.interactions import as_ids
from skgnnrec.metrics import HeldOutRanking, check_held_out

BY = ("user_activity", "item_popularity")
HATCHES = ("", "//", "..", "\\\\", "xx")
GROUP_WIDTH = 0.8  # of the bars of a segment

Pair = tuple[Any, NDArray[np.int64]]  # the held-out interactions, and the lists of a recommender
Codes = tuple[list[Any], NDArray[np.int64]]  # the names of the segments, and the segment of each user or item


class SegmentDisplay:
    """Plot a ranking metric by segments of users or items, such as light and heavy users.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes. Displays with the same segments can share one `ax`; their bars are drawn side by side.

    Parameters
    ----------
    segments : list of str
        The names of the segments.
    means : dict of str to ndarray of shape (n_segments,)
        The mean of the metric over the users of each segment, for each recommender.
    standard_errors : dict of str to ndarray of shape (n_segments,)
        The standard errors of the means.
    n_users : ndarray of shape (n_segments,)
        The number of users in each segment.
    metric : str, default="ndcg"
        The name of the metric, as in `ranking_metrics`.
    k : int or None, default=None
        The length of the lists, for the label of the axis.
    x_label : str, default="segment"
        The label of the horizontal axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    bars_ : list of matplotlib BarContainer
        The bars of each recommender.

    Examples
    --------
    >>> from skgnnrec.inspection import SegmentDisplay
    >>> display = SegmentDisplay.from_predictions(
    ...     [[1, 0, 0], [0, 0, 1]], [[0, 1], [1, 2]], user_segments=["light", "heavy"]
    ... )
    >>> display.segments, display.n_users
    (['light', 'heavy'], array([1, 1]))
    """

    def __init__(
        self,
        *,
        segments: list[str],
        means: Mapping[str, NDArray[np.float64]],
        standard_errors: Mapping[str, NDArray[np.float64]],
        n_users: NDArray[np.int64],
        metric: str = "ndcg",
        k: int | None = None,
        x_label: str = "segment",
    ) -> None:
        self.segments = segments
        self.means = means
        self.standard_errors = standard_errors
        self.n_users = n_users
        self.metric = metric
        self.k = k
        self.x_label = x_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        by: str = "user_activity",
        n_segments: int = 3,
        metric: str = "ndcg",
        k: int = 10,
        name: str | None = None,
        ax: Any = None,
    ) -> "SegmentDisplay":
        """Plot the metric of fitted recommenders by segment.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            A fitted recommender, or fitted recommenders by name. Fitted searches and pipelines are accepted too.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories. For `LogRecommender`, the log of the held-out interactions, as in its method `score`, or the
            matrix `interactions_` with a matrix `y`.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. If None, a seeded fifth of each row of `X` is held out, as in the method `score`.
            For `LogRecommender`, the log of the held-out interactions, if it is not `X`.
        by : {"user_activity", "item_popularity"}, default="user_activity"
            With "user_activity", the segments are ranges of the number of items in the history, with about the same
            number of users. With "item_popularity", they are ranges of the number of users of an item, with about the
            same number of interactions. Then only the held-out items of a segment are relevant, and the lists still
            have all items.
        n_segments : int, default=3
            The number of segments. There are fewer if many values are equal. Items without users form a further
            segment.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k : int, default=10
            The length of the lists.
        name : str, default=None
            The name of a single recommender. If None, it is the name of its class.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SegmentDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If there are no held-out interactions, or if several `LogRecommender` have different ones.
        """
        if not isinstance(by, str) or by not in BY:
            raise ValueError(f"by must be 'user_activity' or 'item_popularity'; got {by!r}.")
        check_metric(metric)
        check_count("n_segments", n_segments)
        check_count("k", k)
        rankings = rank_each(named_estimators(estimator, name), X, y, k)
        first = next(iter(rankings.values()))
        if by == "user_activity":
            activity = np.diff(first.histories.indptr)
            counted = activity[np.diff(first.held_out.indptr) > 0]
            bounds = _bounds(counted, np.ones(len(counted)), n_segments)
            codes = dict.fromkeys(rankings, _codes(_name_ranges(activity, bounds), "activity"))
            axis, x_label = 0, "Items in the history of the user"
        else:
            popularity = {key: _popularity(ranking) for key, ranking in rankings.items()}
            values = next(iter(popularity.values()))
            bounds = _bounds(values, values, n_segments)
            largest = max(each.max(initial=0) for each in popularity.values())
            codes = {key: _codes(_name_ranges(each, bounds, largest), "popularity") for key, each in popularity.items()}
            axis, x_label = 1, "Users of the held-out item"
        pairs = {key: (ranking.held_out, ranking.recommended) for key, ranking in rankings.items()}
        return cls._of_pairs(pairs, codes, axis, metric, x_label).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        recommended: Any,
        *,
        user_segments: ArrayLike | None = None,
        item_segments: ArrayLike | None = None,
        metric: str = "ndcg",
        x_label: str = "segment",
        name: str | None = None,
        ax: Any = None,
    ) -> "SegmentDisplay":
        """Plot the metric of recommendation lists by given segments.

        Parameters
        ----------
        y_true : {array-like, sparse matrix} of shape (n_users, n_items)
            The held-out interactions. Values > 0 mark the relevant items.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            The recommended items of each user, best first, as positions (columns of `y_true`), padded with -1. A dict
            has the lists of several recommenders by name, which have the same length.
        user_segments : array-like of str of shape (n_users,) or Categorical, default=None
            The segment of each user. The segments are plotted in the order of the categories or of their first
            appearance. Users without a segment (None or nan) do not count. Pass either `user_segments` or
            `item_segments`.
        item_segments : array-like of str of shape (n_items,) or Categorical, default=None
            The segment of each item. Only the held-out items of a segment are relevant.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        x_label : str, default="segment"
            The label of the horizontal axis.
        name : str, default=None
            The name of a single recommender.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SegmentDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the lists are invalid or differ in users or length, or if not exactly one of `user_segments` and
            `item_segments` is given with one segment for each user or item.
        """
        check_metric(metric)
        check_text("x_label", x_label)
        if (user_segments is None) == (item_segments is None):
            came = "None for both" if item_segments is None else "both"
            raise ValueError(f"Pass either user_segments or item_segments; got {came}.")
        truth = check_held_out(y_true)
        lists = named_lists(recommended, name, truth.shape[1], truth.shape[0], one_length=True)
        axis, what = (0, "user") if user_segments is not None else (1, "item")
        codes = _codes(user_segments if axis == 0 else item_segments, f"{what}_segments")
        if len(codes[1]) != truth.shape[axis]:
            raise ValueError(
                f"{what}_segments must have the segment of each {what}; got {len(codes[1])} segments for y_true of "
                f"shape {truth.shape}."
            )
        pairs = {key: (truth, table) for key, table in lists.items()}
        return cls._of_pairs(pairs, dict.fromkeys(pairs, codes), axis, metric, x_label).plot(ax=ax)

    @classmethod
    def _of_pairs(
        cls, pairs: Mapping[str, Pair], codes: Mapping[str, Codes], axis: int, metric: str, x_label: str
    ) -> "SegmentDisplay":
        """Return the display for the lists and the segments of each recommender."""
        found = {}
        for key, (truth, lists) in pairs.items():
            names, code = codes[key]
            parts = [_part(truth, lists, code == place, axis) for place in range(len(names))]
            found[key] = np.array([mean_and_error(*part, metric) for part in parts]).reshape(-1, 3)
        counts = next(iter(found.values()))[:, 2].astype(np.int64)
        kept = np.flatnonzero(counts)
        if not len(kept):
            raise ValueError("There is nothing to draw: no user of a segment has held-out items.")
        return cls(
            segments=[str(names[place]) for place in kept],
            means={key: values[kept, 0] for key, values in found.items()},
            standard_errors={key: values[kept, 1] for key, values in found.items()},
            n_users=counts[kept],
            metric=metric,
            k=next(iter(pairs.values()))[1].shape[1],
            x_label=x_label,
        )

    def plot(self, ax: Any = None) -> "SegmentDisplay":
        """Plot the bars with their 95 % confidence intervals over the users.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : SegmentDisplay
            The display itself.

        Raises
        ------
        ValueError
            If another display on `ax` has other segments.
        """
        n_segments, n_bars = len(self.segments), len(self.means)
        self.ax_ = new_axes(ax, "SegmentDisplay.plot", size=(max(6.4, 0.34 * n_segments * (n_bars + 1)), 4.4))
        self.figure_ = self.ax_.figure
        self.bars_ = []
        earlier = _bars_of(self.ax_)
        labels = [f"{segment}\n({n:,} users)" for segment, n in zip(self.segments, self.n_users, strict=True)]
        shown = [label.get_text() for label in self.ax_.get_xticklabels()]
        if earlier and shown != labels:
            raise ValueError(f"Displays on the same ax must have the same segments; got {labels} besides {shown}.")
        places = np.arange(n_segments)
        for i, (name, mean) in enumerate(self.means.items(), start=len(earlier)):
            bars = self.ax_.bar(
                places,
                mean,
                yerr=INTERVAL * np.nan_to_num(self.standard_errors[name]),
                label=name,
                color=COLOURS[i % len(COLOURS)],
                hatch=HATCHES[i // len(COLOURS) % len(HATCHES)],
                error_kw={"elinewidth": 1, "ecolor": "#444444", "capsize": 2},
            )
            self.bars_.append(bars)
        _arrange(self.ax_)
        self.ax_.set_xticks(places, labels)
        self.ax_.grid(axis="y", alpha=0.3)
        at_k = "" if self.k is None else f"@{self.k}"
        self.ax_.set(
            xlabel=self.x_label, ylabel=f"{METRIC_NAMES.get(self.metric, self.metric)}{at_k} (mean over users, 95 %)"
        )
        start_at_zero(self.ax_)
        legend_above(self.ax_)
        return self


def _bars_of(ax: Any) -> list[Any]:
    """Return the bars of all displays on the axes."""
    return [container for container in ax.containers if getattr(container, "errorbar", None) is not None]


def _arrange(ax: Any) -> None:
    """Place the bars of all displays on the axes side by side."""
    containers = _bars_of(ax)
    width = GROUP_WIDTH / len(containers)
    for i, bars in enumerate(containers):
        places = np.arange(len(bars)) + (i - (len(containers) - 1) / 2) * width
        for bar, place in zip(bars, places, strict=True):
            bar.set(x=place - 0.46 * width, width=0.92 * width)
        _, caps, (intervals,) = bars.errorbar.lines
        for cap in caps:
            cap.set_xdata(places)
        ends = [segment[:, 1] for segment in intervals.get_segments()]
        intervals.set_segments([np.column_stack([[x, x], y]) for x, y in zip(places, ends, strict=True)])


def _codes(labels: Any, name: str) -> Codes:
    """Return the names of the segments in order, and the position of each label, -1 for missing labels."""
    if isinstance(getattr(labels, "dtype", None), pd.CategoricalDtype):
        categorical = pd.Categorical(labels)
        return list(categorical.categories), np.asarray(categorical.codes, dtype=np.int64)
    codes, names = pd.factorize(as_ids(labels, name, missing_ok=True))
    return list(names), codes


def _popularity(ranking: HeldOutRanking) -> NDArray[np.int64]:
    """Return the number of users of each column: those of the histories, or for a log those of the fit."""
    n_columns = ranking.held_out.shape[1]
    if ranking.users is None:
        return np.bincount(ranking.histories.indices, minlength=n_columns)
    return np.pad(ranking.item_counts, (0, n_columns - len(ranking.item_counts)))


def _bounds(values: NDArray[Any], weights: NDArray[Any], n_segments: int) -> NDArray[Any]:
    """Return the largest value of each segment but the last; equal values are in one segment."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    if not len(reached) or not reached[-1]:
        return values[:0]
    ends = np.searchsorted(reached, reached[-1] * np.arange(1, n_segments) / n_segments)
    bounds = np.unique(values[order][ends])
    return bounds[bounds < values.max()]


def _name_ranges(values: NDArray[Any], bounds: NDArray[Any], largest: int | None = None) -> Any:
    """Return the range of each value as an ordered category; zero is a separate range."""
    largest = values.max(initial=0) if largest is None else largest
    uppers = np.unique(np.concatenate([[0], bounds, [largest]])).astype(np.int64)
    lowers = np.append(0, uppers[:-1] + 1)
    names = [
        f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}" for low, high in zip(lowers, uppers, strict=True)
    ]
    return pd.Categorical.from_codes(np.searchsorted(uppers, values), pd.Index(names), ordered=True)


def _part(truth: sparse.csr_array, lists: NDArray[Any], inside: NDArray[np.bool_], axis: int) -> tuple[Any, Any]:
    """Return the truth and the lists of a segment."""
    if axis == 0:
        return truth[inside], lists[inside]
    kept = truth.tocoo()
    chosen = inside[kept.coords[1]]
    entries = (kept.data[chosen], (kept.coords[0][chosen], kept.coords[1][chosen]))
    return sparse.csr_array(entries, shape=truth.shape), lists
