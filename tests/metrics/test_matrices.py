"""Matrices of held-out interactions and histories: all forms give the same metrics, and errors name the argument."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec.metrics import (
    auc_at_k,
    intra_list_diversity,
    miscalibration,
    ndcg_at_k,
    novelty,
    popularity_lift,
    ranking_metrics,
    recall_at_k,
)

TRUTH = np.array([[1, 0, 0, 1, 1], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]])
LISTS = np.array([[3, 1, 0, 2], [4, 2, -1, -1], [0, 1, 2, 3]])


def random_case(seed, n_users=40, n_items=30, n=10):
    rng = np.random.default_rng(seed)
    truth = sparse.random_array((n_users, n_items), density=0.1, rng=rng, format="csr")
    return truth, np.argsort(rng.random((n_users, n_items)), axis=1)[:, :n]


def duplicated(truth):
    coo = truth.tocoo()
    row, column = coo.coords
    halves = np.concatenate([coo.data / 2, coo.data / 2])
    return sparse.coo_array((halves, (np.tile(row, 2), np.tile(column, 2))), shape=truth.shape)


def with_explicit_zeros(truth):
    return sparse.csr_array((np.where(truth.toarray().ravel() > 0, 1, 0), np.indices(truth.shape).reshape(2, -1)))


def unsorted_with_duplicates(truth):
    indices = np.concatenate([np.r_[row.indices[::-1], row.indices] for row in map(sparse.csr_array, truth)])
    canonical = sparse.csr_array(truth)
    return sparse.csr_array((np.ones(len(indices)), indices, 2 * canonical.indptr), shape=truth.shape)


def with_stale_flags(truth):
    stale = sparse.csr_array(unsorted_with_duplicates(truth))
    stale.has_sorted_indices = stale.has_canonical_format = True
    return stale


@pytest.mark.parametrize(
    "form",
    [
        sparse.csr_matrix,
        sparse.csc_array,
        sparse.lil_array,
        sparse.coo_matrix,
        sparse.dok_array,
        lambda truth: truth.toarray(),
        lambda truth: truth.toarray().tolist(),
        lambda truth: truth.toarray() > 0,
        duplicated,
        with_explicit_zeros,
        unsorted_with_duplicates,
        with_stale_flags,
    ],
)
def test_all_forms_of_y_true_give_the_same_metrics(form):
    truth, lists = random_case(1)
    assert ranking_metrics(form(truth), lists) == ranking_metrics(truth, lists)


def test_negative_values_and_duplicates_that_cancel_are_not_relevant():
    truth = sparse.coo_array(([1.0, -1.0, -2.0, 1.0], ([0, 0, 0, 0], [0, 0, 1, 2])), shape=(1, 3))
    assert recall_at_k(truth, [[0, 1]]) == 0
    assert recall_at_k(truth, [[0, 2]]) == 1


def test_matrices_are_not_modified():
    truth, lists = random_case(2)
    truth = unsorted_with_duplicates(truth)
    before = truth.data.copy(), truth.indices.copy(), truth.indptr.copy()
    for array in (truth.data, truth.indices, truth.indptr):
        array.setflags(write=False)
    ranking_metrics(truth, lists)
    for now, then in zip((truth.data, truth.indices, truth.indptr), before, strict=True):
        assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool])
def test_sums_of_duplicates_do_not_wrap(dtype):
    truth = sparse.coo_array((np.array([100, 100, 100], dtype=dtype), ([0, 0, 0], [1, 1, 1])), shape=(1, 2))
    assert recall_at_k(truth, [[1]]) == 1


@pytest.mark.parametrize("bad_index", [-1, 5, 2**30])
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_indices_out_of_range_raise_and_do_not_crash(form, bad_index):
    truth = form(TRUTH)
    indices = truth.coords[1] if truth.format == "coo" else truth.indices
    indices[0] = bad_index
    with pytest.raises(ValueError, match=r"y_true is not a valid (CSR|CSC|COO) matrix: .*ind"):
        recall_at_k(truth, LISTS)


MATRICES = {
    "ndcg y_true": ("y_true", lambda matrix: ndcg_at_k(matrix, LISTS)),
    "auc seen": ("seen", lambda matrix: auc_at_k(TRUTH, LISTS, seen=matrix)),
    "novelty interactions": ("interactions", lambda matrix: novelty(LISTS, matrix)),
    "lift histories": ("histories", lambda matrix: popularity_lift(LISTS, matrix)),
    "miscalibration item_categories": ("item_categories", lambda matrix: miscalibration(LISTS, TRUTH, matrix)),
    "diversity item_vectors": ("item_vectors", lambda matrix: intra_list_diversity(LISTS, matrix)),
}


@pytest.mark.parametrize(("name", "call"), MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ({1, 2}, "must be a matrix of numbers with two dimensions, dense or sparse; got a set"),
        ({"a": [1]}, "must be a matrix of numbers with two dimensions, dense or sparse; got a dict"),
        ([1, 0], "must be a matrix of numbers with two dimensions, dense or sparse; got 1 dimension"),
        (pd.Series([1, 0]), "must be a matrix of numbers .*; got 1 dimension"),
        (sparse.coo_array([1, 0]), "must be a matrix of numbers .*; got 1 dimension"),
        (np.zeros((2, 2, 2)), "must be a matrix of numbers .*; got 3 dimension"),
        ([[1], [1, 0]], "must be a matrix of numbers .*; got rows of different lengths"),
        ([["mug", "pot"]], "must be a matrix of numbers .*; got values of dtype <U3"),
        ([["1", "0"]], "must be a matrix of numbers .*; got values of dtype <U1"),
        ([[1j, 0]], "must be a matrix of numbers .*; got values of dtype complex128"),
        (np.array([["2020"]], dtype="M8[D]"), "must be a matrix of numbers .*; got values of dtype datetime64"),
        ([[1, None]], "contains NaN"),
        ([[1, np.inf]], "contains infinity"),
        (pd.DataFrame({"a": ["mug"]}), "could not convert string to float|must be a matrix of numbers"),
    ],
)
def test_errors_name_the_matrix(name, call, matrix, message):
    with pytest.raises(ValueError, match=rf"(?s){name}.*({message})|must be an array-like"):
        call(matrix)


@pytest.mark.parametrize("form", [pd.DataFrame, pl.DataFrame, lambda X: X.astype(object), lambda X: X.astype(np.uint8)])
def test_tables_are_matrices(form):
    assert ndcg_at_k(form(TRUTH), LISTS) == ndcg_at_k(TRUTH, LISTS)
    assert novelty(LISTS, form(TRUTH)) == novelty(LISTS, TRUTH)
