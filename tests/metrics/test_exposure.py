"""Gini index, exposure and gaps between groups."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skgnnrec.metrics import gini_index, group_gap, item_exposure, ndcg_at_k


def random_lists(seed, n_users=50, n_items=20, n=6):
    return np.argsort(np.random.default_rng(seed).random((n_users, n_items)), axis=1)[:, :n]


@pytest.mark.parametrize(
    ("lists", "n_items", "expected"),
    [
        ([[0, 1], [1, 0]], 2, 0),
        ([[0], [0], [0]], 4, 1),
        ([[0, 1]], 4, 2 / 3),
        ([[0, -1], [-1, -1]], 2, 1),
        ([[0]], 1, 0),
    ],
)
def test_gini_known_answer(lists, n_items, expected):
    assert gini_index(lists, n_items=n_items) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_gini_is_the_mean_difference_of_pairs(seed):
    lists, n_items = random_lists(seed, n_users=7), 20
    counts = np.bincount(lists.ravel(), minlength=n_items)
    differences = np.abs(counts[:, None] - counts[None, :]).sum()
    expected = differences / (2 * n_items * counts.sum()) * n_items / (n_items - 1)
    assert abs(gini_index(lists, n_items=n_items) - expected) < 1e-12


def test_user_of_weight_2_counts_twice():
    lists = random_lists(0, n_users=3)
    repeated = lists[[0, 0, 2]]
    for metric in (gini_index, item_exposure):
        weighted = metric(lists, n_items=20, sample_weight=[2, 0, 1])
        assert_allclose(weighted, metric(repeated, n_items=20), rtol=1e-12)


def test_exposure_known_answer():
    log3 = np.log2(3)
    assert_allclose(item_exposure([[0, 1], [0, -1]], n_items=3), np.array([2, 1 / log3, 0]) / (2 + 1 / log3))
    assert_allclose(item_exposure([[0, 1], [0, -1]], n_items=3, discount="none"), [2 / 3, 1 / 3, 0])
    assert_allclose(item_exposure([[0, 1], [2, 1]], n_items=3, k=1), [1 / 2, 0, 1 / 2])


@pytest.mark.parametrize("metric", [gini_index, item_exposure])
@pytest.mark.parametrize(
    ("lists", "options", "message"),
    [
        ([[-1, -1]], {}, "must hold an item for at least one user of positive weight"),
        ([[0, 1]], {"sample_weight": [0]}, "must hold an item for at least one user of positive weight"),
        ([[0, 1]], {"sample_weight": [1, 2]}, "sample_weight has 2 weights for 1 users"),
        ([[0, 5]], {}, "from 0 to 4, or -1 as padding; got 5"),
        ([[0, 1]], {"k": 3}, "k must be at most the length of the lists"),
    ],
)
def test_errors_name_the_cause(metric, lists, options, message):
    with pytest.raises(ValueError, match=message):
        metric(lists, n_items=5, **options)


@pytest.mark.parametrize("metric", [gini_index, item_exposure])
@pytest.mark.parametrize("n_items", [10**14, 2**70])
def test_catalogs_beyond_the_memory_are_refused(metric, n_items):
    with pytest.raises(ValueError, match=rf"The exposure of n_items={n_items} items needs .* Reduce n_items"):
        metric([[0, 1]], n_items=n_items)


def test_gap_known_answer():
    values, groups = [0.5, 0.75, 0.25, np.nan, 9.0], ["new", "old", "new", "old", None]
    assert group_gap(values, groups) == 0.75 - 0.375
    assert group_gap(values, groups, method="ratio") == 0.5
    assert group_gap(values, groups, sample_weight=[0, 1, 1, 5, 1]) == 0.5
    assert group_gap([1.0, 2.0], [7, 7]) == 0
    assert group_gap([1.0, 2.0], [7, "7"]) == 1  # ids of different types are different
    assert group_gap([1.0, 2.0, 9.0], [("a", 1), ("a", 2), np.nan]) == 1
    assert group_gap([1.0, None], ["a", "b"]) == 0
    assert np.isnan(group_gap([0.0, 0.0], [1, 2], method="ratio"))


@pytest.mark.parametrize(
    ("values", "groups", "options", "message"),
    [
        ([np.nan], ["a"], {}, "a number with positive weight in at least one group"),
        ([1.0, np.inf], ["a", "b"], {}, "values must hold finite numbers or nan; got infinity"),
        (["0.5"], ["a"], {}, "values must hold one number per user or item.*; got values of dtype <U3"),
        ({0.5}, ["a"], {}, "values must hold one number per user or item.*; got a set"),
        ([[1.0], [1.0, 2.0]], ["a", "b"], {}, "values must hold one number .*; got values of different lengths"),
        ([1.0], {"a"}, {}, "groups must have an order, got a set"),
        ([1.0], [["a"]], {}, "groups must be values that can be hashed"),
        ([1.0], [[1.0]], {}, "groups must be values that can be hashed"),
        ([1.0, 2.0], ["a"], {}, "values and groups must have the same length; got 2 and 1"),
        ([[1.0]], ["a"], {}, r"shape \(n,\); got shape \(1, 1\)"),
        ([1.0], ["a"], {"method": "largest"}, "The 'method' parameter of group_gap must be"),
    ],
)
def test_gap_errors_name_the_cause(values, groups, options, message):
    with pytest.raises(ValueError, match=message):
        group_gap(values, groups, **options)


@given(st.lists(st.tuples(st.floats(0.25, 1), st.integers(0, 3)), min_size=1, max_size=20))
def test_gap_is_the_difference_or_the_ratio_of_means(rows):
    values, groups = map(np.array, zip(*rows, strict=True))
    means = [values[groups == group].mean() for group in np.unique(groups)]
    assert group_gap(values, groups) == pytest.approx(max(means) - min(means), abs=1e-12)
    assert group_gap(values, groups, method="ratio") == pytest.approx(min(means) / max(means))


def test_agrees_with_metric_frame_of_fairlearn():
    fairlearn = pytest.importorskip("fairlearn.metrics", reason="fairlearn is not installed")
    rng = np.random.default_rng(0)
    truth, lists = (rng.random((60, 20)) < 0.2).astype(int), random_lists(1, n_users=60)
    truth[:, 0] = 1
    ages = np.where(np.arange(60) % 3, "old", "young")
    by_age = fairlearn.MetricFrame(metrics=ndcg_at_k, y_true=truth, y_pred=lists, sensitive_features=ages)
    per_user = ndcg_at_k(truth, lists, average=False)
    assert by_age.overall == pytest.approx(per_user.mean(), abs=1e-12)
    assert by_age.by_group["young"] == pytest.approx(per_user[ages == "young"].mean(), abs=1e-12)
    assert by_age.difference() == pytest.approx(group_gap(per_user, ages), abs=1e-12)
    assert by_age.ratio() == pytest.approx(group_gap(per_user, ages, method="ratio"), abs=1e-12)

    exposure, makers = item_exposure(lists, n_items=20), np.arange(20) % 4
    by_maker = fairlearn.MetricFrame(
        metrics=lambda _, exposure: exposure.sum(), y_true=exposure, y_pred=exposure, sensitive_features=makers
    )
    assert by_maker.by_group.sum() == pytest.approx(1)
    assert by_maker.difference() / 5 == pytest.approx(group_gap(exposure, makers), abs=1e-12)
