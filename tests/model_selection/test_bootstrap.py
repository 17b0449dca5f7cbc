"""The paired bootstrap: known answers, its level without a difference, and its bits."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests
from threadpoolctl import threadpool_limits

from skgnnrec.model_selection import paired_bootstrap

columns = st.lists(st.tuples(*[st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0])] * 3), min_size=2, max_size=25).map(
    lambda rows: pd.DataFrame(rows, columns=list("abc"))
)


def metric_values(n, seed, n_columns=2, lift=0.0):
    """Return values as metrics have them: most are 0, and those of one user are correlated."""
    rng = np.random.default_rng(seed)
    easy = rng.random((n, 1))
    values = np.where(rng.random((n, n_columns)) < 0.5 * easy, rng.random((n, n_columns)), 0.0)
    values[:, 0] += lift * (values[:, 0] > 0)
    return pd.DataFrame(values, columns=list("abcdef")[:n_columns])


@given(columns)
def test_differences_and_order(values):
    pairs = paired_bootstrap(values, n_resamples=50)
    assert pairs.index.tolist() == [("a", "b"), ("a", "c"), ("b", "c")]
    means = values.mean()
    assert_allclose(pairs["difference"], [means[a] - means[b] for a, b in pairs.index], atol=1e-12)
    assert (pairs["low"] <= pairs["high"]).all()
    n_differing = [np.count_nonzero(values[a] != values[b]) for a, b in pairs.index]
    smallest = np.maximum(1 / 51, 0.5 ** (np.maximum(n_differing, 1) - 1))
    assert (pairs["p_value"] >= smallest).all()
    assert (pairs["p_value"] <= 1).all()
    assert (pairs["p_corrected"] >= pairs["p_value"]).all()
    assert (pairs["p_corrected"] <= 1).all()


@given(columns)
def test_swapped_columns_give_the_opposite_difference(values):
    one = paired_bootstrap(values[["a", "b"]], n_resamples=50).iloc[0]
    other = paired_bootstrap(values[["b", "a"]], n_resamples=50).iloc[0]
    assert_allclose(
        [one["difference"], one["low"], one["high"], one["p_value"]],
        [-other["difference"], -other["high"], -other["low"], other["p_value"]],
        atol=1e-12,
    )


def test_equal_columns_do_not_differ():
    values = metric_values(40, 0)["a"]
    row = paired_bootstrap({"a": values, "b": values}, n_resamples=100).iloc[0]
    assert row.tolist() == [0, 0, 0, 1, 1]


def test_a_constant_difference_is_certain():
    values = metric_values(40, 0)["a"]
    row = paired_bootstrap({"a": values + 0.1, "b": values}, n_resamples=99).iloc[0]
    assert_allclose([row["difference"], row["low"], row["high"], row["p_value"]], [0.1, 0.1, 0.1, 0.01])


def test_three_users_with_a_difference_are_no_evidence():
    # Three of a hundred users differ, all in one direction.
    values = pd.DataFrame({"a": np.zeros(100), "b": np.zeros(100)})
    values.loc[:2, "a"] = 1.0
    assert paired_bootstrap(values).iloc[0]["p_value"] >= 0.25  # all eight signs of three differences: 2 / 2**3


@pytest.mark.parametrize(("n_users", "expected"), [(1, 1), (2, 0.5), (5, 1 / 16)])
def test_smallest_p_value_of_a_few_users(n_users, expected):
    values = {"a": np.full(n_users, 0.5), "b": np.zeros(n_users)}
    assert paired_bootstrap(values, n_resamples=999).iloc[0]["p_value"] == expected


def test_close_to_the_t_test_for_many_users():
    values = metric_values(2000, 1, lift=0.08)
    row = paired_bootstrap(values).iloc[0]
    reference = ttest_rel(values["a"], values["b"])
    assert 0.001 < reference.pvalue < 0.5
    assert row["p_value"] == pytest.approx(reference.pvalue, rel=0.2)
    interval = reference.confidence_interval(0.95)
    assert_allclose([row["low"], row["high"]], [interval.low, interval.high], atol=0.1 * (interval.high - interval.low))


def test_level_without_a_difference():
    found = [
        paired_bootstrap(metric_values(60, seed), n_resamples=199).iloc[0]["p_value"] <= 0.05 for seed in range(400)
    ]
    assert abs(np.mean(found) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_intervals_cover_the_true_difference():
    truth = metric_values(400_000, 0, lift=0.3).mean()
    truth = truth["a"] - truth["b"]
    rows = [paired_bootstrap(metric_values(80, seed, lift=0.3), n_resamples=299).iloc[0] for seed in range(1, 301)]
    assert 0.91 < np.mean([row["low"] <= truth <= row["high"] for row in rows]) < 0.98


@given(st.integers(0, 1000), st.integers(2, 5))
def test_holm_agrees_with_statsmodels(seed, n_columns):
    pairs = paired_bootstrap(metric_values(30, seed, n_columns, lift=0.5), n_resamples=40)
    assert_allclose(pairs["p_corrected"], multipletests(pairs["p_value"], method="holm")[1], atol=1e-12)


def test_without_correction_p_values_stay():
    pairs = paired_bootstrap(metric_values(50, 0, 3), n_resamples=99, correction=None)
    assert pairs["p_value"].tolist() == pairs["p_corrected"].tolist()


def test_same_seed_same_bits_at_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("skgnnrec.model_selection._bootstrap.BLOCK_COUNTS", 1 << 12)  # several blocks
    values = metric_values(300, 0, 3)
    with threadpool_limits(1):
        one = paired_bootstrap(values, n_resamples=200)
    monkeypatch.setattr("skgnnrec._device.n_threads", lambda: 2)
    two = paired_bootstrap(values, n_resamples=200)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    other = paired_bootstrap(values, n_resamples=200, random_state=1)
    assert other["low"].tolist() != one["low"].tolist()


def test_users_without_a_value_are_left_out():
    values = metric_values(30, 0)
    gaps = pd.concat([values, pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, np.nan]})])
    pd.testing.assert_frame_equal(paired_bootstrap(gaps, n_resamples=20), paired_bootstrap(values, n_resamples=20))


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table, dict], ids=["polars", "pyarrow", "dict"])
def test_tables_of_other_libraries(make):
    values = metric_values(30, 0, 3)
    found = paired_bootstrap(make(values.to_dict("list")), n_resamples=20)
    pd.testing.assert_frame_equal(found, paired_bootstrap(values, n_resamples=20))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"a": [0.1, 0.2]}, ValueError, r"values must have two or more columns, one per recommender; got \['a'\]"),
        ({"a": [np.nan], "b": [0.1]}, ValueError, "a user with a value in every column; got none among 1 users"),
        ({"a": [0.1, np.inf], "b": [0.2, 0.3]}, ValueError, "values must be finite or nan; got infinity"),
        (
            {"a": ["high"], "b": [0.1]},
            ValueError,
            "must have numeric columns of the same length; pandas says: could not",
        ),
        ({"a": [0.1, 0.2], "b": [0.1]}, ValueError, "values is a dict, which must hold columns of one length"),
        ([[0.1, 0.2]], TypeError, "values must be a DataFrame or a dict of columns; got a list"),
        (pl.LazyFrame({"a": [0.1], "b": [0.2]}), TypeError, r"values is a lazy table, LazyFrame: call values\.collect"),
    ],
)
def test_errors_name_the_cause(values, error, message):
    with pytest.raises(error, match=message):
        paired_bootstrap(values)


def test_squares_of_tiny_values_do_not_underflow():
    values = pd.DataFrame({"a": [1e-200, 0.5, 0.25], "b": [3e-200, 0.1, 0.75]})
    expected = paired_bootstrap(values, random_state=0)
    with np.errstate(all="raise"):
        found = paired_bootstrap(values, random_state=0)
    pd.testing.assert_frame_equal(
        found[0] if isinstance(found, tuple) else found, expected[0] if isinstance(expected, tuple) else expected
    )
