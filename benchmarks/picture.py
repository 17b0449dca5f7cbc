"""Draw the stored results: accuracy against cost, growth, training, updates, re-rankers. Nothing is measured."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from common import STORE, stored
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from PIL import Image
from tasks import TITLES

# Colours of Okabe and Ito, which colour-blind readers can distinguish; the markers repeat the distinction.
COLOURS, MARKERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"), "o^sDvPX"
SHORT = {
    "implicit item-kNN cosine": "implicit kNN cosine",
    "implicit item-kNN BM25": "implicit kNN BM25",
    "lightfm-next, WARP + words": "LightFM + words",
    "sentence-transformers + kNN": "text kNN (s.-transformers)",
    "scikit-learn TruncatedSVD": "scikit-learn SVD",
}
# Offsets of names from their markers in points: beside the marker, then farther above and below.
HEIGHTS = ((3, -9), (8, -14), (14, -20), (22, -28), (30, -36))
PLACES = [(dx, dy) for pair in HEIGHTS for dy in pair for dx in (6, -6, 0)]
FAR = 14  # points; names farther away are connected with their marker
# A panel for each: the column on the axis, its label, and the re-rankers in the panel.
AIMS = {
    "diversity": ("diversity of text vectors", ("diverse, mmr", "diverse, dpp")),
    "miscalibration": ("miscalibration, nats", ("calibrated",)),
    "novelty": ("novelty, bits", ("long tail",)),
    "tail": ("share of the long tail", ("fair", "long tail")),
}
TIMES = (1, 2, 4, 8, 16)
COSTS = {"fit_s": "seconds of the fit", "recommend_s": "seconds for all lists", "added_mib": "memory added, MiB"}


def panels(n_rows: int, n_columns: int, size: tuple[float, float]) -> tuple[plt.Figure, np.ndarray]:
    """Return a figure with a grid of axes."""
    shape = (size[0] * n_columns, size[1] * n_rows)
    return plt.subplots(n_rows, n_columns, figsize=shape, squeeze=False, dpi=110, layout="constrained")


def curves(axes: Axes, lines: dict[str, tuple[list, list]], **labels: Any) -> None:
    """Draw lines by name, with labels of the axes."""
    for place, (name, (x, y)) in enumerate(lines.items()):
        axes.plot(x, y, color=COLOURS[place % 7], marker=MARKERS[place % 7], ms=4, label=name)
    axes.set(**labels)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def accuracy_cost(content: dict) -> plt.Figure:
    """Return the figure of accuracy and cost of skgnnrec and other packages, a panel for each task."""
    tasks = [name for name in content if any("ndcg@10" in row for row in content[name]["rows"])]
    n_columns = min(2, len(tasks))
    figure, grid = panels(-(-len(tasks) // n_columns), n_columns, (5.6, 4.3))
    for axes in grid.ravel()[len(tasks) :]:
        axes.remove()
    for axes, name in zip(grid.ravel(), tasks, strict=False):
        rows = {row["recommender"]: row for row in content[name]["rows"] if "ndcg@10" in row}
        found = []  # a tuned row replaces the row of defaults
        for each, row in rows.items():
            plain = each.removesuffix(", defaults")
            if plain == each or plain not in rows:
                seconds = row["fit_s"] + row["lists_s"]
                found.append((SHORT.get(each, plain), seconds, row["ndcg@10"], row["package"] == "skgnnrec"))
        for place, who in enumerate(("skgnnrec", "other packages")):
            points = [(x, y) for _, x, y, is_ours in found if is_ours == (place == 0)]
            if points:
                style = {"color": COLOURS[place], "marker": MARKERS[place], "label": who}
                axes.scatter(*zip(*points, strict=True), s=34, zorder=3, **style)
        axes.set(xscale="log", ylabel="NDCG@10", title=TITLES.get(name, name).partition(",")[0])
        axes.set_xlabel("seconds to fit and rank all users, text vectors given (log)")
        axes.grid(alpha=0.3, zorder=0)
        axes.margins(0.16, 0.12)
        figure.canvas.draw()
        label(axes, found)
    grid[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def label(axes: Axes, found: list[tuple[str, float, float, bool]]) -> None:
    """Write names beside points so that they do not overlap; the topmost points come first."""
    renderer = axes.figure.canvas.get_renderer()
    marks = [axes.transData.transform((x, y)) for _, x, y, _ in found]
    taken = [mpl.transforms.Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in marks]
    frame = axes.get_window_extent(renderer)
    for name, x, y, is_ours in sorted(found, key=lambda point: -point[2]):
        best: tuple[float, Annotation] | None = None
        for dx, dy in PLACES:
            style: dict[str, Any] = {"fontsize": 7.5, "ha": "left" if dx > 0 else "right" if dx < 0 else "center"}
            style["color"] = COLOURS[0] if is_ours else COLOURS[1]
            arrow = {"arrowstyle": "-", "lw": 0.5, "color": style["color"]} if abs(dy) >= FAR else None
            text = axes.annotate(name, (x, y), (dx, dy), textcoords="offset points", arrowprops=arrow, **style)
            text.set_in_layout(False)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line
            outside = not (frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1)
            cost = sum(box.overlaps(other) for other in taken) + 3 * outside
            if best is None or cost < best[0]:
                if best is not None:
                    best[1].remove()
                best = (cost, text)
            else:
                text.remove()
            if cost == 0:
                break
        assert best is not None
        taken.append(Text.get_window_extent(best[1], renderer))


def growth(content: dict) -> plt.Figure:
    """Return the figure of cost over size, with logarithmic axes."""
    figure, grid = panels(len(COSTS), len(content), (3.4, 2.6))
    for column, (axis, section) in enumerate(content.items()):
        for line, (cost, says) in enumerate(COSTS.items()):
            lines = {}
            for model in dict.fromkeys(row["model"] for row in section["rows"]):
                *sizes, slopes = [row for row in section["rows"] if row["model"] == model]
                costs = [max(row[cost], 1e-2) for row in sizes]
                lines[f"{model}, exponent {slopes[cost]:.2f}"] = ([row["times"] for row in sizes], costs)
            labels = {
                "xlabel": f"{axis}, times as many" if line == len(COSTS) - 1 else "",
                "ylabel": "" if column else says,
            }
            curves(grid[line, column], lines, xscale="log", yscale="log", **labels)
            grid[line, column].set_xticks(TIMES, labels=map(str, TIMES))
            grid[line, column].tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    return figure


def reranking(content: dict) -> plt.Figure:
    """Return the figure of accuracy over the aims of re-rankers."""
    tasks = [name for name in content if not name.endswith((", time", ", loss"))]
    figure, grid = panels(len(tasks), len(AIMS), (3.3, 2.9))
    for line, task in enumerate(tasks):
        first, *rows = content[task]["rows"]
        for column, (aim, (says, names)) in enumerate(AIMS.items()):
            each = {name: [first, *(row for row in rows if row["re-ranker"] == name)] for name in names}
            lines = {name: ([r[aim] for r in found], [r["ndcg@10"] for r in found]) for name, found in each.items()}
            title = TITLES[task].partition(",")[0]
            curves(grid[line, column], lines, xlabel=says, ylabel=f"{title}, NDCG@10" if column == 0 else "")
            grid[line, column].plot(first[aim], first["ndcg@10"], "k*", ms=9)
    return figure


def training(content: dict) -> plt.Figure:
    """Return the figure of accuracy over the seconds of training."""
    figure, grid = panels(1, 1, (8, 4))
    rows = content["training"]["rows"]
    lines = {
        name: [row for row in rows if row["model"] == name] for name in dict.fromkeys(row["model"] for row in rows)
    }
    points = {
        name: ([row["fit_s"] for row in each], [row["recall@20"] for row in each]) for name, each in lines.items()
    }
    curves(grid[0, 0], points, xscale="log", xlabel="seconds of the fit", ylabel="recall@20 on Gowalla's test part")
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


def save(figure: plt.Figure, path: Path) -> None:
    """Write a small file with few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)


PLOTS = {accuracy_cost: "peers", growth: "growth", reranking: "reranking", training: "studies", updates: "updates"}


def main() -> None:
    """Draw the stored results."""
    for draw, part in PLOTS.items():
        content = {name: each for name, each in stored(part).items() if each["rows"]}
        if content:
            save(draw(content), STORE / f"{draw.__name__}.png")
