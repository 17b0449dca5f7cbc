"""Projections of the embedding map to two dimensions, and its limits."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import normalize

from skgnnrec.inspection import EmbeddingMapDisplay


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((30, 5))


def test_axes_are_principal_components(vectors):
    display = EmbeddingMapDisplay.from_predictions(vectors, method="pca")
    unit = normalize(vectors)
    U, S, _ = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    assert_allclose(np.abs(display.coordinates), np.abs(U[:, :2] * S[:2]), atol=1e-8)
    share = 100 * S[0] ** 2 / (S**2).sum()
    assert display.axis_labels[0] == f"First component ({share:.0f} % of the variance)"


def test_length_of_vectors_does_not_matter(vectors):
    longer = vectors * np.random.default_rng(1).uniform(1, 9, size=(30, 1))
    first, second = (EmbeddingMapDisplay.from_predictions(v, method="pca").coordinates for v in (vectors, longer))
    assert_allclose(np.abs(first), np.abs(second), atol=1e-8)


def test_umap(vectors):
    pytest.importorskip("umap", reason="umap-learn is not installed")
    one, again = (EmbeddingMapDisplay.from_predictions(vectors, method="umap") for _ in range(2))
    assert one.coordinates.shape == (30, 2)
    assert_array_equal(one.coordinates, again.coordinates)
    assert one.ax_.get_xlabel() == "UMAP 1"
    few = EmbeddingMapDisplay.from_predictions(np.eye(3), method="umap")
    assert np.isfinite(few.coordinates).all()


def test_without_umap_the_error_says_how_to_get_it(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install umap-learn"):
        EmbeddingMapDisplay.from_predictions(vectors, method="umap")


def test_neighbours_stay_together_in_t_sne():
    rng = np.random.default_rng(0)
    topics = np.arange(60) % 3
    vectors = 5 * np.eye(3)[topics] + rng.standard_normal((60, 3))
    one, again = (EmbeddingMapDisplay.from_predictions(vectors) for _ in range(2))
    assert_array_equal(one.coordinates, again.coordinates)
    distances = np.linalg.norm(one.coordinates[:, None] - one.coordinates[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1:6]
    assert (topics[nearest] == topics[:, None]).mean() > 0.9
    assert one.ax_.get_xlabel() == "t-SNE 1"


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("n_items", [3, 4, 9])
def test_small_catalogs_have_a_map(method, n_items):
    display = EmbeddingMapDisplay.from_predictions(np.eye(n_items), method=method)
    assert np.isfinite(display.coordinates).all()
    assert display.coordinates.shape == (n_items, 2)


@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
def test_equal_vectors_have_a_map(method):
    display = EmbeddingMapDisplay.from_predictions(np.ones((20, 4)), method=method)
    assert np.ptp(display.coordinates) < 1e-6
    low, high = display.ax_.get_xlim()
    assert low < high


def test_limits_ignore_outliers_and_their_number_is_given():
    rng = np.random.default_rng(0)
    coordinates = rng.standard_normal((500, 2))
    coordinates[:3] = [[1000, 0], [0, -2000], [3000, 3000]]
    display = EmbeddingMapDisplay(coordinates=coordinates).plot()
    for low, high in (display.ax_.get_xlim(), display.ax_.get_ylim()):
        assert -6 < low < -2
        assert 2 < high < 6
    (note,) = [text.get_text() for text in display.ax_.texts]
    inside = (np.abs(coordinates) < [display.ax_.get_xlim()[1], display.ax_.get_ylim()[1]]).all(axis=1)
    assert 3 <= int(note.split()[0]) <= 10
    assert note.endswith(" of 500 items are outside")
    assert inside.sum() > 480


def test_without_outliers_all_items_are_inside():
    coordinates = np.random.default_rng(0).uniform(size=(500, 2))
    display = EmbeddingMapDisplay(coordinates=coordinates).plot()
    assert not display.ax_.texts
    low, high = display.ax_.get_xlim()
    assert low < coordinates[:, 0].min() < coordinates[:, 0].max() < high
