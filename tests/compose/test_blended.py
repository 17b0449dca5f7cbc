"""BlendedRecommender: standardised sums, selected weights, new items."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.compose import BlendedRecommender
from skgnnrec.inspection import explain


def blend(**settings):
    parts = [("ridge", RidgeRecommender()), ("filter", GraphFilterRecommender(n_components=8))]
    return BlendedRecommender(parts, **settings)


def test_the_battery_of_scikit_learn():
    results = check_estimator(blend(n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}


def standardized(scores):
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


def test_scores_are_the_weighted_sum_of_standardized_scores(X):
    rec = blend(weights=[3, 1]).fit(X)
    parts = [standardized(part.fit(X).decision_function(X)) for _, part in blend().recommenders]
    assert_allclose(rec.decision_function(X), 0.75 * parts[0] + 0.25 * parts[1], atol=1e-4)
    assert_allclose(rec.weights_, [0.75, 0.25])


def test_without_weights_all_count_equally(X):
    assert_allclose(blend().fit(X).weights_, [0.5, 0.5])


def test_one_recommender_keeps_its_lists(X):
    alone = RidgeRecommender().fit(X)
    assert_array_equal(blend(weights=[1, 0]).fit(X).predict(X), alone.predict(X))


def test_selected_weights_prefer_the_better_recommender(X):
    noise = RidgeRecommender(alpha=1e6, popularity_exponent=-1.0)
    rec = BlendedRecommender([("noise", noise), ("ridge", RidgeRecommender())], weights="auto").fit(X)
    assert rec.weights_[1] > 0.6
    assert rec.weights_.sum() == pytest.approx(1)
    assert 0 < rec.best_score_ <= 1


def test_selected_weights_reach_the_best_single_recommender(X):
    parts = [("popular", PopularityRecommender()), ("ridge", RidgeRecommender())]
    scores = [BlendedRecommender([part], weights="auto").fit(X).best_score_ for part in parts]
    assert BlendedRecommender(parts, weights="auto").fit(X).best_score_ >= max(scores) - 1e-9


def test_weights_cannot_be_selected_where_nothing_can_be_hidden():
    rec = blend(weights="auto")
    with pytest.warns(UserWarning, match="Nothing is held out"):
        rec.fit(np.eye(6))
    assert_allclose(rec.weights_, [0.5, 0.5])


def test_new_items_are_ranked_by_the_recommenders_with_a_catalog(X, furnish, titles):
    rec = furnish(blend(weights=[1, 1]))
    rec.set_params(filter__catalog=None, filter__item_encoder=None).fit(X)
    new = ItemCatalog(list(titles[:5]), ids=[f"new {n}" for n in range(5)])
    alone = rec.recommenders_[0].recommend(X, 5, candidates=new)[0]
    assert_array_equal(rec.recommend(X, 5, candidates=new)[0], alone)


def test_new_items_of_a_recommender_without_weight_are_refused(X, furnish, titles):
    rec = furnish(blend(weights=[0, 1])).set_params(filter__catalog=None, filter__item_encoder=None).fit(X)
    with pytest.raises(ValueError, match="all recommenders with a catalog have the weight 0"):
        rec.recommend(X, 5, candidates=ItemCatalog(list(titles[:5])))


def test_a_search_reaches_the_recommenders_inside(X):
    search = GridSearchCV(blend(), {"ridge__alpha": [1.0, 10.0], "weights": [[1, 1], [1, 3]]}, cv=2).fit(X)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.recommenders_[0].alpha == search.best_params_["ridge__alpha"]


def test_logs(X, names):
    users, items = X.nonzero()
    log = {"user": users, "item": names[items]}
    items, scores = LogRecommender(blend()).fit(log).recommend([0, 1], 3)
    assert set(items.ravel()) <= set(names)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ([], "recommenders must name one or more recommenders; got an empty list"),
        ([RidgeRecommender()], r"recommenders must be a list of \(name, recommender\); got the entry RidgeRecommender"),
        ([("a", RidgeRecommender), ("b", RidgeRecommender())], r"got the entry \('a', <class"),
        ([("a", RidgeRecommender()), ("a", RidgeRecommender())], "Names provided are not unique"),
        ([("a__b", RidgeRecommender())], "Estimator names must not contain __"),
    ],
)
def test_recommenders_are_checked(X, parts, match):
    with pytest.raises(ValueError, match=match):
        BlendedRecommender(parts).fit(X)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [np.nan, 1], [[1, 2]], ["a", "b"]])
def test_weights_are_checked(X, weights):
    with pytest.raises(ValueError, match="weights must be 2 non-negative numbers"):
        blend(weights=weights).fit(X)


def test_contributions_and_baseline_add_up_to_the_score(X):
    rec = blend(weights=[2, 1]).fit(X)
    columns = np.random.default_rng(0).integers(0, X.shape[1], X.shape[0])
    histories = sparse.csr_array(X)
    parts = rec._scorer_.contributions(histories, columns).sum(axis=1) + rec._scorer_.baseline(histories, columns)
    assert_allclose(parts, rec.decision_function(X)[np.arange(X.shape[0]), columns], atol=1e-4)


# Ranks ----------------------------------------------------------------------------------------------------------------


def test_the_battery_of_scikit_learn_with_ranks():
    results = check_estimator(blend(method="ranks", n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}


def test_scores_are_sums_of_reciprocal_ranks(X):
    rec = blend(method="ranks", weights=[3, 1]).fit(X)
    expected = np.zeros(X.shape)
    for weight, (_, part) in zip([0.75, 0.25], blend().recommenders, strict=True):
        scores = part.fit(X).decision_function(X)
        for row, (own, seen) in enumerate(zip(scores, X.toarray() > 0, strict=True)):
            ranks = 1 + (own[~seen] > own[:, None]).sum(axis=1)  # among items outside the history
            expected[row] += weight / (60 + ranks)
    assert_allclose(rec.decision_function(X), expected, rtol=1e-5)


def test_ranks_do_not_depend_on_the_distribution_of_scores(X):
    ridge = RidgeRecommender(n_recommendations=40)
    alone = ridge.fit(X).predict(X)
    assert_array_equal(
        BlendedRecommender([("ridge", ridge)], method="ranks", n_recommendations=40).fit(X).predict(X), alone
    )


def test_weights_of_ranks_are_selected(X):
    noise = RidgeRecommender(alpha=1e6, popularity_exponent=-1.0)
    rec = BlendedRecommender([("noise", noise), ("ridge", RidgeRecommender())], weights="auto", method="ranks").fit(X)
    assert rec.weights_[1] > 0.6
    assert 0 < rec.best_score_ <= 1


def test_new_items_have_ranks_among_the_fitted_items(X, furnish, titles):
    rec = furnish(blend(method="ranks")).fit(X)
    new = ItemCatalog(list(titles[:5]), ids=[f"new {n}" for n in range(5)])
    items, scores = rec.recommend(X, 5, candidates=new)
    assert {*items.ravel()} == {*new.ids}
    assert ((scores > 0) & (scores <= 1 / 61 + 1e-6)).all()


def test_explanations_of_ranks_are_baselines(X):
    rec = blend(method="ranks", n_recommendations=3).fit(X)
    found = explain(rec, X[:5])
    assert set(found["kind"]) == {"baseline"}
    assert_allclose(found["contribution"], rec.recommend(X[:5])[1].ravel(), rtol=1e-5)
