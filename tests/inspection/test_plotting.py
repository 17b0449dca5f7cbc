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


@pytest.fixture
def of_log(tastes):
    log = tastes.events.sort_values("timestamp", kind="stable")
    past, future = log[:-100], log[-100:]
    return TableRecommender(RidgeRecommender(), user="user_id", item="item_id").fit(past), past, future


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay, LongTailDisplay])
def test_a_log_is_refused_with_the_way_to_draw_it(display, of_log):
    table, past, _ = of_log
    with pytest.raises(ValueError, match=r"X must be a matrix of users and \d+ items, such as `interactions_`"):
        display.from_estimator(table, past)


def test_a_log_is_drawn_from_its_ranking(of_log, assert_legible):
    table, _, future = of_log
    ranking = table.rank_held_out(future, n_recommendations=20)
    display = MetricOverKDisplay.from_predictions(ranking.held_out, ranking.recommended, k_values=[5, 10, 20])
    assert display.means["recommender"][1] == pytest.approx(table.score(future))
    assert_legible(display)


def test_recommenders_of_logs_are_timed_on_logs(of_log):
    table, past, future = of_log
    display = AccuracyOverTimeDisplay.from_estimator(table, past, future)
    assert display.curves["TableRecommender"][1] == [table.score(future)]
    with pytest.raises(ValueError, match="y must hold the rows held out of the log"):
        AccuracyOverTimeDisplay.from_estimator(table, past)


@pytest.mark.parametrize(
    ("display", "options", "message"),
    [
        (MetricOverKDisplay, {"max_k": 0}, "max_k must be an integer >= 1; got 0"),
        (SegmentDisplay, {"n_segments": 1.5}, "n_segments must be an integer >= 1; got 1.5"),
        (EmbeddingMapDisplay, {"max_items": 2}, "max_items must be at least 3, or there is no map; got 2"),
    ],
)
def test_counts_are_checked(display, options, message, fitted, pair):
    with pytest.raises(ValueError, match=message):
        display.from_estimator(fitted["ridge"], pair[0], **options)


def test_lists_of_ids_are_refused():
    with pytest.raises(ValueError, match="must hold positions, which are integers; got dtype <U3"):
        LongTailDisplay.from_predictions([2, 1], [["mug", "pot"]])
