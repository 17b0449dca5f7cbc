"""Damped biases, rating levels and repeated pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.recommenders.ratings._biases import Pairs, fit_biases, level_edges, merge_repeats, ridge


def pairs_of(seed, n=60, n_users=9, n_items=7):
    rng = np.random.default_rng(seed)
    keys = rng.choice(n_users * n_items, size=min(n, n_users * n_items), replace=False)
    users, items = np.divmod(np.sort(keys), n_items)
    return Pairs(users, items, rng.standard_normal(len(keys)))


@pytest.mark.parametrize("n_dimensions", [None, 3, 12])  # fewer and more than there are items
def test_biases_are_the_damped_least_squares_solution(n_dimensions):
    pairs, alpha = pairs_of(0, n=30), 2.5
    vectors = None if n_dimensions is None else np.random.default_rng(1).standard_normal((7, n_dimensions))
    users, items = np.eye(9)[pairs.users], np.eye(7)[pairs.items]
    A = np.hstack([users, items, *([] if vectors is None else [items @ vectors])])
    solution = np.linalg.solve(A.T @ A + alpha * np.eye(A.shape[1]), A.T @ pairs.ratings)
    of_items = solution[9:16] + (0 if vectors is None else vectors @ solution[16:])
    found = fit_biases(pairs, 9, 7, alpha, vectors)
    assert_allclose(found.users, solution[:9], atol=1e-4)
    assert_allclose(found.items, of_items, atol=1e-4)


def test_biases_of_one_rating_each():
    # Ten users rate one item, 1 above the mean: b_i = 10 (1 - b_u) / (10 + alpha).
    pairs = Pairs(np.arange(10), np.zeros(10, dtype=int), np.ones(10))
    biases = fit_biases(pairs, 11, 2, 1.0, None)
    assert_allclose(biases.users, [1 / 12] * 10 + [0.0], atol=1e-5)
    assert_allclose(biases.items, [10 / 12, 0.0], atol=1e-5)
    assert_allclose(biases(pairs), 11 / 12, atol=1e-5)


def test_items_without_ratings_have_the_bias_of_their_vectors():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]])
    pairs = Pairs(np.tile(np.arange(20), 4), np.repeat(np.arange(4), 20), np.repeat([1.0, 1, -1, -1], 20))
    of_items = fit_biases(pairs, 20, 6, 1.0, vectors).items
    assert of_items[4] > 0.5
    assert of_items[5] < -0.5


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_both_forms_of_the_ridge_agree(n, n_dimensions, seed):
    rng = np.random.default_rng(seed)
    F, D, y = rng.standard_normal((n, n_dimensions)), rng.random(n), rng.standard_normal(n)
    D[rng.integers(n)] = 0
    m = np.linalg.solve(F.T @ (D[:, None] * F) + 0.7 * np.eye(n_dimensions), F.T @ (D * y))
    assert_allclose(ridge(F, D, 0.7)(y), F @ m, atol=1e-10)


@pytest.mark.parametrize(
    ("ratings", "n_levels", "edges"),
    [
        ([3, 1, 2, 1], 5, [2, 3]),
        ([3, 1, 2, 1], 3, [2, 3]),
        ([4, 4, 4], 5, []),
        ([1, 2, 3, 4], 1, []),
        (range(100), 4, [25, 50, 75]),
        ([0] * 50 + list(range(1, 51)), 4, [1, 26]),  # the lower half is one rating
        ([*range(1, 51), *[60] * 50], 4, [26, 60]),
    ],
)
def test_edges_of_levels(ratings, n_levels, edges):
    found = level_edges(np.array(ratings, dtype=float), n_levels)
    assert len(found) < n_levels
    if len(edges):
        assert_allclose(found, edges, atol=1)
    else:
        assert not len(found)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.integers(1, 8))
def test_no_level_is_empty(ratings, n_levels):
    ratings = np.array(ratings)
    edges = level_edges(ratings, n_levels)
    levels = np.searchsorted(edges, ratings, side="right")
    assert_array_equal(np.unique(levels), np.arange(len(edges) + 1))
    assert len(edges) < n_levels
    assert_array_equal(level_edges(4 * ratings, n_levels), 4 * edges)  # powers of two are exact


def test_repeated_pairs_count_once_with_their_mean():
    pairs = Pairs(np.array([1, 0, 1, 1]), np.array([2, 1, 2, 0]), np.array([1.0, 5.0, 4.0, 3.0]))
    merged = merge_repeats(pairs, 3)
    assert [values.tolist() for values in merged] == [[0, 1, 1], [1, 0, 2], [5.0, 3.0, 2.5]]
