"""Accuracy over the seconds of training."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import RidgeRecommender
from skgnnrec.inspection import AccuracyOverTimeDisplay


class Trained(RidgeRecommender):
    """A stand-in for what is trained: it has a score for each of four epochs."""

    def fit(self, X, y=None):
        super().fit(X)
        self.validation_scores_ = [0.1, 0.2, 0.25, 0.26]
        return self


def test_closed_forms_are_points_and_epochs_a_curve(unfitted, pair, assert_legible):
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
    assert labels == ["popularity", "ridge", "trained", "trained, own validation part"]
    assert display.ax_.get_ylabel() == "NDCG@10"
    assert_legible(display)


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


def test_similar_times_stay_on_a_linear_axis():
    display = AccuracyOverTimeDisplay.from_predictions(["a", "b"], [1, 3], [0.1, 0.2])
    assert display.ax_.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((["a"], [1, 2], [1]), r"one shape \(n_points,\), n_points >= 1; got \(1,\), \(2,\), \(1,\)"),
        (([], [], []), r"n_points >= 1"),
        ((["a"], [0], [1]), r"seconds must be > 0; got 0.0"),
    ],
)
def test_bad_measurements_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        AccuracyOverTimeDisplay.from_predictions(*columns)
