"""Draw the stored results: accuracy against cost, growth, training, updates, re-rankers and privacy."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from common import EXPERIMENTS, STORE, TITLES, Row, short_title, stored
from matplotlib.axes import Axes
from PIL import Image

# Colours of Okabe and Ito, which colour-blind readers can distinguish; the markers repeat the distinction.
COLOURS, MARKERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"), "o^sDvPX"
AXES: dict[str, str] = EXPERIMENTS["axes"]
# A panel for each: the column on the axis, and the re-rankers in the panel.
AIMS = {
    "diversity": ("diverse, mmr", "diverse, dpp"),
    "miscalibration": ("calibrated",),
    "novelty": ("long tail",),
    "tail": ("fair", "long tail"),
}
TIMES = (1, 2, 4, 8, 16)
COSTS = ("fit_s", "recommend_s", "added_mib")


def panels(n_rows: int, n_columns: int, size: tuple[float, float]) -> tuple[plt.Figure, np.ndarray]:
    """Return a figure with a grid of axes."""
    shape = (size[0] * n_columns, size[1] * n_rows)
    return plt.subplots(n_rows, n_columns, figsize=shape, squeeze=False, dpi=110, layout="constrained")


def curves(axes: Axes, lines: dict[str, tuple[Any, Any]], **labels: Any) -> None:
    """Draw lines by name, with labels of the axes."""
    for place, (name, (x, y)) in enumerate(lines.items()):
        axes.plot(x, y, color=COLOURS[place % 7], marker=MARKERS[place % 7], ms=4, label=name)
    axes.set(**labels)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def groups(rows: list[Row], column: str) -> dict[Any, list[Row]]:
    """Return the rows of each value of a column."""
    return {value: [row for row in rows if row[column] == value] for value in dict.fromkeys(r[column] for r in rows)}


def accuracy_cost(content: dict) -> plt.Figure:
    """Return the figure of accuracy and cost of skgnnrec and other packages, a panel for each task."""
    found = {name: points(each["rows"]) for name, each in content.items() if name in TITLES}
    figure, grid = panels(-(-len(found) // 2), min(2, len(found)), (6.4, 4.3))
    for axes, (name, of_task) in zip(grid.ravel(), found.items(), strict=False):
        axes.set(xscale="log", ylabel="NDCG@10", title=short_title(name))
        axes.set_xlabel("seconds to fit and rank all users, text vectors given (log)")
        axes.grid(alpha=0.3)
        label(axes, of_task)
    figure.suptitle("circles: skgnnrec; triangles: other packages", fontsize=9)
    return figure


def points(rows: list[Row]) -> dict[str, Row]:
    """Return the rows by name, the lowest accuracy first; a row with selected settings replaces that of defaults."""
    found = {row["recommender"]: row for row in rows if "ndcg@10" in row}
    found = {name: row for name, row in found.items() if name.removesuffix(", defaults") not in found.keys() - {name}}
    ordered = sorted(found.items(), key=lambda each: each[1]["ndcg@10"])
    return {name.removesuffix(", defaults"): row for name, row in ordered}


def label(axes: Axes, rows: dict[str, Row]) -> None:
    """Draw the points of a panel, with a column of names beside it in the order of the accuracy."""
    for height, (name, row) in zip(np.linspace(0.02, 0.98, len(rows)), rows.items(), strict=True):
        place = 0 if row["package"] == "skgnnrec" else 1
        point, style = (row["fit_s"] + row["lists_s"], row["ndcg@10"]), {"color": COLOURS[place]}
        axes.scatter(*point, s=30, marker=MARKERS[place], zorder=3, **style)
        arrow = {"arrowstyle": "-", "lw": 0.4, "alpha": 0.6, "relpos": (0, 0.5), **style}
        where = {"textcoords": axes.transAxes, "va": "center", "fontsize": 7.5}
        axes.annotate(name, point, (1.04, height), arrowprops=arrow, **where, **style)


def growth(content: dict) -> plt.Figure:
    """Return the figure of cost over size, with logarithmic axes."""
    figure, grid = panels(len(COSTS), len(content), (3.4, 2.6))
    for column, (axis, section) in enumerate(content.items()):
        for line, cost in enumerate(COSTS):
            lines = {}
            for model, (*sizes, slopes) in groups(section["rows"], "model").items():
                costs = [max(row[cost], 1e-2) for row in sizes]
                lines[f"{model}, exponent {slopes[cost]:.2f}"] = ([row["times"] for row in sizes], costs)
            says = f"{axis}, times as many" if cost == COSTS[-1] else ""
            axes = grid[line, column]
            curves(axes, lines, xscale="log", yscale="log", xlabel=says, ylabel="" if column else AXES[cost])
            axes.set_xticks(TIMES, labels=map(str, TIMES))
            axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    return figure


def reranking(content: dict) -> plt.Figure:
    """Return the figure of accuracy over the aims of re-rankers."""
    tasks = [name for name in content if not name.endswith(", time")]
    figure, grid = panels(len(tasks), len(AIMS), (3.3, 2.9))
    for line, task in enumerate(tasks):
        first, *rows = content[task]["rows"]
        for column, (aim, names) in enumerate(AIMS.items()):
            each = {name: [first, *(row for row in rows if row["re-ranker"] == name)] for name in names}
            lines = {name: ([r[aim] for r in found], [r["ndcg@10"] for r in found]) for name, found in each.items()}
            says = "" if column else f"{short_title(task)}, NDCG@10"
            curves(grid[line, column], lines, xlabel=AXES[aim], ylabel=says)
            grid[line, column].plot(first[aim], first["ndcg@10"], "k*", ms=9)
    return figure


def training(content: dict) -> plt.Figure:
    """Return the figure of accuracy over the seconds of training."""
    figure, grid = panels(1, 1, (8, 4))
    models = groups(content["training"]["rows"], "model").items()
    lines = {name: ([row["fit_s"] for row in rows], [row["recall@20"] for row in rows]) for name, rows in models}
    curves(grid[0, 0], lines, xscale="log", xlabel=AXES["fit_s"], ylabel="recall@20 on Gowalla's test part")
    return figure


def updates(content: dict) -> plt.Figure:
    """Return the figure of the mean NDCG of the days until each day."""
    figure, grid = panels(1, 1, (6.4, 4))
    lines = {}
    for row in content["month"]["rows"]:
        scores = np.array(row["ndcg_of_days"], dtype=float)
        mean = np.nancumsum(scores) / np.maximum(np.cumsum(~np.isnan(scores)), 1)
        lines[f"{row['way']}, {row['seconds for all days']} s"] = (np.arange(1, len(mean) + 1), mean)
    curves(grid[0, 0], lines, xlabel="days after the fit", ylabel="NDCG@10, mean of the days so far", ylim=(0, None))
    return figure


def privacy(content: dict) -> plt.Figure:
    """Return the figure of accuracy against ε."""
    curved = {name: each["rows"] for name, each in content.items() if name != "attacks"}
    figure, grid = panels(1, len(curved), (5, 3.8))
    for axes, (name, rows) in zip(grid[0], curved.items(), strict=True):
        lines = {}
        for place, (model, (without, *noisy)) in enumerate(groups(rows, "recommender").items()):
            axes.axhline(without["ndcg@10"], color=COLOURS[place], linestyle=":", linewidth=1)
            lines[model] = ([row["epsilon"] for row in noisy], [row["ndcg@10"] for row in noisy])
        curves(axes, lines, xscale="log", ylim=(0, None), xlabel="ε", ylabel="NDCG@10", title=AXES[f"privacy {name}"])
    return figure


def save(figure: plt.Figure, path: Path) -> None:
    """Write a small file with few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)


PLOTS = {accuracy_cost: "peers", training: "studies"} | {
    draw: draw.__name__ for draw in (growth, reranking, updates, privacy)
}


def main() -> None:
    """Draw the stored results."""
    for draw, part in PLOTS.items():
        content = {name: each for name, each in stored(part).items() if each["rows"]}
        if content:
            save(draw(content), STORE / f"{draw.__name__}.png")
