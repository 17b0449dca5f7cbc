"""Input of the displays: matrices, logs, searches and pipelines, and errors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from displays import DRAW
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.inspection import (
    AccuracyOverTimeDisplay,
    EmbeddingMapDisplay,
    LongTailDisplay,
    MetricOverKDisplay,
    SegmentDisplay,
)

every_display = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@every_display
def test_single_estimator_has_the_name_of_its_class(draw, pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=2).fit(pair[0])
    display = draw(search, pair)
    assert display.ax_.get_xlabel()
    names = getattr(display, "means", getattr(display, "curves", getattr(display, "frequency", {"GridSearchCV"})))
    assert set(names) == {"GridSearchCV"}


@pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Time" not in name])
def test_log_recommenders_are_drawn_for_their_matrix(draw, tastes, pair):
    past = pair[0].tocoo()
    log = pd.DataFrame({"user_id": past.coords[0], "item_id": past.coords[1]})
    catalog = ItemCatalog(np.eye(40, dtype=np.float32))  # whose items all are columns
    table = LogRecommender(RidgeRecommender(catalog=catalog), user="user_id", item="item_id").fit(log)
    display = draw(table, (table.interactions_, pair[1]))
    assert display.ax_.get_xlabel()


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_leakage_warning_points_to_the_caller(display, fitted, pair):
    with pytest.warns(LeakageWarning, match="held-out interactions are in the histories") as caught:
        display.from_estimator(fitted, pair[0] + pair[1], pair[1])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_unknown_metrics_are_refused_before_ranking(display, pair):
    with pytest.raises(ValueError, match="metric must be one of ndcg, recall"):
        display.from_estimator(RidgeRecommender(), *pair, metric="accuracy")  # not fitted, which ranking would find


@pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Time" not in name])
def test_unfitted_recommenders_are_refused(draw, pair):
    with pytest.raises(NotFittedError, match="RidgeRecommender instance is not fitted yet"):
        draw(RidgeRecommender(), pair)


def test_without_y_a_share_is_held_out_as_in_score(X, names):
    frame = pd.DataFrame(X.toarray(), columns=names)
    recommender = RidgeRecommender().fit(frame)
    lines = MetricOverKDisplay.from_estimator(recommender, frame, k_values=[10])
    assert lines.means["RidgeRecommender"] == pytest.approx([recommender.score(frame)])
    bars = SegmentDisplay.from_estimator(recommender, frame, n_segments=1)
    assert bars.means["RidgeRecommender"] == pytest.approx([recommender.score(frame)])


def test_without_y_a_share_is_held_out_before_the_fit(X, names):
    frame = pd.DataFrame(X.toarray(), columns=names)
    score = AccuracyOverTimeDisplay.from_estimator(RidgeRecommender(), frame).curves["RidgeRecommender"][1]
    assert 0 < score < RidgeRecommender().fit(frame).score(frame)


@pytest.mark.parametrize("draw", [MetricOverKDisplay, LongTailDisplay, SegmentDisplay, AccuracyOverTimeDisplay])
def test_an_empty_dict_is_refused(draw, X):
    with pytest.raises(ValueError, match="at least one recommender; got an empty dict"):
        draw.from_estimator({}, X)


def test_estimators_are_cloned_before_the_fit(unfitted, pair):
    recommender = clone(unfitted["ridge"])
    AccuracyOverTimeDisplay.from_estimator(recommender, *pair)
    assert not hasattr(recommender, "n_features_in_")


@pytest.fixture
def of_log(tastes):
    log = tastes.events.sort_values("timestamp", kind="stable")
    past, future = log[:-100], log[-100:]
    return LogRecommender(RidgeRecommender(), user="user_id", item="item_id").fit(past), past, future


@pytest.mark.parametrize("display", [LongTailDisplay, MetricOverKDisplay, SegmentDisplay])
def test_recommenders_with_and_without_ids_are_compared_by_columns(display, fitted, pair, catalog):
    without_ids = PopularityRecommender().fit(pair[0])
    with_ids = PopularityRecommender(catalog=ItemCatalog(catalog.data, ids=catalog.ids[::-1])).fit(pair[0])
    arguments = pair[:1] if display is LongTailDisplay else pair
    found = display.from_estimator({"a": without_ids, "b": fitted["popularity"], "c": with_ids}, *arguments)
    values = found.frequency if display is LongTailDisplay else found.means
    assert_array_equal(values["a"], values["b"])
    assert_array_equal(values["a"], values["c"])


# Logs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [lambda log: log, pl.from_pandas, lambda log: pl.from_pandas(log).to_arrow()])
def test_logs_are_drawn(form, of_log, assert_legible):
    recommender, _, future = of_log
    ranking = recommender.rank_held_out(future, n_recommendations=20)
    curves = MetricOverKDisplay.from_estimator(recommender, form(future), k_values=[5, 10, 20])
    expected = MetricOverKDisplay.from_predictions(ranking.held_out, ranking.recommended, k_values=[5, 10, 20])
    assert_array_equal(curves.means["LogRecommender"], expected.means["recommender"])
    assert curves.means["LogRecommender"][1] == pytest.approx(recommender.score(future))
    assert_legible(curves)
    bars = SegmentDisplay.from_estimator(recommender, form(future), k=5)
    assert bars.n_users.sum() == len(ranking.users)
    assert_legible(bars)


def test_the_log_of_held_out_interactions_may_be_y(of_log):
    recommender, past, future = of_log
    for display in (MetricOverKDisplay, SegmentDisplay):
        alone = display.from_estimator(recommender, future)
        with_past = display.from_estimator(recommender, past, future)
        assert_array_equal(alone.means["LogRecommender"], with_past.means["LogRecommender"])


def test_popularity_of_items_in_logs_is_that_of_the_fit(of_log):
    recommender, _, future = of_log
    display = SegmentDisplay.from_estimator(recommender, future, by="item_popularity", n_segments=2)
    largest = np.bincount(recommender.interactions_.indices).max()
    assert display.segments[-1].endswith(f"\N{EN DASH}{largest}")


def test_popularity_and_lists_of_logs(of_log):
    recommender, past, _ = of_log
    display = LongTailDisplay.from_estimator(recommender, past, k=5)
    users = past.groupby("item_id")["user_id"].nunique()
    assert_array_equal(display.popularity, users.reindex(recommender.item_ids_).to_numpy())
    lists = recommender.recommend(past["user_id"].unique(), 5)[0]
    counts = pd.Series(lists.ravel()).value_counts().reindex(recommender.item_ids_, fill_value=0)
    assert_array_equal(display.frequency["LogRecommender"], counts.to_numpy())
    few = LongTailDisplay.from_estimator(recommender, past[past["user_id"] < 10])
    assert few.frequency["LogRecommender"].sum() == 10 * past[past["user_id"] < 10]["user_id"].nunique()
    points = EmbeddingMapDisplay.from_estimator(recommender, past, method="pca")
    assert_array_equal(points.values, display.popularity)


@pytest.mark.parametrize("form", [list, lambda rows: pd.DataFrame(rows), lambda rows: np.array(rows, dtype=object)])
def test_logs_of_two_columns_need_no_names(form):
    rows = [("ann", "mug"), ("ann", "pot"), ("bob", "mug"), ("bob", "mug"), ("cy", "cup")]
    recommender = LogRecommender(PopularityRecommender()).fit(form(rows))
    display = LongTailDisplay.from_estimator(recommender, form(rows), k=1)
    assert recommender.item_ids_.tolist() == ["cup", "mug", "pot"]
    assert display.popularity.tolist() == [1, 2, 1]
    assert display.frequency["LogRecommender"].tolist() == [2, 1, 0]  # ann and bob receive the cup, cy the mug


def test_histories_of_new_users_are_those_of_the_log(of_log):
    recommender, past, _ = of_log
    new = past[past["user_id"] < 10].assign(user_id=past["user_id"] + 10_000)
    old = LongTailDisplay.from_estimator(recommender, past[past["user_id"] < 10])
    assert_array_equal(
        LongTailDisplay.from_estimator(recommender, new).frequency["LogRecommender"], old.frequency["LogRecommender"]
    )


def test_interactions_of_weight_zero_do_not_count():
    log = pd.DataFrame({"user": ["ann", "bob", "bob"], "item": ["mug", "mug", "pot"], "weight": [1.0, 0.0, 2.0]})
    recommender = LogRecommender(PopularityRecommender(), user="user", item="item", weight="weight").fit(log)
    assert LongTailDisplay.from_estimator(recommender, log, k=1).popularity.tolist() == [1, 1]


def test_recommenders_of_one_log_are_compared(of_log):
    recommender, past, future = of_log
    popular = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(past)
    both = {"ridge": recommender, "popular": popular}
    for by in ("user_activity", "item_popularity"):
        display = SegmentDisplay.from_estimator(both, future, by=by)
        for name, each in both.items():
            assert_array_equal(
                display.means[name], SegmentDisplay.from_estimator(each, future, by=by, name=name).means[name]
            )
    assert set(LongTailDisplay.from_estimator(both, past).frequency) == set(both)


@pytest.mark.filterwarnings("ignore:.*items in histories were not in the fit")
def test_recommenders_of_different_logs_are_refused(of_log):
    recommender, past, future = of_log
    other = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(past[:200])
    for display in (MetricOverKDisplay, SegmentDisplay):
        with pytest.raises(ValueError, match="same users and held-out interactions; those of 'b' are not those of 'a'"):
            display.from_estimator({"a": recommender, "b": other}, future)
    fewer = past[past["item_id"] < 10]
    other = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(fewer)
    with pytest.raises(ValueError, match="All recommenders must know the same items; 'a' recommends"):
        LongTailDisplay.from_estimator({"b": other, "a": recommender}, past[past["user_id"].isin(fewer["user_id"])])


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_recommenders_of_different_users_are_refused(display):
    log = pd.DataFrame([("ann", "mug"), ("bob", "mug"), ("cy", "pot")], columns=["user", "item"])
    first, second = (LogRecommender(PopularityRecommender()).fit(log.drop(index=row)) for row in (0, 1))
    with pytest.raises(ValueError, match="same users and held-out interactions; those of 'second' are not those of"):
        display.from_estimator({"first": first, "second": second}, log)


@pytest.mark.filterwarnings("ignore:Nothing to score")
@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_logs_without_held_out_interactions_are_refused(display, of_log):
    recommender, past, _ = of_log
    with pytest.raises(ValueError, match="nothing to draw: X and y have no held-out interactions"):
        display.from_estimator(recommender, past)


def test_recommenders_of_logs_are_timed_on_logs(of_log):
    recommender, past, future = of_log
    display = AccuracyOverTimeDisplay.from_estimator(recommender, past, future)
    assert display.curves["LogRecommender"][1] == [recommender.score(future)]
    with pytest.raises(
        ValueError, match="y must be the log of the held-out interactions for a LogRecommender; got None"
    ):
        AccuracyOverTimeDisplay.from_estimator(recommender, past)


# Pipelines ----------------------------------------------------------------------------------------------------------


@every_display
def test_pipelines_are_drawn_like_their_recommender(draw, pair):
    past, future = pair
    pipeline = make_pipeline(Binarizer(), RidgeRecommender()).fit(3 * past)
    alone = RidgeRecommender().fit(past)
    found, expected = draw(pipeline, (3 * past, future)), draw(alone, pair)
    for kind in ("means", "frequency"):
        if hasattr(found, kind):
            assert_array_equal(getattr(found, kind)["Pipeline"], getattr(expected, kind)["RidgeRecommender"])
    if hasattr(found, "curves"):
        assert found.curves["Pipeline"][1] == expected.curves["RidgeRecommender"][1]


# Errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay, LongTailDisplay, AccuracyOverTimeDisplay])
@pytest.mark.parametrize("estimator", [None, "ridge", [RidgeRecommender()], 3, {"ridge": None}])
def test_other_values_than_recommenders_are_refused(display, estimator, X):
    with pytest.raises(TypeError, match="estimator must be a recommender, or a dict of recommenders by name; got"):
        display.from_estimator(estimator, X)


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay, LongTailDisplay, EmbeddingMapDisplay])
def test_estimators_that_do_not_recommend_are_refused(display, pair):
    with pytest.raises(TypeError, match=r"estimator must be a recommender with .*, a search .* got Binarizer"):
        display.from_estimator(Binarizer().fit(pair[0]), pair[0])


MATRIX_DRAW = pytest.mark.parametrize("draw", [draw for name, draw in DRAW.items() if "Time" not in name])


@MATRIX_DRAW
@pytest.mark.parametrize("form", [lambda log: log, lambda log: log.to_numpy(), pl.from_pandas])
def test_logs_need_a_log_recommender(draw, form, fitted, tastes):
    log = form(tastes.events)
    message = r"X must be a matrix of users and the 40 items of the fit, or a log for a LogRecommender; got a .*, 3\)"
    with pytest.raises(ValueError, match=message):
        draw(fitted["ridge"], (log, None))


@MATRIX_DRAW
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({1, 2}, "set"),
        ("log.csv", "str"),
        ([1, 2], r"list of shape \(2,\)"),
        ([[1], [1, 2]], "list"),
        (np.ones((3, 39)), r"ndarray of shape \(3, 39\)"),
    ],
)
def test_other_values_than_matrices_are_refused(draw, given, found, fitted):
    with pytest.raises(ValueError, match=f"X must be a matrix of users and the 40 items .*; got a {found}"):
        draw(fitted["ridge"], (given, None))


@MATRIX_DRAW
def test_matrices_of_other_items_are_refused_by_log_recommenders(draw, of_log, pair):
    with pytest.raises(ValueError, match=r"X must be a matrix of users and the \d+ items .* got a csr_array .* 20\)"):
        draw(of_log[0], (pair[0][:, :20], None))


@pytest.mark.parametrize("display", [MetricOverKDisplay, SegmentDisplay])
def test_y_must_be_of_the_form_of_x(display, fitted, of_log, pair, tastes):
    with pytest.raises(ValueError, match=r"y must be a matrix of users and the 40 items .* got a DataFrame"):
        display.from_estimator(fitted["ridge"], pair[0], tastes.events)
    recommender, _, future = of_log
    with pytest.raises(ValueError, match=r"y must be a matrix of users and the \d+ items .* got a DataFrame"):
        display.from_estimator(recommender, recommender.interactions_, future)


@MATRIX_DRAW
@pytest.mark.parametrize("kind", [str, int])
def test_columns_in_another_order_are_refused(draw, kind, pair):
    frame = pd.DataFrame(pair[0].toarray(), columns=[kind(i) for i in range(40)])
    recommender = RidgeRecommender().fit(frame)
    with pytest.raises(ValueError, match=r"(?i)feature names must be in the same order|The columns of X must be the"):
        draw(recommender, (frame.iloc[:, ::-1], None))


def test_recommenders_without_vectors_have_no_map(pair):
    recommender = RidgeRecommender().fit(pair[0])
    recommender.item_embedding_ = recommender.item_embedding_[:, :1]
    with pytest.raises(ValueError, match="two or more dimensions for a map; got 1"):
        EmbeddingMapDisplay.from_estimator(recommender)


@pytest.mark.parametrize(
    ("display", "options", "message"),
    [
        (MetricOverKDisplay, {"max_k": 0}, "max_k must be an integer >= 1; got 0"),
        (SegmentDisplay, {"n_segments": 1.5}, "n_segments must be an integer >= 1; got 1.5"),
        (SegmentDisplay, {"k": "10"}, "k must be an integer >= 1; got '10'"),
        (LongTailDisplay, {"k": 0}, "k must be an integer >= 1; got 0"),
    ],
)
def test_counts_are_checked(display, options, message, fitted, pair):
    with pytest.raises(ValueError, match=message):
        display.from_estimator(fitted["ridge"], pair[0], **options)


@pytest.mark.parametrize("name", [3, ["ridge"], {"ridge"}])
def test_names_are_strings(name, fitted, pair):
    with pytest.raises(TypeError, match="name must be a string; got"):
        MetricOverKDisplay.from_estimator(fitted["ridge"], *pair, name=name)
    with pytest.raises(TypeError, match="name must be a string; got"):
        LongTailDisplay.from_predictions([2, 1], [[0]], name=name)
