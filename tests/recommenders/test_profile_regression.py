"""The regressions on profiles: against the solution of one large system, and of least squares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec import ItemCatalog, RidgeRecommender, UserContentRecommender

VECTORS = np.random.default_rng(0).standard_normal((40, 5))
SETTINGS = {
    "plain": {},
    "user exponent": {"user_exponent": 0.5},
    "item exponents": {"item_exponent": 0.3, "popularity_exponent": 0.2},
    "values": {"binary": False},
    "content": {"catalog": ItemCatalog(VECTORS), "gamma": 0.5, "content_weight": 0.7},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_weights_are_those_of_one_regression_on_items_and_profiles(settings, X, tastes):
    X = X * np.random.default_rng(0).integers(1, 4, X.shape) if "binary" in settings else X
    alpha, weight, profiles = 0.5, 2.0, tastes.user_topics
    ridge = RidgeRecommender(alpha=alpha, popularity_weight=0.0, **settings)
    rec = UserContentRecommender(ridge, profile_weight=weight).fit(X, users=profiles)

    dense, counts = X.toarray(), (X.toarray() > 0).sum(axis=0)
    U = profiles - profiles.mean(axis=0)
    U *= weight / np.linalg.norm(U, axis=1, keepdims=True)
    users = (dense > 0).sum(axis=1) ** (-ridge.user_exponent / 2)
    scale, popularity = counts**-ridge.item_exponent, counts**ridge.popularity_exponent
    both = np.hstack([dense * scale, U])
    gram = (both * users[:, None]).T @ (both * users[:, None])
    mean_diagonal = gram.diagonal()[:40].mean()
    if "catalog" in settings:
        kernel = np.expm1(ridge.gamma * rec.item_vectors_ @ rec.item_vectors_.T) / np.expm1(ridge.gamma)
        gram[:40, :40] += ridge.content_weight * mean_diagonal * kernel
    inverse = np.linalg.inv(gram + alpha * mean_diagonal * np.eye(len(gram)))
    weights = -inverse[:, :40] / inverse.diagonal()[:40]
    np.fill_diagonal(weights[:40], 0)
    expected = both @ weights / scale * popularity
    assert_allclose(rec.decision_function(X, users=profiles), expected, rtol=1e-3, atol=1e-5)
    if "catalog" in settings:
        kernel_weights = ridge.content_weight * mean_diagonal * inverse[:40, :40] @ rec.item_vectors_
        assert_allclose(rec.transform(X, users=profiles), dense @ kernel_weights, rtol=1e-3, atol=1e-4)


def test_users_without_history_have_the_scores_of_a_regression_on_profiles(X, tastes):
    profiles, alpha = tastes.user_topics, 3.0
    rec = UserContentRecommender(RidgeRecommender(), profile_alpha=alpha).fit(X, users=profiles)
    U = profiles - profiles.mean(axis=0)
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    dense = X.toarray()
    mean = dense.mean(axis=0)
    weights = np.linalg.lstsq(
        np.vstack([U, np.sqrt(alpha) * np.eye(4)]), np.vstack([dense - mean, np.zeros((4, 40))]), rcond=None
    )[0]
    found = rec.decision_function(np.zeros((120, 40)), users=profiles)
    assert_allclose(found, 120 * (mean + U @ weights), rtol=1e-4, atol=1e-4)


def test_the_ridge_has_the_smallest_error_of_users_who_are_left_out(X, tastes):
    X, U = X[:60], tastes.user_topics[:60] + 0.1 * np.random.default_rng(0).standard_normal((60, 4))
    dense, rec = X.toarray(), UserContentRecommender(RidgeRecommender()).fit(X, users=U)
    U = U - U.mean(axis=0)
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    targets = dense - dense.mean(axis=0)
    errors = {np.inf: (targets**2).sum()}
    for alpha in (1.0, 3.0, 10.0, 30.0, 100.0):
        errors[alpha] = 0
        for user in range(60):
            others = np.arange(60) != user
            gram = U[others].T @ U[others] + alpha * np.eye(4)
            weights = np.linalg.solve(gram, U[others].T @ targets[others])
            errors[alpha] += ((targets[user] - U[user] @ weights) ** 2).sum()
    assert rec.profile_alpha_ == min(errors, key=errors.get) < np.inf


def test_profiles_that_predict_nothing_are_ignored(X):
    noise = np.random.default_rng(0).standard_normal((120, 6))
    rec = UserContentRecommender(RidgeRecommender()).fit(X, users=noise)
    assert rec.profile_alpha_ == np.inf
    counts = np.bincount(X.indices, minlength=40)
    assert_array_equal(rec.decision_function(np.zeros((1, 40)), users=noise[:1])[0], counts)


def test_other_regressions_score_histories_without_profiles(X, tastes):
    ordered = RidgeRecommender(order_weight=0.5)
    rec = UserContentRecommender(ordered).fit(X, users=tastes.user_topics)
    assert rec.profile_weights_ is None
    assert_allclose(
        rec.decision_function(X, users=tastes.user_topics), ordered.fit(X).decision_function(X), rtol=1e-5, atol=1e-6
    )
