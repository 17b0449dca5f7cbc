"""What a second of training buys."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skgnnrec._recommended import chosen, hide_share, innermost
from skgnnrec.inspection._plotting import as_named, legend_above, line_styles, new_axes, plain_numbers

WIDE = 20  # a range of seconds above this ratio goes on a logarithmic axis
TEST_SIZE = 0.2  # of each row, hidden where there is no y
SEED = 0

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class AccuracyOverTimeDisplay:
    """Accuracy over the seconds of training: a point for a closed form, a curve for a trained model.

    It is recommended to use `from_estimator` or `from_predictions`. All parameters are stored as attributes.

    Parameters
    ----------
    curves : dict of str to tuple of (seconds, scores)
        For each recommender its scores and after how many seconds it had them: arrays of shape (n_points,), ascending.
    validation_curves : dict of str to tuple of (seconds, scores), default=None
        The same for scores on the part of the training data that a trained model held out itself.
    score_name : str, default="score"
        What the scores are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        A line, or a single marker, for each recommender.
    validation_lines_ : list of matplotlib Line2D
        A thin line for each recommender with validation scores.

    Examples
    --------
    >>> from skgnnrec.inspection import AccuracyOverTimeDisplay
    >>> display = AccuracyOverTimeDisplay.from_predictions(
    ...     ["ridge", "gnn", "gnn", "gnn"], [1.5, 10, 20, 30], [0.10, 0.05, 0.08, 0.09], score_name="NDCG@10"
    ... )
    >>> display.curves["gnn"][1]
    array([0.05, 0.08, 0.09])
    """

    def __init__(
        self,
        *,
        curves: Mapping[str, Curve],
        validation_curves: Mapping[str, Curve] | None = None,
        score_name: str = "score",
    ) -> None:
        self.curves = curves
        self.validation_curves = validation_curves
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, name: str | None = None, ax: Any = None
    ) -> "AccuracyOverTimeDisplay":
        """Fit recommenders, time them, and draw.

        Each gives a point: the seconds of its fit, and its `score`. Where the fitted recommender has
        `validation_scores_`, one value an epoch, they are drawn as a thin line, the epochs spread evenly over the
        fit: they are scores on a part of the training data, on another scale than the point.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            Recommenders, by name where there are several; they are cloned and fitted.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions to fit on; for `TableRecommender` a log.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. None hides a seeded fifth of each row of `X` before the fit. For a log, the rows
            that are held out.
        name : str, default=None
            Name of a single recommender; None takes that of its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The drawn display.
        """
        recommenders = as_named(estimator, name)
        if y is None and any(hasattr(innermost(each), "recommender") for each in recommenders.values()):
            raise ValueError("y must hold the rows held out of the log, where TableRecommenders are timed; got None.")
        past, future = (X, y) if y is not None else hide_share(X, TEST_SIZE, SEED)
        curves, validation = {}, {}
        lengths = set()
        for key, unfitted in recommenders.items():
            start = perf_counter()
            fitted = clone(unfitted).fit(past)
            seconds = perf_counter() - start
            recommender = chosen(fitted)
            answering = getattr(fitted, "best_estimator_", fitted)
            score = answering.score(past, future) if answering is recommender else answering.score(future)
            curves[key] = (np.array([seconds]), np.array([float(score)]))
            lengths.add(recommender.n_recommendations)
            epochs = np.asarray(getattr(recommender, "validation_scores_", ()), dtype=np.float64)
            if len(epochs):
                validation[key] = (seconds * np.arange(1, len(epochs) + 1) / len(epochs), epochs)
        score_name = f"NDCG@{lengths.pop()}" if len(lengths) == 1 else "NDCG"
        return cls(curves=curves, validation_curves=validation, score_name=score_name).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls, names: ArrayLike, seconds: ArrayLike, scores: ArrayLike, *, score_name: str = "score", ax: Any = None
    ) -> "AccuracyOverTimeDisplay":
        """Draw what was measured.

        Parameters
        ----------
        names : array-like of str of shape (n_points,)
            The recommender of each point.
        seconds : array-like of shape (n_points,)
            How long it had trained, in seconds, > 0.
        scores : array-like of shape (n_points,)
            What it scored then.
        score_name : str, default="score"
            What the scores are, for the axis.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The drawn display.

        Raises
        ------
        ValueError
            If lengths differ or seconds are not positive.
        """
        columns = [np.asarray(names), np.asarray(seconds, dtype=np.float64), np.asarray(scores, dtype=np.float64)]
        if any(column.shape != (len(columns[0]),) for column in columns) or not len(columns[0]):
            raise ValueError(
                f"names, seconds and scores must have one shape (n_points,), n_points >= 1; got "
                f"{', '.join(str(column.shape) for column in columns)}."
            )
        if not (columns[1] > 0).all():
            raise ValueError(f"seconds must be > 0; got {columns[1].min()}.")
        points = pd.DataFrame(dict(zip(("name", "seconds", "score"), columns, strict=True)))
        points = points.sort_values("seconds", kind="stable")
        groups = {key: points[points["name"] == key] for key in dict.fromkeys(columns[0].tolist())}
        curves = {str(key): (rows["seconds"].to_numpy(), rows["score"].to_numpy()) for key, rows in groups.items()}
        return cls(curves=curves, score_name=score_name).plot(ax=ax)

    def plot(self, ax: Any = None) -> "AccuracyOverTimeDisplay":
        """Draw the points and curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The display itself, with `ax_` and `figure_`.
        """
        self.ax_ = new_axes(ax, "AccuracyOverTimeDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_, self.validation_lines_ = [], []
        styles = line_styles(self.curves)
        for name, (seconds, scores) in self.curves.items():
            size = 9 if len(seconds) == 1 else 5
            self.lines_ += self.ax_.plot(
                seconds,
                scores,
                label=name,
                markersize=size,
                markeredgecolor="white",
                markeredgewidth=0.5,
                **styles[name],
            )
        for name, (seconds, scores) in (self.validation_curves or {}).items():
            colour, label = styles[name]["color"], f"{name}, own validation part"
            self.validation_lines_ += self.ax_.plot(seconds, scores, color=colour, lw=1, ls=":", label=label)
        drawn = [*self.curves.values(), *(self.validation_curves or {}).values()]
        everything = np.concatenate([seconds for seconds, _ in drawn])
        if everything.max() > WIDE * everything.min():
            self.ax_.set_xscale("log")
            plain_numbers(self.ax_.xaxis)
        self.ax_.grid(alpha=0.3)
        self.ax_.margins(x=0.08, y=0.1)
        self.ax_.set(xlabel="Seconds of training", ylabel=self.score_name)
        self.ax_.set_ylim(bottom=min(0.0, *(scores.min() for _, scores in drawn)))
        legend_above(self.ax_, len(drawn))
        return self
