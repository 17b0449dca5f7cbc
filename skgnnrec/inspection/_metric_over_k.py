"""Plot of a ranking metric over the length of the lists."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgnnrec.inspection._axes import INTERVAL, METRIC_NAMES, legend_above, line_styles, new_axes, start_at_zero
from skgnnrec.inspection._rankings import (
    check_count,
    check_metric,
    mean_and_error,
    named_estimators,
    named_lists,
    rank_each,
)
from skgnnrec.metrics import check_held_out

N_LENGTHS = 12


class MetricOverKDisplay:
    """Plot a ranking metric over the length k of the lists.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    k_values : ndarray of shape (n_lengths,)
        The lengths of the lists.
    means : dict of str to ndarray of shape (n_lengths,)
        The mean of the metric over the users, for each recommender.
    standard_errors : dict of str to ndarray of shape (n_lengths,)
        The standard errors of the means.
    metric : str, default="ndcg"
        The name of the metric, as in `ranking_metrics`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        The line of each recommender.
    bands_ : list of matplotlib PolyCollection
        The confidence interval of each line.

    See Also
    --------
    skgnnrec.metrics.ranking_metrics : Compute the metrics.

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
        """Plot the metric of fitted recommenders.

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
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k_values : list of int, default=None
            The lengths of the lists. If None, about 12 lengths from 1 to `max_k` are used.
        max_k : int, default=50
            The largest length if `k_values` is None. It is reduced to the number of items if there are fewer.
        name : str, default=None
            The name of a single recommender. If None, it is the name of its class.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : MetricOverKDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If there are no held-out interactions, or if several `LogRecommender` have different ones.
        """
        check_metric(metric)
        check_count("max_k", max_k)
        longest = max_k if k_values is None else int(_lengths(k_values, max_k).max())
        rankings = rank_each(named_estimators(estimator, name), X, y, longest)
        n_items = min(len(ranking.item_counts) for ranking in rankings.values())
        lengths = _lengths(k_values, min(max_k, n_items))
        pairs = {key: (ranking.held_out, ranking.recommended) for key, ranking in rankings.items()}
        return cls._of_pairs(pairs, metric, lengths).plot(ax=ax)

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
        """Plot the metric of recommendation lists.

        Parameters
        ----------
        y_true : {array-like, sparse matrix} of shape (n_users, n_items)
            The held-out interactions. Values > 0 mark the relevant items.
        recommended : array-like of int of shape (n_users, n) or dict of str to array-like
            The recommended items of each user, best first, as positions (columns of `y_true`), padded with -1. A dict
            has the lists of several recommenders by name.
        metric : {"ndcg", "recall", "precision", "hit_rate", "mrr", "map"}, default="ndcg"
            The metric.
        k_values : array-like of int of shape (n_lengths,), default=None
            The lengths of the lists, at most n. If None, about 12 lengths from 1 to n are used.
        name : str, default=None
            The name of a single recommender.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : MetricOverKDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the lists are invalid, or have another number of users than `y_true`.
        """
        check_metric(metric)
        truth = check_held_out(y_true)
        lists = named_lists(recommended, name, truth.shape[1], truth.shape[0], one_length=False)
        lengths = _lengths(k_values, min(table.shape[1] for table in lists.values()))
        return cls._of_pairs({key: (truth, table) for key, table in lists.items()}, metric, lengths).plot(ax=ax)

    @classmethod
    def _of_pairs(
        cls, pairs: Mapping[str, tuple[Any, NDArray[np.int64]]], metric: str, lengths: NDArray[np.int64]
    ) -> "MetricOverKDisplay":
        """Return the display for the held-out interactions and the lists of each recommender."""
        means, errors = {}, {}
        for name, (truth, lists) in pairs.items():
            found = [mean_and_error(truth, lists, metric, int(k))[:2] for k in lengths]
            means[name], errors[name] = np.array(found).T
        return cls(k_values=lengths, means=means, standard_errors=errors, metric=metric)

    def plot(self, ax: Any = None) -> "MetricOverKDisplay":
        """Plot the lines with their 95 % confidence intervals over the users.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : MetricOverKDisplay
            The display itself.
        """
        self.ax_ = new_axes(ax, "MetricOverKDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        # In the order of the right ends of the lines, so that the legend has this order.
        names = sorted(self.means, key=lambda key: -self.means[key][-1])
        styles = line_styles(self.means, self.ax_)
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
        start_at_zero(self.ax_)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        legend_above(self.ax_)
        return self


def _lengths(k_values: Any, longest: int) -> NDArray[np.int64]:
    if k_values is None:
        return np.unique(np.rint(np.geomspace(1, longest, min(N_LENGTHS, longest))).astype(np.int64))
    is_list = (isinstance(k_values, Sequence) and not isinstance(k_values, str | bytes)) or (
        isinstance(k_values, np.ndarray) and k_values.ndim == 1
    )
    given = list(k_values) if is_list else []
    if not given or not all(isinstance(k, Integral) and not isinstance(k, bool) and int(k) >= 1 for k in given):
        raise ValueError(f"k_values must be a list of integers >= 1; got {k_values!r}.")
    return np.unique(given).astype(np.int64)
