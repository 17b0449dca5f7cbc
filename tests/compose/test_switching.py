"""SwitchingRecommender: who receives the lists of which recommender."""

import numpy as np
import pandas as pd
import pytest
from fitted_state import foreign_values, same, through_file
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.compose import SwitchingRecommender
from skgnnrec.inspection import explain
from skgnnrec.reranking import LongTailRecommender

PARTS = [("filter", GraphFilterRecommender(n_components=8)), ("ridge", RidgeRecommender())]


def switching(parts=PARTS, **settings):
    return SwitchingRecommender(parts, **{"switch": 4, **settings})


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
def test_the_battery_of_scikit_learn():
    results = estimator_checks.check_estimator(switching(n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(name):
    assert getattr(estimator_checks, name)("SwitchingRecommender", switching(n_recommendations=1)) is None


def expected_lists(parts, chosen, X, n=5):
    """Return the lists of the recommender that is chosen for each user."""
    lists = [part.fit(X).recommend(X, n) for _, part in parts]
    return [np.choose(chosen[:, None], [found[place] for found in lists]) for place in (0, 1)]


def test_the_length_of_the_history_selects_the_recommender(X):
    parts = [("popular", PopularityRecommender()), *PARTS]
    lengths = np.diff(X.indptr)
    chosen = (lengths >= 4).astype(int) + (lengths >= 6)
    assert len(np.unique(chosen)) == 3
    items, scores = switching(parts, switch=[4, 6]).fit(X).recommend(X, 5)
    expected, same_scores = expected_lists(parts, chosen, X)
    assert_array_equal(items, expected)
    assert_array_equal(scores, same_scores)


def test_a_callable_selects_the_recommender(X):
    def has_first_item(histories):
        assert isinstance(histories, sparse.csr_array)
        return histories[:, [0]].toarray().ravel() > 0

    items = switching(switch=has_first_item).fit(X).predict(X)
    expected, _ = expected_lists(PARTS, has_first_item(X).astype(int), X, 10)
    assert_array_equal(items, expected)


def test_users_without_history_receive_the_popularity_ranking(X):
    rec = switching().fit(X)
    counts = np.bincount(X.indices, minlength=X.shape[1])
    nobody = sparse.csr_array((1, X.shape[1]))
    assert_array_equal(rec.decision_function(nobody)[0], counts)
    assert counts[rec.predict(nobody)[0]].min() >= np.sort(counts)[-10]


def test_lists_of_a_re_ranker_inside_are_kept(X):
    parts = [PARTS[0], ("novel", LongTailRecommender(RidgeRecommender(), novelty=0.8))]
    items, scores = switching(parts, switch=1).fit(X).recommend(X, 5)
    alone = parts[1][1].fit(X).recommend(X, 5)
    assert_array_equal(items, alone[0])
    assert (np.diff(scores, axis=1) > 0).any()


def test_new_items_are_scored_by_the_recommender_of_the_user(X, furnish, titles):
    new = ItemCatalog(list(titles[:5]), ids=[f"new {n}" for n in range(5)])
    rec = furnish(switching()).fit(X)
    chosen = (np.diff(X.indptr) >= 4).astype(int)
    lists = [part.recommend(X, 5, candidates=new)[0] for part in rec.recommenders_]
    assert_array_equal(rec.recommend(X, 5, candidates=new)[0], np.where(chosen[:, None], lists[1], lists[0]))
    rec.set_params(filter__catalog=None, filter__item_encoder=None).fit(X)
    with pytest.raises(ValueError, match="5 new items, but GraphFilterRecommender was fitted without item vectors"):
        rec.recommend(X, 5, candidates=new)


def test_explanations_add_up(X):
    rec = switching(n_recommendations=3).fit(X)
    found = explain(rec, X).groupby("user")["contribution"].sum()
    assert_allclose(found, rec.recommend(X)[1].sum(axis=1), rtol=1e-4, atol=1e-4)


def test_updates_reach_all_recommenders(X):
    both = SwitchingRecommender(
        [("popular", PopularityRecommender()), ("ridge", RidgeRecommender(alpha=5.0))], switch=4
    )
    updated = both.fit(X[:80]).partial_fit(X[80:])
    assert_allclose(updated.decision_function(X), both.fit(X).decision_function(X), rtol=1e-3, atol=1e-4)


def test_searches_files_and_logs(X, names):
    search = GridSearchCV(switching(), {"switch": [2, 4], "ridge__alpha": [1.0, 10.0]}, cv=2).fit(X)
    assert search.best_estimator_.recommenders_[1].alpha == search.best_params_["ridge__alpha"]
    rec = search.best_estimator_
    assert foreign_values(rec) == []
    assert same(through_file(rec).recommend(X), rec.recommend(X))
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items]})
    found, scores = LogRecommender(switching()).fit(log).recommend(histories=[[names[3]], list(names[:6]), []])
    assert set(found.ravel()) <= set(names)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("switch", [[1, 2], [2.5], ["a"], [0], [], [[1], [2, 3]]])
def test_switch_is_checked(X, switch):
    with pytest.raises(ValueError, match="switch must be a callable or 1 positive integers in ascending order"):
        switching(switch=switch).fit(X)


@pytest.mark.parametrize("answer", [[2] * 120, [-1] * 120, [0, 1], [0.5] * 120, None])
def test_answers_of_a_callable_are_checked(X, answer):
    rec = switching(switch=lambda histories: answer).fit(X)
    with pytest.raises(ValueError, match=r"switch must return the position of a recommender, from 0 to 1, for each of"):
        rec.predict(X)
