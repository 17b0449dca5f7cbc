"""Federated fits: equal to the fit to all users together; averages of trained recommenders."""

from copy import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import ContentRecommender, GNNRecommender, GraphFilterRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.inspection import explain
from skgnnrec.privacy import PrivateRecommender, federated_average, federated_fit, fit_statistics, silo_statistics

RECOMMENDERS = {
    "content": ContentRecommender(),
    "popularity": PopularityRecommender(),
    "ridge": RidgeRecommender(popularity_weight=10.0),
    "ridge with exponents": RidgeRecommender(user_exponent=0.5, item_exponent=0.3, popularity_weight=0.0),
    "filter": GraphFilterRecommender(n_components=8, popularity_weight=20.0),
    "filter without spectrum": GraphFilterRecommender(n_components=0, popularity_weight=20.0),
}


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_the_fit_is_that_to_all_users_together(name, furnish, X):
    pytest.importorskip("cryptography", reason="secure sums require cryptography")
    rec = furnish(RECOMMENDERS[name])
    expected = furnish(RECOMMENDERS[name]).fit(X)
    found = federated_fit(rec, [X[:30], X[30:37], X[37:]])
    if name.startswith("ridge"):
        assert_array_equal(found.weights_, expected.weights_)
    if name == "filter without spectrum":
        assert_array_equal(found.graph_.toarray(), expected.graph_.toarray())
    scores = expected.decision_function(X)
    assert_allclose(found.decision_function(X), scores, atol=(0.05 if name == "filter" else 1e-6) * scores.std())
    assert_array_equal(found.item_ids_, expected.item_ids_)
    assert not hasattr(rec, "n_features_in_")


def test_the_sum_of_silos_is_the_vector_of_all_users(furnish, X):
    for rec in map(furnish, RECOMMENDERS.values()):
        assert_array_equal(silo_statistics(rec, X[:30]) + silo_statistics(rec, X[30:]), silo_statistics(rec, X))


def test_silos_that_drop_out_are_left_out(X):
    pytest.importorskip("cryptography", reason="secure sums require cryptography")
    parts = [
        pd.DataFrame(X[rows].toarray(), columns=[f"i{j}" for j in range(40)]) for rows in np.split(np.arange(120), 4)
    ]
    found = federated_fit(RidgeRecommender(), parts, threshold=3, dropped=[2])
    expected = RidgeRecommender(popularity_weight=0.0).fit(pd.concat([parts[0], parts[1], parts[3]]))
    assert_array_equal(found.weights_, expected.weights_)
    assert_array_equal(found.predict(parts[2]), expected.predict(parts[2]))
    with pytest.raises(ValueError, match=r"arrived must name 3 or more|masked must be a mapping from 3 or more"):
        federated_fit(RidgeRecommender(), parts, threshold=3, dropped=[0, 2])


def test_a_fit_to_statistics_explains_but_has_no_updates(furnish, X):
    rec = furnish(RidgeRecommender())
    found = fit_statistics(rec, silo_statistics(rec, X), item_ids=rec.catalog.ids)
    frame = pd.DataFrame(X[:3].toarray(), columns=rec.catalog.ids)
    items, scores = found.recommend(frame, 1)
    explained = explain(found, frame, items)
    assert_allclose(explained.groupby("user")["contribution"].sum(), scores[:, 0], rtol=1e-4)
    for update in (found.partial_fit, found.forget):
        with pytest.raises(ValueError, match="fitted to statistics and keeps no histories"):
            update(frame)
    assert_allclose(found.fit(X).weights_, rec.fit(X).weights_)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: federated_fit(RidgeRecommender(), [X]), "silos must be a list of two or more matrices"),
        (lambda X: federated_fit(RidgeRecommender(), [X, X[:, :5]]), r"silos\[1\] must have the columns of silos\[0\]"),
        (
            lambda X: federated_fit(RidgeRecommender(), [X, X], dropped=[2]),
            "dropped must hold places of silos from 0 to 1",
        ),
        (lambda X: federated_fit(GNNRecommender(), [X, X]), "recommender must be a RidgeRecommender"),
        (
            lambda X: silo_statistics(PrivateRecommender(RidgeRecommender()), X),
            "recommender must be a RidgeRecommender",
        ),
        (lambda X: fit_statistics(RidgeRecommender(), [1, 2, 3, 4]), "statistics must have the length"),
        (
            lambda X: fit_statistics(RidgeRecommender(), [-1, 2, 3]),
            "statistics must be a vector of non-negative integers",
        ),
        (lambda X: fit_statistics(PopularityRecommender(), [1, 2], item_ids=["a", "b"]), "item_ids must name 1 items"),
    ],
)
def test_wrong_arguments_are_named(call, message, X):
    with pytest.raises(ValueError, match=message):
        call(X)


# Averages -------------------------------------------------------------------------------------------------------------

SMALL = {"embedding_dim": 8, "early_stopping": False, "device": "cpu", "warm_start": True}


def test_the_average_of_one_recommender_is_itself(furnish, X):
    rec = furnish(GNNRecommender(max_iter=2, popularity_exponent=0.0, **SMALL)).fit(X)
    average = federated_average([rec, rec], weights=[1, 3])
    assert_allclose(average.decision_function(X), rec.decision_function(X), atol=1e-5)
    assert_array_equal(average.item_ids_, rec.item_ids_)


def test_weights_are_those_of_a_mean(X):
    start = GNNRecommender(max_iter=1, popularity_exponent=0.0, **SMALL).fit(X)
    first, second = (copy(start).fit(part) for part in (X[:60], X[60:]))
    only_first = federated_average([first, second], weights=[1, 0])
    assert_allclose(only_first.decision_function(X), first.decision_function(X), atol=1e-5)
    both = federated_average([first, second])
    assert np.abs(both.decision_function(X) - first.decision_function(X)).max() > 1e-3


def test_rounds_of_averages_learn_from_all_silos(X):
    rec = GNNRecommender(max_iter=1, **SMALL).fit(X[:20])
    rec.set_params(max_iter=5)
    before = rec.score(X)
    silos = [sparse.csr_array(part) for part in (X[20:70], X[70:])]
    for _ in range(4):
        rec = federated_average([copy(rec).fit(part) for part in silos], weights=[50, 50])
    assert rec.score(X) > before + 0.02


def test_averages_of_different_recommenders_are_refused(X):
    rec = GNNRecommender(max_iter=1, **SMALL).fit(X)
    wide = GNNRecommender(16, max_iter=1, early_stopping=False, device="cpu").fit(X)
    convolved = GNNRecommender(8, conv="lightgcn", max_iter=1, device="cpu").fit(X)
    for others, message in (
        ([rec, wide], r"recommenders\[1\] must have the parameters and the items of recommenders\[0\]"),
        ([rec, convolved], r"recommenders\[1\] must be a fitted GNNRecommender with conv=None"),
        ([GNNRecommender()], r"recommenders\[0\] must be a fitted GNNRecommender"),
        ([], "recommenders must be a list of fitted GNNRecommenders"),
    ):
        with pytest.raises(ValueError, match=message):
            federated_average(others)
    with pytest.raises(ValueError, match="weights must be 1 non-negative numbers with a positive sum"):
        federated_average([rec], weights=[0.0])
