"""Plot of a ranking metric over the length of the lists."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.inspection import MetricOverKDisplay
from skgnnrec.metrics import ranking_metrics


@pytest.mark.parametrize("metric", ["ndcg", "recall", "precision", "hit_rate", "mrr", "map"])
def test_lines_are_the_metric(fitted, pair, lists, metric):
    display = MetricOverKDisplay.from_estimator(fitted, *pair, metric=metric, k_values=[1, 5, 10])
    for line in display.lines_:
        expected = [ranking_metrics(pair[1], lists[line.get_label()], k=k)[metric] for k in (1, 5, 10)]
        assert_allclose(line.get_ydata(), expected)
        assert_array_equal(line.get_xdata(), [1, 5, 10])


def test_errors_are_those_of_the_mean():
    display = MetricOverKDisplay.from_predictions([[1, 0], [0, 1], [0, 0]], [[0], [0], [0]], metric="recall")
    # One user has 1, one 0, and the third nothing to find: mean 1/2, standard deviation 1/sqrt(2).
    assert_allclose([display.means["recommender"][0], display.standard_errors["recommender"][0]], [0.5, 0.5])


def test_legend_is_in_the_order_of_the_lines(fitted, pair):
    display = MetricOverKDisplay.from_estimator(fitted, *pair)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["ridge", "popularity"]
    assert display.ax_.get_ylabel().startswith("NDCG@k")


def test_there_are_at_most_12_lengths(fitted, pair):
    lengths = MetricOverKDisplay.from_estimator(fitted, *pair, max_k=100).k_values
    assert (lengths[0], lengths[-1]) == (1, 40)  # there are 40 items
    assert len(lengths) <= 12
    assert (np.diff(lengths) > 0).all()


@pytest.mark.parametrize(
    ("truth", "lists", "message"),
    [
        (
            [[1, 0]],
            [[0], [1]],
            r"one row for each of the 1 users of y_true for all recommenders; got {'recommender': 2} rows",
        ),
        ([[1, 0]], {"a": [[0]], "b": [[0], [1]]}, r"one row for each of the 1 users .*; got {'a': 1, 'b': 2} rows"),
        ([[1, 0]], {"a": [[0]], "b": [["mug"]]}, r"recommended\['b'\] must hold item positions"),
        ({1, 2}, [[0]], r"y_true must be a matrix of numbers.*got a set"),
        ([[1, 0]], {}, r"at least one recommender; got an empty dict"),
    ],
)
def test_lists_that_differ_are_refused(truth, lists, message):
    with pytest.raises(ValueError, match=message):
        MetricOverKDisplay.from_predictions(truth, lists)


def test_lists_of_different_lengths_are_drawn_up_to_the_shortest():
    display = MetricOverKDisplay.from_predictions([[1, 0, 1]], {"a": [[0, 1, 2]], "b": [[1, 0]]})
    assert_array_equal(display.k_values, [1, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auc"}, r"metric must be one of ndcg, recall.*got 'auc'"),
        ({"k_values": [0, 1]}, r"k_values must be a list of integers >= 1; got \[0, 1\]"),
        ({"k_values": [1.5]}, r"k_values must be a list of integers >= 1"),
        ({"k_values": {1, 2}}, r"k_values must be a list of integers >= 1; got {1, 2}"),
        ({"k_values": 5}, r"k_values must be a list of integers >= 1; got 5"),
        ({"k_values": "12"}, r"k_values must be a list of integers >= 1; got '12'"),
        ({"k_values": [True]}, r"k_values must be a list of integers >= 1; got \[True\]"),
        ({"k_values": [[1], [1, 2]]}, r"k_values must be a list of integers >= 1"),
        ({"metric": np.array(["ndcg", "map"])}, r"metric must be one of ndcg, recall.*got array"),
        ({"k_values": [[1]]}, r"k_values must be a list of integers >= 1"),
        ({"k_values": [3]}, r"k must be at most the length of the lists; got k=3"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MetricOverKDisplay.from_predictions([[1, 0, 1]], [[0, 1]], **options)
