"""LongTailRecommender: the discount of popularity."""

import numpy as np
from numpy.testing import assert_array_equal

from skgnnrec import PopularityRecommender, RidgeRecommender
from skgnnrec.metrics import average_popularity
from skgnnrec.reranking import LongTailRecommender


def standardized(values):
    return (values - values.mean()) / values.std()


def test_novelty_is_that_of_the_formula(X):
    counts = np.bincount(X.indices, minlength=40)
    inner = RidgeRecommender().fit(X)
    items, scores = inner.recommend(X, 15)
    found = LongTailRecommender(RidgeRecommender(), novelty=0.4, n_candidates=15).fit(X).recommend(X, 15)[0]
    for user in range(0, X.shape[0], 7):
        popularity = standardized(np.log1p(counts[items[user]]))
        values = 0.6 * standardized(scores[user].astype(np.float64)) - 0.4 * popularity
        assert_array_equal(found[user], items[user][np.argsort(-values.round(9), kind="stable")])


def test_popularity_falls_with_the_parameter(X):
    lists = [LongTailRecommender(RidgeRecommender(), novelty=novelty).fit(X).predict(X) for novelty in (0, 0.3, 0.6, 1)]
    assert (np.diff([average_popularity(found, X) for found in lists]) < 0).all()


def test_at_one_the_candidates_are_sorted_by_their_users(X):
    counts = np.bincount(X.indices, minlength=40)
    rec = LongTailRecommender(PopularityRecommender(), novelty=1, n_candidates=40).fit(X)
    items = rec.recommend(np.zeros((1, 40)), 40)[0][0]
    assert_array_equal(counts[items], np.sort(counts))


def test_items_of_one_popularity_keep_their_order():
    X = np.array([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 1]])
    lists = [LongTailRecommender(RidgeRecommender(), novelty=novelty).fit(X).predict(X) for novelty in (0, 0.9)]
    assert_array_equal(*lists)
