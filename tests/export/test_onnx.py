"""Graphs of ONNX return what the estimators return: equal lists, but for ties within rounding."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import (
    ContentRecommender,
    GNNRatingRegressor,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
)
from skgnnrec.compose import BlendedRecommender, CompressedRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.export import to_onnx

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
TOLERANCE = 1e-4  # of scores, relative to the largest one of a list


def padded(X):
    """Return the positions and weights of histories, padded in different ways."""
    lengths = np.diff(X.indptr)
    positions = np.full((X.shape[0], lengths.max() + 2), -1, dtype=np.int64)
    weights = np.zeros(positions.shape, dtype=np.float32)
    is_filled = np.arange(positions.shape[1]) < lengths[:, None]
    positions[is_filled], weights[is_filled] = X.indices, X.data
    positions[:, -1] = 3  # an item of weight 0
    weights[:, -2] = 1  # position -1
    return {"positions": positions[:, ::-1], "weights": weights[:, ::-1]}


def assert_same_lists(found, expected, scores):
    """Assert that lists of positions are equal but for items whose scores differ by rounding."""
    (items, best), (wanted, values) = found, expected
    assert (items.dtype, best.dtype) == (np.int64, np.float32)
    assert_array_equal(items < 0, wanted < 0)
    assert_array_equal(best == -np.inf, items < 0)
    tolerance = TOLERANCE * np.maximum(1e-30, np.abs(np.where(wanted < 0, 0, values)).max(axis=1, keepdims=True))
    assert (np.abs(np.where(items < 0, 0, best) - np.where(items < 0, 0, values)) <= tolerance).all()
    own = np.take_along_axis(scores, np.maximum(items, 0), axis=1)
    assert (np.where(items == wanted, 0, np.abs(own - values)) <= tolerance).all()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in items)


@pytest.fixture(scope="module")
def fitted(prototype, furnish, tastes):
    """Return each recommender with the catalog of the 40 items, fitted, of those that read no order."""
    if isinstance(prototype, SequenceRecommender):
        pytest.skip("to_onnx refuses sequence models.")
    return furnish(prototype).fit(sparse.csr_array(tastes.interactions))


@pytest.fixture
def weighted(X):
    """Return histories with weights; some are empty and some have all items."""
    X = X.tolil()
    X[5], X[7] = 0, 1
    X = sparse.csr_array(X, dtype=np.float32)
    X.data *= np.random.default_rng(0).integers(1, 4, X.nnz).astype(np.float32)
    return X


def expected(rec, X, n, **options):
    items, scores = rec.recommend(X, n, **options)
    return items if rec.item_ids_ is None else rec.catalog.positions(items), scores


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_lists_of_every_recommender(fitted, weighted, path, run, exclude_seen):
    to_onnx(fitted, path, exclude_seen=exclude_seen)
    for n in (1, 9, 40):
        found = run(**padded(weighted), n=[n])
        assert_same_lists(
            found, expected(fitted, weighted, n, exclude_seen=exclude_seen), fitted.decision_function(weighted)
        )


OTHERS = {
    "content": ContentRecommender(),
    "no spectrum": GraphFilterRecommender(n_components=0),
    "many components": GraphFilterRecommender(n_components=30),
    "bpr": GNNRecommender(embedding_dim=8, conv="lightgcn", loss="bpr", max_iter=2, device="cpu"),
    "attention, two layers": GNNRecommender(
        embedding_dim=8, conv="attention", n_layers=2, keep_input=True, max_iter=2, device="cpu"
    ),
    "blend": BlendedRecommender([("ridge", RidgeRecommender()), ("popular", PopularityRecommender())], weights=[3, 1]),
    "ridge in int8": CompressedRecommender(RidgeRecommender()),
    "filter in float16": CompressedRecommender(GraphFilterRecommender(), dtype="float16"),
    "attention in int8": CompressedRecommender(
        GNNRecommender(embedding_dim=8, conv="attention", n_layers=2, max_iter=2, device="cpu")
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_lists_of_other_settings(name, furnish, X, weighted, path, run):
    rec = furnish(OTHERS[name]) if "catalog" in OTHERS[name].get_params() else OTHERS[name]
    rec.fit(X)
    to_onnx(rec, path)
    assert_same_lists(run(**padded(weighted), n=[9]), expected(rec, weighted, 9), rec.decision_function(weighted))


def test_one_user_and_lists_longer_than_the_catalog(fitted, X, path, run):
    to_onnx(fitted, path)
    positions = X.indices[None, : X.indptr[1]].astype(np.int64)
    items, scores = run(positions=positions, weights=np.ones(positions.shape, dtype=np.float32), n=[99])
    assert items.shape == scores.shape == (1, 40)
    wanted = expected(fitted, X[:1], 40)
    assert_same_lists((items, scores), wanted, fitted.decision_function(X[:1]))


def test_histories_without_entries(X, path, run):
    rec = RidgeRecommender().fit(X)
    to_onnx(rec, path)
    items, _ = run(positions=np.full((2, 3), -1), weights=np.ones((2, 3), np.float32), n=[5])
    assert_array_equal(items, rec.recommend(np.zeros((2, 40)), 5)[0])


@pytest.mark.parametrize(
    "rec",
    [
        PopularityRecommender(),
        ContentRecommender(),
        RidgeRecommender(),
        GraphFilterRecommender(n_components=64),
        GNNRecommender(embedding_dim=32, max_iter=1, early_stopping=False, device="cpu"),
    ],
    ids=lambda rec: type(rec).__name__,
)
def test_lists_of_a_shop(rec, path, run):
    shop = load_online_retail()
    catalog = ItemCatalog(shop["items"]["description"].fillna(""), ids=shop["item_ids"])
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(32, random_state=0))
    rec.set_params(catalog=catalog, **({"item_encoder": encoder} if "item_encoder" in rec.get_params() else {}))
    X = sparse.csr_array(shop.interactions, dtype=np.float32)
    rec.fit(X)
    to_onnx(rec, path)
    for start in range(0, 60, 20):
        histories = X[start : start + 20]
        found = run(**padded(histories), n=[20])
        assert_same_lists(found, expected(rec, histories, 20), rec.decision_function(histories))
        assert (found[0] == expected(rec, histories, 20)[0]).mean() > 0.98


# Ids and metadata


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_ids_are_metadata(X, names, path):
    rec = PopularityRecommender(catalog=ItemCatalog(names, ids=names)).fit(X)
    to_onnx(rec, path)
    assert json.loads(metadata(path)["item_ids"]) == names.tolist()
    to_onnx(PopularityRecommender().fit(X), path)
    assert "item_ids" not in metadata(path)


def test_a_log_recommender_is_its_recommender(X, path, run):
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": 100 + items})
    rec = LogRecommender(GraphFilterRecommender()).fit(log)
    to_onnx(rec, path)
    ids = np.array(json.loads(metadata(path)["item_ids"]))
    found, _ = run(**padded(rec.interactions_[:9]), n=[5])
    assert_array_equal(ids[found], rec.recommend(rec.user_ids_[:9], 5)[0])


def test_ids_of_other_types_are_named(path):
    rec = LogRecommender(PopularityRecommender()).fit({"user": [1, 1], "item": [("a", 1), b"x"]})
    to_onnx(rec, path)
    assert sorted(map(str, json.loads(metadata(path)["item_ids"]))) == ["{'bytes': 'x'}", "{'tuple': ['a', 1]}"]


# Ratings


def test_ratings(path, run):
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"user": rng.integers(0, 20, 300), "item": rng.integers(0, 15, 300)})
    model = GNNRatingRegressor(embedding_dim=4, max_iter=3, device="cpu").fit(pairs, rng.integers(1, 6, 300))
    to_onnx(model, path)
    users, items = (np.append(rng.integers(0, 15, 40), [-1, -1, 3]) for _ in range(2))
    items[-1], users[-2] = -1, 5
    (ratings,) = run(users=users, items=items)
    asked = pd.DataFrame({"user": np.where(users < 0, 999, users), "item": np.where(items < 0, 999, items)})
    assert_allclose(ratings, model.predict(asked), rtol=1e-5)
    assert json.loads(metadata(path)["user_ids"]) == model.user_ids_.tolist()


# Files and errors


def test_large_arrays_are_in_a_second_file(X, path, run, monkeypatch):
    monkeypatch.setattr("skgnnrec.export._onnx.LARGEST_FILE", 1000)
    monkeypatch.setattr("skgnnrec.export._onnx.LARGE_ARRAY", 1000)
    rec = RidgeRecommender().fit(X)
    for _ in range(2):  # a second export replaces both files
        to_onnx(rec, path)
        assert path.stat().st_size < rec.weights_.nbytes <= path.with_name("model.onnx.data").stat().st_size < 9000
        assert_array_equal(run(**padded(X[:4]), n=[3])[0], rec.recommend(X[:4], 3)[0])


def test_a_failed_export_leaves_the_old_file(X, path, tmp_path):
    to_onnx(PopularityRecommender().fit(X), path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="estimator must be a recommender, a LogRecommender"):
        to_onnx(BaseEstimator(), path)
    with pytest.raises(TypeError, match=r"estimator must be a closed form.* SequenceFactors have no form in ONNX"):
        to_onnx(SequenceRecommender(embedding_dim=8, max_iter=1, device="cpu").fit(X), path)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_onnx(RidgeRecommender(), path)
    with pytest.raises(FileNotFoundError, match="path must be in an existing folder"):
        to_onnx(PopularityRecommender().fit(X), tmp_path / "absent" / "model.onnx")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_package_is_named_where_it_is_absent():
    code = """
import sys
sys.modules.update(dict.fromkeys(("onnx", "voyager", "onnxscript")))  # imports of them fail
import numpy as np
from skgnnrec import GNNRecommender, PopularityRecommender, TextEmbedder
from skgnnrec.export import to_index, to_onnx
rec = PopularityRecommender().fit(np.eye(3))
for call in (lambda: to_onnx(rec, "model"), lambda: to_index(rec)):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.splitlines() == [
        'to_onnx needs the package onnx: pip install "skgnnrec[export]".',
        'to_index needs the package voyager: pip install "skgnnrec[export]".',
    ]
