"""Plot of the spectrum of the interactions and of the response of a filter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgnnrec import GraphFilterRecommender, LogRecommender, RidgeRecommender
from skgnnrec.inspection import SpectralResponseDisplay


def test_lines_are_those_of_the_filters(X, assert_legible):
    filters = {f"alpha {a}": GraphFilterRecommender(alpha=a, n_components=8).fit(X) for a in (0.1, 1.0)}
    display = SpectralResponseDisplay.from_estimator(filters)
    for line, spectrum, fitted in zip(display.lines_, display.spectra_, filters.values(), strict=True):
        assert_allclose(line.get_ydata(), fitted.response_)
        assert_allclose(spectrum.get_ydata(), fitted.singular_values_**2)
        assert_allclose(line.get_xdata(), np.arange(1, 9))
    assert_legible(display)


def test_filters_inside_other_estimators(X):
    users, items = X.nonzero()
    log = {"user": users, "item": items}
    inside = LogRecommender(GraphFilterRecommender(n_components=4)).fit(log)
    display = SpectralResponseDisplay.from_estimator(inside, name="filter")
    assert_allclose(display.response["filter"], inside.recommender_.response_)


def test_displays_share_axes(X):
    first = SpectralResponseDisplay.from_predictions([1.0, 0.5], [0.8, 0.4], name="a")
    second = SpectralResponseDisplay.from_predictions([1.0, 0.5], [0.7, 0.6], name="b", ax=first.ax_)
    assert first.lines_[0].get_color() != second.lines_[0].get_color()


@pytest.mark.parametrize("rec", [RidgeRecommender(), GraphFilterRecommender(n_components=0)])
def test_recommenders_without_a_spectrum_are_refused(X, rec):
    with pytest.raises(ValueError, match="estimator must be a GraphFilterRecommender with n_components > 0"):
        SpectralResponseDisplay.from_estimator(rec.fit(X))


@pytest.mark.parametrize(
    ("values", "response", "match"),
    [
        ([1.0, 0.5], [1.0], "one number for each singular value; got 1 for 2"),
        ([], [], "one number for each singular value; got 0 for 0"),
        ([0.5, 1.0], [1.0, 1.0], "descending and non-negative"),
        ([0.5, -1.0], [1.0, 1.0], "descending and non-negative"),
    ],
)
def test_predictions_are_checked(values, response, match):
    with pytest.raises(ValueError, match=match):
        SpectralResponseDisplay.from_predictions(values, response)
