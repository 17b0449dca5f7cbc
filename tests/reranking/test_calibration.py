"""CalibratedRecommender: greedy choices equal those of a direct computation, extremes, categories."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.metrics import miscalibration
from skgnnrec.reranking import CalibratedRecommender

GENRES = ["crime|music", "crime", "music", "", None, "war|crime|music", "war", "crime"]


@pytest.fixture(scope="module")
def genres():
    """Return the genres of the 40 items, several for some of them."""
    return np.resize(np.array(GENRES, dtype=object), 40)


@pytest.fixture(scope="module")
def membership(genres):
    """Return the share of each of the three genres in each item, zeros for items without."""
    rows = [[name in (genre or "").split("|") for name in ("crime", "music", "war")] for genre in genres]
    return np.array(rows) / np.maximum(np.sum(rows, axis=1, keepdims=True), 1)


@pytest.fixture(scope="module")
def films(genres):
    """Return a ridge with the genres of the items, to be cloned, never fitted."""
    return RidgeRecommender(catalog=ItemCatalog(pd.DataFrame({"genre": genres})), content_weight=0)


def divergence(wanted, items, membership):
    """Return the Kullback-Leibler divergence of the genres of a list from those of a history."""
    total = membership[items].sum()
    shown = membership[items].sum(axis=0) / total if total else np.zeros(3)
    mixed = 0.99 * shown + 0.01 * wanted
    return sum(p * np.log(p / q) for p, q in zip(wanted, mixed, strict=True) if p > 0)


@pytest.mark.parametrize("calibration", [0.2, 0.6, 0.99])
def test_the_choice_is_that_of_the_formula(films, membership, X, calibration):
    X = sparse.csr_array((np.random.default_rng(0).random(X.nnz) + 0.1, X.indices, X.indptr), shape=X.shape)
    items, scores = clone(films).fit(X).recommend(X, 14)
    settings = {"separator": "|", "calibration": calibration, "n_candidates": 14}
    rec = CalibratedRecommender(films, "genre", **settings).fit(X)
    found = rec.recommend(X, 7)[0]
    assert_array_equal(rec.categories_, ["crime", "music", "war"])
    for user in range(0, X.shape[0], 5):
        relevance = scores[user].astype(np.float64)
        relevance = (relevance - relevance.mean()) / relevance.std()
        wanted = X[[user]].toarray()[0] @ membership
        wanted /= wanted.sum() or 1
        chosen = []
        for _ in range(7):
            values = {
                place: (1 - calibration) * relevance[place]
                - calibration * (len(chosen) + 1) * divergence(wanted, items[user][[*chosen, place]], membership)
                for place in set(range(14)) - set(chosen)
            }
            chosen.append(max(values, key=lambda place: (round(values[place], 9), -place)))
        assert_array_equal(found[user], items[user][chosen])


def test_miscalibration_falls_with_the_parameter(films, membership, X):
    reached = []
    for calibration in (0, 0.3, 0.6, 1):
        rec = CalibratedRecommender(films, "genre", separator="|", calibration=calibration).fit(X)
        reached.append(miscalibration(rec.predict(X), X, membership))
    assert (np.diff(reached) < 0).all()
    assert reached[-1] < 0.2 * reached[0]


def test_seven_of_ten_are_of_the_genre_of_seven_tenths_of_the_history():
    catalog = ItemCatalog(pd.DataFrame({"genre": ["a"] * 40 + ["b"] * 40}))
    X = np.random.default_rng(0).random((30, 80)) < 0.4
    history = np.zeros((1, 80))
    history[0, [0, 1, 2, 3, 4, 5, 6, 40, 41, 42]] = 1
    ridge = RidgeRecommender(catalog=catalog, content_weight=0)
    items = CalibratedRecommender(ridge, "genre", calibration=1).fit(X).recommend(history, 10)[0]
    assert (items < 40).sum() == 7


def test_values_of_x_weigh_the_categories():
    catalog = ItemCatalog(pd.DataFrame({"genre": ["a", "a", "b", "b"]}))
    ridge = RidgeRecommender(catalog=catalog, content_weight=0)
    rec = CalibratedRecommender(ridge, "genre", calibration=1).fit(np.tri(4))
    assert_array_equal(rec.recommend([[5, 0, 1, 0], [1, 0, 5, 0]], 1)[0], [[1], [3]])


def test_users_without_categories_receive_the_list_of_the_recommender(films, genres, X):
    nobody = np.zeros((2, 40))
    nobody[1, 4] = 1  # an item without a genre
    found = CalibratedRecommender(films, "genre", separator="|", calibration=1).fit(X).recommend(nobody, 10)[0]
    assert_array_equal(found, clone(films).fit(X).recommend(nobody, 10)[0])


def test_lists_are_categories_too(films, genres, X):
    split = [None if not genre else genre.split("|") for genre in genres]
    catalog = ItemCatalog(pd.DataFrame({"genre": pd.Series(split, dtype=object)}))
    rec = CalibratedRecommender(clone(films).set_params(catalog=catalog), "genre").fit(X)
    expected = CalibratedRecommender(films, "genre", separator="|").fit(X)
    assert_array_equal(rec.categories_, expected.categories_)
    assert_array_equal(rec.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 1, 2],
        [0.5, 1.5, 0.5, np.nan],
        [True, False, True, False],
        pd.Categorical(["x", "y", "x", None]),
        [None] * 4,
    ],
)
def test_categories_of_all_types(values):
    ridge = RidgeRecommender(catalog=ItemCatalog(pd.DataFrame({"kind": values})), content_weight=0)
    rec = CalibratedRecommender(ridge, "kind").fit(np.tri(4))
    assert len(rec.categories_) == pd.Series(values).nunique()
    assert np.isfinite(rec.recommend(np.eye(4), 3)[1]).all()
