"""Plot of accuracy over the training time."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import RidgeRecommender
from skgnnrec.inspection import AccuracyOverTimeDisplay


class Trained(RidgeRecommender):
    """A stand-in for a trained recommender, with validation scores of four epochs."""

    def fit(self, X, y=None):
        super().fit(X)
        self.validation_scores_ = [0.1, 0.2, 0.25, 0.26]
        return self


def test_test_scores_are_points_and_validation_scores_are_curves(unfitted, pair, assert_legible):
    display = AccuracyOverTimeDisplay.from_estimator({**unfitted, "trained": Trained()}, *pair)
    for name, (seconds, scores) in display.curves.items():
        assert seconds.shape == scores.shape == (1,)
        assert seconds[0] > 0
        if name in unfitted:
            assert_allclose(scores[0], unfitted[name].fit(pair[0]).score(*pair))
    assert list(display.validation_curves) == ["trained"]
    seconds, scores = display.validation_curves["trained"]
    assert_allclose(seconds, display.curves["trained"][0] * np.array([0.25, 0.5, 0.75, 1]))
    assert_array_equal(scores, [0.1, 0.2, 0.25, 0.26])
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["popularity", "ridge", "trained", "trained, validation"]
    assert_legible(display)


def test_test_scores_and_validation_scores_have_separate_axes(pair):
    display = AccuracyOverTimeDisplay.from_estimator({"ridge": RidgeRecommender(), "trained": Trained()}, *pair)
    assert display.ax_.get_ylabel() == "NDCG@10 on held-out interactions"
    assert display.validation_ax_.get_ylabel() == "NDCG@10 on validation users (dotted)"
    assert [line.axes for line in display.lines_] == [display.ax_] * 2
    assert [line.axes for line in display.validation_lines_] == [display.validation_ax_]
    assert display.validation_ax_ is not display.ax_
    assert display.validation_ax_.yaxis.get_label_position() == "right"
    colours = {line.get_label(): line.get_color() for line in [*display.lines_, *display.validation_lines_]}
    assert colours["trained, validation"] == colours["trained"] != colours["ridge"]


def test_without_validation_scores_there_is_one_axis(pair):
    display = AccuracyOverTimeDisplay.from_estimator(RidgeRecommender(), *pair)
    assert display.validation_ax_ is None
    assert display.ax_.get_ylabel() == "NDCG@10"
    assert display.figure_.axes == [display.ax_]


def test_displays_on_one_ax_share_both_axes(pair):
    first = AccuracyOverTimeDisplay.from_estimator(Trained(), *pair, name="a")
    second = AccuracyOverTimeDisplay.from_estimator(Trained(), *pair, name="b", ax=first.ax_)
    third = AccuracyOverTimeDisplay.from_estimator(RidgeRecommender(), *pair, name="c", ax=first.ax_)
    assert first.validation_ax_ is second.validation_ax_ is third.validation_ax_
    labels = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert labels == ["a", "b", "c", "a, validation", "b, validation"]


def test_the_scale_suits_all_displays_on_one_ax():
    first = AccuracyOverTimeDisplay.from_predictions(["a", "b"], [1, 3], [0.1, 0.2])
    assert first.ax_.get_xscale() == "linear"
    AccuracyOverTimeDisplay.from_predictions(["c"], [1000], [0.5], ax=first.ax_)
    assert first.ax_.get_xscale() == "log"
    AccuracyOverTimeDisplay.from_predictions(["d"], [2], [-0.5], ax=first.ax_)
    assert first.ax_.get_xscale() == "log"
    low, high = first.ax_.get_ylim()
    assert low < -0.5 < 0.5 < high


def test_a_log_of_measurements_becomes_curves(assert_legible):
    log = pd.DataFrame(
        [("gnn", 200.0, 0.3), ("ridge", 2.0, 0.2), ("gnn", 100.0, 0.1), ("gnn", 1.0, 0.05)],
        columns=["name", "seconds", "score"],
    )
    display = AccuracyOverTimeDisplay.from_predictions(
        log["name"], log["seconds"], log["score"], score_name="recall@20"
    )
    assert list(display.curves) == ["gnn", "ridge"]
    assert_array_equal(display.curves["gnn"], [[1, 100, 200], [0.05, 0.1, 0.3]])
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_ylabel() == "recall@20"
    assert_legible(display)


def test_names_can_be_times_of_any_unit():
    names = [np.datetime64(0, "Y"), np.datetime64(0, "Y"), np.datetime64(1, "ps"), np.datetime64(293, "Y")]
    display = AccuracyOverTimeDisplay.from_predictions(names, [3, 1, 2, 4], [0.3, 0.1, 0.2, 0.4])
    assert list(display.curves) == ["1970", "1970-01-01T00:00:00.000000000001", "2263"]
    assert_array_equal(display.curves["1970"], [[1, 3], [0.1, 0.3]])
    assert_array_equal(display.curves["2263"], [[4], [0.4]])


def test_similar_times_stay_on_a_linear_axis():
    display = AccuracyOverTimeDisplay.from_predictions(["a", "b"], [1, 3], [0.1, 0.2])
    assert display.ax_.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((["a"], [1, 2], [1]), r"the same shape \(n_points,\), n_points >= 1; got \(1,\), \(2,\), \(1,\)"),
        (([], [], []), r"n_points >= 1"),
        (([1, "1"], [1, 2], [1, 2]), r"names must differ as texts; got two names with the text '1'"),
        ((["a"], [0], [1]), r"seconds must be > 0; got 0"),
        ((["a"], ["1"], [1]), r"seconds must hold finite numbers, shape \(n_points,\); got values of dtype <U1"),
        ((["a"], [1], [np.nan]), r"scores must hold finite numbers; got \[nan\]"),
        ((["a"], [[1], [1, 2]], [1]), r"seconds must hold finite numbers, .*; got values of different lengths"),
        (("a", [1], [1]), r"names must be a list or an array|The 'names' parameter"),
    ],
)
def test_bad_measurements_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        AccuracyOverTimeDisplay.from_predictions(*columns)


@pytest.mark.parametrize("y", [None, "log"])
def test_a_log_for_a_recommender_of_matrices_is_refused(y):
    log = pd.DataFrame({"user": ["ann", "bob"] * 3, "item": ["mug", "pot", "cup"] * 2})
    with pytest.raises(ValueError, match=r"X looks like a log .* Use LogRecommender\(recommender, user=\.\.\., item="):
        AccuracyOverTimeDisplay.from_estimator(RidgeRecommender(), log, log if y else None)
