"""New items, and items of the catalog without users: their scores follow from the nearest items by content."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender

COLD = [4, 11]
WARM = np.delete(np.arange(60), COLD)


@pytest.fixture
def dense():
    X = (np.random.default_rng(0).random((90, 60)) < 0.2).astype(np.float64)
    X[:, COLD] = 0
    X[~X.any(axis=1), 3] = 1
    return X


@pytest.fixture
def vectors():
    return np.random.default_rng(1).standard_normal((60, 12))


@pytest.fixture(params=[RidgeRecommender(), GraphFilterRecommender()], ids=["ridge", "filter"])
def rec(request, vectors):
    return clone(request.param).set_params(catalog=ItemCatalog(vectors))


def expected_weights(rec, vectors, new, scale):
    """Return the weights of new items, from the weights of the fitted ones."""
    W = np.vstack([rec.decision_function(row) for row in np.eye(60)[:, None]])
    F, f = (v - vectors.mean(axis=0) for v in (vectors[WARM], new))
    cosines = (f / np.linalg.norm(f, axis=1, keepdims=True)) @ (F / np.linalg.norm(F, axis=1, keepdims=True)).T
    nearest = np.argsort(-cosines, axis=1)[:, :20]
    S = np.zeros_like(cosines)
    np.put_along_axis(S, nearest, np.maximum(np.take_along_axis(cosines, nearest, axis=1), 0) ** 4, axis=1)
    S /= S.sum(axis=1, keepdims=True)
    return W, scale * (W[:, WARM] @ S.T), scale * 1.5 * S.T


def test_new_items_are_the_mean_of_their_neighbours_which_count_themselves(rec, dense, vectors):
    new = np.random.default_rng(2).standard_normal((7, 12))
    # The term of popularity is not linear in the history.
    rec.set_params(popularity_weight=0, new_item_scale=0.8).fit(dense)
    _, mean, own = expected_weights(rec, vectors, new, 0.8)
    items, scores = rec.recommend(dense, 7, candidates=ItemCatalog(new), exclude_seen=False)
    found = np.empty((90, 7))
    np.put_along_axis(found, items, scores, axis=1)
    rest, own_part = found - dense @ mean, dense[:, WARM] @ own
    length = (rest * own_part).sum() / (own_part**2).sum()  # one for all: the mean length of the weights of an item
    assert length > 0
    assert_allclose(rest, length * own_part, atol=1e-3)


def test_items_of_the_catalog_without_users_are_scored_like_new_ones_at_a_lower_scale(rec, dense, vectors):
    rec.fit(dense)
    items, scores = rec.recommend(dense, 2, candidates=ItemCatalog(vectors[COLD]), exclude_seen=False)
    found = np.empty((90, 2))
    np.put_along_axis(found, items, scores, axis=1)
    assert_allclose(rec.decision_function(dense)[:, COLD], 0.12 * found, rtol=1e-3, atol=1e-4)


def test_the_scale_of_new_items_is_a_factor_of_their_scores(rec, dense):
    new = ItemCatalog(np.random.default_rng(2).standard_normal((7, 12)))
    one = rec.set_params(new_item_scale=1.0).fit(dense).recommend(dense, 7, candidates=new)
    two = rec.set_params(new_item_scale=2.0).fit(dense).recommend(dense, 7, candidates=new)
    assert_allclose(two[1], 2 * one[1], rtol=1e-3, atol=1e-5)


def test_histories_without_similar_items_still_order_new_items(rec, dense, vectors):
    """Scores of new items differ between items although no item of the history is among their neighbours."""
    new = np.random.default_rng(2).standard_normal((7, 12))
    rec.fit(dense)
    _, scores = rec.recommend(np.eye(60)[WARM], 7, candidates=ItemCatalog(new))
    assert (np.diff(scores, axis=1) < 0).mean() > 0.99


def test_without_interactions_items_are_ranked_by_content(rec):
    """A catalog of a new shop: nobody has taken anything, the histories come from elsewhere."""
    kinds = np.repeat([0, 1], 30)
    vectors = np.eye(12)[kinds] + 0.05 * np.random.default_rng(1).standard_normal((60, 12))
    rec.set_params(catalog=ItemCatalog(vectors)).fit(np.zeros((5, 60)))
    histories = np.eye(60)[[2, 40]]
    for kind, items in zip([0, 1], rec.recommend(histories, 10)[0], strict=True):
        assert_array_equal(kinds[items], kind)
    new = ItemCatalog(np.eye(12)[[0, 1]])
    assert_array_equal(rec.recommend(histories, 1, candidates=new)[0], [[0], [1]])
