"""A metric by segment."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.inspection import SegmentDisplay
from skgnnrec.inspection._segments import _bounds, _name_ranges
from skgnnrec.metrics import ranking_metrics


def test_bars_of_users_are_means_of_their_part(fitted, pair, lists):
    past, future = pair
    display = SegmentDisplay.from_estimator(fitted, past, future)
    activity = np.diff(past.indptr)
    assert len(display.segments) == 3
    for i, segment in enumerate(display.segments):
        low, *high = map(int, segment.split("\N{EN DASH}"))
        inside = (activity >= low) & (activity <= (high or [low])[0])
        for name in fitted:
            expected = ranking_metrics(future[inside], lists[name][inside])["ndcg"]
            assert_allclose(display.means[name][i], expected)
    assert display.n_users.sum() == np.count_nonzero(np.diff(future.indptr))


def test_bars_of_items_leave_out_the_truth_of_others(fitted, pair, lists):
    past, future = pair
    display = SegmentDisplay.from_estimator(fitted, past, future, by="item_popularity", metric="recall", n_segments=2)
    popularity = np.bincount(past.indices, minlength=40)
    for i, segment in enumerate(display.segments):
        low, *high = map(int, segment.split("\N{EN DASH}"))
        inside = (popularity >= low) & (popularity <= (high or [low])[0])
        truth = sparse.csr_array(future.multiply(inside))
        assert_allclose(display.means["ridge"][i], ranking_metrics(truth, lists["ridge"])["recall"])
        assert display.n_users[i] == np.count_nonzero(truth.sum(axis=1))
    # Half of the interactions are on fewer items of the head than of the tail.
    shares = [popularity[popularity <= int(segment.split("\N{EN DASH}")[-1])].sum() for segment in display.segments]
    assert 0.3 < shares[-2] / popularity.sum() < 0.7


def test_known_segments_keep_their_order(assert_legible):
    truth, lists = [[1, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 1], [1, 2], [0, 2]]
    display = SegmentDisplay.from_predictions(
        truth, lists, user_segments=["light", "heavy", "light"], metric="hit_rate", x_label="Activity"
    )
    assert display.segments == ["light", "heavy"]
    assert_allclose(display.means["recommender"], [0.5, 1])
    assert_array_equal(display.n_users, [2, 1])
    ordered = pd.Categorical(["light", "heavy", "light"], categories=["heavy", "none", "light"])
    display = SegmentDisplay.from_predictions(truth, lists, user_segments=ordered)
    assert display.segments == ["heavy", "light"]  # segments without users have no bar
    assert_legible(display)


def test_bars_have_the_interval_and_the_label(fitted, pair):
    display = SegmentDisplay.from_estimator(fitted, *pair, k=5)
    assert [bars.get_label() for bars in display.bars_] == list(fitted)
    assert_allclose([bar.get_height() for bar in display.bars_[1]], display.means["ridge"])
    assert display.ax_.get_ylabel().startswith("NDCG@5")
    assert display.ax_.get_xticklabels()[0].get_text().endswith("users)")


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 6))
def test_ranges_cover_every_value_once(values, n_segments):
    values = np.array(values)
    ranges = _name_ranges(values, _bounds(values, np.ones(len(values)), n_segments))
    assert len(set(ranges)) <= n_segments + 1
    for value, name in zip(values, ranges, strict=True):
        low, *high = map(int, name.split("\N{EN DASH}"))
        assert low <= value <= (high or [low])[0]
        assert (value == 0) == (name == "0")


def test_segments_weigh_alike_where_no_values_are_equal():
    values = np.random.default_rng(0).permutation(90) + 1
    ranges = pd.Series(_name_ranges(values, _bounds(values, np.ones(90), 3)))
    assert ranges.value_counts()[["1\N{EN DASH}30", "31\N{EN DASH}60", "61\N{EN DASH}90"]].tolist() == [30] * 3
    # The same by mass: 1 to 64 sum to half of 1 to 90.
    assert _bounds(values, values, 2).tolist() == [64]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"either user_segments or item_segments; got both or none"),
        ({"user_segments": ["a"], "item_segments": ["a"] * 3}, r"got both or none"),
        ({"user_segments": ["a"]}, r"user_segments must name the segment of each user; got 1 names .* \(2, 3\)"),
        ({"item_segments": ["a"]}, r"item_segments that of each item; got 1 names"),
        ({"user_segments": ["a", "b"], "metric": "auc"}, r"metric must be one of"),
    ],
)
def test_bad_segments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentDisplay.from_predictions([[1, 0, 0], [0, 0, 1]], [[0, 1], [1, 2]], **options)


def test_segments_are_made_by_what_is_known(fitted, pair):
    with pytest.raises(ValueError, match=r"by must be 'user_activity' or 'item_popularity'; got 'age'"):
        SegmentDisplay.from_estimator(fitted, *pair, by="age")
