"""Plot of the recommendation frequency over the popularity of the items."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.inspection import LongTailDisplay


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


def test_scales_are_logarithmic_without_zeros():
    display = LongTailDisplay.from_predictions([1, 10, 1000], [[0, 1, 2]])
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("log", "log")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(popularity=st.lists(st.integers(0, 5000), min_size=1, max_size=50), n_groups=st.integers(1, 20))
def test_groups_divide_all_items_in_order(pyplot, popularity, n_groups):
    popularity = np.array(popularity, dtype=float)
    lists = np.arange(len(popularity))[:, None]  # each item is in one list
    display = LongTailDisplay(popularity=popularity, frequency={"a": np.bincount(lists.ravel())}).plot(
        n_groups=n_groups
    )
    means, frequency = display.lines_[0].get_data()
    pyplot.close("all")
    assert_allclose(frequency, 1)
    assert len(means) <= n_groups + 1
    assert (np.diff(means) > 0).all()
    assert popularity.min() <= means[0] <= means[-1] <= popularity.max()
    assert (0 in means) == (0 in popularity)


def test_empty_lists_are_drawn(assert_legible):
    assert_legible(LongTailDisplay.from_predictions([3, 1, 2], [[-1], [-1]]))
    assert_legible(LongTailDisplay.from_predictions([0, 0], [[0], [1]]))


@pytest.mark.parametrize(
    ("popularity", "lists", "message"),
    [
        (
            [3, 1],
            [[0, 2]],
            r"recommended\['recommender'\] must hold item positions from 0 to 1, or -1 as padding; got 2",
        ),
        ([3, 1], [[0, 0]], r"must contain an item at most once per row; got item 0"),
        ([3, 1], [["mug", "pot"]], r"must hold item positions, which are integers; got dtype <U3"),
        ([3, 1], {"a": [[0], [1]], "b": [[0]]}, r"one row per user for all recommenders; got {'a': 2, 'b': 1} rows"),
        ([3, 1], {"a": [[0, 1]], "b": [[0]]}, r"lists of the same length for all recommenders; got {'a': 2, 'b': 1}"),
        ([3, -1], [[0]], r"popularity must hold the number of users of each item.* got \[3.0, -1.0\]"),
        ([[3, 1]], [[0]], r"popularity must hold the number of users of each item"),
        ([], [[0]], r"popularity must hold the number of users of each item.* got \[\]"),
        ([[3], [1, 2]], [[0]], r"popularity must hold .*; got values of different lengths"),
        (["3"], [[0]], r"popularity must hold the number of users of each item"),
    ],
)
def test_bad_input_is_refused(popularity, lists, message):
    with pytest.raises(ValueError, match=message):
        LongTailDisplay.from_predictions(popularity, lists)


def test_the_scale_suits_all_displays_on_one_ax():
    first = LongTailDisplay.from_predictions([0, 1, 9], [[0, 2]], name="a")
    second = LongTailDisplay.from_predictions([2, 3, 9], [[0, 1], [2, 1]], name="b", ax=first.ax_)
    assert second.ax_.get_xscale() == second.ax_.get_yscale() == "symlog"
    labels = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert labels == ["in proportion to popularity", "a", "b"]


def test_number_of_groups_is_checked():
    display = LongTailDisplay.from_predictions([3, 1], [[0]])
    with pytest.raises(ValueError, match="n_groups must be an integer >= 1; got 0"):
        display.plot(n_groups=0)
