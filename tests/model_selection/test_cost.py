"""Seconds, memory and size of recommenders in a comparison."""

import pickle

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.model_selection import compare_recommenders, split_interactions

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(tastes):
    return split_interactions(tastes.interactions, random_state=0)


def costs_of(estimators, pair):
    return compare_recommenders(estimators, *pair, n_resamples=5)["cost"]


class Greedy(PopularityRecommender):
    """A recommender that needs 160 MiB for a moment."""

    def fit(self, X, y=None):
        np.ones(20 << 20).sum()
        return super().fit(X)


class WithLambda(PopularityRecommender):
    """A recommender that cannot be pickled once it is fitted."""

    def fit(self, X, y=None):
        super().fit(X)
        self.rule_ = lambda: None
        return self


def test_time_and_memory_of_the_fit(pair):
    costs = costs_of({"greedy": Greedy(), "ridge": RidgeRecommender()}, pair)
    assert (costs[["fit_s", "recommend_s"]] > 0).all(axis=None)
    assert costs["fit_s"]["greedy"] > costs["recommend_s"]["greedy"]
    if np.isnan(costs["peak_mib"]["greedy"]):
        pytest.skip("this system does not keep a peak of the resident memory")
    assert 155 < costs["peak_mib"]["greedy"] < 250
    assert costs["peak_mib"]["ridge"] < 100


def test_size_of_a_model_is_that_of_its_pickle(pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [3.0]}, cv=2)
    costs = costs_of({"ridge": RidgeRecommender(alpha=3.0), "search": search, "lambda": WithLambda()}, pair)
    fitted = RidgeRecommender(alpha=3.0).fit(pair[0])
    assert costs["model_mib"]["ridge"] * MIB == len(pickle.dumps(fitted, protocol=pickle.HIGHEST_PROTOCOL))
    assert costs["model_mib"]["search"] == costs["model_mib"]["ridge"]
    assert np.isnan(costs["model_mib"]["lambda"])


def test_memory_is_nan_on_systems_without_a_peak(pair, monkeypatch, tmp_path):
    monkeypatch.setattr("skgnnrec.model_selection._cost.CLEAR_REFS", tmp_path / "absent" / "file")
    costs = costs_of({"ridge": RidgeRecommender()}, pair)
    assert costs["peak_mib"].isna().all()
    assert costs["fit_s"].notna().all()
