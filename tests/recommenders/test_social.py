"""SocialRecommender: the formula, its steps, trust in one direction, friends of new users."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgnnrec import GNNRecommender, GraphFilterRecommender, PopularityRecommender, RidgeRecommender, SocialRecommender

FRIENDS = np.array([[0, 2, 1, 0], [0, 0, 0, 0], [0, 1, 5, 0], [1, 0, 0, 0]], dtype=float)  # the last one has no history
HISTORIES = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], dtype=float)
USERS = np.arange(4)


def shares():
    graph = FRIENDS * ~np.eye(4, dtype=bool)
    graph[:, 3] = 0
    return graph / np.maximum(graph.sum(axis=1, keepdims=True), 1)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("inner", [RidgeRecommender(alpha=1.0), GraphFilterRecommender(n_components=2)])
def test_scores_are_those_of_the_smoothed_histories(inner, n_steps):
    rec = SocialRecommender(inner, sparse.csr_array(FRIENDS), friend_weight=0.5, n_steps=n_steps).fit(HISTORIES)
    smoothed = HISTORIES
    for _ in range(n_steps):
        smoothed = HISTORIES + 0.5 * shares() @ smoothed
    expected = clone(inner).fit(HISTORIES).decision_function(smoothed)
    assert_allclose(rec.decision_function(HISTORIES, users=USERS), expected, rtol=1e-5, atol=1e-6)
    expected = clone(inner).fit(HISTORIES).transform(smoothed)
    assert_allclose(rec.transform(HISTORIES, users=USERS), expected, rtol=1e-5, atol=1e-6)


def test_trust_has_a_direction():
    rec = SocialRecommender(RidgeRecommender(), [(0, 2)]).fit(HISTORIES, users=USERS)
    with pytest.warns(UserWarning, match="users is not given"):
        plain = rec.decision_function(HISTORIES)
    changed = (rec.decision_function(HISTORIES, users=USERS) != plain).any(axis=1)
    assert_array_equal(changed, [True, False, False, False])


def test_friends_of_new_users(recwarn):
    rec = SocialRecommender(RidgeRecommender(), sparse.csr_array(FRIENDS)).fit(HISTORIES)
    nobody = np.zeros((3, 5))
    listed = rec.recommend(nobody, 3, friends=[[0, 2], [], [3, 99]])
    weighted = rec.recommend(nobody, 3, friends=sparse.csr_array([[4.0, 0, 4, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    assert_array_equal(listed[1], weighted[1])
    popular = PopularityRecommender().fit(HISTORIES).recommend(nobody, 3)[1]
    assert_array_equal(listed[1][1:], popular[1:])
    assert (listed[1][0] != popular[0]).any()
    assert not recwarn.list


def test_user_embeddings_of_a_trained_model_are_smoothed(X, tastes):
    favourite = tastes.user_topics.argmax(axis=1)
    graph = sparse.csr_array((favourite[:, None] == favourite) & ~np.eye(len(favourite), dtype=bool))
    X = X.copy()
    X.data[: X.indptr[40]] = 0  # the first forty users have no history
    model = GNNRecommender(embedding_dim=8, max_iter=2, early_stopping=False, device="cpu")
    rec, users = SocialRecommender(model, graph).fit(X), np.arange(40)
    hidden = tastes.interactions[:40]
    popular = PopularityRecommender().fit(X).score(X[:40], hidden)
    assert rec.score(X[:40], hidden, users=users) > popular + 0.1


def test_friends_of_users_without_history(X, tastes):
    favourite = tastes.user_topics.argmax(axis=1)
    graph = sparse.csr_array((favourite[:, None] == favourite) & ~np.eye(len(favourite), dtype=bool))
    hidden, X = tastes.interactions[:40], X.copy()
    X.data[: X.indptr[40]] = 0
    rec = SocialRecommender(RidgeRecommender(), graph).fit(X)
    assert rec.score(X[:40], hidden, users=np.arange(40)) > PopularityRecommender().fit(X).score(X[:40], hidden) + 0.2
