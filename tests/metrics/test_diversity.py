"""Intra-list diversity and calibration: known answers, and the results of scikit-learn and scipy."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.metrics.pairwise import cosine_distances

from skgnnrec.metrics import _diversity, intra_list_diversity, miscalibration

VECTORS = np.array([[1.0, 0], [2, 0], [0, 3], [-1, 0], [0, 0]])


def test_diversity_known_answers():
    lists = [[0, 1], [0, 2], [0, 3], [0, 4], [0, -1]]
    assert_allclose(intra_list_diversity(lists, VECTORS, average=False), [0, 1, 2, 1, np.nan], atol=1e-12)
    assert intra_list_diversity(lists, VECTORS) == pytest.approx(1)
    assert intra_list_diversity(lists, VECTORS, sample_weight=[0, 1, 3, 0, 9]) == pytest.approx(7 / 4)
    assert intra_list_diversity([[0, 1, 3]], VECTORS) == pytest.approx(4 / 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_array])
def test_diversity_agrees_with_scikit_learn(seed, form, monkeypatch):
    monkeypatch.setattr(_diversity, "BLOCK_BYTES", 512)  # several blocks
    rng = np.random.default_rng(seed)
    vectors = np.where(rng.random((30, 8)) < 0.6, rng.standard_normal((30, 8)), 0)
    lists = np.argsort(rng.random((40, 30)), axis=1)[:, :6]
    lists[::5, 4:] = -1
    distances = cosine_distances(vectors)
    distances[~vectors.any(axis=1)] = 1.0
    expected = [
        np.mean(distances[np.ix_(row, row)][np.triu_indices(len(row), 1)]) for row in (r[r >= 0] for r in lists)
    ]
    assert_allclose(intra_list_diversity(lists, form(vectors), average=False), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200])
def test_length_of_vectors_does_not_matter(scale):
    assert intra_list_diversity([[0, 2, 3]], scale * VECTORS) == pytest.approx(
        intra_list_diversity([[0, 2, 3]], VECTORS)
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_calibration_agrees_with_scipy(seed, form):
    rng = np.random.default_rng(seed)
    categories = (rng.random((30, 5)) < 0.3).astype(float)
    histories = np.where(rng.random((40, 30)) < 0.2, rng.integers(1, 4, (40, 30)), 0)
    lists = np.argsort(rng.random((40, 30)), axis=1)[:, :6]
    shares = categories / np.maximum(categories.sum(axis=1, keepdims=True), 1)
    found = miscalibration(lists, form(histories), form(categories), alpha=0.05, average=False)
    for user in range(40):
        wanted, shown = histories[user] @ shares, shares[lists[user]].sum(axis=0)
        if wanted.any() and shown.any():
            wanted, shown = wanted / wanted.sum(), shown / shown.sum()
            assert abs(found[user] - stats.entropy(wanted, 0.95 * shown + 0.05 * wanted)) < 1e-6  # float32 histories
        else:
            assert np.isnan(found[user])
    assert miscalibration(lists, histories, categories, alpha=0.05) == pytest.approx(np.nanmean(found))


def test_calibration_known_answers():
    genres = [[1, 0], [1, 0], [0, 1], [0, 0]]
    histories = [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]
    lists = [[1, 2], [1, 3], [2, -1], [1, 2], [3, -1]]
    expected = [0, 0, np.log(100), np.nan, np.nan]
    assert_allclose(miscalibration(lists, histories, genres, average=False), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: intra_list_diversity([[0, 5]], VECTORS), "from 0 to 4, or -1 as padding; got 5"),
        (lambda: intra_list_diversity([[0]], VECTORS), "must have two recommended items; got none in 1 rows"),
        (lambda: intra_list_diversity([[0, 1]], VECTORS * np.nan), "item_vectors contains NaN"),
        (lambda: intra_list_diversity([[0, 1]], [[10**400], [1]]), "item_vectors holds a number too large for dtype"),
        (
            lambda: intra_list_diversity([[0, 1]], pd.DataFrame([[10**400], [1]], dtype=object)),
            "item_vectors holds a number too large for dtype",
        ),
        (lambda: miscalibration([[0]], [[1, 1]], [[1.0]]), "one row per item, .*; got 1 rows and 2 columns"),
        (lambda: miscalibration([[0]], [[1, 1]], [[1.0], [-1.0]]), "Negative values in data passed to item_categories"),
        (lambda: miscalibration([[0]], [[1, 1]], [[1.0], [1.0]], alpha=0), "The 'alpha' parameter of miscalibration"),
        (
            lambda: miscalibration([[0]], [[0, 0]], [[1.0], [1.0]]),
            "must have categories in the history",
        ),
        (lambda: miscalibration([[0], [1]], [[1, 0]], [[1.0], [1.0]]), "one row per user; got 2 and 1"),
    ],
)
def test_errors_name_the_cause(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_vectors_are_not_modified():
    vectors = VECTORS.copy()
    vectors.setflags(write=False)
    intra_list_diversity([[0, 1]], vectors)
    assert_array_equal(vectors, VECTORS)
