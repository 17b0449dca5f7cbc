"""How a metric grows with the length of the list."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgnnrec.inspection._plotting import (
    INTERVAL,
    METRIC_NAMES,
    as_named,
    check_count,
    check_metric,
    legend_above,
    line_styles,
    mean_and_error,
    new_axes,
    rank_each,
)

N_LENGTHS = 12


class MetricOverKDisplay:
    """A ranking metric over the length k of the lists.

    It is recommended to use `from_estimator` or `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    k_values : ndarray of shape (n_lengths,)
        Lengths of the lists.
    means : dict of str to ndarray of shape (n_lengths,)
        The metric of each recommender, its mean over users.
    standard_errors : dict of str to ndarray of shape (n_lengths,)
        The standard errors of the means.
    metric : str, default="ndcg"
        Name of the metric, as in `ranking_metrics`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        A line for each recommender.
    bands_ : list of matplotlib PolyCollection
        The interval around each line.

    See Also
    --------
    skgnnrec.metrics.ranking_metrics : The metrics.

    Examples
    --------
    >>> from skgnnrec.inspection import MetricOverKDisplay
    >>> display = MetricOverKDisplay.from_predictions(
    ...     [[1, 0, 1, 0], [0, 1, 0, 0]], {"a": [[0, 1], [1, 2]], "b": [[1, 0], [3, 1]]}, metric="recall"
    ... )
    >>> display.means["a"]
    array([0.75, 0.75])
    """

    def __init__(
        self,
        *,
        k_values: NDArray[np.int64],
        means: Mapping[str, NDArray[np.float64]],
        standard_errors: Mapping[str, NDArray[np.float64]],
        metric: str = "ndcg",
    ) -> None:
        self.k_values = k_values
        self.means = means
        self.standard_errors = standard_errors
        self.metric = metric

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        metric: str = "ndcg",
        k_values: Sequence[int] | None = None,
        max_k: int = 50,
        name: str | None = None,
        ax: Any = None,
    ) -> "MetricOverKDisplay":
        """Draw the metric of fitted recommenders.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            Fitted recommenders, by name where there are several; also searches over them, and `TableRecommender`, whose
            matrix of histories is its `interactions_`.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The histories.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. None hides a seeded fifth of each row of `X`, as `score` does.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k_values : list of int, default=None
            Lengths of the lists; None takes a dozen from 1 to `max_k`.
        max_k : int, default=50
            The longest list where `k_values` is None; at most the number of items is used.
        name : str, default=None
            Name of a single recommender; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : MetricOverKDisplay
            The drawn display.
        """
        check_metric(metric)
        check_count("max_k", max_k)
        lengths = _lengths(k_values, min(max_k, np.shape(X)[1]))
        ranking, lists = rank_each(as_named(estimator, name), X, y, int(lengths.max()))
        return cls.from_predictions(ranking.held_out, lists, metric=metric, k_values=lengths, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        recommended: Any,
        *,
        metric: str = "ndcg",
        k_values: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
    ) -> "MetricOverKDisplay":
        """Draw the metric of lists.

        Parameters
        ----------
        y_true : {array-like, sparse matrix} of shape (n_users, n_items)
            Held-out interactions; values > 0 are relevant.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            Item positions, best first, padded with -1; by name where there are several recommenders.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k_values : array-like of int of shape (n_lengths,), default=None
            Lengths of the lists, at most n; None takes a dozen from 1 to n.
        name : str, default=None
            Name of a single recommender.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : MetricOverKDisplay
            The drawn display.
        """
        check_metric(metric)
        tables = {key: np.asarray(lists) for key, lists in as_named(recommended, name).items()}
        lengths = _lengths(k_values, min(table.shape[-1] for table in tables.values()))
        means, errors = {}, {}
        for key, lists in tables.items():
            found = [mean_and_error(y_true, lists, metric, int(k))[:2] for k in lengths]
            means[key], errors[key] = np.array(found).T
        return cls(k_values=lengths, means=means, standard_errors=errors, metric=metric).plot(ax=ax)

    def plot(self, ax: Any = None) -> "MetricOverKDisplay":
        """Draw the lines, with their 95 % intervals over users as bands.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : MetricOverKDisplay
            The display itself, with `ax_` and `figure_`.
        """
        self.ax_ = new_axes(ax, "MetricOverKDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        # Best first, so that the legend has the order of the lines' ends.
        names = sorted(self.means, key=lambda key: -self.means[key][-1])
        styles = line_styles(self.means)
        for name in names:
            mean, half = self.means[name], INTERVAL * np.nan_to_num(self.standard_errors[name])
            self.lines_ += self.ax_.plot(self.k_values, mean, label=name, markersize=5, **styles[name])
            colour = styles[name]["color"]
            band = self.ax_.fill_between(self.k_values, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
            self.bands_.append(band)
        self.ax_.grid(alpha=0.3)
        self.ax_.set(
            xlabel="Length of the list, k",
            ylabel=f"{METRIC_NAMES.get(self.metric, self.metric)}@k (mean over users, 95 %)",
        )
        self.ax_.set_ylim(bottom=0)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        legend_above(self.ax_, len(names))
        return self


def _lengths(k_values: Any, longest: int) -> NDArray[np.int64]:
    if k_values is None:
        return np.unique(np.rint(np.geomspace(1, longest, min(N_LENGTHS, longest))).astype(np.int64))
    lengths = np.unique(np.asarray(k_values))
    if lengths.dtype.kind not in "iu" or not len(lengths) or lengths[0] < 1:
        raise ValueError(f"k_values must be integers >= 1; got {k_values!r}.")
    return lengths.astype(np.int64)
