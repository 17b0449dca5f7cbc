"""TwoStageRecommender: the training of the ranker, its scores, candidates, and rankers of other packages."""

import numpy as np
import pandas as pd
import pytest
from fitted_state import foreign_values, same, through_file
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.compose import TwoStageRecommender
from skgnnrec.inspection import explain

PARTS = [("ridge", RidgeRecommender()), ("filter", GraphFilterRecommender(n_components=8))]
LINEAR = LogisticRegression(max_iter=1000)


def two_stage(ranker=LINEAR, parts=PARTS, **settings):
    return TwoStageRecommender(parts, ranker, **{"n_candidates": 5, **settings})


class Recorder(RegressorMixin, BaseEstimator):
    """A ranker that keeps what it is fitted to, and predicts the column of a name."""

    def __init__(self, column="ridge_score"):
        self.column = column

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return X[self.column].to_numpy()


@pytest.mark.filterwarnings("ignore::UserWarning")  # the data of some checks have nothing to train a ranker by
def test_the_battery_of_scikit_learn():
    results = estimator_checks.check_estimator(
        two_stage(LinearRegression(), PARTS[:1], n_recommendations=1), on_fail=None
    )
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(name):
    rec = two_stage(LinearRegression(), PARTS[:1], n_recommendations=1)
    assert getattr(estimator_checks, name)("TwoStageRecommender", rec) is None


# Training -------------------------------------------------------------------------------------------------------------


def trained(X):
    """Return the frame that a ranker was trained by, with all items outside the histories, and the classes."""
    rec = two_stage(Recorder(), features=lambda frame: frame, n_candidates=40).fit(X)
    return rec.final_estimator_.X_, rec.final_estimator_.y_


def assert_hidden(frame, y, X, hidden):
    """Check that the rows of class 1 are the hidden interactions, and that the recommenders did not learn them."""
    users = np.flatnonzero(hidden.any(axis=1))
    assert y.sum() == hidden.sum()
    assert_array_equal(np.bincount(frame["item"][y == 1], minlength=40), hidden.sum(axis=0))
    assert_array_equal(frame["item_count"], ((X > 0) & ~hidden).sum(axis=0)[frame["item"]])
    n_rows = frame.groupby("user").size()
    assert_array_equal(n_rows + frame.groupby("user")["history_length"].first(), np.full(len(users), 40))


def test_the_ranker_is_trained_on_the_last_step_that_the_recommenders_did_not_learn(X):
    X = X.toarray() * np.random.default_rng(0).choice([1.0, 2.0, 3.0], X.shape)
    X[:10] = X[:10] > 0  # one step: nothing is hidden
    last, first = X.max(axis=1, keepdims=True), np.where(X > 0, X, np.inf).min(axis=1, keepdims=True)
    assert_hidden(*trained(X), X, (last == X) & (first < X) & (X > 0))


def test_without_order_a_random_fifth_is_hidden(X):
    frame, y = trained(X)
    expected = np.maximum(1, np.rint(0.2 * np.diff(X.indptr))).sum()
    assert y.sum() == expected
    assert frame["item_count"].groupby(frame["item"]).first().sum() == X.nnz - expected


def test_ranks_count_items_outside_the_history(X):
    rec = two_stage(Recorder(), features=lambda frame: frame, n_candidates=40).fit(X)
    for _, of_user in rec.final_estimator_.X_.groupby("user"):
        for name in ("ridge", "filter"):
            expected = of_user[f"{name}_score"].rank(method="min", ascending=False)
            assert_array_equal(of_user[f"{name}_rank"], expected)


def test_a_ranker_that_predicts_a_score_keeps_the_lists_of_its_recommender(X):
    alone = RidgeRecommender().fit(X).recommend(X, 5)[0]
    assert_array_equal(two_stage(Recorder()).fit(X).recommend(X, 5)[0], alone)


def test_the_ranker_learns_which_recommender_is_right(X):
    noise = RidgeRecommender(alpha=1e6, popularity_exponent=-1.0)
    parts = [("noise", noise), ("ridge", RidgeRecommender())]
    past, future = X[:100], X[100:]
    scores = {name: part.fit(past).score(future) for name, part in parts}
    assert two_stage(parts=parts, n_candidates=20).fit(past).score(future) > scores["noise"] + 0.1
    assert two_stage(parts=parts, n_candidates=20).fit(past).score(future) > 0.8 * scores["ridge"]


def test_columns_of_the_catalog_are_features():
    rng = np.random.default_rng(0)
    price = np.r_[np.full(15, 1.0), np.full(15, 100.0)]
    X = np.zeros((80, 30))
    for row in range(80):  # cheap items for the first half of the users, expensive ones for the others
        X[row, 15 * (row >= 40) + rng.choice(15, 6, replace=False)] = 1
    table = pd.DataFrame({"price": price, "is_new": price > 1, "name": "mug", "weight": np.r_[np.nan, price[1:]]})
    parts = [("popular", PopularityRecommender(catalog=ItemCatalog(table)))]
    rec = two_stage(HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5), parts, n_candidates=30).fit(X)
    names = ["price", "history_price", "is_new", "history_is_new", "weight", "history_weight"]
    assert rec.final_estimator_.feature_names_in_.tolist()[2:] == ["item_count", "history_length", *names]
    found = price[rec.predict(X)[:, :5]]
    assert (found[:40] == 1).mean() > 0.95
    assert (found[40:] == 100).mean() > 0.95


def test_a_function_makes_the_features(X, names, catalog):
    seen = []

    def features(frame):
        seen.append(frame)
        return np.column_stack([frame["ridge_score"], np.log(frame["filter_rank"])])

    parts = [("ridge", RidgeRecommender(catalog=catalog, content_weight=0)), PARTS[1]]
    rec = two_stage(make_pipeline(StandardScaler(), LINEAR), parts, features=features).fit(X)
    assert rec.final_estimator_.n_features_in_ == 2
    assert set(rec.predict(X).ravel()) <= set(names)
    columns = ["user", "item", "ridge_score", "ridge_rank", "filter_score", "filter_rank", "item_count"]
    assert list(seen[0].columns) == [*columns, "history_length"]
    assert set(seen[0]["item"]) <= set(names)


@pytest.mark.filterwarnings("ignore:Nothing is held out")
def test_without_hidden_candidates_the_mean_of_scores_ranks():
    rec = two_stage()
    with pytest.warns(
        UserWarning, match="The ranker is not trained, because no hidden interaction is among the candidates"
    ):
        rec.fit(np.eye(6))
    assert rec.final_estimator_ is None
    assert np.isfinite(rec.decision_function(np.eye(6))).all()


# Lists ----------------------------------------------------------------------------------------------------------------


def test_candidates_come_first_and_are_those_of_the_recommenders(X):
    items, scores = two_stage(n_candidates=4).fit(X).recommend(X, 12)
    parts = [part.fit(X).recommend(X, 4)[0] for _, part in PARTS]
    for row in range(120):
        expected = {*parts[0][row], *parts[1][row]}
        assert {*items[row, : len(expected)]} == expected
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_user_gets_the_same_alone_and_in_any_company(X):
    rec = two_stage(HistGradientBoostingClassifier(max_iter=5)).fit(X)
    items, scores = rec.recommend(X, 20)
    order = np.random.default_rng(0).permutation(120)
    found, same_scores = rec.recommend(X[order], 20)
    assert_array_equal(found, items[order])
    assert_array_equal(same_scores, scores[order])
    for row in range(0, 120, 17):
        assert_array_equal(rec.recommend(X[[row]], 20)[0][0], items[row])


def test_chosen_candidates_have_the_scores_of_all(X):
    rec = two_stage().fit(X)
    chosen = np.array([3, 11, 20, 38])
    items, scores = rec.recommend(X, 4, candidates=chosen, exclude_seen=False)
    assert_allclose(scores, np.take_along_axis(rec.decision_function(X), items, axis=1))
    assert_array_equal(np.sort(items, axis=1), np.tile(chosen, (120, 1)))


def test_new_items_and_users_without_history(X, furnish, titles):
    parts = [(name, furnish(part)) for name, part in PARTS]
    rec = two_stage(parts=parts).fit(X)
    nobody = sparse.csr_array((1, 40))
    assert_array_equal(rec.decision_function(nobody)[0], np.bincount(X.indices, minlength=40))
    with pytest.raises(ValueError, match="candidates holds new items, which TwoStageRecommender does not rank"):
        rec.recommend(X, candidates=ItemCatalog(list(titles[:2])))


def test_queries_steer_the_lists(X, furnish, titles):
    rec = two_stage(parts=[(name, furnish(part)) for name, part in PARTS]).fit(X)
    search = rec.recommend(sparse.csr_array((1, 40)), 3, query=titles[4])[0]
    assert_array_equal(rec.recommend(X[:1], 3, query=titles[4], query_weight=1, exclude_seen=False)[0], search)
    steered = rec.recommend(X, 5, query=titles[4], query_weight=0.5)[0]
    assert 0.2 < (steered != rec.recommend(X, 5)[0]).mean() < 1


def test_explanations_are_baselines_and_counterfactuals(X):
    rec = two_stage(n_recommendations=2).fit(X)
    assert_allclose(explain(rec, X[:5])["contribution"], rec.recommend(X[:5])[1].ravel(), rtol=1e-5)
    assert set(explain(rec, X[:5], method="counterfactual")["kind"]) == {"counterfactual"}


def test_one_user_at_a_time_gets_the_same(X):
    rec = two_stage().fit(X)
    history = X.indices[X.indptr[3] : X.indptr[4]]
    assert_array_equal(rec.ranker()(history, n=7)[0], rec.recommend((X[[3]] > 0).astype(float), 7)[0][0])


def test_updates_keep_the_ranker(X):
    rec = two_stage(parts=[("ridge", RidgeRecommender(alpha=5.0)), ("popular", PopularityRecommender())]).fit(X[:80])
    ranker = rec.final_estimator_
    scores = rec.decision_function(X)
    updated = rec.partial_fit(X[80:])
    assert updated.final_estimator_ is ranker
    assert np.abs(updated.decision_function(X) - scores).max() > 1e-3
    assert_allclose(updated.forget(X[80:]).decision_function(X), scores, atol=1e-3)


# scikit-learn, files, logs, other packages ----------------------------------------------------------------------------


def test_searches_set_parameters_of_all_parts(X):
    grid = {"ridge__alpha": [1.0, 10.0], "final_estimator__C": [0.1], "n_candidates": [10]}
    search = GridSearchCV(two_stage(), grid, cv=2).fit(X)
    assert search.best_estimator_.recommenders_[0].alpha == search.best_params_["ridge__alpha"]
    assert search.best_estimator_.final_estimator_.C == 0.1
    assert (cross_val_score(two_stage(), X, cv=3) > 0.1).all()


def test_files_and_logs(X, names):
    rec = two_stage().fit(X)
    assert foreign_values(rec) == []
    assert same(through_file(rec).recommend(X), rec.recommend(X))
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items], "time": np.arange(len(users))})
    logs = LogRecommender(two_stage(), user="user", item="item", timestamp="time", rank_decay=0.8).fit(log)
    found, scores = logs.recommend(histories=[[names[3], names[5]], []], n_recommendations=4)
    assert set(found.ravel()) <= set(names)
    assert np.isfinite(scores).all()
    assert logs.recommend([users[0], "nobody"])[0].shape == (2, 10)


@pytest.mark.parametrize("ranker", [LinearRegression(), RidgeClassifier(), HistGradientBoostingClassifier(max_iter=5)])
def test_classifiers_and_regressors_rank(X, ranker):
    rec = two_stage(ranker).fit(X)
    assert rec.score(X) > PopularityRecommender().fit(X).score(X)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of the other packages
@pytest.mark.parametrize(("package", "name"), [("lightgbm", "LGBMRanker"), ("xgboost", "XGBRanker")])
def test_rankers_of_other_packages_receive_the_users(X, package, name):
    kind = getattr(pytest.importorskip(package), name)
    ranker = kind(n_estimators=10, n_jobs=1, **({"verbose": -1} if package == "lightgbm" else {}))
    rec = two_stage(ranker, n_candidates=15).fit(X)
    assert rec.score(X) > PopularityRecommender().fit(X).score(X)


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"final_estimator": StandardScaler()},
            "'final_estimator' parameter of TwoStageRecommender must be an object implementing",
        ),
        ({"candidates": []}, "candidates must name one or more recommenders; got an empty list"),
        ({"candidates": [RidgeRecommender()]}, r"candidates must be a list of \(name, recommender\)"),
        (
            {"candidates": [("final_estimator", RidgeRecommender())]},
            "Estimator names conflict with constructor arguments",
        ),
        ({"n_candidates": 0}, "'n_candidates' parameter of TwoStageRecommender must be an int"),
        ({"features": lambda frame: frame[:3]}, r"features must return a table with one row for each of .* pairs"),
        ({"features": lambda frame: None}, "features"),
    ],
)
def test_parameters_are_checked(X, changes, match):
    with pytest.raises((ValueError, TypeError), match=match):
        two_stage().set_params(**changes).fit(X)


def test_columns_with_names_of_features_are_refused(X):
    table = ItemCatalog(pd.DataFrame({"price": np.arange(40), "ridge_rank": np.arange(40)}))
    rec = two_stage(parts=[("ridge", RidgeRecommender(catalog=table, content_weight=0))])
    with pytest.raises(ValueError, match=r"catalog must not have columns of numbers with names .*: \['ridge_rank'\]"):
        rec.fit(X)
