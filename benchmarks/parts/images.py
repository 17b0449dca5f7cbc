"""Pictures of new items: generated shops whose pictures carry a part of the tastes of users."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import Rows, Section, timed
from PIL import Image, ImageDraw
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import Normalizer, OneHotEncoder

import skgnnrec
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
        radii = radius * np.array({"triangle": [1.2] * 3, "hexagon": [1.1] * 6, "star": [1.2, 0.5] * 5}[name])
        angles = turn + np.arange(len(radii)) * 2 * np.pi / len(radii)
        corners = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
        pencil.polygon([tuple(corner) for corner in corners], fill=fill)
    return np.asarray(picture)


def make_shop(seed: int) -> Shop:
    """Generate a shop: users differ in the shapes, colours, materials and kinds that they like."""
    rng = np.random.default_rng(seed)
    sizes = (len(FORMS), len(COLOURS), len(MATERIALS), 4)
    form, colour, material, kind = values = [rng.integers(size, size=N_ITEMS) for size in sizes]
    tastes = [scale * rng.gumbel(size=(N_USERS, size)) for scale, size in zip((1, 1, 1.2, 0.7), sizes, strict=True)]
    wish = rng.gumbel(size=(N_USERS, N_ITEMS)) + 0.5 * rng.normal(size=N_ITEMS)
    wish += sum(taste[:, each] for taste, each in zip(tastes, values, strict=True))
    X = np.zeros((N_USERS, N_ITEMS))
    np.put_along_axis(X, np.argsort(-wish, axis=1)[:, :N_BOUGHT], 1.0, axis=1)
    columns = {
        "picture": [draw(*pair, rng) for pair in zip(form, colour, strict=True)],
        "text": [f"{rng.choice(FILLERS)} {MATERIALS[value]} piece {rng.choice(FILLERS)}" for value in material],
        "kind": [f"kind {value}" for value in kind],
    }
    attributes = np.hstack([np.eye(len(FORMS))[form], np.eye(len(COLOURS))[colour]])
    return Shop(pd.DataFrame(columns), attributes, X)


def accuracy(recommender: Any, shop: Shop) -> float:
    """Return NDCG@10 among the new items, of what users buy of them."""
    history, later = shop.X.copy(), shop.X[:, -N_NEW:]
    history[:, -N_NEW:] = 0
    users, new = np.flatnonzero(later.any(axis=1)), np.arange(N_ITEMS - N_NEW, N_ITEMS)
    items, _ = recommender.fit(history).recommend(history, 10, candidates=new)
    return ndcg_at_k(later[users], items[users] - new[0], k=10)


MODELS = {
    "ridge": skgnnrec.RidgeRecommender,
    "filter": skgnnrec.GraphFilterRecommender,
    "nearest content": skgnnrec.ContentRecommender,
    "GNN": lambda **options: skgnnrec.GNNRecommender(embedding_dim=32, max_iter=30, random_state=0, **options),
}


def candidates_of(shop: Shop) -> dict[tuple[str, str], Any]:
    """Return the models by their names and what they read."""
    vectors = PCA(64, random_state=0).fit_transform(skgnnrec.ImageEmbedder().fit_transform(shop.table["picture"]))
    columns = [f"image {number}" for number in range(vectors.shape[1])]
    catalog = skgnnrec.ItemCatalog(shop.table[["text", "kind"]].join(pd.DataFrame(vectors, columns=columns)))
    one_hot = OneHotEncoder(handle_unknown="ignore")
    encoders = {"image": (Normalizer(), columns), "text": (TfidfVectorizer(), "text"), "kind": (one_hot, ["kind"])}

    def encoder_of(*blocks: str, weights: dict[str, float] | None = None) -> dict[str, Any]:
        steps = [(block, *encoders[block]) for block in blocks]
        return {
            "catalog": catalog,
            "item_encoder": ColumnTransformer(steps, transformer_weights=weights, sparse_threshold=0),
        }

    found: dict[tuple[str, str], Any] = {("popularity", ""): skgnnrec.PopularityRecommender()}
    for name, make in MODELS.items():
        for blocks in (("text", "kind"), ("image",), BLOCKS):
            found[name, " + ".join(blocks)] = make(**encoder_of(*blocks))
        found[name, "attributes in place of pictures"] = make(catalog=skgnnrec.ItemCatalog(shop.attributes))
        if name in ("ridge", "GNN"):
            weighted = encoder_of(*BLOCKS, weights={"image": 2.0, "text": 1.5, "kind": 1.0})
            found[name, "blocks with weights 2, 1.5, 1"] = make(**weighted)
            parts = [(block, make(**encoder_of(block))) for block in BLOCKS]
            found[name, "a blend of one for each block"] = BlendedRecommender(parts)
    return found


def rows_of() -> Rows:
    """Yield a row for each model and what it reads, the means over the shops."""
    scores: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(N_SEEDS):
        shop = make_shop(seed)
        for named, recommender in candidates_of(shop).items():
            found = timed(lambda recommender=recommender, shop=shop: accuracy(recommender, shop))
            scores.setdefault(named, []).append(found)
    for (name, reads), each in scores.items():
        seconds, score = np.mean(each, axis=0)
        error = np.std([found for _, found in each], ddof=1) / np.sqrt(len(each))
        row = {"model": name, "reads": reads, "ndcg@10 of new items": round(float(score), 3)}
        yield {**row, "standard error": round(float(error), 3), "seconds": round(float(seconds), 2)}


SECTIONS = {"images": Section("Pictures of new items: six generated shops, EfficientNet-Lite0", rows_of)}
