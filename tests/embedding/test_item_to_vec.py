"""ItemToVec: counts and information against their formulas, exact factors, structure that is found, batteries."""

import numpy as np
import pandas as pd
import pytest
from fitted_state import WAYS, foreign_values
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import ContentRecommender, ItemCatalog
from skgnnrec.embedding import ItemToVec
from skgnnrec.embedding._item_to_vec import count_pairs
from skgnnrec.exceptions import ItemAlignmentError, MemoryLimitError


def information(X, n_negatives=1, smoothing=1.0):
    """Return the shifted positive pointwise mutual information of the columns of X, by the formula."""
    B = (X.toarray() > 0).astype(float)
    counts = B.T @ B
    of_items = counts.sum(axis=1)
    context = of_items**smoothing
    with np.errstate(divide="ignore", invalid="ignore"):
        M = np.log(counts * context.sum() / np.outer(of_items, context)) - np.log(n_negatives)
    return np.where(counts > 0, np.maximum(M, 0), 0)


@pytest.mark.parametrize("params", [{}, {"n_negatives": 2}, {"smoothing": 0.75}, {"n_negatives": 3, "smoothing": 0.5}])
def test_vectors_are_the_factors_of_the_information(params, X):
    model = ItemToVec(40, **params).fit(X)
    U, values, _ = np.linalg.svd(information(X, **params))
    expected = U * np.sqrt(values)
    found = model.item_vectors_
    assert found.dtype == np.float32
    # The sign of a singular vector is arbitrary; products of items are not.
    assert_allclose(found @ found.T, expected @ expected.T, atol=2e-4)
    few = ItemToVec(5, **params).fit(X).item_vectors_
    assert_allclose(np.abs(few), np.abs(expected[:, :5]), atol=2e-3)


def test_pairs_within_a_window():
    X = sparse.csr_array(np.array([[0.2, 0.2, 0.5, 0.7, 0.9]]))  # the first two are of the same time
    times = np.array([0, 0, 1, 2, 3])
    for window in (0, 1, 2, 9):
        near = np.abs(times[:, None] - times) <= window
        assert_array_equal(count_pairs(X, window).toarray(), near)
    assert_array_equal(count_pairs(X, None).toarray(), np.ones((5, 5)))


def test_windows_do_not_reach_into_other_rows(X):
    X.data = np.random.default_rng(0).integers(1, 5, X.nnz).astype(np.float32)
    dense = X.toarray()
    expected = np.zeros((40, 40))
    for row in dense:
        items = np.flatnonzero(row)
        places = np.unique(row[items], return_inverse=True)[1]
        expected[np.ix_(items, items)] += np.abs(places[:, None] - places) <= 1
    assert_array_equal(count_pairs(X, 1).toarray(), expected)
    assert_array_equal(count_pairs(X, 4).toarray(), count_pairs(X, None).toarray())


def test_items_of_a_topic_are_neighbors(X, tastes):
    model = ItemToVec(4).fit(X)
    topics = tastes.item_topics
    neighbors = ContentRecommender(catalog=ItemCatalog(model.item_vectors_)).fit(X).similar_items(np.arange(40), 3)[0]
    assert (topics[neighbors] == topics[:, None]).mean() > 0.7


def test_rows_are_weighted_means(X):
    model = ItemToVec(6).fit(X)
    weighted = X.copy()
    weighted.data = np.random.default_rng(0).random(X.nnz).astype(np.float32) + 0.1
    dense = weighted.toarray()
    expected = dense @ model.item_vectors_ / dense.sum(axis=1, keepdims=True)
    assert_allclose(model.transform(weighted), expected, rtol=1e-4, atol=1e-6)
    assert_array_equal(model.transform(np.zeros((1, 40))), np.zeros((1, 6)))


def test_vectors_of_users_are_features_of_a_classifier(X, tastes):
    kind = (X[:, :10].sum(axis=1) > np.median(X[:, :10].sum(axis=1))).astype(int)
    assert cross_val_score(make_pipeline(ItemToVec(8), LogisticRegression(C=100)), X, kind, cv=3).mean() > 0.7


def test_items_without_rows_have_the_zero_vector():
    X = np.array([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0]])
    vectors = ItemToVec(3).fit(X).item_vectors_
    assert_array_equal(vectors[4], 0)
    cosines = vectors[:4] @ vectors[:4].T
    assert_allclose(cosines[:2, :2], cosines[0, 0], rtol=1e-5)  # they occur with each other only
    assert_allclose(cosines[:2, 2:], 0, atol=1e-6)
    assert_array_equal(ItemToVec(3).fit(np.zeros((2, 4))).item_vectors_, np.zeros((4, 3)))


def test_columns_of_a_frame_are_ids(X, names):
    frame = pd.DataFrame(X.toarray(), columns=names)
    model = ItemToVec(4).fit(frame)
    assert_array_equal(model.item_ids_, names)
    assert_array_equal(model.item_vectors_, ItemToVec(4).fit(X).item_vectors_)
    assert ItemToVec(4).fit(X).item_ids_ is None
    numbers = pd.DataFrame(X.toarray(), columns=np.arange(40) + 100)
    with pytest.raises(ItemAlignmentError, match="must be the items of the fit, in that order: X starts with 139, 138"):
        ItemToVec(4).fit(numbers).transform(numbers.iloc[:, ::-1])


def test_too_many_pairs_are_refused(monkeypatch, X):
    monkeypatch.setattr("skgnnrec._memory.SMALL", 0)
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: 20_000)
    with pytest.raises(MemoryLimitError, match=r"The pairs of 40 items in 120 rows .* Set window, or leave out"):
        ItemToVec(4).fit(X)


@pytest.mark.parametrize("way", WAYS)
def test_saved_transformers_give_the_same_vectors(X, way):
    model = ItemToVec(5).fit(X)
    assert foreign_values(model) == []
    assert_array_equal(WAYS[way](model).transform(X), model.transform(X))


def test_the_battery_of_scikit_learn():
    results = estimator_checks.check_estimator(ItemToVec(2), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 44


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(name):
    assert getattr(estimator_checks, name)("ItemToVec", clone(ItemToVec(2))) is None
