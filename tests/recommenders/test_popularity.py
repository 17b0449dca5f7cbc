"""PopularityRecommender: counts of users, for everybody."""

import numpy as np
from numpy.testing import assert_array_equal

from skgnnrec import ItemCatalog, PopularityRecommender

X = np.array([[1.0, 1, 0, 0], [0, 5, 0, 2], [0, 1, 3, 0]])


def test_scores_are_numbers_of_users_not_sums_of_weights():
    rec = PopularityRecommender().fit(X)
    assert_array_equal(rec.decision_function(np.zeros((2, 4))), [[1, 3, 1, 1]] * 2)
    assert_array_equal(rec.item_embedding_, [[1], [3], [1], [1]])


def test_best_first_and_ties_by_position():
    items, scores = PopularityRecommender().fit(X).recommend([[0, 0, 1, 0], [0, 0, 0, 0]], 4)
    assert_array_equal(items, [[1, 0, 3, -1], [1, 0, 2, 3]])
    assert_array_equal(scores[0], [3, 1, 1, -np.inf])


def test_scores_are_products_of_the_embeddings():
    rec = PopularityRecommender().fit(X)
    assert_array_equal(rec.transform(X) @ rec.item_embedding_.T, rec.decision_function(X))


def test_new_items_score_zero_behind_all_others():
    rec = PopularityRecommender(catalog=ItemCatalog(["a", "b", "c", "d"], ids=[1, 2, 3, 4])).fit(X)
    items, scores = rec.recommend(X[:1], 3, candidates=ItemCatalog(["e", "c", "f"], ids=[5, 3, 6]))
    assert_array_equal(items, [[3, 5, 6]])
    assert_array_equal(scores, [[1, 0, 0]])


def test_items_of_any_data_are_accepted():
    rec = PopularityRecommender(catalog=ItemCatalog([None, "b", "c", "d"])).fit(X)
    assert_array_equal(rec.predict(X)[:, 0], [2, 0, 0])
