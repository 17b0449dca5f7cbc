"""Properties of every recommender, on small matrices that hypothesis makes up."""

import numpy as np
import pandas as pd
import pytest
from catalogs import with_catalog
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import GraphFilterRecommender, ItemCatalog, PopularityRecommender

weights = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.0, 2.0])
tables = hnp.arrays(np.float64, st.tuples(st.integers(2, 8), st.integers(2, 8)), elements=weights)
seeds = st.integers(0, 5)
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


@pytest.fixture(scope="session")
def fit(prototype):
    """Return a function that fits each recommender, with item vectors if they are given."""
    return fit_with(prototype)


@pytest.fixture(scope="session")
def fit_closed_form(closed_form_prototype):
    """Return a function that fits each recommender without training, with item vectors if they are given."""
    return fit_with(closed_form_prototype)


def fit_with(prototype):
    def fit(X, vectors=None):
        items = None if vectors is None else ItemCatalog(vectors)
        return with_catalog(prototype, items).fit(X)

    return fit


def vectors_of(X, seed):
    return np.random.default_rng(seed).standard_normal((X.shape[1], 3))


def assume_unique_spectrum(rec, X):
    """Leave out matrices with equal singular values on both sides of the cut: the vectors before it are not unique."""
    n_components = len(getattr(rec, "singular_values_", ()))
    if n_components:
        X = (X > 0).astype(np.float64)
        N = X / np.sqrt(np.outer(np.maximum(X.sum(axis=1), 1), np.maximum(X.sum(axis=0), 1)))
        strength = np.linalg.svd(N, compute_uv=False)
        assume(strength[n_components] < 0.99 * strength[n_components - 1] or not strength[n_components - 1] > 1e-6)


@given(tables, st.randoms(use_true_random=False), seeds)
def test_reordered_users_leave_the_scores(fit_closed_form, X, random, seed):
    order = random.sample(range(len(X)), len(X))
    vectors = vectors_of(X, seed)
    rec = fit_closed_form(X, vectors)
    assume_unique_spectrum(rec, X)
    reordered = fit_closed_form(X[order], vectors).decision_function(X)
    assert_allclose(reordered, rec.decision_function(X), **CLOSE)


@given(tables, st.randoms(use_true_random=False), seeds)
def test_reordered_items_reorder_the_scores(fit_closed_form, X, random, seed):
    order = random.sample(range(X.shape[1]), X.shape[1])
    vectors = vectors_of(X, seed)
    rec = fit_closed_form(X, vectors)
    assume_unique_spectrum(rec, X)
    reordered = fit_closed_form(X[:, order], vectors[order]).decision_function(X[:, order])
    assert_allclose(reordered, rec.decision_function(X)[:, order], **CLOSE)


@given(tables, st.randoms(use_true_random=False))
def test_reordered_histories_reorder_the_answers(fit, X, random):
    order = random.sample(range(len(X)), len(X))
    rec = fit(X)
    assert_array_equal(rec.predict(X[order]), rec.predict(X)[order])
    assert_array_equal(rec.transform(X[order]), rec.transform(X)[order])


@given(tables)
def test_duplicates_are_their_sum(fit, X):
    rows, columns = np.nonzero(X)
    halves = sparse.coo_array(
        (np.tile(X[rows, columns] / 2, 2), (np.tile(rows, 2), np.tile(columns, 2))), shape=X.shape
    )
    assert_array_equal(fit(halves).decision_function(halves), fit(X).decision_function(X))


@given(tables)
def test_explicit_zeros_are_nothing(fit, X):
    columns = np.indices(X.shape)[1]
    full = sparse.csr_array((X.ravel(), columns.ravel(), np.arange(len(X) + 1) * X.shape[1]), shape=X.shape)
    assert full.nnz == X.size
    rec, same = fit(X), fit(full)
    assert_array_equal(same.decision_function(full), rec.decision_function(X))
    assert_array_equal(same.predict(full), rec.predict(X))


@given(tables, st.integers(0, 7))
def test_a_new_user_like_a_known_one_gets_the_same(fit, X, user):
    rec, row = fit(X), X[[user % len(X)]]
    assert_array_equal(rec.predict(row)[0], rec.predict(X)[user % len(X)])
    assert_array_equal(rec.transform(row.copy())[0], rec.transform(X)[user % len(X)])


@given(tables, st.sampled_from([0.25, 2.0, 1024.0]))
def test_a_louder_history_asks_for_the_same(fit, X, factor):
    """Scores are linear in the history, or do not read how loud it is, and powers of two are exact."""
    rec = fit(X)
    assert_array_equal(rec.predict(factor * X), rec.predict(X))
    active = X.any(axis=1)  # the others have no history to be loud
    scores, louder = rec.decision_function(X)[active], rec.decision_function(factor * X)[active]
    assert (louder == factor * scores).all() or (louder == scores).all()


@given(tables)
def test_histories_add_up(fit_closed_form, X):
    """Scores of the closed forms are linear in the history, but for the popularity in a filter (or do not read it)."""
    rec = fit_closed_form(X)
    if isinstance(rec, GraphFilterRecommender):
        rec = rec.set_params(popularity_weight=0).fit(X)
    scores = rec.decision_function(X)
    both = X.any(axis=1) & X[::-1].any(axis=1)
    added = rec.decision_function(X + X[::-1])[both]
    reads_histories = not isinstance(rec, PopularityRecommender)
    assert_allclose(added, (scores + scores[::-1])[both] / (1 if reads_histories else 2), **CLOSE)


@given(tables)
def test_other_names_for_items_rename_the_answers(fit, X):
    names = np.array([f"item {j}" for j in range(X.shape[1])][::-1], dtype=object)
    frame = pd.DataFrame(X, columns=names)
    positions = fit(X).predict(X)
    assert_array_equal(fit(frame).predict(frame), np.append(names, None)[positions])


@given(tables, st.randoms(use_true_random=False), seeds)
def test_candidates_are_the_ranking_without_the_others(fit, X, random, seed):
    rec = fit(X, vectors_of(X, seed))
    chosen = random.sample(range(X.shape[1]), random.randint(1, X.shape[1]))
    ranking, scores = rec.recommend(X, X.shape[1])
    items, found = rec.recommend(X, len(chosen), candidates=sorted(chosen))
    for row in range(len(X)):
        kept = np.isin(ranking[row], chosen)
        assert_array_equal(items[row][items[row] >= 0], ranking[row][kept])
        assert_array_equal(found[row][items[row] >= 0], scores[row][kept])


@given(tables, st.integers(1, 8))
def test_shorter_lists_are_the_beginning_of_longer_ones(fit, X, n):
    rec = fit(X)
    long = rec.recommend(X, n + 3)
    for short, whole in zip(rec.recommend(X, n), long, strict=True):
        assert_array_equal(short, whole[:, :n])


@given(tables)
def test_nobody_is_recommended_what_they_have(fit, X):
    items = fit(X).predict(X)
    rows, places = np.nonzero(items >= 0)
    assert not X[rows, items[rows, places]].any()
    assert_array_equal((items >= 0).sum(axis=1), np.minimum((X == 0).sum(axis=1), items.shape[1]))


@given(tables, seeds)
def test_fitted_items_of_a_catalog_keep_their_scores(fit, X, seed):
    vectors = vectors_of(X, seed)
    frame = pd.DataFrame(X, columns=[f"item {j}" for j in range(X.shape[1])])
    rec = fit(frame, vectors)
    everything = ItemCatalog(vectors, ids=list(frame.columns))
    for with_items, without in zip(
        rec.recommend(frame, 5, candidates=everything), rec.recommend(frame, 5), strict=True
    ):
        assert_array_equal(with_items, without)
