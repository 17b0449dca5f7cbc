"""Popularity against the frequency of recommendation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.inspection import LongTailDisplay
from skgnnrec.inspection._long_tail import _group


def test_counts_are_those_of_the_lists(fitted, pair, lists):
    display = LongTailDisplay.from_estimator(fitted, pair[0])
    assert_array_equal(display.popularity, (pair[0] > 0).sum(axis=0))
    for name, table in lists.items():
        assert_array_equal(display.frequency[name], np.bincount(table.ravel(), minlength=40))


def test_points_are_means_of_groups():
    # Items of popularity 0, 1, 1 and 100: three groups.
    display = LongTailDisplay.from_predictions([0, 1, 1, 100], [[3, 1], [3, 0], [3, -1]])
    (line,) = display.lines_
    assert_allclose(line.get_xdata(), [0, 1, 100])
    assert_allclose(line.get_ydata(), [1, 0.5, 3])
    # 5 recommendations over 102 interactions.
    assert_allclose(display.proportional_.get_ydata(), np.array([0, 1, 100]) * 5 / 102)
    assert display.ax_.get_xscale() == "symlog"


def test_axes_are_logarithmic_where_nothing_is_zero():
    display = LongTailDisplay.from_predictions([1, 10, 1000], [[0, 1, 2]])
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50), st.integers(1, 20))
def test_groups_divide_all_items_in_order(popularity, n_groups):
    popularity = np.array(popularity, dtype=float)
    group, means = _group(popularity, n_groups)
    assert (np.bincount(group) > 0).all()
    assert len(means) <= n_groups + 1
    assert (np.diff(means) > 0).all()
    for g in range(len(means)):
        assert_allclose(means[g], popularity[group == g].mean())
    assert ((popularity == 0) == (means[group] == 0)).all()


def test_nothing_recommended_still_draws(assert_legible):
    assert_legible(LongTailDisplay.from_predictions([3, 1, 2], [[-1], [-1]]))
    assert_legible(LongTailDisplay.from_predictions([0, 0], [[0], [1]]))


def test_positions_outside_the_catalog_are_refused():
    with pytest.raises(ValueError, match=r"positions from 0 to 1, or -1 as padding; got 0 to 2"):
        LongTailDisplay.from_predictions([3, 1], [[0, 2]])
