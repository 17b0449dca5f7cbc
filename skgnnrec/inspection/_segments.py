"""Who is served well: a metric by segment of users or of items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from skgnnrec._validation import check_interactions
from skgnnrec.inspection._plotting import (
    COLOURS,
    INTERVAL,
    METRIC_NAMES,
    as_named,
    check_count,
    check_metric,
    legend_above,
    mean_and_error,
    new_axes,
    rank_each,
)

BY = ("user_activity", "item_popularity")
HATCHES = ("", "//", "..", "\\\\", "xx")


class SegmentDisplay:
    """A ranking metric by segment: light and heavy users, or the head and the tail of the catalog.

    It is recommended to use `from_estimator` or `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    segments : list of str
        Names of the segments.
    means : dict of str to ndarray of shape (n_segments,)
        The metric of each recommender in each segment, its mean over users.
    standard_errors : dict of str to ndarray of shape (n_segments,)
        The standard errors of the means.
    n_users : ndarray of shape (n_segments,)
        How many users were measured in each segment.
    metric : str, default="ndcg"
        Name of the metric, as in `ranking_metrics`.
    k : int or None, default=None
        Length of the lists, for the label.
    x_label : str, default="segment"
        What the segments are made by.

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
        """Draw the metric of fitted recommenders by segment.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            Fitted recommenders, by name where there are several; also searches over them, and `TableRecommender`, whose
            matrix of histories is its `interactions_`.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. None hides a seeded fifth of each row of `X`, as `score` does.
        by : {"user_activity", "item_popularity"}, default="user_activity"
            What segments are made by: the number of items in a user's history, segments of equally many users as far as
            equal numbers allow; or the number of users who have an item, segments of equally many interactions, so that
            a few popular items weigh as much as the long tail. There the held-out items of other segments are left out
            of the truth, and the lists stay as they are.
        n_segments : int, default=3
            The number of segments; fewer come out where many values are equal. Items that nobody has are one more.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k : int, default=10
            Length of the lists.
        name : str, default=None
            Name of a single recommender; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : SegmentDisplay
            The drawn display.
        """
        if by not in BY:
            raise ValueError(f"by must be 'user_activity' or 'item_popularity'; got {by!r}.")
        check_metric(metric)
        check_count("n_segments", n_segments)
        ranking, lists = rank_each(as_named(estimator, name), X, y, k)
        histories, truth = ranking.histories, ranking.held_out
        if by == "user_activity":
            activity = np.diff(histories.indptr)
            counted = np.diff(truth.indptr) > 0
            segments = _name_ranges(activity, _bounds(activity[counted], np.ones(counted.sum()), n_segments))
            options: dict[str, Any] = {"user_segments": segments, "x_label": "Items in the user's history"}
        else:
            popularity = np.bincount(histories.indices, minlength=histories.shape[1])
            segments = _name_ranges(popularity, _bounds(popularity, popularity, n_segments))
            options = {"item_segments": segments, "x_label": "Users who have the held-out item"}
        return cls.from_predictions(truth, lists, metric=metric, ax=ax, **options)

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
        """Draw the metric of lists by segments that are already known.

        Parameters
        ----------
        y_true : {array-like, sparse matrix} of shape (n_users, n_items)
            Held-out interactions; values > 0 are relevant.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            Item positions, best first, padded with -1; by name where there are several recommenders.
        user_segments : array-like of str of shape (n_users,) or Categorical, default=None
            The segment of each user, in the order of its categories or of appearance. Either this or `item_segments`.
        item_segments : array-like of str of shape (n_items,) or Categorical, default=None
            The segment of each item: the held-out items of other segments are left out of the truth.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        x_label : str, default="segment"
            What the segments are made by.
        name : str, default=None
            Name of a single recommender.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : SegmentDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If not exactly one kind of segments is given, or not one for each user or item.
        """
        check_metric(metric)
        if (user_segments is None) == (item_segments is None):
            raise ValueError("Give either user_segments or item_segments; got both or none.")
        truth = check_interactions(y_true, input_name="y_true")
        of_users = user_segments is not None
        labels, axis = (user_segments, 0) if of_users else (item_segments, 1)
        names, codes = _codes(labels)
        if len(codes) != truth.shape[axis]:
            kind = "user_segments must name the segment of each user" if of_users else "item_segments that of each item"
            raise ValueError(f"{kind}; got {len(codes)} names for y_true of shape {truth.shape}.")
        tables = {key: np.asarray(lists) for key, lists in as_named(recommended, name).items()}
        found = {}
        for key, lists in tables.items():
            parts = [_part(truth, lists, codes == code, axis) for code in range(len(names))]
            found[key] = np.array([mean_and_error(*part, metric) for part in parts])  # (n_segments, 3)
        counts = next(iter(found.values()))[:, 2].astype(np.int64)
        kept = np.flatnonzero(counts)
        return cls(
            segments=[str(names[code]) for code in kept],
            means={key: values[kept, 0] for key, values in found.items()},
            standard_errors={key: values[kept, 1] for key, values in found.items()},
            n_users=counts[kept],
            metric=metric,
            k=next(iter(tables.values())).shape[1],
            x_label=x_label,
        ).plot(ax=ax)

    def plot(self, ax: Any = None) -> "SegmentDisplay":
        """Draw the bars, with their 95 % intervals over users.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : SegmentDisplay
            The display itself, with `ax_` and `figure_`.
        """
        n_segments, n_bars = len(self.segments), len(self.means)
        self.ax_ = new_axes(ax, "SegmentDisplay.plot", size=(max(6.4, 0.34 * n_segments * (n_bars + 1)), 4.4))
        self.figure_ = self.ax_.figure
        self.bars_ = []
        places = np.arange(n_segments)
        width = 0.8 / n_bars
        for i, (name, mean) in enumerate(self.means.items()):
            half = INTERVAL * np.nan_to_num(self.standard_errors[name])
            bars = self.ax_.bar(
                places + (i - (n_bars - 1) / 2) * width,
                mean,
                0.92 * width,
                yerr=half,
                label=name,
                color=COLOURS[i % len(COLOURS)],
                hatch=HATCHES[i // len(COLOURS) % len(HATCHES)],
                error_kw={"elinewidth": 1, "ecolor": "#444444", "capsize": 2},
            )
            self.bars_.append(bars)
        labels = [f"{segment}\n({n:,} users)" for segment, n in zip(self.segments, self.n_users, strict=True)]
        self.ax_.set_xticks(places, labels)
        self.ax_.grid(axis="y", alpha=0.3)
        at_k = "" if self.k is None else f"@{self.k}"
        self.ax_.set(
            xlabel=self.x_label, ylabel=f"{METRIC_NAMES.get(self.metric, self.metric)}{at_k} (mean over users, 95 %)"
        )
        self.ax_.set_ylim(bottom=0)
        legend_above(self.ax_, n_bars)
        return self


def _codes(labels: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the names of the segments in order, and the place of each label among them."""
    if isinstance(getattr(labels, "dtype", None), pd.CategoricalDtype):
        categorical = pd.Categorical(labels)
        return list(categorical.categories), np.asarray(categorical.codes, dtype=np.int64)
    codes, names = pd.factorize(np.asarray(labels))
    return list(names), codes


def _bounds(values: NDArray[Any], weights: NDArray[Any], n_segments: int) -> NDArray[Any]:
    """Return the largest value of each segment but the last, equal values in one segment."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    if not len(reached) or not reached[-1]:
        return values[:0]
    ends = np.searchsorted(reached, reached[-1] * np.arange(1, n_segments) / n_segments)
    bounds = np.unique(values[order][ends])
    return bounds[bounds < values.max()]


def _name_ranges(values: NDArray[Any], bounds: NDArray[Any]) -> Any:
    """Return the range of each value as an ordered category; zero is a range of its own."""
    uppers = np.unique(np.concatenate([[0], bounds, [values.max(initial=0)]])).astype(np.int64)
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
