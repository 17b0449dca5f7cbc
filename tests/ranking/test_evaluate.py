"""Rankings of held-out interactions, from recommenders alone, in searches, in pipelines and of logs."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.ranking import (
    fitted_recommender,
    hide_interactions,
    innermost_estimator,
    rank_held_out,
    warn_of_leak,
)

HISTORIES = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1]])
HELD_OUT = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]])
LOG = pd.DataFrame({"user": [0, 0, 1, 1, 2, 3], "item": ["a", "b", "a", "c", "a", "b"]})


def search(refit=True):
    return GridSearchCV(PopularityRecommender(), {"n_recommendations": [1, 2]}, cv=2, refit=refit)


@pytest.mark.parametrize(
    "estimator",
    [
        search(),
        make_pipeline(PopularityRecommender()),
        make_pipeline(FunctionTransformer(accept_sparse=True), PopularityRecommender()),
        make_pipeline(FunctionTransformer(accept_sparse=True), search()),
    ],
    ids=["search", "pipeline", "pipeline with a step", "search in a pipeline"],
)
def test_recommenders_in_other_estimators_rank_as_they_do_alone(estimator):
    expected = PopularityRecommender().fit(HISTORIES).rank_held_out(HISTORIES, HELD_OUT, 2)
    found = rank_held_out(estimator.fit(HISTORIES, HELD_OUT), HISTORIES, HELD_OUT, 2)
    assert_array_equal(found.recommended, expected.recommended)
    assert_array_equal(found.item_counts, expected.item_counts)
    assert_array_equal(found.held_out.toarray(), HELD_OUT)


def test_the_steps_of_a_pipeline_change_the_histories():
    pipeline = make_pipeline(FunctionTransformer(lambda X: X[:, ::-1]), PopularityRecommender()).fit(HISTORIES)
    assert_array_equal(rank_held_out(pipeline, HISTORIES, HELD_OUT, 2).histories.toarray(), HISTORIES[:, ::-1])


def test_options_reach_the_recommender():
    recommender = PopularityRecommender().fit(HISTORIES)
    found = rank_held_out(recommender, HISTORIES, HELD_OUT, 2, candidates=[2, 3]).recommended
    assert set(found.ravel()) <= {-1, 2, 3}


def test_estimators_without_a_ranking_are_refused():
    with pytest.raises(TypeError, match="a pipeline that ends in one; got LinearRegression"):
        rank_held_out(LinearRegression(), HISTORIES, HELD_OUT, 2)
    fitted = search(refit=False).fit(HISTORIES, HELD_OUT)
    with pytest.raises(TypeError, match="GridSearchCV was fitted with refit=False and holds no fitted recommender"):
        rank_held_out(fitted, HISTORIES, HELD_OUT, 2)


def test_a_leak_gives_a_warning_with_the_number_of_interactions():
    leaking = HELD_OUT.copy()
    leaking[0, 0] = leaking[1, 2] = 1
    with pytest.warns(LeakageWarning, match="2 of 6 held-out interactions are in the histories too") as caught:
        warn_of_leak(sparse.csr_array(HISTORIES), sparse.csr_array(leaking))
    assert caught[0].filename == __file__


def test_a_clean_split_gives_no_warning():
    with warnings.catch_warnings(record=True) as caught:
        warn_of_leak(sparse.csr_array(HISTORIES), sparse.csr_array(HELD_OUT))
    assert caught == []


def test_fitted_recommenders_are_found_in_searches_and_pipelines():
    alone = PopularityRecommender().fit(HISTORIES)
    assert fitted_recommender(alone, None)[0] is alone
    searched = search().fit(HISTORIES, HELD_OUT)
    assert fitted_recommender(searched, None)[0] is searched.best_estimator_
    pipeline = make_pipeline(FunctionTransformer(lambda X: X[:, ::-1]), alone).fit(HISTORIES)
    recommender, X = fitted_recommender(pipeline, HISTORIES)
    assert recommender is pipeline[-1]
    assert_array_equal(X, HISTORIES[:, ::-1])


@pytest.mark.parametrize(
    "wrap", [lambda inner: inner, make_pipeline, lambda inner: GridSearchCV(inner, {"alpha": [1]})]
)
def test_unfitted_recommenders_are_found_in_searches_and_pipelines(wrap):
    recommender = RidgeRecommender()
    assert innermost_estimator(wrap(recommender)) is recommender
    assert innermost_estimator(make_pipeline(FunctionTransformer(), wrap(recommender))) is recommender


def test_estimators_without_a_recommender_are_returned():
    other = LinearRegression()
    assert innermost_estimator(make_pipeline(other)) is other


def test_hidden_interactions_are_a_seeded_share_of_each_row():
    X = np.ones((5, 10))
    history, held_out = hide_interactions(X, 0.3, 0)
    assert_array_equal((history + held_out).toarray(), X)
    assert_array_equal(held_out.sum(axis=1), np.full(5, 3))
    assert_array_equal(hide_interactions(X, 0.3, 0)[1].toarray(), held_out.toarray())
    assert (hide_interactions(X, 0.3, 1)[1].toarray() != held_out.toarray()).any()


def test_hidden_interactions_of_a_table_keep_its_labels():
    X = pd.DataFrame(np.ones((2, 3)), index=["u", "v"], columns=["a", "b", "c"])
    for part in hide_interactions(X, 0.5, 0):
        assert part.columns.tolist() == ["a", "b", "c"]
        assert part.index.tolist() == ["u", "v"]
