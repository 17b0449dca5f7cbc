"""Fixtures for the tests of displays."""

import pytest
from sklearn.base import clone

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.model_selection import split_interactions


@pytest.fixture(autouse=True)
def pyplot():
    """Draw without a screen, and close every figure."""
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is in the plot and the demo extra")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture(scope="package")
def pair(tastes):
    return split_interactions(tastes.interactions, random_state=0)


@pytest.fixture(scope="package")
def unfitted(catalog, encoder):
    return {
        "popularity": PopularityRecommender(catalog=catalog),
        "ridge": RidgeRecommender(catalog=catalog, item_encoder=encoder),
    }


@pytest.fixture(scope="package")
def fitted(unfitted, pair):
    return {name: clone(recommender).fit(pair[0]) for name, recommender in unfitted.items()}


@pytest.fixture(scope="package")
def lists(fitted, pair, catalog):
    return {name: catalog.positions(rec.recommend(pair[0], 10)[0]) for name, rec in fitted.items()}


@pytest.fixture
def assert_legible():
    """Return a check that the axes have labels, and that no text overlaps another or leaves the figure."""

    def check(display):
        display.figure_.canvas.draw()
        axes = display.ax_
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        texts = [axes.xaxis.label, axes.yaxis.label, *_tick_labels(axes.xaxis), *_tick_labels(axes.yaxis)]
        texts += axes.get_legend().get_texts() if axes.get_legend() is not None else []
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        width, height = display.figure_.canvas.get_width_height()
        for i, box in enumerate(boxes):
            assert box.x0 >= -1
            assert box.y0 >= -1
            assert box.x1 <= width + 1
            assert box.y1 <= height + 1
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])

    return check


def _tick_labels(axis):
    """Return the labels of the ticks within the limits of the axis."""
    low, high = sorted(axis.get_view_interval())
    labels = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label for place, label in labels if low <= place <= high]
