"""Recommenders that choose their settings on hidden interactions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from skgnnrec import (
    GraphFilterRecommender,
    GraphFilterRecommenderCV,
    LogRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
)
from skgnnrec.exceptions import EmptyHistoryWarning

PAIRS = [(RidgeRecommenderCV, RidgeRecommender), (GraphFilterRecommenderCV, GraphFilterRecommender)]
ALPHAS = [10.0, 0.01, 100.0]


@pytest.mark.parametrize(("tuning", "plain"), PAIRS)
def test_the_battery_of_scikit_learn(tuning, plain):
    results = check_estimator(tuning({"alpha": [10.0, 1.0]}, n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}


@pytest.mark.parametrize(("tuning", "plain"), PAIRS)
def test_the_fit_is_that_of_the_best_settings(X, furnish, tuning, plain):
    rec = furnish(tuning()).fit(X)
    same = furnish(plain(**rec.best_params_)).fit(X)
    assert_array_equal(rec.decision_function(X), same.decision_function(X))
    assert_array_equal(rec.transform(X), same.transform(X))
    assert_array_equal(rec.item_ids_, same.item_ids_)


@pytest.mark.parametrize(("tuning", "plain"), PAIRS)
def test_candidates_are_listed_as_in_a_grid_search(X, tuning, plain):
    rec = tuning({"alpha": ALPHAS}).fit(X)
    results = rec.cv_results_
    assert [params["alpha"] for params in results["params"]] == ALPHAS
    assert_array_equal(results["param_alpha"], ALPHAS)
    best = int(np.argmin(results["rank_test_score"]))
    assert rec.best_params_ == results["params"][best]
    assert rec.best_score_ == results["mean_test_score"][best] == results["mean_test_score"].max()
    assert all(len(values) == len(ALPHAS) for values in results.values())
    assert (results["mean_fit_time"] > 0).all()


def test_parameters_are_searched_one_after_the_other(X):
    tried = RidgeRecommenderCV({"alpha": ALPHAS, "popularity_exponent": [0.0, 0.2]}).fit(X).cv_results_["params"]
    assert [params["popularity_exponent"] for params in tried] == [0.0, 0.0, 0.0, 0.2]
    scores = RidgeRecommenderCV({"alpha": ALPHAS}).fit(X).cv_results_["mean_test_score"]
    assert tried[-1]["alpha"] == ALPHAS[int(np.argmax(scores))]


def test_the_latest_interactions_are_hidden_where_there_is_an_order():
    X = np.zeros((60, 10))  # after 0 and then 1 comes 2, after 1 and then 0 comes 3
    X[::2, [0, 1, 2]], X[1::2, [1, 0, 3]] = [1, 2, 3], [1, 2, 3]
    for row in X[:40]:  # for these users, other items are the latest ones
        row[np.random.default_rng(0).permutation(6)[:3] + 4] = [4, 5, 6]
    rec = RidgeRecommenderCV({"rank_decay": [0.3], "order_weight": [0.0, 2.0]}, n_recommendations=1).fit(X)
    assert rec.best_params_ == {"rank_decay": 0.3, "order_weight": 2.0}
    assert rec.best_score_ > rec.cv_results_["mean_test_score"][0] + 0.1


def test_settings_without_an_effect_are_not_searched(X):
    assert len(RidgeRecommenderCV({"rank_decay": [None, 0.5], "gamma": [0.5, 1.0]}).fit(X).cv_results_["params"]) == 1
    ordered = X.copy()
    ordered.data = np.random.default_rng(0).random(X.nnz) + 0.5
    assert len(RidgeRecommenderCV({"rank_decay": [None, 0.5]}).fit(ordered).cv_results_["params"]) == 2


def test_catalogs_of_the_sparse_solver_have_a_grid_of_their_own(X):
    ordered = sparse.csr_array((np.arange(X.nnz) + 1.0, X.indices, X.indptr), shape=(X.shape[0], 30_001))
    rec = RidgeRecommenderCV().fit(ordered)
    assert rec.solver_ == "sparse"
    assert {"n_predictors", "rank_decay", "alpha"} <= set(rec.best_params_)
    assert "order_weight" not in rec.best_params_
    assert {params["n_predictors"] for params in rec.cv_results_["params"]} == {64, 128}


def test_results_are_computed_once(X, furnish, count_calls):
    inverses = count_calls("skgnnrec.recommenders._regression.solve")
    furnish(RidgeRecommenderCV({"popularity_exponent": [0.0, 0.1, 0.2], "new_item_scale": [1.0, 2.0]})).fit(X)
    assert len(inverses) == 2  # of the candidates, and of the final fit
    spectra = count_calls("skgnnrec.recommenders._graph_filter.spectrum_of")
    GraphFilterRecommenderCV().fit(X)
    assert len(spectra) == 2


def test_the_number_of_users_is_limited(X):
    few, many = (RidgeRecommenderCV({"alpha": ALPHAS}, max_users=n).fit(X) for n in (2, 5000))
    assert not np.array_equal(few.cv_results_["mean_test_score"], many.cv_results_["mean_test_score"])


def test_where_nothing_can_be_hidden_the_first_values_are_taken():
    rec = RidgeRecommenderCV({"alpha": ALPHAS})
    with pytest.warns(EmptyHistoryWarning, match="Nothing is held out"):
        rec.fit(np.eye(5))
    assert rec.best_params_ == {"alpha": 10.0}
    assert np.isnan(rec.best_score_)
    assert_allclose(rec.predict(np.eye(5)).shape, (5, 10))


@pytest.mark.parametrize(
    ("grid", "match"),
    [
        ({"alfa": [1]}, "grid has the parameter 'alfa'; RidgeRecommender has .*'alpha'"),
        ({"n_recommendations": [5]}, "grid has the parameter 'n_recommendations'"),
        ({"alpha": []}, r"grid\['alpha'\] must be a list of one or more values; got \[\]"),
        ({"alpha": 3.0}, r"grid\['alpha'\] must be a list of one or more values; got 3.0"),
        ({"alpha": "abc"}, r"grid\['alpha'\] must be a list of one or more values; got 'abc'"),
        ({"alpha": [-1.0]}, "'alpha' parameter of RidgeRecommender must be a float in the range"),
    ],
)
def test_grids_are_checked(X, grid, match):
    with pytest.raises(ValueError, match=match):
        RidgeRecommenderCV(grid).fit(X)


@pytest.mark.parametrize("tuning", [RidgeRecommenderCV, GraphFilterRecommenderCV])
def test_other_parameters_are_refused_by_name(tuning):
    with pytest.raises(TypeError, match=rf"{tuning.__name__}.__init__\(\) got an unexpected keyword argument 'alphas'"):
        tuning(alphas=[1.0])


def test_logs_with_times(X, names):
    users, items = X.nonzero()
    log = {"user": users, "item": names[items], "time": np.random.default_rng(0).permutation(len(users))}
    rec = LogRecommender(RidgeRecommenderCV(), timestamp="time", rank_decay=0.8).fit(log)
    assert {"rank_decay", "order_weight"} <= rec.recommender_.best_params_.keys()
    assert len({params["order_weight"] for params in rec.recommender_.cv_results_["params"]}) > 1


def test_the_grid_is_left_alone(X):
    grid = {"alpha": list(ALPHAS)}
    rec = RidgeRecommenderCV(grid).fit(sparse.csr_array(X))
    assert grid == {"alpha": ALPHAS}
    assert clone(rec).grid == grid
