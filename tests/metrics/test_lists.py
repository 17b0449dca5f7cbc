"""Recommendation lists: all valid forms give the same metrics, and errors name the argument."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec import metrics
from skgnnrec.metrics import ndcg_at_k, ranking_metrics, recall_at_k

each_metric = pytest.mark.parametrize(
    "metric", [getattr(metrics, name) for name in metrics.__all__ if name.endswith("_at_k")]
)

TRUTH = np.array([[1, 0, 0, 1, 1], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]])
LISTS = np.array([[3, 1, 0, 2], [4, 2, -1, -1], [0, 1, 2, 3]])


def random_case(seed, n_users=40, n_items=30, n=10):
    rng = np.random.default_rng(seed)
    truth = sparse.random_array((n_users, n_items), density=0.1, rng=rng, format="csr")
    return truth, np.argsort(rng.random((n_users, n_items)), axis=1)[:, :n]


def test_input_is_not_modified():
    truth, lists = random_case(2)
    before = truth.data.copy(), truth.indices.copy(), truth.indptr.copy(), lists.copy()
    for array in (truth.data, truth.indices, truth.indptr, lists):
        array.setflags(write=False)
    ranking_metrics(truth, lists)
    for now, then in zip((truth.data, truth.indices, truth.indptr, lists), before, strict=True):
        assert_array_equal(now, then)


def test_masked_entries_are_padding():
    lists = np.ma.array([[0, 2], [1, 0]], mask=[[False, True], [False, False]])
    assert ndcg_at_k(TRUTH[:2], lists) == ndcg_at_k(TRUTH[:2], [[0, -1], [1, 0]])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.uint64])
def test_integer_dtypes_of_lists(dtype):
    assert recall_at_k([[1, 0, 1]], np.array([[0, 2]], dtype=dtype)) == 1


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_keys_do_not_overflow(index_dtype):
    n = 60_000
    row = np.array([n - 1], dtype=index_dtype)
    truth = sparse.coo_array(([1.0], (row, row)), shape=(n, n))
    lists = np.zeros((n, 2), dtype=np.int32)
    lists[:, 1] = n - 1
    assert ndcg_at_k(truth, lists) == pytest.approx(1 / np.log2(3))
    # 65,536² wraps to 0 in int32: there, user 32,768's item 0 would look like user 0's.
    truth = sparse.coo_array(([1.0, 1.0], ([0, 32_768], [1, 0])), shape=(65_536, 131_072))
    per_user = recall_at_k(truth, np.zeros((65_536, 1), dtype=np.int32), average=False)
    assert_array_equal(per_user[[0, 32_768]], [0, 1])


@each_metric
@pytest.mark.parametrize(
    ("y_true", "recommended", "options", "message"),
    [
        (TRUTH, LISTS, {"k": 5}, "k must be at most the length of the lists; got k=5 and lists of 4 items"),
        (TRUTH, LISTS, {"k": 0}, "The 'k' parameter of .*_at_k must be an int in the range"),
        (TRUTH, LISTS, {"average": "yes"}, "The 'average' parameter of .*_at_k must be"),
        (TRUTH, [[0, 5], [0, 1], [0, 1]], {}, "recommended must .* from 0 to 4, .* got 5 in row 0, column 1"),
        (TRUTH, [[0, 1], [-2, 1], [0, 1]], {}, "got -2 in row 1, column 0"),
        (TRUTH, [[0, 1], [-1, 1], [0, 1]], {}, "padded with -1 at the end.*got -1 before item 1 in row 1"),
        (TRUTH, [[0, 1, 2], [0, 1, 2], [4, 1, 4]], {}, "contain an item at most once per row; got item 4 .* in row 2"),
        (TRUTH, [[0, 1], [0, 1]], {}, "one row per user; got 2 and 3 rows"),
        (TRUTH, [[0, 1], [0], [1]], {}, "got lists of different lengths. Pad the shorter ones with -1"),
        (TRUTH, [0, 1, 2], {}, r"recommended must have shape \(n_users, n\).*got shape \(3,\)"),
        (TRUTH, np.zeros((3, 0), dtype=int), {}, r"n >= 1.*got shape \(3, 0\)"),
        (TRUTH, LISTS.astype(float), {}, "recommended must hold item positions, which are integers; got dtype float64"),
        (TRUTH, LISTS.astype(object), {}, "recommended must hold item positions.*got dtype object"),
        (TRUTH, LISTS > 1, {}, "recommended must hold item positions.*got dtype bool"),
        (TRUTH, [["mug"], ["pot"], ["cup"]], {}, "Convert item ids to positions first, for example with ItemCatalog"),
        (TRUTH, {0, 1, 2}, {}, r"recommended must have shape \(n_users, n\).*got a set"),
        (TRUTH, [{0, 1}] * 3, {}, r"recommended must have shape \(n_users, n\).*got shape \(3,\)"),
        (TRUTH, [[2**70]] * 3, {}, "recommended must hold item positions.*got dtype object"),
        (TRUTH, sparse.csr_array(LISTS), {}, "The 'recommended' parameter of .*_at_k must be an array-like"),
        (0 * TRUTH, LISTS, {}, "y_true must have a value > 0 for at least one user.*got none in 3 rows"),
        (np.zeros((0, 5)), np.zeros((0, 2), dtype=int), {}, "y_true must have a value > 0.*got none in 0"),
    ],
)
def test_errors_name_the_cause(metric, y_true, recommended, options, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, recommended, **options)


def test_items_after_k_are_checked_too():
    with pytest.raises(ValueError, match="got item 1 more than once in row 0"):
        recall_at_k([[1, 0]], [[0, 1, 1]], k=1)


def test_unsigned_lists_do_not_wrap():
    lists = np.array([[0, np.iinfo(np.uint64).max]], dtype=np.uint64)
    with pytest.raises(ValueError, match="got 18446744073709551615 in row 0, column 1"):
        recall_at_k([[1, 0]], lists)
