"""
New items by their pictures
===========================

A vase that came in today has no sales, and its title says little: "vase, new". Its picture says what the buyers see.
`ImageEmbedder` turns pictures into vectors with a pretrained network, and a recommender takes them as it takes texts.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image, ImageDraw
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import ImageEmbedder, ItemCatalog, RidgeRecommender
from skgnnrec.metrics import ndcg_at_k

plt.style.use("skgnnrec.inspection.style")
rng = np.random.default_rng(0)
N_USERS, N_ITEMS, N_NEW = 500, 160, 40

# %%
# A shop of vases, drawn here: each has a shape and a colour, and no two are the same. The buyers differ in which shapes
# and colours they like. The titles name the material only, which matters less to them.
SHAPES = {  # half the width of the vase at heights from the rim to the foot
    "bottle": [0.10, 0.10, 0.10, 0.24, 0.36, 0.38, 0.36, 0.30],
    "urn": [0.30, 0.22, 0.32, 0.42, 0.40, 0.30, 0.18, 0.24],
    "bowl": [0.48, 0.48, 0.46, 0.42, 0.36, 0.27, 0.15, 0.15],
    "cylinder": [0.22, 0.22, 0.22, 0.22, 0.22, 0.22, 0.22, 0.22],
    "trumpet": [0.46, 0.32, 0.22, 0.17, 0.14, 0.12, 0.16, 0.28],
}
COLOURS = {"brick": (178, 74, 58), "sand": (214, 178, 110), "leaf": (86, 140, 84), "sea": (58, 104, 160)}
MATERIALS = ["stoneware", "porcelain", "glass"]


def draw(shape: str, colour: str, side: int = 96) -> np.ndarray:
    """Draw a vase, somewhat different each time."""
    fill = tuple(np.clip(np.add(COLOURS[colour], rng.normal(0, 12, 3)), 0, 255).astype(int))
    picture = Image.new("RGB", (side, side), tuple(rng.integers(225, 250, 3)))
    widths = np.array(SHAPES[shape]) * rng.uniform(0.8, 1.0) + rng.normal(0, 0.01, 8)
    heights = np.interp(np.linspace(0, 1, 8), [0, 1], [rng.uniform(0.08, 0.2), rng.uniform(0.82, 0.94)])
    middle = side * (0.5 + rng.normal(0, 0.02))
    right = [(middle + side * width, side * height) for width, height in zip(widths, heights, strict=True)]
    left = [(2 * middle - x, y) for x, y in reversed(right)]
    pencil = ImageDraw.Draw(picture)
    pencil.polygon(right + left, fill=fill)
    for height in rng.uniform(0.35, 0.8, rng.integers(0, 3)):  # bands of glaze
        width = np.interp(height, heights, widths)
        ends = [(middle - side * width, side * height), (middle + side * width, side * height)]
        pencil.line(ends, fill=tuple(min(255, value + 45) for value in fill), width=4)
    return np.asarray(picture)


shape, colour = rng.integers(len(SHAPES), size=N_ITEMS), rng.integers(len(COLOURS), size=N_ITEMS)
material = rng.integers(len(MATERIALS), size=N_ITEMS)
pictures = [draw(list(SHAPES)[s], list(COLOURS)[c]) for s, c in zip(shape, colour, strict=True)]
table = pd.DataFrame(
    {
        "sku": [f"V{row:03d}" for row in range(N_ITEMS)],
        "title": [f"vase, {MATERIALS[kind]}" for kind in material],
        "picture": pictures,  # or the paths of files
    }
)
tastes = [scale * rng.gumbel(size=(N_USERS, n)) for scale, n in ((1.5, len(SHAPES)), (1.5, len(COLOURS)), (1.0, 3))]
wish = tastes[0][:, shape] + tastes[1][:, colour] + tastes[2][:, material] + rng.gumbel(size=(N_USERS, N_ITEMS))
X = np.zeros((N_USERS, N_ITEMS))
np.put_along_axis(X, np.argsort(-wish, axis=1)[:, :12], 1.0, axis=1)

# %%
# The last forty vases are new: nobody has bought them yet. Each column of the catalog has its own encoder, and
# `transformer_weights` is the place for weights of the blocks. EfficientNet-Lite0 is small: some 15 milliseconds a
# picture on one core. Vectors are cached, so that the second fit computes none.
is_new = np.arange(N_ITEMS) >= N_ITEMS - N_NEW
history, bought_later = X[:, ~is_new], X[:, is_new]
catalog, new_items = (ItemCatalog(table[rows].reset_index(drop=True), ids="sku") for rows in (~is_new, is_new))
text, image = (TfidfVectorizer(), "title"), (ImageEmbedder(), "picture")
encoders = {
    "titles": make_column_transformer(text, sparse_threshold=0),
    "pictures": make_column_transformer(image),
    "titles and pictures": make_column_transformer(text, image, sparse_threshold=0),
}
encoders["titles and pictures"].set_params(transformer_weights={"tfidfvectorizer": 0.5})

accuracy, lists = {}, {}
has_bought = bought_later.sum(axis=1) > 0
for name, encoder in encoders.items():
    recommender = RidgeRecommender(catalog=catalog, item_encoder=encoder).fit(history)
    lists[name], _ = recommender.recommend(history, 10, candidates=new_items)
    accuracy[name] = ndcg_at_k(bought_later[has_bought], new_items.positions(lists[name][has_bought]), k=10)
order = np.argsort(rng.random((N_USERS, N_NEW)), axis=1)[:, :10]
accuracy = {"random order": ndcg_at_k(bought_later[has_bought], order[has_bought], k=10), **accuracy}
print(pd.Series(accuracy).round(3).to_string())

# %%
# The picture: what three customers have bought, and the new vases that they receive by titles and by pictures. The
# pictures find the shapes and the colours that a customer buys, among vases that nobody has bought before.
by_sku = dict(zip(table["sku"], pictures, strict=True))
n_kinds = [len(set(zip(shape[row > 0], colour[row > 0], strict=True))) for row in X]
shown = np.argsort(n_kinds, kind="stable")[[0, 2, 5]]
rows = [("has bought", None), ("new, by title", "titles"), ("new, by picture", "pictures")]
fig, axes = plt.subplots(3, figsize=(9, 3.9), layout="constrained")
for place, (ax, user) in enumerate(zip(axes, shown, strict=True)):
    for line, (label, name) in enumerate(rows):
        skus = catalog.ids[np.flatnonzero(history[user])][:6] if name is None else lists[name][user][:6]
        left = 7.5 * line
        ax.text(left + 2.5, 0.62, label if place == 0 else "", ha="center", va="bottom")
        for column, sku in enumerate(skus):
            ax.imshow(by_sku[sku], extent=(left + column - 0.46, left + column + 0.46, -0.46, 0.46))
    ax.set(xlim=(-0.6, 20.6), ylim=(-0.6, 1.1), ylabel=f"customer {place + 1}", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
plt.show()

# %%
# The vectors of all pictures in the plane of their two main directions: the network was trained on photographs,
# and still orders drawn vases by what they look like.
plane = PCA(2).fit_transform(ImageEmbedder().fit_transform(pictures))
fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
ax.scatter(*plane.T, s=4)
for position, picture in zip(plane[::2], pictures[::2], strict=True):
    ax.add_artist(AnnotationBbox(OffsetImage(picture, zoom=0.25), position, frameon=False))
ax.set(xlabel="first direction", ylabel="second direction", xticks=[], yticks=[])
plt.show()
