"""Catalogs with pictures beside texts, categories and vectors: new items, weights of blocks, queries, gaps."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import Normalizer, OneHotEncoder

from skgnnrec import ContentRecommender, ItemCatalog, RidgeRecommender, TextEmbedder
from skgnnrec.image import ImageEmbedder
from skgnnrec.metrics import ndcg_at_k

from ..text.conftest import save_bert

COLOURS = ["crimson", "seagreen", "royalblue", "goldenrod"]
N_ITEMS, N_NEW = 60, 20


def draw(kind, colour, rng):
    picture = Image.new("RGB", (64, 64), tuple(rng.integers(225, 250, 3)))
    x, y, size = *rng.integers(4, 16, 2), rng.integers(30, 44)
    pencil = ImageDraw.Draw(picture)
    if kind == 2:
        pencil.polygon([(x, y + size), (x + size, y + size), (x + size / 2, y)], fill=COLOURS[colour])
    else:
        (pencil.ellipse, pencil.rectangle)[kind]((x, y, x + size, y + size), fill=COLOURS[colour])
    return np.asarray(picture)


def test_pictures_tell_what_users_like_among_new_items(efficientnet):
    rng = np.random.default_rng(0)
    kinds, colours = rng.integers(3, size=N_ITEMS), rng.integers(4, size=N_ITEMS)
    pictures = [draw(kind, colour, rng) for kind, colour in zip(kinds, colours, strict=True)]
    wish = 2 * rng.gumbel(size=(200, 3))[:, kinds] + 2 * rng.gumbel(size=(200, 4))[:, colours]
    X = np.zeros((200, N_ITEMS))
    np.put_along_axis(X, np.argsort(-wish - rng.gumbel(size=X.shape), axis=1)[:, :8], 1.0, axis=1)
    past, future = X[:, N_NEW:], X[:, :N_NEW]
    users = np.flatnonzero(future.any(axis=1))
    scores = {}
    for name, shown in (
        ("with pictures", pictures),
        ("pictures of others", [*pictures[:N_NEW][::-1], *pictures[N_NEW:]]),
    ):
        recommender = RidgeRecommender(catalog=ItemCatalog(shown[N_NEW:]), item_encoder=ImageEmbedder()).fit(past)
        lists, _ = recommender.recommend(past, 5, candidates=ItemCatalog(shown[:N_NEW], ids=range(100, 100 + N_NEW)))
        scores[name] = ndcg_at_k(future[users], lists[users] - 100, k=5)
    assert scores["with pictures"] > 0.5 > 0.25 > scores["pictures of others"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"), seed=0)


@pytest.fixture(scope="module")
def blocks(tiny_model, bert):
    """Return a catalog in which each block groups the items in another way, and its encoder."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    sounds = rng.standard_normal((4, 3))
    items = np.arange(16)
    table = pd.DataFrame(
        {
            "picture": list(pictures[items % 4]),
            "title": np.array(["red mug", "garden hose", "tea", "lamp 5"], dtype=object)[items // 4],
            "kind": np.array(list("abcd"))[(items + items // 4) % 4],
            **{f"sound {number}": sounds[(items + 2 * (items // 4)) % 4, number] for number in range(3)},
        }
    )
    encoder = ColumnTransformer(
        [
            ("image", ImageEmbedder(tiny_model), "picture"),
            ("text", TextEmbedder(bert, dtype="float32"), "title"),
            ("kind", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["kind"]),
            ("sound", Normalizer(), [f"sound {number}" for number in range(3)]),
        ]
    )
    return ItemCatalog(table, ids=[f"item {row}" for row in items]), encoder


@pytest.mark.parametrize("block", ["image", "text", "kind", "sound"])
def test_weights_of_blocks_decide_what_is_similar(blocks, block):
    catalog, encoder = blocks
    weights = {name: 10.0 if name == block else 0.1 for name, *_ in encoder.transformers}
    recommender = ContentRecommender(catalog=catalog, item_encoder=encoder).set_params(
        item_encoder__transformer_weights=weights
    )
    similar, _ = recommender.fit(np.eye(16)).similar_items(["item 0"], 3)
    columns = {"image": "picture", "text": "title", "kind": "kind", "sound": "sound 0"}
    values = [str(value) for value in catalog.data[columns[block]]]
    expected = {f"item {row}" for row in range(1, 16) if values[row] == values[0]}
    assert set(similar[0]) == expected


def test_sentences_go_to_the_texts_and_not_to_the_pictures(blocks):
    catalog, encoder = blocks
    image, text, *_ = encoder.transformers
    recommender = RidgeRecommender(catalog=catalog, item_encoder=ColumnTransformer([image, text])).fit(np.eye(16))
    items, _ = recommender.recommend(np.zeros((1, 16)), 4, query="garden hose", query_weight=1.0)
    assert set(items[0]) == {"item 4", "item 5", "item 6", "item 7"}


def test_an_item_without_a_picture_has_no_content(tiny_model):
    pictures = list(np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8))
    catalog = ItemCatalog([*pictures, None])
    scores = ContentRecommender(catalog=catalog, item_encoder=ImageEmbedder(tiny_model)).fit(np.eye(7))
    assert np.abs(scores.decision_function(np.eye(7)[[0]])[0, 6]) < 1e-6


def test_items_without_pictures_are_recommended_by_the_rest(blocks):
    catalog, encoder = blocks
    recommender = ContentRecommender(catalog=catalog, item_encoder=encoder).fit(np.eye(16))
    new = catalog.data.iloc[[4, 8]].assign(picture=[None, np.nan])
    items, scores = recommender.recommend(np.eye(16)[[5]], 2, candidates=ItemCatalog(new, ids=["x", "y"]))
    assert items[0].tolist() == ["x", "y"]
    assert np.isfinite(scores).all()
