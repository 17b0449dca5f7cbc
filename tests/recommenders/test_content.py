"""ContentRecommender: cosines of the items with the history."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_extraction.text import TfidfVectorizer

from skgnnrec import ContentRecommender, ItemCatalog


@pytest.fixture
def vectors():
    return np.random.default_rng(1).standard_normal((25, 6)) + 3


@pytest.fixture
def histories():
    mask = np.random.default_rng(0).random((60, 25)) < 0.25
    mask[:, 3] |= ~mask.any(axis=1)  # users without history receive the popularity ranking
    return mask * np.random.default_rng(2).uniform(0.5, 2, (60, 25))


def unit(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def test_scores_are_cosines_with_the_mean_of_the_history(vectors, histories):
    F = unit(vectors - vectors.mean(axis=0))
    rec = ContentRecommender(catalog=ItemCatalog(vectors)).fit(histories)
    assert_allclose(rec.item_vectors_, F, atol=1e-5)
    assert_allclose(rec.decision_function(histories), unit(histories @ F) @ F.T, atol=1e-5)
    assert_allclose(rec.transform(histories), unit(histories @ F), atol=1e-5)


def test_new_items_are_scored_like_the_others(vectors, histories):
    rec = ContentRecommender(catalog=ItemCatalog(vectors)).fit(histories)
    items, scores = rec.recommend(histories, 25, candidates=ItemCatalog(vectors), exclude_seen=False)
    assert_array_equal(scores, np.take_along_axis(rec.decision_function(histories), items, axis=1))


def test_interactions_of_others_do_not_matter(vectors, histories):
    expected = ContentRecommender(catalog=ItemCatalog(vectors)).fit(histories).decision_function(histories)
    fitted_elsewhere = ContentRecommender(catalog=ItemCatalog(vectors)).fit(histories[:7])
    assert_array_equal(fitted_elsewhere.decision_function(histories), expected)


def test_popular_items_go_to_users_without_history():
    X = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 1]])
    rec = ContentRecommender(catalog=ItemCatalog(["red mug", "tea pot", "mug"]), item_encoder=TfidfVectorizer()).fit(X)
    assert_array_equal(rec.decision_function(np.zeros((1, 3))), [[2, 3, 1]])


def test_the_catalog_is_required():
    with pytest.raises(
        ValueError, match=r"'catalog' parameter of ContentRecommender must be an ItemCatalog\. Got None"
    ):
        ContentRecommender().fit(np.eye(3))
