"""Top-k is exact: the first k columns of a stable sort by descending score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from skgnnrec.ranking import top_k
from skgnnrec.ranking._top_k import best_entries, bound_of_kth

few_values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5, 2.0, np.inf])  # many ties
shapes = st.tuples(st.integers(0, 6), st.integers(1, 60) | st.integers(64, 300))  # from 64 columns on in groups
score_tables = hnp.arrays(np.float32, shapes, elements=few_values | st.floats(-9, 9, width=32))


def sorted_row(scores, k):
    """Return the columns and scores of the k best of a row, by a sort in Python, padded with -1 and -inf."""
    best = sorted((-score, column) for column, score in enumerate(scores.tolist()) if score > -np.inf)[:k]
    padding = k - len(best)
    return [column for _, column in best] + [-1] * padding, [-score for score, _ in best] + [-np.inf] * padding


@given(score_tables, st.integers(1, 70))
def test_top_k_is_a_sort_by_score_and_column(scores, k):
    before = scores.copy()
    columns, values = top_k(scores, k)
    expected = [sorted_row(row, k) for row in scores]
    assert columns.shape == values.shape == (len(scores), k)
    assert_array_equal(columns, np.array([row[0] for row in expected]).reshape(len(scores), k))
    assert_array_equal(values, np.array([row[1] for row in expected]).reshape(len(scores), k))
    assert (columns.dtype, values.dtype) == (np.int64, np.float32)
    assert_array_equal(scores, before)


@given(hnp.arrays(np.float32, shapes, elements=few_values | st.just(np.nan)), st.integers(1, 70))
def test_nan_does_not_count(scores, k):
    expected = top_k(np.where(np.isnan(scores), -np.inf, scores), k)
    for found, wanted in zip(top_k(scores, k), expected, strict=True):
        assert_array_equal(found, wanted)


@given(score_tables, st.integers(1, 9), st.randoms(use_true_random=False))
def test_rows_do_not_depend_on_other_rows(scores, k, random):
    rows = random.choices(range(len(scores)), k=4) if len(scores) else []
    assert_array_equal(top_k(scores[rows], k)[0], top_k(scores, k)[0][rows])


def test_ties_have_the_order_of_the_columns():
    scores = np.array([[0.1, 0.7, 0.7, -np.inf, 0.7]], dtype=np.float32)
    assert_array_equal(top_k(scores, 2)[0], [[1, 2]])
    assert_array_equal(top_k(scores, 5)[0], [[1, 2, 4, 0, -1]])
    assert_array_equal(top_k(np.zeros((1, 1000), dtype=np.float32), 3)[0], [[0, 1, 2]])


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (1, 1)])
def test_top_k_without_rows_columns_or_scores(shape):
    columns, values = top_k(np.full(shape, -np.inf, dtype=np.float32), 3)
    assert columns.shape == values.shape == (shape[0], 3)
    assert (columns == -1).all()
    assert (values == -np.inf).all()


@given(score_tables, st.integers(1, 60))
def test_at_least_k_scores_reach_the_bound(scores, k):
    k = min(k, scores.shape[1])
    bound, largest = bound_of_kth(scores, k)
    assert_array_equal(largest, scores.max(axis=1))
    assert ((scores >= bound[:, None]).sum(axis=1) >= k).all()
    if scores.shape[1] < 64 * k:
        assert_array_equal(bound, [sorted(row, reverse=True)[k - 1] for row in scores.tolist()])


@pytest.mark.parametrize("n_columns", [64, 65, 1000, 10_007])
def test_wide_rows_of_many_kinds(n_columns):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((5, n_columns), dtype=np.float32)
    scores[1, rng.random(n_columns) < 0.99] = 0  # many ties within the list
    scores[2] = np.abs(scores[2]) * (rng.random(n_columns) < 0.0005)  # fewer scores than places
    scores[3, 2:] = -np.inf
    scores[4] = np.repeat([3, 2], [40, n_columns - 40])
    columns, values = top_k(scores, 20)
    for row, found, best in zip(scores, columns.tolist(), values.tolist(), strict=True):
        assert (found, best) == sorted_row(row, 20)


@given(score_tables, st.integers(1, 9))
def test_best_entries_are_the_top_k_of_stored_scores(scores, k):
    rows, columns = np.nonzero(scores > -np.inf)
    found, values = best_entries(rows, columns, scores[rows, columns], len(scores), k)
    assert_array_equal(found, top_k(scores, k)[0])
    assert_array_equal(values, top_k(scores, k)[1])
