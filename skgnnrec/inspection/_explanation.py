"""Plot of the contributions to the score of one item."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec.inspection._axes import COLOURS, GREY, new_axes
from skgnnrec.inspection._explain import COLUMNS, check_explanation, explain
from skgnnrec.interactions import naming
from skgnnrec.ranking import fitted_recommender

__all__ = ["ExplanationDisplay"]

KINDS = {"interactions": COLOURS[0], "content": COLOURS[1], "query": COLOURS[2], "counterfactual": COLOURS[3]}
KINDS["baseline"] = "#555555"
LONGEST_NAME = 38  # characters of a label


class ExplanationDisplay:
    """Plot what contributes to the score of a recommended item, as a waterfall.

    Each bar starts where the one above it ends. The largest contributions come first, and the smaller ones are one bar.
    The last line is the score.

    It is recommended to create a display with `from_estimator` or `from_predictions`. All parameters are stored as
    attributes.

    Parameters
    ----------
    contributions : DataFrame
        The rows of `explain` for one user and one item.
    names : mapping, default=None
        The names of items by id.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    bars_ : list of matplotlib Rectangle
        The bars, from the top.

    See Also
    --------
    explain : The contributions as a table.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.inspection import ExplanationDisplay
    >>> X = np.kron(np.eye(2), np.ones((3, 3)))
    >>> display = ExplanationDisplay.from_estimator(RidgeRecommender().fit(X), [[1, 1, 0, 0, 0, 0]], item=2)
    >>> display.contributions["source"].tolist()
    [0, 1]
    """

    def __init__(self, *, contributions: pd.DataFrame, names: Mapping | pd.Series | None = None) -> None:
        self.contributions = contributions
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        item: Any,
        names: Mapping | pd.Series | None = None,
        query: str | None = None,
        ax: Any = None,
    ) -> "ExplanationDisplay":
        """Plot the explanation of one item for one user.

        Parameters
        ----------
        estimator : BaseRecommender or LogRecommender
            A fitted recommender.
        X : {array-like, sparse matrix, DataFrame} of shape (1, n_items), or list with one id
            The history of the user; for a `LogRecommender` the id of the user.
        item : object
            The item, by id where ids are known and by position elsewhere.
        names : mapping or Series, default=None
            The names of items by id.
        query : str, default=None
            The query of the user, as in `recommend`.
        ax : matplotlib Axes, default=None
            The axes to draw on. If None, new axes are created.

        Returns
        -------
        display : ExplanationDisplay
            The display after plotting.
        """
        with naming("item"):
            fitted = fitted_recommender(estimator, X)[0]
            check_is_fitted(fitted)
            fitted._columns([item], "item")
        items = np.empty((1, 1), dtype=object)
        items[0, 0] = item
        return cls.from_predictions(explain(estimator, X, items, query=query), names=names, ax=ax)

    @classmethod
    def from_predictions(
        cls, explanation: pd.DataFrame, *, names: Mapping | pd.Series | None = None, ax: Any = None
    ) -> "ExplanationDisplay":
        """Plot the explanation of one item for one user.

        Parameters
        ----------
        explanation : DataFrame
            The rows of the result of `explain` for one user and one item.
        names : mapping or Series, default=None
            The names of items by id.
        ax : matplotlib Axes, default=None
            The axes to draw on. If None, new axes are created.

        Returns
        -------
        display : ExplanationDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If there are rows of several users or items, or none.
        """
        check_explanation(explanation, names)
        if len(explanation[["user", "item"]].drop_duplicates()) != 1:
            raise ValueError(
                "explanation must have the rows of one user and one item; got a DataFrame with "
                f"{len(explanation[['user', 'item']].drop_duplicates())} pairs of them."
            )
        return cls(contributions=explanation[COLUMNS], names=names).plot(ax=ax)

    def plot(self, ax: Any = None, *, max_bars: int = 10) -> "ExplanationDisplay":
        """Plot the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. If None, new axes are created.
        max_bars : int, default=10
            The largest number of contributions with a bar of their own.

        Returns
        -------
        display : ExplanationDisplay
            The display itself.
        """
        validate_parameter_constraints(
            {"max_bars": [Interval(Integral, 1, None, closed="left")]},
            {"max_bars": max_bars},
            "ExplanationDisplay.plot",
        )
        rows = self._rows(max_bars)
        self.ax_ = new_axes(ax, "ExplanationDisplay.plot", size=(7.2, 1.2 + 0.36 * (len(rows) + 1)))
        self.figure_ = self.ax_.figure
        self.bars_: list[Any] = []
        ends = np.cumsum([value for _, _, value in rows])
        for place, (_, kind, value) in enumerate(rows):
            colour = KINDS.get(kind, GREY)
            label = kind if kind not in [above for _, above, _ in rows[:place]] else f"_{kind}"
            bars = self.ax_.barh(place, value, left=ends[place] - value, height=0.7, color=colour, label=label)
            self.bars_ += list(bars)
            end = max(ends[place], ends[place] - value)
            self.ax_.annotate(
                f"{value:+.3g}",
                (end, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        self.ax_.axvline(0, color=GREY, lw=0.8)
        self.ax_.axvline(ends[-1], color="black", lw=0.8, ls=":", zorder=0)
        self.ax_.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        self.ax_.invert_yaxis()
        self.ax_.margins(x=0.15)
        item = self._name(self.contributions["item"].iloc[0])
        self.ax_.set(xlabel=f"Contribution to the score of {item} ({ends[-1]:.3g})")
        self.ax_.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, frameon=False)
        return self

    def _rows(self, max_bars: int) -> list[tuple[str, str, float]]:
        """Return the label, the kind and the length of each bar."""
        size = self.contributions["contribution"].abs()
        order = size.sort_values(ascending=False, kind="stable").index
        shown, others = order[:max_bars], order[max_bars:]
        chosen = self.contributions.loc[shown]
        rows = [
            (kind if source is None else self._name(source), kind, value)
            for source, kind, value in zip(chosen["source"], chosen["kind"], chosen["contribution"], strict=True)
        ]
        if len(others):
            rest = float(self.contributions.loc[others, "contribution"].sum())
            rows.append((f"{len(others)} others", "others", rest))
        return rows

    def _name(self, item: Any) -> str:
        name = str(item if self.names is None else dict(self.names).get(item, item))
        return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
