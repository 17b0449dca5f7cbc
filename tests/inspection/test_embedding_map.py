"""The map of the catalog."""

import gc
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import normalize

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.inspection import EmbeddingMapDisplay


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((30, 5))


def point_at(display, item):
    """Move the pointer over an item."""
    from matplotlib.backend_bases import MouseEvent

    canvas = display.figure_.canvas
    canvas.draw()
    x, y = display.ax_.transData.transform(display.coordinates[item])
    event = MouseEvent("motion_notify_event", canvas, x, y)
    canvas.callbacks.process("motion_notify_event", event)
    return display.annotation_


def test_axes_are_principal_components(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors)
    unit = normalize(vectors)
    U, S, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    assert_allclose(np.abs(display.coordinates), np.abs(U[:, :2] * S[:2]), atol=1e-8)
    share = 100 * S[0] ** 2 / (S**2).sum()
    assert display.axis_labels[0] == f"First component ({share:.0f} % of the variance)"


def test_length_does_not_move_an_item(vectors):
    longer = vectors * np.random.default_rng(1).uniform(1, 9, size=(30, 1))
    first, second = (EmbeddingMapDisplay.from_predictions(v).coordinates for v in (vectors, longer))
    assert_allclose(np.abs(first), np.abs(second), atol=1e-8)


def test_pointer_shows_the_text_of_the_nearest_item(vectors, assert_legible):
    texts = [f"item {i} costs $1 or $2" for i in range(30)]
    display = EmbeddingMapDisplay.from_predictions(vectors, texts=texts)
    assert not display.annotation_.get_visible()
    for item in (3, 17):
        annotation = point_at(display, item)
        assert annotation.get_visible()
        assert annotation.get_text() == texts[item]
        box = annotation.get_window_extent()
        width, height = display.figure_.canvas.get_width_height()
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    display.coordinates = display.coordinates + 1e6  # far from every point that is drawn
    assert not point_at(display, 3).get_visible()
    assert_legible(display)


def test_pointer_works_on_a_display_that_nobody_keeps(vectors, pyplot):
    class Forgotten:
        coordinates = EmbeddingMapDisplay.from_predictions(vectors, texts=["text"] * 30).coordinates
        figure_ = pyplot.gcf()
        ax_ = pyplot.gca()
        annotation_ = ax_.texts[0]

    gc.collect()
    assert point_at(Forgotten, 3).get_visible()


def test_long_texts_are_cut(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors, texts=["word " * 100] * 30)
    lines = point_at(display, 0).get_text().split("\n")
    assert len(lines) == 4
    assert lines[-1].endswith("...")
    assert max(map(len, lines)) <= 40


def test_texts_are_those_of_the_catalog(fitted, pair, titles, names):
    display = EmbeddingMapDisplay.from_estimator(fitted["ridge"], pair[0])
    assert display.texts == list(titles)
    assert_array_equal(display.values, np.bincount(pair[0].indices, minlength=40))
    frame = pd.DataFrame(pair[0].toarray(), columns=names[::-1])
    rec = RidgeRecommender(items=ItemCatalog(np.eye(40), ids=names)).fit(frame)
    assert EmbeddingMapDisplay.from_estimator(rec).texts == list(names[::-1])
    table = pd.DataFrame({"sku": names, "title": titles, "price": 1.0})
    rec = (
        fitted["ridge"]
        .__class__(items=ItemCatalog(table, ids="sku"), item_encoder=_Prices(), text_weight=0.0)
        .fit(frame)
    )
    assert EmbeddingMapDisplay.from_estimator(rec).texts == list(titles[::-1])
    assert EmbeddingMapDisplay.from_estimator(RidgeRecommender().fit(pair[0])).texts is None


class _Prices:
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[["price"]]


def test_groups_have_a_colour_and_small_ones_share_grey(vectors, assert_legible):
    groups = np.array(
        [f"g{i}" for i in [0] * 8 + [1] * 5 + [2] * 4 + [3] * 3 + [4] * 2 + [5] * 2 + [6] * 2 + [7, 8, 9, 10]]
    )
    display = EmbeddingMapDisplay.from_predictions(vectors, groups=groups)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["others (4 groups)", "g0", "g1", "g2", "g3", "g4", "g5", "g6"]
    assert sum(len(points.get_offsets()) for points in display.points_) == 30
    assert_legible(display)
    few = EmbeddingMapDisplay.from_predictions(vectors, groups=np.arange(30) % 2)
    assert [text.get_text() for text in few.ax_.get_legend().get_texts()] == ["0", "1"]


def test_values_have_a_scale_from_zero(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors, values=np.arange(30) * 10, value_name="Users")
    (points,) = display.points_
    scale = display.figure_.axes[1]
    assert scale.get_ylabel() == "Users"
    assert [label.get_text() for label in scale.get_yticklabels()] == ["0", "1", "10", "100", "290"]
    assert points.get_array().min() == 1  # drawn as the value plus one


def test_of_many_items_a_part_is_drawn(vectors):
    texts = np.arange(30).astype(str)
    one, again = (EmbeddingMapDisplay.from_predictions(vectors, texts=texts, max_items=10) for _ in range(2))
    assert len(one.coordinates) == len(set(one.texts)) == 10
    assert one.texts == again.texts
    other = EmbeddingMapDisplay.from_predictions(vectors, texts=texts, max_items=10, random_state=1)
    assert other.texts != one.texts


def test_umap_where_it_is_installed(vectors):
    pytest.importorskip("umap", reason="umap-learn is not installed")
    one, again = (EmbeddingMapDisplay.from_predictions(vectors, method="umap") for _ in range(2))
    assert one.coordinates.shape == (30, 2)
    assert_array_equal(one.coordinates, again.coordinates)
    assert one.ax_.get_xlabel() == "UMAP 1"


def test_without_umap_the_error_says_how_to_get_it(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install umap-learn"):
        EmbeddingMapDisplay.from_predictions(vectors, method="umap")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vectors": np.ones((5, 1))}, r"two or more dimensions to be drawn as a map; got 1"),
        ({"method": "tsne"}, r"method must be 'pca' or 'umap'; got 'tsne'"),
        ({"texts": ["a"]}, r"texts must hold one for each of 5 items, shape \(5,\); got \(1,\)"),
        ({"groups": np.ones((5, 2))}, r"groups must hold one for each of 5 items"),
        ({"vectors": np.full((5, 2), np.nan)}, r"vectors contains NaN"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingMapDisplay.from_predictions(**{"vectors": np.eye(5), **options})


def test_popularity_is_no_map(pair):
    with pytest.raises(ValueError, match=r"two or more dimensions to be drawn as a map; got 1"):
        EmbeddingMapDisplay.from_estimator(PopularityRecommender().fit(pair[0]))
