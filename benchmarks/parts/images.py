"""Pictures of new items: generated shops whose pictures carry a part of the tastes of users."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import Section, timed
from PIL import Image, ImageDraw
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import Normalizer, OneHotEncoder

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ImageEmbedder,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.compose import BlendedRecommender
from skgnnrec.metrics import ndcg_at_k

N_USERS, N_ITEMS, N_NEW, N_BOUGHT, N_SEEDS = 600, 300, 60, 12, 6
FORMS = ["ellipse", "ring", "rectangle", "triangle", "hexagon", "star", "stripes", "cross"]
COLOURS = [(200, 40, 40), (230, 140, 30), (40, 150, 70), (40, 80, 190), (120, 60, 160), (235, 130, 170)]
MATERIALS = ["oak", "steel", "glass", "wool", "clay", "silk"]
FILLERS = ["handmade", "new", "classic", "large", "small", "gift"]
BLOCKS = ("image", "text", "kind")


class Shop(NamedTuple):
    """The data of a shop whose last items are new."""

    table: pd.DataFrame
    attributes: np.ndarray  # the shape and the colour that the pictures show
    X: np.ndarray


def draw(form: int, colour: int, rng: np.random.Generator, side: int = 96) -> np.ndarray:
    """Draw a form in a colour, somewhat different each time."""
    fill = tuple(np.clip(COLOURS[colour] + rng.normal(0, 14, 3), 0, 255).astype(int))
    picture = Image.new("RGB", (side, side), tuple(rng.integers(205, 250, 3)))
    pencil, name = ImageDraw.Draw(picture), FORMS[form]
    radius, (x, y), turn = side * rng.uniform(0.26, 0.36), side / 2 + rng.normal(0, 5, 2), rng.uniform(0, 2 * np.pi)
    box = (x - radius, y - radius, x + radius, y + radius)
    if name in ("ellipse", "rectangle"):
        getattr(pencil, name)(box, fill=fill)
    elif name == "ring":
        pencil.ellipse(box, outline=fill, width=int(radius * 0.35))
    elif name == "stripes":
        for place in np.arange(-36, 37, 12):
            pencil.line([(x + place - radius, y - radius), (x + place + radius, y + radius)], fill=fill, width=5)
    elif name == "cross":
        for width, height in ((1, 0.33), (0.33, 1)):
            pencil.rectangle((x - width * radius, y - height * radius, x + width * radius, y + height * radius), fill)
    else:
        radii = {"triangle": [1.2] * 3, "hexagon": [1.1] * 6, "star": [1.2, 0.5] * 5}[name]
        angles = turn + np.arange(len(radii)) * 2 * np.pi / len(radii)
        corners = zip(radius * np.array(radii) * np.cos(angles), radius * np.array(radii) * np.sin(angles), strict=True)
        pencil.polygon([(x + a, y + b) for a, b in corners], fill=fill)
    return np.asarray(picture)


def make_shop(seed: int) -> Shop:
    """Generate a shop: users differ in the shapes, colours, materials and kinds that they like."""
    rng = np.random.default_rng(seed)
    sizes = (len(FORMS), len(COLOURS), len(MATERIALS), 4)
    form, colour, material, kind = (rng.integers(size, size=N_ITEMS) for size in sizes)
    tastes = [scale * rng.gumbel(size=(N_USERS, size)) for scale, size in zip((1, 1, 1.2, 0.7), sizes, strict=True)]
    wish = rng.gumbel(size=(N_USERS, N_ITEMS)) + 0.5 * rng.normal(size=N_ITEMS)
    for taste, values in zip(tastes, (form, colour, material, kind), strict=True):
        wish = wish + taste[:, values]
    X = np.zeros((N_USERS, N_ITEMS))
    np.put_along_axis(X, np.argsort(-wish, axis=1)[:, :N_BOUGHT], 1.0, axis=1)
    table = pd.DataFrame(
        {
            "picture": [draw(*pair, rng) for pair in zip(form, colour, strict=True)],
            "text": [f"{rng.choice(FILLERS)} {MATERIALS[value]} piece {rng.choice(FILLERS)}" for value in material],
            "kind": [f"kind {value}" for value in kind],
        }
    )
    return Shop(table, np.hstack([np.eye(len(FORMS))[form], np.eye(len(COLOURS))[colour]]), X)


def accuracy(recommender: Any, shop: Shop) -> float:
    """Return NDCG@10 among the new items, of what users buy of them."""
    is_new = np.arange(N_ITEMS) >= N_ITEMS - N_NEW
    history, later = np.where(is_new, 0, shop.X), shop.X[:, is_new]
    users = later.any(axis=1)
    items, _ = recommender.fit(history).recommend(history, 10, candidates=np.flatnonzero(is_new))
    return float(ndcg_at_k(later[users], items[users] - (N_ITEMS - N_NEW), k=10))


def encoder_of(blocks: tuple[str, ...], columns: list[str], weights: dict[str, float] | None = None) -> Any:
    """Return an encoder of some of the blocks; `columns` hold the vectors of the pictures."""
    parts = {
        "image": ("image", Normalizer(), columns),
        "text": ("text", TfidfVectorizer(), "text"),
        "kind": ("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
    }
    used = None if weights is None else {block: weights.get(block, 1.0) for block in blocks}
    return ColumnTransformer([parts[block] for block in blocks], transformer_weights=used, sparse_threshold=0)


MODELS = {
    "ridge": RidgeRecommender,
    "filter": GraphFilterRecommender,
    "nearest content": ContentRecommender,
    "GNN": lambda **options: GNNRecommender(embedding_dim=32, max_iter=30, random_state=0, **options),
}


def candidates_of(shop: Shop, vectors: np.ndarray) -> Iterator[tuple[str, str, Any]]:
    """Yield the name of each model, what it reads, and the model."""
    columns = [f"image {number}" for number in range(vectors.shape[1])]
    table = pd.concat([shop.table[["text", "kind"]], pd.DataFrame(vectors, columns=columns)], axis=1)
    catalog = ItemCatalog(table)
    yield "popularity", "", PopularityRecommender()
    for name, make in MODELS.items():
        for blocks in (("text", "kind"), ("image",), BLOCKS):
            encoder = encoder_of(blocks, columns)
            yield name, " + ".join(blocks), make(catalog=catalog, item_encoder=encoder)
        yield name, "attributes in place of pictures", make(catalog=ItemCatalog(shop.attributes))
        if name in ("ridge", "GNN"):
            encoder = encoder_of(BLOCKS, columns, {"image": 2.0, "text": 1.5})
            yield name, "blocks with weights 2, 1.5, 1", make(catalog=catalog, item_encoder=encoder)
            parts = [(block, make(catalog=catalog, item_encoder=encoder_of((block,), columns))) for block in BLOCKS]
            yield name, "a blend of one for each block", BlendedRecommender(parts)


def rows_of() -> Iterator[dict[str, Any]]:
    """Yield a row for each model and what it reads, the means over the shops."""
    scores: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(N_SEEDS):
        shop = make_shop(seed)
        vectors = ImageEmbedder().fit_transform(shop.table["picture"])
        reduced = PCA(64, random_state=0).fit_transform(vectors)
        for name, reads, recommender in candidates_of(shop, reduced):
            seconds, score = timed(lambda recommender=recommender, shop=shop: accuracy(recommender, shop))
            scores.setdefault((name, reads), []).append((score, seconds))
    for (name, reads), found in scores.items():
        score, seconds = np.mean(found, axis=0)
        spread = np.std([each for each, _ in found], ddof=1) / np.sqrt(len(found))
        row = {"model": name, "reads": reads, "ndcg@10 of new items": round(float(score), 3)}
        yield {**row, "standard error": round(float(spread), 3), "seconds": round(float(seconds), 2)}


TITLE = "Pictures of new items: six generated shops, EfficientNet-Lite0"
SECTIONS = {"images": Section(TITLE, rows_of)}
