"""Names and density of the regions of the embedding map."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgnnrec.inspection import EmbeddingMapDisplay

TOPICS = ["garden", "kitchen", "music"]


@pytest.fixture
def islands():
    """Return vectors of 150 items of three topics, and texts with the topic and a word without meaning."""
    rng = np.random.default_rng(0)
    topics = np.arange(150) % 3
    texts = [f"red {TOPICS[topic]} {('set', 'box')[i % 2]} {i}" for i, topic in enumerate(topics)]
    return 8 * np.eye(3)[topics] + rng.standard_normal((150, 3)), texts, topics


def test_regions_are_named_by_words_of_near_items(islands, assert_legible):
    vectors, texts, topics = islands
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca", texts=texts)
    names = [name for _, _, name in display.labels]
    assert {name.replace("red ", "") for name in names} >= set(TOPICS)
    assert not {"red", "set", "box"} & set(names)  # all over the map
    for x, y, name in display.labels:
        inside = topics == TOPICS.index(name.replace("red ", "").split()[0])
        assert np.linalg.norm(display.coordinates[inside] - (x, y), axis=1).mean() < 0.3
    assert_legible(display)


def test_names_do_not_overlap(islands):
    vectors, texts, _ = islands
    labels = [(0.0, 0.0, f"word number {i}") for i in range(12)]
    display = EmbeddingMapDisplay(coordinates=vectors[:, :2], texts=texts, labels=labels).plot()
    boxes = [text.get_window_extent() for text in display.labels_]
    assert 2 <= len(boxes) < 12  # moved up and down, then left out
    assert display.labels_[0].get_text() == "word number 0"
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        assert display.ax_.get_window_extent().contains(*box.min)
        assert display.ax_.get_window_extent().contains(*box.max)


@pytest.mark.parametrize("texts", [[f"sku-{i}" for i in range(150)], [""] * 150, ["1 2 3"] * 150, ["same words"] * 150])
def test_texts_without_typical_words_have_no_labels(islands, texts):
    display = EmbeddingMapDisplay.from_predictions(islands[0], method="pca", texts=texts)
    assert display.labels == display.labels_ == []


def test_number_of_labels(islands):
    vectors, texts, topics = islands
    draw = EmbeddingMapDisplay.from_predictions
    assert len(draw(vectors, method="pca", texts=texts, n_labels=2).labels) == 2
    assert draw(vectors, method="pca", texts=texts, n_labels=0).labels == []
    assert draw(vectors, method="pca", texts=texts, groups=topics).labels is None
    assert draw(vectors, method="pca").labels is None


def test_density_is_drawn_for_many_items(islands):
    vectors = islands[0]
    many, few = (EmbeddingMapDisplay.from_predictions(v, method="pca") for v in (vectors, vectors[:20]))
    assert len(many.ax_.collections) == 2
    assert len(few.ax_.collections) == 1
    contours = many.ax_.collections[0]
    assert contours.get_zorder() < many.points_[0].get_zorder()
    extent = contours.get_datalim(many.ax_.transData).extents
    assert_allclose(extent[[0, 2]], many.ax_.get_xlim(), atol=0.5)
