"""Draw the stored results: accuracy against cost (accuracy_cost.png), growth (growth.png), re-rankers (reranking.png).

    python benchmarks/picture.py

This script measures nothing.
"""

import io
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from PIL import Image

HERE = Path(__file__).parent
TITLES = {
    "online_retail": "Online Retail",
    "movietweetings": "MovieTweetings",
    "beauty": "Amazon Beauty",
    "gowalla": "Gowalla",
}
# Colours of Okabe and Ito, which colour-blind readers can distinguish; the markers repeat the distinction.
OURS = {"color": "#0072B2", "marker": "o"}
THEIRS = {"color": "#D55E00", "marker": "^"}
SHORT = {
    "implicit item-kNN cosine": "implicit kNN cosine",
    "implicit item-kNN BM25": "implicit kNN BM25",
    "skrecsys item-kNN": "skrecsys kNN",
    "lightfm-next, WARP + words": "LightFM + words",
    "sentence-transformers + kNN": "text kNN (s.-transformers)",
    "scikit-learn TruncatedSVD": "scikit-learn SVD",
}
# Offsets of names from their markers in points: beside the marker, then farther above and below.
PLACES = [
    (dx, dy)
    for above, below in ((3, -9), (8, -14), (14, -20), (22, -28), (30, -36))
    for dy in (above, below)
    for dx in (6, -6, 0)
]
FAR = 14  # points; names farther away are connected with their marker
LINES = {"filter": ("#0072B2", "-", "o"), "ridge": ("#D55E00", "--", "^")}
# A row of panels for each task: the column on the axis, its label, and the re-rankers in the panel.
AIMS = {
    "diversity": ("diversity of text vectors", ("diverse, mmr", "diverse, dpp")),
    "miscalibration": ("miscalibration, nats", ("calibrated",)),
    "novelty": ("novelty, bits", ("long tail",)),
    "tail": ("share of the long tail", ("fair", "long tail")),
}
RERANKERS = {
    "diverse, mmr": ("#0072B2", "o"),
    "diverse, dpp": ("#D55E00", "^"),
    "calibrated": ("#009E73", "s"),
    "long tail": ("#CC79A7", "D"),
    "fair": ("#E69F00", "v"),
}
FACTORS = (1, 2, 4, 8, 16)
COSTS = {"fit_s": "seconds of the fit", "recommend_s": "seconds for all lists", "added_mib": "memory added, MiB"}


def points(rows: dict[str, dict]) -> list[tuple[str, float, float, bool]]:
    """Return label, seconds, NDCG@10 and whether it is skgnnrec; a tuned row replaces the row of defaults."""
    found = []
    for name, row in rows.items():
        plain = name.removesuffix(", defaults")
        if "ndcg@10" not in row or (plain != name and "ndcg@10" in rows.get(plain, {})):
            continue
        found.append(
            (SHORT.get(name, plain), row["fit_s"] + row["lists_s"], row["ndcg@10"], row["package"] == "skgnnrec")
        )
    return found


def draw_task(axes: Axes, title: str, rows: dict[str, dict]) -> None:
    """Draw a labelled point for each system."""
    found = points(rows)
    for style, is_ours, name in ((OURS, True, "skgnnrec"), (THEIRS, False, "other packages")):
        chosen = [(x, y) for _, x, y, mine in found if mine == is_ours]
        axes.scatter(*zip(*chosen, strict=True), s=34, label=name, zorder=3, **style) if chosen else None
    axes.set_xscale("log")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("seconds to fit and rank all users, text vectors given (log)")
    axes.set_ylabel("NDCG@10")
    axes.grid(alpha=0.3, zorder=0)
    axes.margins(0.16, 0.12)
    axes.figure.canvas.draw()
    label(axes, found)


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
            color = OURS["color"] if is_ours else THEIRS["color"]
            style["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "color": color} if abs(dy) >= FAR else None
            text = axes.annotate(name, (x, y), (dx, dy), textcoords="offset points", color=color, **style)
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


def accuracy_cost(results: dict) -> plt.Figure:
    """Return the figure of accuracy and cost for all tasks."""
    tasks = [
        name
        for name in TITLES
        if any("ndcg@10" in row for row in results["tasks"].get(name, {}).get("rows", {}).values())
    ]
    n_columns = min(2, len(tasks))
    n_rows = -(-len(tasks) // n_columns)
    figure, grid = plt.subplots(n_rows, n_columns, figsize=(5.6 * n_columns, 4.3 * n_rows), squeeze=False, dpi=110)
    figure.set_layout_engine("constrained")
    for axes in grid.ravel()[len(tasks) :]:
        axes.remove()
    for axes, name in zip(grid.ravel(), tasks, strict=False):
        draw_task(axes, TITLES[name], results["tasks"][name]["rows"])
    grid[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def growth(results: dict) -> plt.Figure:
    """Return the figure of cost over size, with logarithmic axes."""
    axes_names = list(results["growth"])
    figure, grid = plt.subplots(
        len(COSTS),
        len(axes_names),
        figsize=(3.4 * len(axes_names), 2.6 * len(COSTS)),
        sharey="row",
        squeeze=False,
        dpi=110,
    )
    figure.set_layout_engine("constrained")
    for column, axis in enumerate(axes_names):
        for line, (cost, says) in enumerate(COSTS.items()):
            axes = grid[line, column]
            for model, (color, style, marker) in LINES.items():
                grown = results["growth"][axis].get(model)
                if grown is None:
                    continue
                slope = grown["exponents"][cost]
                sizes = [row["times"] for row in grown["rows"]]
                values = np.maximum([row[cost] for row in grown["rows"]], 1e-2)
                axes.plot(
                    sizes, values, style, color=color, marker=marker, ms=4, label=f"{model}, exponent {slope:.2f}"
                )
            axes.set(xscale="log", yscale="log")
            axes.set_xticks(FACTORS, labels=[f"{factor}x" for factor in FACTORS])
            axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            axes.set_xlabel(axis if line == len(COSTS) - 1 else "")
            axes.set_ylabel(says if column == 0 else "")
            axes.grid(alpha=0.3)
            axes.legend(fontsize=7)
    return figure


def reranking(results: dict) -> plt.Figure:
    """Return the figure of accuracy over the aims of re-rankers."""
    tasks = [name for name in results if not name.endswith(", time")]
    shape = (len(tasks), len(AIMS))
    figure, grid = plt.subplots(*shape, figsize=(3.3 * shape[1], 2.9 * shape[0]), sharey="row", squeeze=False, dpi=110)
    figure.set_layout_engine("constrained")
    for line, task in enumerate(tasks):
        first, *rows = results[task]["rows"]
        for column, (aim, (label, names)) in enumerate(AIMS.items()):
            axes = grid[line, column]
            for name in names:
                color, marker = RERANKERS[name]
                curve = [first, *(row for row in rows if row["re-ranker"] == name)]
                x, y = ([row[each] for row in curve] for each in (aim, "ndcg@10"))
                axes.plot(x, y, "-", color=color, marker=marker, ms=4, label=name)
                for row in curve[1:]:
                    place = (row[aim], row["ndcg@10"])
                    axes.annotate(row["strength"], place, (3, 3), textcoords="offset points", fontsize=6, color=color)
            axes.plot(first[aim], first["ndcg@10"], "k*", ms=9, label="recommender alone")
            axes.margins(x=0.08)
            axes.set_xlabel(label)
            axes.set_ylabel(f"{TITLES[task]}, NDCG@10" if column == 0 else "")
            axes.grid(alpha=0.3)
            axes.legend(fontsize=7)
    return figure


def save(figure: plt.Figure, path: Path) -> None:
    """Write a small file with few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    """Draw the stored results."""
    pictures = {"peers": (accuracy_cost, "accuracy_cost"), "growth": (growth, "growth")}
    pictures["reranking"] = (reranking, "reranking")
    for name, (draw, target) in pictures.items():
        path = HERE / f"{name}.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        if {"tasks", "growth", "online_retail"} & set(results):
            save(draw(results), HERE / f"{target}.png")
            print(f"benchmarks/{target}.png")


if __name__ == "__main__":
    main()
