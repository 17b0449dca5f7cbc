"""What all displays have in common."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skgnnrec import ItemCatalog, RidgeRecommender, TableRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.inspection import (
    AccuracyOverTimeDisplay,
    EmbeddingMapDisplay,
    LongTailDisplay,
    MetricOverKDisplay,
    SegmentDisplay,
)
from skgnnrec.inspection._plotting import COLOURS, line_styles

DRAW = {
    "MetricOverKDisplay": lambda estimator, pair, **options: MetricOverKDisplay.from_estimator(
        estimator, *pair, **options
    ),
    "AccuracyOverTimeDisplay": lambda estimator, pair, **options: AccuracyOverTimeDisplay.from_estimator(
        estimator, *pair, **options
    ),
    "LongTailDisplay": lambda estimator, pair, **options: LongTailDisplay.from_estimator(estimator, pair[0], **options),
    "SegmentDisplay": lambda estimator, pair, **options: SegmentDisplay.from_estimator(estimator, *pair, **options),
    "EmbeddingMapDisplay": lambda estimator, pair, **options: EmbeddingMapDisplay.from_estimator(
        estimator["ridge"] if isinstance(estimator, dict) else estimator, pair[0], **options
    ),
}
every_display = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@every_display
def test_display_is_legible_and_knows_its_axes(draw, fitted, pair, assert_legible):
    display = draw(fitted, pair)
    assert display.figure_ is display.ax_.figure
    assert_legible(display)


@every_display
def test_display_draws_on_given_axes_and_again(draw, fitted, pair, pyplot):
    _, axes = pyplot.subplots()
    display = draw(fitted, pair, ax=axes)
    assert display.ax_ is axes
    assert display.plot() is display
    assert display.ax_ is not axes


@every_display
def test_one_recommender_goes_by_its_class_and_a_search_by_its_choice(draw, pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=2).fit(pair[0])
    display = draw(search, pair)
    assert display.ax_.get_xlabel()
    names = getattr(display, "means", getattr(display, "curves", getattr(display, "frequency", {"GridSearchCV"})))
    assert set(names) == {"GridSearchCV"}


@pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Time" not in name])
def test_tables_are_drawn_by_their_matrix(draw, tastes, pair):
    past = pair[0].tocoo()
    log = pd.DataFrame({"user_id": past.coords[0], "item_id": past.coords[1]})
    catalog = ItemCatalog(np.eye(40, dtype=np.float32))  # whose items all are columns
    table = TableRecommender(RidgeRecommender(items=catalog), user="user_id", item="item_id").fit(log)
    display = draw(table, (table.interactions_, pair[1]))
    assert display.ax_.get_xlabel()


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_leaks_are_told_where_the_picture_is_drawn(display, fitted, pair):
    with pytest.warns(LeakageWarning, match="held-out interactions stand in the histories") as caught:
        display.from_estimator(fitted, pair[0] + pair[1], pair[1])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_an_unknown_metric_is_refused_before_anything_is_ranked(display, pair):
    with pytest.raises(ValueError, match="metric must be one of ndcg, recall"):
        display.from_estimator(RidgeRecommender(), *pair, metric="accuracy")  # not fitted, which ranking would find


@pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Time" not in name])
def test_unfitted_recommenders_are_refused(draw, pair):
    with pytest.raises(NotFittedError, match="RidgeRecommender instance is not fitted yet"):
        draw(RidgeRecommender(), pair)


@every_display
def test_without_matplotlib_the_error_names_the_extra(draw, fitted, pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    expected = re.escape("Display.plot needs matplotlib, which the extra `plot` installs: pip install 'skgnnrec[plot]'")
    with pytest.raises(ImportError, match=expected):
        draw(fitted, pair)


@pytest.mark.parametrize("draw", [MetricOverKDisplay, SegmentDisplay, AccuracyOverTimeDisplay])
def test_without_y_a_share_is_hidden_as_score_does(draw, X, names):
    frame = pd.DataFrame(X.toarray(), columns=names)
    rec = RidgeRecommender().fit(frame)
    display = draw.from_estimator(rec, frame)
    if draw is MetricOverKDisplay:
        display = draw.from_estimator(rec, frame, k_values=[10])
        assert display.means["RidgeRecommender"][0] == pytest.approx(rec.score(frame))


@pytest.mark.parametrize("draw", [MetricOverKDisplay, LongTailDisplay, SegmentDisplay, AccuracyOverTimeDisplay])
def test_an_empty_dict_is_refused(draw, X):
    with pytest.raises(ValueError, match="at least one recommender; got an empty dict"):
        draw.from_estimator({}, X)


def test_lines_differ_in_more_than_colour():
    styles = line_styles([f"recommender {i}" for i in range(3 * len(COLOURS))])
    assert len({tuple(style.values()) for style in styles.values()}) == 3 * len(COLOURS)
    assert len({style["marker"] for style in list(styles.values())[: len(COLOURS)]}) == len(COLOURS)


def test_estimators_are_left_alone(unfitted, pair):
    recommender = clone(unfitted["ridge"])
    AccuracyOverTimeDisplay.from_estimator(recommender, *pair)
    assert not hasattr(recommender, "n_features_in_")


def test_colours_are_those_of_okabe_and_ito():
    # Their luminances differ too, so that grey prints keep most of them apart.
    channels = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS])
    assert len(np.unique(channels @ [0.2126, 0.7152, 0.0722])) == len(COLOURS)
