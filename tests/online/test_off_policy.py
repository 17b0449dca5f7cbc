"""Off-policy estimates on simulated logs, where the truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skgnnrec.online import clipped_ips_value, doubly_robust_value, ips_value, snips_value

N_CONTEXTS, N_ITEMS = 5, 4
MODEL_FREE = [ips_value, snips_value, clipped_ips_value]


@pytest.fixture(scope="module")
def world():
    """Return click rates, the logging policy and the target policy, each of shape (N_CONTEXTS, N_ITEMS)."""
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.05, 0.6, size=(N_CONTEXTS, N_ITEMS))
    logging = rng.dirichlet(np.ones(N_ITEMS), size=N_CONTEXTS) * 0.8 + 0.2 / N_ITEMS
    target = rng.dirichlet(np.ones(N_ITEMS), size=N_CONTEXTS)
    return rates, logging, target


@pytest.fixture(scope="module")
def truth(world):
    rates, _, target = world
    return (target * rates).sum(axis=1).mean()


def simulate(world, n, seed):
    """Return a log: rewards, propensities, target propensities, contexts and items shown."""
    rates, logging, target = world
    rng = np.random.default_rng(seed)
    contexts = rng.integers(N_CONTEXTS, size=n)
    items = (rng.random((n, 1)) > np.cumsum(logging, axis=1)[contexts]).sum(axis=1)
    items = np.minimum(items, N_ITEMS - 1)
    rewards = rng.random(n) < rates[contexts, items]
    return rewards.astype(float), logging[contexts, items], target[contexts, items], contexts, items


def doubly_robust(world, seed, error=0.0, n=400):
    """Estimate with a model that knows the rates, up to an error."""
    rates, _, target = world
    rewards, logged, wanted, contexts, items = simulate(world, n, seed)
    model = rates + error
    expected = (target * model).sum(axis=1)[contexts]
    return doubly_robust_value(
        rewards, logged, wanted, predicted_rewards=model[contexts, items], target_predicted_rewards=expected
    )


def assert_unbiased(results, truth, slack=0.0):
    """Compare the mean of many estimates with the truth, and their spread with the standard errors they state."""
    values = np.array([result.value for result in results])
    spread = values.std(ddof=1)
    assert abs(values.mean() - truth) < 4 * spread / np.sqrt(len(values)) + slack
    assert_allclose(np.mean([result.standard_error for result in results]), spread, rtol=0.12)
    covered = np.mean([result.low <= truth <= result.high for result in results])
    assert 0.91 < covered < 0.98


@pytest.mark.parametrize(("estimate", "slack"), [(ips_value, 0.0), (snips_value, 0.002)])
def test_estimates_and_standard_errors_are_unbiased(world, truth, estimate, slack):
    results = [estimate(*simulate(world, 400, seed)[:3]) for seed in range(600)]
    assert_unbiased(results, truth, slack)
    assert abs(np.mean([result.mean_weight for result in results]) - 1) < 0.02


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_doubly_robust_is_unbiased_for_any_model(world, truth, error):
    assert_unbiased([doubly_robust(world, seed, error) for seed in range(600)], truth)


def test_doubly_robust_is_unbiased_with_wrong_propensities_and_a_correct_model(world, truth):
    rates, _, target = world
    results = []
    for seed in range(300):
        rewards, _, wanted, contexts, items = simulate(world, 400, seed)
        wrong = np.full(len(rewards), 0.5)
        expected = (target * rates).sum(axis=1)[contexts]
        model = {"predicted_rewards": rates[contexts, items], "target_predicted_rewards": expected}
        results.append(doubly_robust_value(rewards, wrong, wanted, **model).value)
    assert abs(np.mean(results) - truth) < 4 * np.std(results) / np.sqrt(len(results))


def test_models_and_normalisation_reduce_the_variance(world):
    spread = {
        name: np.std([call(seed).value for seed in range(200)])
        for name, call in {
            "ips": lambda seed: ips_value(*simulate(world, 400, seed)[:3]),
            "snips": lambda seed: snips_value(*simulate(world, 400, seed)[:3]),
            "doubly robust": lambda seed: doubly_robust(world, seed),
        }.items()
    }
    assert spread["doubly robust"] < spread["snips"] < spread["ips"]


def test_clipping_trades_variance_for_a_known_bias(world, truth):
    rates, logging, target = world
    limit = 1.5
    expected = (np.minimum(target / logging, limit) * logging * rates).sum(axis=1).mean()
    results = [clipped_ips_value(*simulate(world, 400, seed)[:3], max_weight=limit) for seed in range(600)]
    plain = [ips_value(*simulate(world, 400, seed)[:3]) for seed in range(600)]
    assert expected < truth - 0.01
    assert_unbiased(results, expected)
    assert np.std([result.value for result in results]) < np.std([result.value for result in plain])


def test_estimate_of_the_logging_policy_is_the_mean_reward():
    rewards = np.random.default_rng(0).random(50)
    same = np.full(50, 0.2)
    for estimate in MODEL_FREE:
        result = estimate(rewards, same, same)
        assert_allclose(result.value, rewards.mean())
        assert_allclose(result.standard_error, rewards.std(ddof=1) / np.sqrt(50))
        assert_allclose([result.mean_weight, result.effective_sample_size], [1, 50])


def test_repeated_rows_of_a_group_do_not_change_the_standard_error(world):
    log = simulate(world, 200, 0)[:3]
    for estimate in MODEL_FREE:
        alone = estimate(*log)
        assert_allclose(estimate(*log, groups=np.arange(200)), alone)
        # Rows that are repeated five times hold no further information.
        repeated = estimate(*[np.repeat(column, 5) for column in log], groups=np.repeat(np.arange(200), 5))
        assert_allclose(repeated.standard_error, alone.standard_error)
        assert_allclose(repeated.value, alone.value)


rows = st.lists(st.tuples(st.floats(-2, 3), st.floats(0.05, 1), st.floats(0, 1)), min_size=2, max_size=30)


@given(rows, st.floats(-5, 5))
def test_snips_lies_within_the_rewards_and_shifts_with_them(rows, constant):
    rewards, logged, target = np.array(rows).T
    result = snips_value(rewards, logged, target)
    if not target.any():
        assert np.isnan(result.value)
        return
    assert rewards.min() - 1e-9 <= result.value <= rewards.max() + 1e-9
    assert_allclose(snips_value(rewards + constant, logged, target).value, result.value + constant, atol=1e-9)


@given(rows)
def test_a_high_limit_clips_nothing(rows):
    rewards, logged, target = np.array(rows).T
    assert clipped_ips_value(rewards, logged, target, max_weight=1e9) == ips_value(rewards, logged, target)


def test_groups_of_equal_names_and_different_types_are_different():
    log = {"rewards": [1, 0], "propensities": [0.5, 0.5], "target_propensities": [0.5, 0.5]}
    assert ips_value(**log, groups=[1, "1"]) == ips_value(**log)


def test_rewards_of_any_size_raise_no_floating_point_error():
    with np.errstate(all="raise"):
        for scale in (1e-320, 1e-160, 1e160):
            assert ips_value(scale * np.array([1.0, 2.0]), [0.5, 0.5], [0.5, 1e-3]).value >= 0


def test_interval_follows_the_level(world):
    log = simulate(world, 200, 0)[:3]
    narrow, wide = (ips_value(*log, confidence_level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensities": [0.0, 1.0]}, r"propensities must be probabilities > 0.*got values from 0.0 to 1.0"),
        ({"propensities": [0.5, 1.5]}, r"propensities must be probabilities > 0"),
        ({"propensities": [0.5, 1e-200]}, r"propensities must be large enough for finite weights; got 1e-200"),
        ({"target_propensities": [0.5, -0.1]}, r"target_propensities must be prob.*; got values from -0.1 to 0.5"),
        ({"propensities": [0.5]}, r"propensities must have shape \(2,\), like rewards; got \(1,\)"),
        ({"rewards": [[1, 0]]}, r"rewards must be an array of numbers of shape \(n_rows,\); got shape \(1, 2\)"),
        ({"rewards": ["1", "0"]}, r"rewards must be an array of numbers .*; got values of dtype <U1"),
        ({"rewards": {1, 0}}, r"rewards must be an array of numbers .*; got a set"),
        ({"rewards": []}, r"rewards must have at least one row; got none"),
        ({"rewards": [1, np.nan]}, r"rewards contains NaN"),
        ({"rewards": [1, np.inf]}, r"rewards contains infinity"),
        ({"groups": ["ann"]}, r"groups must hold one id for each of 2 rows; got 1 ids"),
        ({"groups": ["ann", None]}, r"groups has missing values in 1 of 2 rows"),
    ],
)
def test_bad_logs_are_refused(change, message):
    log = {"rewards": [1, 0], "propensities": [0.5, 0.5], "target_propensities": [0.5, 0.5], **change}
    with pytest.raises(ValueError, match=message):
        ips_value(**log)
