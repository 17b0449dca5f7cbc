"""Axes of all displays: colours, limits and legends, also on shared axes."""

import re
import sys

import numpy as np
import pytest
from displays import DRAW

from skgnnrec.inspection import (
    EmbeddingMapDisplay,
    MetricOverKDisplay,
)

every_display = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@every_display
def test_display_is_legible_and_knows_its_axes(draw, fitted, pair, assert_legible):
    display = draw(fitted, pair)
    assert display.figure_ is display.ax_.figure
    assert_legible(display)


@every_display
def test_display_draws_on_given_axes_and_on_new_axes(draw, fitted, pair, pyplot):
    _, axes = pyplot.subplots()
    display = draw(fitted, pair, ax=axes)
    assert display.ax_ is axes
    assert display.plot() is display
    assert display.ax_ is not axes


@every_display
def test_without_matplotlib_the_error_names_the_extra(draw, fitted, pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    expected = re.escape("Display.plot needs matplotlib, which the extra `plot` installs: pip install 'skgnnrec[plot]'")
    with pytest.raises(ImportError, match=expected):
        draw(fitted, pair)


def lines_of(n_recommenders):
    """Return the lines of a display with equal lists of many recommenders."""
    lists = {f"recommender {i}": [[0, 1]] for i in range(n_recommenders)}
    return MetricOverKDisplay.from_predictions([[1, 0]], lists).lines_


def test_lines_differ_in_colour_marker_or_dash():
    styles = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines_of(21)}
    assert len(styles) == 21


def test_seven_lines_differ_in_colour_and_marker_and_luminance():
    from matplotlib.colors import to_rgb

    lines = lines_of(7)
    assert len({line.get_color() for line in lines}) == 7
    assert len({line.get_marker() for line in lines}) == 7
    luminances = np.sort([np.dot(to_rgb(line.get_color()), [0.2126, 0.7152, 0.0722]) for line in lines])
    assert np.diff(luminances).min() > 0.001  # for prints in grey


def colours_of(display):
    """Return the colours of what a display drew for each recommender."""
    from matplotlib.colors import to_hex

    bars = [to_hex(bars[0].get_facecolor()).upper() for bars in getattr(display, "bars_", [])]
    return [line.get_color() for line in getattr(display, "lines_", [])] + bars


@pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Map" not in name])
def test_displays_on_one_ax_have_own_colours_a_legend_and_common_limits(draw, fitted, pair, pyplot, assert_legible):
    _, ax = pyplot.subplots(figsize=(8, 6), layout="constrained")
    ridge = draw(fitted["ridge"], pair, name="ridge", ax=ax)
    popularity = draw(fitted["popularity"], pair, name="popularity", ax=ax)
    assert len({*colours_of(ridge), *colours_of(popularity)}) == 2
    assert colours_of(ridge) == colours_of(draw(fitted["ridge"], pair))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label for label in labels if label in fitted] == ["ridge", "popularity"]
    assert len(labels) == len(set(labels))
    assert_legible(popularity)
    low, high = ax.get_ylim()
    for display in (ridge, popularity):
        for line in getattr(display, "lines_", []):
            assert low <= line.get_ydata().min() <= line.get_ydata().max() <= high
        for bars in getattr(display, "bars_", []):
            assert all(bar.get_height() <= high for bar in bars)


def test_limits_grow_with_the_second_display():
    first = MetricOverKDisplay.from_predictions([[1, 0, 0]], [[1, 2, 0]], name="low")
    low = first.ax_.get_ylim()
    second = MetricOverKDisplay.from_predictions([[1, 0, 0]], [[0, 1, 2]], name="high", ax=first.ax_)
    assert low[0] == second.ax_.get_ylim()[0] == 0
    assert second.ax_.get_ylim()[1] >= 1 > low[1]


def test_maps_on_one_ax_have_own_colours_and_common_limits(pyplot):
    _, ax = pyplot.subplots()
    coordinates = np.random.default_rng(0).uniform(size=(20, 2))
    first = EmbeddingMapDisplay(coordinates=coordinates).plot(ax=ax)
    second = EmbeddingMapDisplay(coordinates=coordinates - 5).plot(ax=ax)
    assert not np.array_equal(first.points_[0].get_facecolor(), second.points_[0].get_facecolor())
    for low, high in (ax.get_xlim(), ax.get_ylim()):
        assert low < -4 < 0 < high
    assert not ax.texts  # no item is outside


@every_display
def test_other_objects_than_axes_are_refused(draw, fitted, pair, pyplot):
    figure, axes = pyplot.subplots(1, 2)
    for given, name in ((axes, "ndarray"), (figure, "Figure"), ("ax", "str")):
        with pytest.raises(TypeError, match=f"ax must be matplotlib Axes, .* got a {name}"):
            draw(fitted, pair, ax=given)
