"""SameUsers in the searches of scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate

from skgnnrec import GraphFilterRecommender
from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import SameUsers, split_interactions


def all_metrics(recommender, X, y):
    return ranking_metrics(y, recommender.predict(X))


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    taste = rng.integers(4, size=(120, 1)) == np.arange(32) % 4
    X = sparse.csr_array((rng.random(taste.shape) < np.where(taste, 0.6, 0.05)).astype(float))
    return split_interactions(X, random_state=0)


def test_all_rows_are_in_both_parts_once():
    X = sparse.csr_array((7, 3))
    splitter = SameUsers()
    splits = list(splitter.split(X, X, None))
    assert len(splits) == splitter.get_n_splits(X) == splitter.get_n_splits() == 1
    for part in splits[0]:
        assert_array_equal(part, np.arange(7))
    assert repr(clone(splitter, safe=False)) == "SameUsers()"


def test_positions_beyond_the_memory_are_refused():
    with pytest.raises(MemoryLimitError, match=r"The split of 1000000000000000 users needs .* GiB of memory"):
        next(SameUsers().split(sparse.coo_array((10**15, 3))))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array, lambda X: X.toarray()])
def test_search_scores_each_candidate_on_the_future_of_the_same_users(pair, n_jobs, container):
    past, future = map(container, pair)
    grid = {"sharpness": [0.1, 1.0, 4.0]}
    search = GridSearchCV(GraphFilterRecommender(), grid, cv=SameUsers(), n_jobs=n_jobs).fit(past, future)
    expected = [GraphFilterRecommender(sharpness=power).fit(past).score(past, future) for power in grid["sharpness"]]
    assert_array_equal(search.cv_results_["mean_test_score"], expected)
    assert search.n_splits_ == 1
    assert search.best_params_ == {"sharpness": grid["sharpness"][np.argmax(expected)]}
    assert max(expected) > min(expected)
    # The refit has seen all users, and nothing of their future.
    assert_array_equal(
        search.best_estimator_.item_embedding_, GraphFilterRecommender(**search.best_params_).fit(past).item_embedding_
    )
    assert search.score(past, future) == search.best_score_


def test_several_metrics_at_once(pair):
    # An empty grid evaluates the recommender as it is.
    search = GridSearchCV(GraphFilterRecommender(), {}, cv=SameUsers(), scoring=all_metrics, refit=False).fit(*pair)
    expected = all_metrics(GraphFilterRecommender().fit(pair[0]), *pair)
    assert {name: search.cv_results_[f"mean_test_{name}"][0] for name in expected} == expected


def test_cross_validate_takes_a_dense_future(pair):
    past, future = pair[0], pair[1].toarray()
    results = cross_validate(GraphFilterRecommender(), past, future, cv=SameUsers(), error_score="raise")
    assert results["test_score"].tolist() == [GraphFilterRecommender().fit(past).score(past, future)]


def test_works_with_metadata_routing(pair):
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(GraphFilterRecommender(), {"sharpness": [1.0]}, cv=SameUsers()).fit(*pair)
    assert search.best_score_ == GraphFilterRecommender(sharpness=1.0).fit(pair[0]).score(*pair)


@pytest.mark.parametrize("hold_out", ["last", "future", "cold_items"])
def test_every_kind_of_split_can_be_searched(pair, hold_out):
    X = pair[0] + pair[1]
    times = np.random.default_rng(1).random(X.shape)
    past, future = split_interactions(X, hold_out=hold_out, timestamps=times, random_state=0)
    search = GridSearchCV(GraphFilterRecommender(), {"sharpness": [0.5, 1.0]}, cv=SameUsers(), error_score="raise")
    assert 0 <= search.fit(past, future).best_score_ <= 1
