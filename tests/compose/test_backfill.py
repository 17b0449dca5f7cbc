"""BackfillRecommender: which recommender has which places of a list."""

import numpy as np
import pandas as pd
import pytest
from fitted_state import foreign_values, same, through_file
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import (
    ContentRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.compose import BackfillRecommender
from skgnnrec.inspection import explain

PARTS = [("filter", GraphFilterRecommender(n_components=8)), ("popular", PopularityRecommender())]
SPARSE = GraphFilterRecommender(n_components=0, popularity_weight=0.0)  # items without common users have the score 0


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
def test_the_battery_of_scikit_learn():
    results = estimator_checks.check_estimator(BackfillRecommender(PARTS, n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(name):
    rec = BackfillRecommender(PARTS, n_recommendations=1)
    assert getattr(estimator_checks, name)("BackfillRecommender", rec) is None


@pytest.fixture(scope="module")
def islands():
    """Return two groups of items without common users, and an item without users."""
    X = np.zeros((8, 9))
    X[:4, :4] = np.tri(4)
    X[4:, 4:8] = np.tri(4)
    return X


@pytest.fixture(scope="module")
def near():
    """Return a recommender by content, where item 8 is near item 0."""
    vectors = np.random.default_rng(0).standard_normal((9, 4))
    vectors[8] = vectors[0] + 0.01
    return ContentRecommender(catalog=ItemCatalog(vectors))


def brute_force(fitted, minima, x, n):
    """Return the items of a list, place by place."""
    found = []
    for place, (part, minimum) in enumerate(zip(fitted, minima, strict=True)):
        scores = part.decision_function(x)[0]
        is_open = (scores > minimum) | (place == len(fitted) - 1)
        order = np.argsort(-scores, kind="stable")
        found += [item for item in order if is_open[item] and item not in found and not x[0, item]]
    return found[:n]


@pytest.mark.parametrize("min_score", [0.0, [0.05, 0.3, 0.0], [1e6, -1e6, 0]])
def test_lists_are_those_of_brute_force(islands, near, min_score):
    parts = [("filter", SPARSE), ("content", near), ("popular", PopularityRecommender())]
    rec = BackfillRecommender(parts, min_score=min_score).fit(islands)
    for n in (1, 3, 9):
        items = rec.recommend(islands, n)[0]
        for row, x in enumerate(islands):
            expected = brute_force(rec.recommenders_, np.broadcast_to(min_score, 3), x[None], n)
            assert items[row][items[row] >= 0].tolist() == expected


def test_items_without_common_users_come_from_content(islands, near):
    related = BackfillRecommender([("filter", SPARSE), ("content", near)]).fit(islands)
    items = related.recommend(np.eye(9)[:1], 4)[0][0]
    assert set(items[:3]) == {1, 2, 3}  # items with common users
    assert items[3] == 8
    assert BackfillRecommender([("content", near), ("filter", SPARSE)]).fit(islands).recommend(np.eye(9)[:1], 1)[0] == 8


def test_scores_have_the_order_of_the_lists(X, furnish):
    rec = furnish(BackfillRecommender([("filter", SPARSE), ("ridge", RidgeRecommender()), *PARTS[1:]])).fit(X)
    items, scores = rec.recommend(X, 40, exclude_seen=False)
    all_scores = rec.decision_function(X)
    columns = rec.catalog.positions(items)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert_allclose(scores, np.take_along_axis(all_scores, columns, axis=1), rtol=1e-5, atol=1e-6)
    first = rec.recommenders_[0].decision_function(X)
    assert_array_equal(all_scores[first > 0], first[first > 0])
    assert (all_scores[first <= 0] < 0).all()


def test_users_without_history_receive_the_popularity_ranking(X):
    rec = BackfillRecommender(PARTS, min_score=1e9).fit(X)
    nobody = sparse.csr_array((2, X.shape[1]))
    counts = np.bincount(X.indices, minlength=X.shape[1])
    assert_array_equal(rec.decision_function(nobody), [counts, counts])
    assert_array_equal(rec.recommend(nobody)[1], np.tile(-np.sort(-counts)[:10], (2, 1)))


def test_new_items_are_ranked_by_the_recommenders_with_a_catalog(islands, near):
    new = ItemCatalog(near.catalog.data[[5, 0]])
    rec = BackfillRecommender([("filter", SPARSE), ("content", near)]).fit(islands)
    items, scores = rec.recommend(islands[:1], 2, candidates=new)
    assert items.tolist() == [[1, 0]]  # the first user has item 0
    assert np.isfinite(scores).all()
    last = BackfillRecommender([("content", near), ("filter", SPARSE)], min_score=10.0).fit(islands)
    assert last.recommend(islands[:1], 2, candidates=new)[0].tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="2 new items, but BackfillRecommender was fitted without item vectors"):
        BackfillRecommender([("filter", SPARSE)]).fit(islands).recommend(islands, 2, candidates=new)


def test_explanations_add_up(X):
    middle = float(np.median(PARTS[0][1].fit(X).recommend(X)[1]))
    rec = BackfillRecommender(PARTS, min_score=middle).fit(X)
    items, scores = rec.recommend(X)
    assert 0.1 < (scores > middle).mean() < 0.9  # of both recommenders
    found = explain(rec, X).groupby(["user", "item"])["contribution"].sum()
    places = pd.MultiIndex.from_arrays([np.repeat(np.arange(120), 10), items.ravel()])
    assert_allclose(found, pd.Series(scores.ravel(), index=places)[found.index], rtol=1e-4, atol=1e-4)


def test_updates_reach_all_recommenders(X):
    rec = BackfillRecommender([("ridge", RidgeRecommender(alpha=5.0)), ("popular", PopularityRecommender())])
    updated = rec.fit(X[:80]).partial_fit(X[80:]).forget(X[:10]).decision_function(X)
    expected = rec.fit(X[10:]).decision_function(X)
    assert np.mean(np.abs(updated - expected) < 1e-3) > 0.99  # scores around 0 may change sides


def test_searches_files_and_logs(X, names):
    search = GridSearchCV(BackfillRecommender(PARTS), {"min_score": [0.0, 1.0], "filter__alpha": [0.1, 1]}, cv=2).fit(X)
    rec = search.best_estimator_
    assert rec.recommenders_[0].alpha == search.best_params_["filter__alpha"]
    assert foreign_values(rec) == []
    assert same(through_file(rec).recommend(X), rec.recommend(X))
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items]})
    found, scores = LogRecommender(BackfillRecommender(PARTS)).fit(log).recommend(histories=[[names[3]], []])
    assert set(found.ravel()) <= set(names)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("min_score", [[1.0], [1, 2, 3], [np.nan, 0], ["a", "b"], [[1], [2, 3]]])
def test_min_score_is_checked(X, min_score):
    with pytest.raises(ValueError, match="min_score must be a finite number, or 2 of them, one for each recommender"):
        BackfillRecommender(PARTS, min_score=min_score).fit(X)
