"""Axes of the displays: styles of lines, limits and legends, also on axes that several displays share."""

from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

import numpy as np

# The colours of Okabe and Ito, which colour-blind readers can distinguish, without yellow, which is pale on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
GREY = "#999999"
# Markers and dashes distinguish lines in black and white, and lines of equal colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
METRIC_NAMES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "precision": "Precision",
    "hit_rate": "Hit rate",
    "mrr": "MRR",
    "map": "MAP",
}
INTERVAL = 1.96  # standard errors on either side for 95 % of a normal distribution


def new_axes(ax: Any, caller: str, size: tuple[float, float] = (6.4, 4.4)) -> Any:
    """Return the given axes, or new axes."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which the extra `plot` installs: pip install 'skgnnrec[plot]'"
        ) from error
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif not isinstance(ax, Axes):
        raise TypeError(f"ax must be matplotlib Axes, such as plt.subplots()[1]; got a {type(ax).__name__}.")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def line_styles(names: Iterable[Any], ax: Any = None) -> dict[Any, dict[str, Any]]:
    """Return a colour, a marker and a dash for each name, different from those of the lines of other displays."""
    names = list(names)
    n_used = 0 if ax is None else sum(line.get_color() in COLOURS for line in ax.lines)
    dashes = [dash for dash in DASHES for _ in COLOURS]
    styles = islice(zip(cycle(COLOURS), cycle(MARKERS), cycle(dashes), strict=False), n_used, n_used + len(names))
    return {
        name: {"color": colour, "marker": marker, "linestyle": dash}
        for name, (colour, marker, dash) in zip(names, styles, strict=True)
    }


def plain_numbers(axis: Any) -> None:
    """Label a logarithmic axis with 0.1, 1, 10 rather than with powers of ten."""
    axis.set_major_formatter(lambda value, position: f"{value:,g}")


def start_at_zero(ax: Any) -> None:
    """Let the vertical axis start at zero unless a line is below zero; the upper end still adapts to further lines."""
    ax.autoscale_view()
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines if line.get_color() in COLOURS]
    if not any((line < 0).any() for line in lines):
        highest = ax.dataLim.y1
        ax.set_ylim(bottom=0, top=1.06 * highest if highest > 0 else None, auto=True)


def legend_above(ax: Any, *others: Any) -> None:
    """Draw the legend of several axes above the first one, if there are two or more entries."""
    handles, labels = [], []
    for each in (ax, *others):
        found = each.get_legend_handles_labels()
        handles += found[0]
        labels += found[1]
    if len(labels) > 1:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.01), "borderaxespad": 0}
        ax.legend(handles, labels, ncols=min(len(labels), 3), frameon=False, **place)
