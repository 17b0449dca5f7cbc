"""DiverseRecommender: greedy choices equal those of a direct computation, extremes, units, similarities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.metrics import intra_list_diversity, ndcg_at_k
from skgnnrec.model_selection import split_interactions
from skgnnrec.reranking import DiverseRecommender


def standardized(scores):
    return (scores - scores.mean()) / scores.std()


def by_hand(items, scores, vectors, diversity, method, n):
    """Return the first n items of a list, chosen one at a time by the formulas of the docstring."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    relevance, chosen = standardized(scores.astype(np.float64)), []
    for _ in range(n):
        values = {}
        for place in set(range(len(items))) - set(chosen):
            if method == "mmr":
                nearest = max((vectors[items[place]] @ vectors[items[other]] for other in chosen), default=0.0)
                term = -nearest / pairs.std()
            else:
                logs = [
                    np.linalg.slogdet((1 + vectors[some] @ vectors[some].T) / 2)[1] if len(some) else 0.0
                    for some in (items[[*chosen, place]], items[chosen])
                ]
                term = (logs[0] - logs[1]) / np.log(1 - ((1 + pairs) / 2) ** 2).std()
            values[place] = (1 - diversity) * relevance[place] + diversity * term
        chosen.append(max(values, key=lambda place: (round(values[place], 6), -place)))
    return items[chosen]


@pytest.mark.parametrize("method", ["mmr", "dpp"])
@pytest.mark.parametrize("diversity", [0.1, 0.5, 0.9, 1.0])
def test_the_choice_is_that_of_the_formula(with_vectors, X, method, diversity):
    inner = clone(with_vectors).fit(X)
    items, scores = inner.recommend(X, 12)
    settings = {"diversity": diversity, "method": method, "n_candidates": 12}
    found = DiverseRecommender(with_vectors, **settings).fit(X).recommend(X, 6)[0]
    for user in range(0, X.shape[0], 6):
        expected = by_hand(items[user], scores[user], inner.item_vectors_.astype(float), diversity, method, 6)
        assert_array_equal(found[user], expected)


def log_volume(lists, vectors):
    """Return the mean logarithm of the determinants that a determinantal point process maximises."""
    return np.mean([np.linalg.slogdet((1 + vectors[items] @ vectors[items].T) / 2)[1] for items in lists])


@pytest.mark.parametrize(("method", "spread"), [("mmr", intra_list_diversity), ("dpp", log_volume)])
def test_diversity_grows_with_the_parameter(with_vectors, X, method, spread):
    vectors = clone(with_vectors).fit(X).item_vectors_
    past, future = split_interactions(X, random_state=0)
    reached, accuracy = [], []
    for diversity in (0, 0.3, 0.7):
        rec = DiverseRecommender(with_vectors, diversity=diversity, method=method, n_recommendations=6).fit(past)
        ranking = rec.rank_held_out(past, future)
        reached.append(spread(rec.predict(past), vectors))
        accuracy.append(ndcg_at_k(ranking.held_out, ranking.recommended))
    assert (np.diff(reached) > 0).all()
    assert accuracy[0] > accuracy[-1]


def test_at_one_each_item_is_the_least_similar_to_those_above(with_vectors, X):
    rec = DiverseRecommender(with_vectors, diversity=1, n_candidates=40).fit(X)
    nobody = np.zeros((1, 40))
    items = rec.recommend(nobody, 3)[0][0]
    assert items[0] == clone(with_vectors).fit(X).recommend(nobody, 1)[0][0, 0]
    cosines = rec.item_vectors_ @ rec.item_vectors_.T
    assert items[1] == cosines[items[0]].argmin()
    assert (
        items[2] == np.delete(np.arange(40), items[:2])[np.delete(cosines[items[:2]].max(axis=0), items[:2]).argmin()]
    )


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_units_of_scores_and_similarities_do_not_count(with_vectors, X, method):
    expected = DiverseRecommender(with_vectors, method=method).fit(X).predict(X)
    larger = DiverseRecommender(with_vectors, method=method).fit(X)
    histories = sparse.csr_array(1000 * X)  # scores are linear in the history
    assert (larger.predict(histories) == expected).mean() > 0.99


def test_items_that_are_the_same_are_not_listed_twice():
    X = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]])
    vectors = np.eye(3)[[0, 0, 0, 0, 1, 2]]
    for method in ("mmr", "dpp"):
        ridge = RidgeRecommender(catalog=ItemCatalog(vectors), content_weight=1e-6)
        rec = DiverseRecommender(ridge, diversity=0.9, method=method).fit(X)
        assert set(vectors[rec.recommend(np.zeros((1, 6)), 3)[0][0]].argmax(axis=1)) == {0, 1, 2}


def test_items_with_common_users_are_similar_by_behavior():
    # The items 0, 1, 2 and the items 3, 4, 5 have the same users.
    X = np.kron(np.eye(2), np.ones((4, 3)))
    X[0, 0] = X[1, 1] = 0
    rec = DiverseRecommender(PopularityRecommender(), diversity=0.8, similarity="behavior").fit(X)
    items = rec.recommend(np.zeros((1, 6)), 2)[0][0]
    assert {item // 3 for item in items} == {0, 1}


def test_similarity_without_vectors_is_an_error(X, with_vectors):
    with pytest.raises(ValueError, match=r"similarity='content' requires item vectors, but PopularityRecommender"):
        DiverseRecommender(PopularityRecommender(), similarity="content").fit(X)
    rec = DiverseRecommender(with_vectors, similarity="behavior").fit(X)
    with pytest.raises(ValueError, match="candidates holds 2 new items, which have no users to compare"):
        rec.recommend(X, candidates=ItemCatalog(np.eye(2, 6)))


def test_new_items_are_compared_by_content(with_vectors, X):
    new = ItemCatalog(np.vstack([np.eye(6), np.eye(6)]))
    inner = clone(with_vectors).fit(X)
    assert_array_equal(
        DiverseRecommender(with_vectors, diversity=0).fit(X).recommend(X, 4, candidates=new)[0],
        inner.recommend(X, 4, candidates=new)[0],
    )
    items = DiverseRecommender(with_vectors, diversity=1).fit(X).recommend(X, 3, candidates=new)[0] % 6
    assert (np.diff(np.sort(items, axis=1), axis=1) > 0).all()


def test_equal_scores_and_one_item_have_an_order():
    rec = DiverseRecommender(PopularityRecommender(), diversity=0.5).fit(np.ones((3, 1)))
    assert_array_equal(rec.recommend(np.zeros((1, 1)), 2)[0], [[0, -1]])
    rec = DiverseRecommender(PopularityRecommender(), diversity=0.5).fit(np.eye(4))
    items, scores = rec.recommend(np.zeros((1, 4)), 4)
    assert_array_equal(np.sort(items), [[0, 1, 2, 3]])
    assert_allclose(scores, 1)
