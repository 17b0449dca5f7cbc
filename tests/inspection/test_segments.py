"""Plot of a ranking metric by segments of users or items."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import PopularityRecommender
from skgnnrec.inspection import SegmentDisplay
from skgnnrec.metrics import ranking_metrics


def test_bars_of_user_segments_are_means_over_their_users(fitted, pair, lists):
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


def test_bars_of_item_segments_count_only_their_items(fitted, pair, lists):
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


def draw_activity(values, n_segments):
    """Return the segments of users with the given numbers of items in their histories, and the number of users."""
    n_items = max(values) + 1
    histories = (np.arange(n_items) < np.array(values)[:, None]).astype(float)
    held_out = np.eye(1, n_items, n_items - 1).repeat(len(values), axis=0)
    recommender = PopularityRecommender().fit(np.ones((1, n_items)))
    display = SegmentDisplay.from_estimator(recommender, histories, held_out, n_segments=n_segments, k=1)
    return dict(zip(display.segments, display.n_users.tolist(), strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(0, 30), min_size=1, max_size=40), n_segments=st.integers(1, 6))
def test_ranges_cover_every_value_once(pyplot, values, n_segments):
    found = draw_activity(values, n_segments)
    pyplot.close("all")
    assert len(found) <= n_segments + 1
    assert sum(found.values()) == len(values)
    for name, n_users in found.items():
        low, *high = map(int, name.split("\N{EN DASH}"))
        assert sum(low <= value <= (high or [low])[0] for value in values) == n_users
    assert ("0" in found) == (0 in values)


def test_segments_have_equal_weights_without_equal_values():
    values = np.random.default_rng(0).permutation(90) + 1
    assert draw_activity(values, 3) == {"1\N{EN DASH}30": 30, "31\N{EN DASH}60": 30, "61\N{EN DASH}90": 30}
    # The interactions with the items of popularity 1 to 64 are half of all.
    X = (np.arange(91)[:, None] < values).astype(float)
    X = np.vstack([X, np.zeros((90, 90))])
    y = np.vstack([np.zeros((91, 90)), np.eye(90)])
    recommender = PopularityRecommender().fit(X)
    display = SegmentDisplay.from_estimator(recommender, X, y, by="item_popularity", n_segments=2, k=1)
    assert display.segments == ["1\N{EN DASH}64", "65\N{EN DASH}90"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"either user_segments or item_segments; got None for both"),
        ({"user_segments": ["a"], "item_segments": ["a"] * 3}, r"item_segments; got both"),
        ({"user_segments": ["a"]}, r"user_segments must have the segment of each user; got 1 segments .* \(2, 3\)"),
        ({"item_segments": ["a"]}, r"item_segments must have the segment of each item; got 1 segments"),
        ({"user_segments": {"a", "b"}}, r"user_segments must have an order, got a set"),
        ({"user_segments": [["a"], ["b"]]}, r"user_segments must be values that can be hashed"),
        ({"user_segments": [None, None]}, r"nothing to draw: no user of a segment has held-out items"),
        ({"user_segments": ["a", "b"], "metric": "auc"}, r"metric must be one of"),
    ],
)
def test_bad_segments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentDisplay.from_predictions([[1, 0, 0], [0, 0, 1]], [[0, 1], [1, 2]], **options)


def test_users_without_a_segment_and_types_of_segments():
    truth, lists = [[1, 0], [0, 1], [1, 0]], [[0], [0], [1]]
    display = SegmentDisplay.from_predictions(truth, lists, user_segments=[1, "1", None])
    assert display.segments == ["1", "1"]
    assert_array_equal(display.n_users, [1, 1])


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"lists of the same length for all recommenders; got {'a': 2, 'b': 1} items"):
        SegmentDisplay.from_predictions([[1, 0]], {"a": [[0, 1]], "b": [[0]]}, user_segments=["all"])


def test_displays_on_one_ax_have_bars_side_by_side(fitted, pair, assert_legible):
    together = SegmentDisplay.from_estimator(fitted, *pair)
    alone = [SegmentDisplay.from_estimator(fitted["popularity"], *pair, name="popularity")]
    alone.append(SegmentDisplay.from_estimator(fitted["ridge"], *pair, name="ridge", ax=alone[0].ax_))
    for bars, display in zip(together.bars_, alone, strict=True):
        for bar, expected in zip(display.bars_[0], bars, strict=True):
            assert_allclose(bar.get_bbox(), expected.get_bbox())
        for found, expected in zip(
            display.bars_[0].errorbar.lines[2][0].get_segments(), bars.errorbar.lines[2][0].get_segments(), strict=True
        ):
            assert_allclose(found, expected)
        assert display.bars_[0][0].get_facecolor() == bars[0].get_facecolor()
    assert alone[1].ax_.get_ylim() == pytest.approx(together.ax_.get_ylim())
    assert_legible(alone[1])


def test_other_segments_on_one_ax_are_refused():
    first = SegmentDisplay.from_predictions([[1, 0]], [[0]], user_segments=["a"])
    with pytest.raises(ValueError, match=r"the same segments; got \['b.*'\] besides \['a"):
        SegmentDisplay.from_predictions([[1, 0]], [[0]], user_segments=["b"], ax=first.ax_)


def test_unknown_kinds_of_segments_are_refused(fitted, pair):
    with pytest.raises(ValueError, match=r"by must be 'user_activity' or 'item_popularity'; got 'age'"):
        SegmentDisplay.from_estimator(fitted, *pair, by="age")
