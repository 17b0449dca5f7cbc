"""Map of the items by their embedding."""

import gc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.inspection import EmbeddingMapDisplay


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((30, 5))


def point_at(display, item):
    """Move the pointer over an item, and return the annotation."""
    from matplotlib.backend_bases import MouseEvent

    canvas = display.figure_.canvas
    canvas.draw()
    x, y = display.ax_.transData.transform(display.coordinates[item])
    event = MouseEvent("motion_notify_event", canvas, x, y)
    canvas.callbacks.process("motion_notify_event", event)
    return display.annotation_


def test_pointer_shows_the_text_of_the_nearest_item(vectors, assert_legible):
    texts = [f"item {i} costs $1 or $2" for i in range(30)]
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=texts)
    assert not display.annotation_.get_visible()
    for item in (3, 17):
        annotation = point_at(display, item)
        assert annotation.get_visible()
        assert annotation.get_text() == texts[item]
        box = annotation.get_window_extent()
        width, height = display.figure_.canvas.get_width_height()
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    display.coordinates = display.coordinates + 1e6  # far from all points in the plot
    assert not point_at(display, 3).get_visible()
    assert_legible(display)


def test_pointer_works_without_a_reference_to_the_display(vectors, pyplot):
    class Forgotten:
        coordinates = EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=["text"] * 30).coordinates
        figure_ = pyplot.gcf()
        ax_ = pyplot.gca()
        annotation_ = ax_.texts[0]

    gc.collect()
    assert point_at(Forgotten, 3).get_visible()


def test_long_texts_are_cut(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=["word " * 100] * 30)
    lines = point_at(display, 0).get_text().split("\n")
    assert len(lines) == 4
    assert lines[-1].endswith("...")
    assert max(map(len, lines)) <= 40


def test_texts_are_those_of_the_catalog(fitted, pair, titles, names):
    display = EmbeddingMapDisplay.from_estimator(fitted["ridge"], pair[0])
    assert display.texts == list(titles)
    assert_array_equal(display.values, np.bincount(pair[0].indices, minlength=40))
    frame = pd.DataFrame(pair[0].toarray(), columns=names[::-1])
    rec = RidgeRecommender(catalog=ItemCatalog(np.eye(40), ids=names)).fit(frame)
    assert EmbeddingMapDisplay.from_estimator(rec, method="pca").texts == list(names[::-1])
    table = pd.DataFrame({"sku": names, "title": titles, "price": 1.0})
    rec = (
        fitted["ridge"]
        .__class__(catalog=ItemCatalog(table, ids="sku"), item_encoder=_Prices(), content_weight=0.0)
        .fit(frame)
    )
    assert EmbeddingMapDisplay.from_estimator(rec, method="pca").texts == list(titles[::-1])
    assert EmbeddingMapDisplay.from_estimator(RidgeRecommender().fit(pair[0]), method="pca").texts is None


class _Prices:
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[["price"]]


def test_groups_have_a_colour_and_small_ones_share_grey(vectors, assert_legible):
    groups = np.array(
        [f"g{i}" for i in [0] * 8 + [1] * 5 + [2] * 4 + [3] * 3 + [4] * 2 + [5] * 2 + [6] * 2 + [7, 8, 9, 10]]
    )
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca", groups=groups)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["others (4 groups)", "g0", "g1", "g2", "g3", "g4", "g5", "g6"]
    assert sum(len(points.get_offsets()) for points in display.points_) == 30
    assert_legible(display)
    few = EmbeddingMapDisplay.from_predictions(vectors, method="pca", groups=np.arange(30) % 2)
    assert [text.get_text() for text in few.ax_.get_legend().get_texts()] == ["0", "1"]


def test_values_have_a_scale_from_zero(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca", values=np.arange(30) * 10, value_name="Users")
    (points,) = display.points_
    scale = display.figure_.axes[1]
    assert scale.get_ylabel() == "Users"
    assert [label.get_text() for label in scale.get_yticklabels()] == ["0", "1", "10", "100", "290"]
    assert points.get_array().min() == 1  # drawn as the value plus one


def test_large_catalogs_are_sampled(vectors):
    texts = np.arange(30).astype(str)
    one, again = (
        EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=texts, max_items=10) for _ in range(2)
    )
    assert len(one.coordinates) == len(set(one.texts)) == 10
    assert one.texts == again.texts
    other = EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=texts, max_items=10, random_state=1)
    assert other.texts != one.texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vectors": np.ones((5, 1))}, r"two or more dimensions for a map; got 1"),
        ({"method": "mds"}, r"method must be 'tsne', 'umap' or 'pca'; got 'mds'"),
        ({"texts": ["a"]}, r"texts must have one value for each of 5 items; got 1 values"),
        ({"texts": set("abcde")}, r"texts must have an order, got a set"),
        ({"groups": np.ones((5, 2))}, r"groups must have one dimension, got an array of shape \(5, 2\)"),
        ({"values": [1, 2]}, r"values must have one value for each of 5 items; got 2 values"),
        ({"values": [1, 2, 3, 4, -1]}, r"values must hold finite numbers >= 0; got \[1.0, 2.0, 3.0, 4.0, -1.0\]"),
        ({"values": list("12345")}, r"values must hold finite numbers >= 0"),
        ({"n_labels": -1}, r"n_labels must be an integer >= 0; got -1"),
        ({"method": np.array(["pca", "tsne"])}, r"method must be 'tsne', 'umap' or 'pca'; got array"),
        ({"values": [[1], [1, 2]]}, r"values must hold finite numbers >= 0, .*; got values of different lengths"),
        ({"vectors": [["a", "b"]] * 3}, r"vectors must be a matrix of numbers .*; got values of dtype <U1"),
        ({"vectors": {1, 2}}, r"vectors must be a matrix of numbers .*; got a set"),
        ({"vectors": np.eye(2)}, r"vectors must have three or more items for a map; got 2"),
        ({"max_items": 2}, r"max_items must be an integer >= 3; got 2"),
        ({"vectors": np.full((5, 2), np.nan)}, r"vectors contains NaN"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingMapDisplay.from_predictions(**{"vectors": np.eye(5), "method": "pca", **options})


def test_sparse_vectors_are_refused():
    with pytest.raises(TypeError, match=r"vectors must be a dense array; got a csr_array. .* TruncatedSVD"):
        EmbeddingMapDisplay.from_predictions(sparse.csr_array(np.eye(5)))


def test_popularity_recommender_has_no_map(pair):
    with pytest.raises(ValueError, match=r"two or more dimensions for a map; got 1"):
        EmbeddingMapDisplay.from_estimator(PopularityRecommender().fit(pair[0]))
