"""Plot of accuracy over the training time."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skgnnrec.inspection._axes import legend_above, line_styles, new_axes, plain_numbers, start_at_zero
from skgnnrec.inspection._rankings import check_text, matrix_recommender, named_estimators, unwrap
from skgnnrec.interactions import Vocabulary, as_ids
from skgnnrec.metrics import check_numbers
from skgnnrec.ranking import hide_interactions, innermost_estimator
from skgnnrec.recommenders import LogRecommender

WIDE = 20  # larger ratios of seconds need a logarithmic scale
TEST_SIZE = 0.2  # of each row, held out without y
SEED = 0
VALIDATION_AXES = "skgnnrec validation scores"  # the label by which several displays find these axes

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


class AccuracyOverTimeDisplay:
    """Plot accuracy over the training time: a point for each recommender, or a curve over epochs.

    Test scores and validation scores are different quantities: test scores are computed on common held-out
    interactions, validation scores on a sample of the training data of each model. They have separate vertical axes,
    the test scores on the left, the validation scores on the right.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    curves : dict of str to tuple of (seconds, scores)
        The test scores of each recommender and the seconds of training until each score, as arrays of shape
        (n_points,) in the order of time.
    validation_curves : dict of str to tuple of (seconds, scores), default=None
        The validation scores of the recommenders during training, in the same form.
    score_name : str, default="score"
        The name of the scores, for the label of the left axis.
    validation_name : str, default="validation score"
        The name of the validation scores, for the label of the right axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        The line, or the single marker, of each recommender.
    validation_ax_ : matplotlib Axes or None
        The right axis with the validation scores.
    validation_lines_ : list of matplotlib Line2D
        The dotted line of each recommender with validation scores.

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
        validation_name: str = "validation score",
    ) -> None:
        self.curves = curves
        self.validation_curves = validation_curves
        self.score_name = score_name
        self.validation_name = validation_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, name: str | None = None, ax: Any = None
    ) -> "AccuracyOverTimeDisplay":
        """Fit recommenders, measure the time, and plot their scores.

        Each recommender is a point with the seconds of its fit and its test score, the result of its method `score`. If
        the fitted recommender has `validation_scores_`, one value per epoch, they are plotted as a dotted line on the
        right axis. This line assumes that all epochs take the same time.

        Parameters
        ----------
        estimator : BaseRecommender or dict of str to BaseRecommender
            A recommender, or recommenders by name. They are cloned before the fit. Searches and pipelines are accepted
            too.
        X : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
            The interactions for the fit. For `LogRecommender`, a log.
        y : {array-like, sparse matrix, DataFrame} of shape (n_users, n_items), default=None
            The held-out interactions. If None, a seeded fifth of each row of `X` is held out before the fit. For
            `LogRecommender`, the log of the held-out interactions.
        name : str, default=None
            The name of a single recommender. If None, it is the name of its class.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If `y` is None for a `LogRecommender`.
        """
        recommenders = named_estimators(estimator, name)
        if y is None and any(isinstance(innermost_estimator(each), LogRecommender) for each in recommenders.values()):
            raise ValueError("y must be the log of the held-out interactions for a LogRecommender; got None.")
        past, future = (X, y) if y is not None else hide_interactions(X, TEST_SIZE, SEED)
        curves, validation = {}, {}
        lengths = set()
        for key, unfitted in recommenders.items():
            start = perf_counter()
            fitted = clone(unfitted).fit(past)
            seconds = perf_counter() - start
            scored, histories = unwrap(fitted, past)
            recommender = matrix_recommender(scored)
            score = scored.score(histories, future) if recommender is scored else scored.score(future)
            curves[key] = (np.array([seconds]), np.array([float(score)]))
            lengths.add(recommender.n_recommendations)
            epochs = np.asarray(getattr(recommender, "validation_scores_", ()), dtype=np.float64)
            if len(epochs):
                validation[key] = (seconds * np.arange(1, len(epochs) + 1) / len(epochs), epochs)
        score_name = f"NDCG@{lengths.pop()}" if len(lengths) == 1 else "NDCG"
        names = {"score_name": score_name, "validation_name": f"{score_name} on validation users (dotted)"}
        return cls(curves=curves, validation_curves=validation, **names).plot(ax=ax)

    @classmethod
    def from_predictions(
        cls, names: ArrayLike, seconds: ArrayLike, scores: ArrayLike, *, score_name: str = "score", ax: Any = None
    ) -> "AccuracyOverTimeDisplay":
        """Plot measured scores.

        Parameters
        ----------
        names : array-like of str of shape (n_points,)
            The name of the recommender of each point.
        seconds : array-like of shape (n_points,)
            The seconds of training until each point, > 0.
        scores : array-like of shape (n_points,)
            The score at each point. All scores must be of the same kind.
        score_name : str, default="score"
            The name of the scores, for the label of the axis.
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the arguments have different lengths, if `seconds` are not positive, or if values are not finite.
        """
        check_text("score_name", score_name)
        keys = as_ids(names, "names")
        given = {"seconds": seconds, "scores": scores}
        columns = {key: check_numbers(each, key, "finite numbers, shape (n_points,)") for key, each in given.items()}
        for key, column in columns.items():
            if column.shape != keys.shape or not len(keys):
                raise ValueError(
                    "names, seconds and scores must have the same shape (n_points,), n_points >= 1; got "
                    f"{', '.join(str(each.shape) for each in (keys, *columns.values()))}."
                )
            if not np.isfinite(column).all():
                raise ValueError(f"{key} must hold finite numbers; got {column[:5].tolist()}.")
        if not (columns["seconds"] > 0).all():
            raise ValueError(f"seconds must be > 0; got {columns['seconds'].min()}.")
        _, codes = Vocabulary.of(keys)
        order = np.argsort(columns["seconds"], kind="stable")
        curves: dict[str, Curve] = {}
        for code in dict.fromkeys(codes.tolist()):
            rows = order[codes[order] == code]
            label = str(keys[codes == code][0])
            if label in curves:
                raise ValueError(f"names must differ as texts; got two names with the text {label!r}.")
            curves[label] = columns["seconds"][rows], columns["scores"][rows]
        return cls(curves=curves, score_name=score_name).plot(ax=ax)

    def plot(self, ax: Any = None) -> "AccuracyOverTimeDisplay":
        """Plot the points and curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on, possibly with other displays. If None, new axes are created.

        Returns
        -------
        display : AccuracyOverTimeDisplay
            The display itself.
        """
        self.ax_ = new_axes(ax, "AccuracyOverTimeDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_: list[Any] = []
        self.validation_lines_: list[Any] = []
        styles = line_styles(dict.fromkeys([*self.curves, *(self.validation_curves or {})]), self.ax_)
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
        self.validation_ax_ = self._plot_validation(styles)
        twins = [] if self.validation_ax_ is None else [self.validation_ax_]
        # Before a line is drawn, the limits are infinite.
        least = min(axes.dataLim.minposx for axes in (self.ax_, *twins))
        if self.ax_.dataLim.x1 > WIDE * least:
            self.ax_.set_xscale("log")
            plain_numbers(self.ax_.xaxis)
        self.ax_.grid(alpha=0.3)
        self.ax_.margins(x=0.08)
        quantity = f"{self.score_name} on held-out interactions" if twins else self.score_name
        self.ax_.set(xlabel="Seconds of training", ylabel=quantity)
        start_at_zero(self.ax_)
        legend_above(self.ax_, *twins)
        return self

    def _plot_validation(self, styles: Mapping[str, Mapping[str, Any]]) -> Any:
        """Plot the validation scores on the right axis, and return it."""
        axes = _validation_axes(self.ax_)
        if not self.validation_curves:
            return axes
        if axes is None:
            axes = self.ax_.twinx()
            axes.set_label(VALIDATION_AXES)
            axes.spines["top"].set_visible(False)
        for name, (seconds, scores) in self.validation_curves.items():
            colour = styles[name]["color"]
            self.validation_lines_ += axes.plot(
                seconds, scores, color=colour, lw=1.5, ls=":", label=f"{name}, validation"
            )
        axes.set_ylabel(self.validation_name)
        start_at_zero(axes)
        return axes


def _validation_axes(ax: Any) -> Any:
    """Return the right axis that another display has added, None if there is none."""
    shared = ax.get_shared_x_axes()
    found = [each for each in ax.figure.axes if each.get_label() == VALIDATION_AXES and shared.joined(ax, each)]
    return found[0] if found else None
