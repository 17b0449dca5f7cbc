"""Power and sample size: known answers, a simulation, and the results of statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from skgnnrec.online import power_of_means, power_of_proportions, sample_size_of_means, sample_size_of_proportions

ALTERNATIVES = ["two-sided", "greater", "less"]
STATSMODELS = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}
rates = st.floats(0.02, 0.98)


def test_figures_computed_by_hand():
    # 2 (1.960 + 0.8416)^2 = 15.70, the "16" of the textbooks; (1.960 * .6624 + 0.8416 * .6538)^2 / .15^2 = 151.9;
    # 2 (1.645 + 1.2816)^2 / .5^2 = 68.5.
    assert sample_size_of_means(0.1, 1.0) == 1570
    assert sample_size_of_proportions(0.25, 0.40) == 152
    assert sample_size_of_means(0.5, 1.0, power=0.9, alternative="greater") == 69


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("difference", "ratio"), [(0.3, 1.0), (-0.3, 2.0), (0.05, 0.25)])
def test_means_agree_with_statsmodels(alternative, difference, ratio):
    reference = pytest.importorskip(
        "statsmodels.stats.power", reason="statsmodels is in the test extra"
    ).NormalIndPower()
    options = {"alpha": 0.01, "ratio": ratio}
    expected = reference.power(difference / 2, 150, alternative=STATSMODELS[alternative], **options)
    assert power_of_means(150, difference, 2.0, alternative=alternative, **options) == pytest.approx(
        expected, abs=1e-12
    )
    if (alternative == "less") == (difference < 0):
        n = reference.solve_power(difference / 2, power=0.8, alternative=STATSMODELS[alternative], **options)
        assert sample_size_of_means(difference, 2.0, alternative=alternative, **options) == np.ceil(n)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(("p", "q", "ratio"), [(0.1, 0.12, 1.0), (0.5, 0.4, 0.5), (0.03, 0.02, 3.0)])
def test_proportions_agree_with_statsmodels(alternative, p, q, ratio):
    reference = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is in the test extra")
    options = {"alpha": 0.05, "ratio": 1 / ratio, "alternative": STATSMODELS[alternative]}
    # The first group of statsmodels, with nobs1 users, is the treatment group here.
    result = reference.power_proportions_2indep(q - p, p, 1000 * ratio, **options)
    assert power_of_proportions(1000, p, q, ratio=ratio, alternative=alternative) == pytest.approx(
        float(result.power), abs=1e-10
    )


def test_power_is_the_share_of_significant_experiments():
    p, q, n = 0.3, 0.36, 600
    rng = np.random.default_rng(0)
    control, treatment = rng.binomial(n, p, 20_000) / n, rng.binomial(n, q, 20_000) / n
    pooled = (control + treatment) / 2
    found = np.abs(treatment - control) > norm.isf(0.025) * np.sqrt(2 * pooled * (1 - pooled) / n)
    expected = power_of_proportions(n, p, q)
    # Three standard errors of the simulated share, plus the error of the normal approximation.
    assert abs(found.mean() - expected) < 3 * np.sqrt(expected * (1 - expected) / 20_000) + 0.005


@given(rates, rates, st.sampled_from([0.5, 1.0, 3.0]), st.floats(0.3, 0.99))
def test_sample_size_is_the_smallest_with_sufficient_power(p, q, ratio, power):
    if abs(p - q) < 1e-3:
        return
    n = sample_size_of_proportions(p, q, power=power, ratio=ratio)
    assert power_of_proportions(n, p, q, ratio=ratio) >= power
    assert n == 1 or power_of_proportions(n - 1, p, q, ratio=ratio) < power


@given(st.integers(1, 10_000), st.floats(-2, 2), st.floats(0.1, 5))
def test_power_is_alpha_without_a_difference_and_grows_with_users(n, difference, std):
    assert power_of_means(n, 0.0, std, alpha=0.07) == pytest.approx(0.07)
    assert power_of_means(n, difference, std) == pytest.approx(power_of_means(n, -difference, std))
    assert power_of_means(2 * n, difference, std) >= power_of_means(n, difference, std) - 1e-12


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (sample_size_of_means, {"difference": 0, "std": 1}, r"difference must be not 0 with alternative='two-sided'"),
        (
            sample_size_of_means,
            {"difference": -1, "std": 1, "alternative": "greater"},
            r"must be > 0 with alternative='greater'; got -1",
        ),
        (sample_size_of_proportions, {"p_control": 0.1, "p_treatment": 0.1}, r"p_treatment - p_control must be not 0"),
        (sample_size_of_means, {"difference": 1e-12, "std": 1}, r"difference is too small"),
        (
            power_of_means,
            {"n": 5, "difference": 1, "std": 1, "ratio": 1e-320},
            r"power is not defined for a difference",
        ),
        (sample_size_of_means, {"difference": np.inf, "std": 1}, r"'difference' parameter of sample_size_of_means"),
        (power_of_means, {"n": 0, "difference": 1, "std": 1}, r"'n' parameter of power_of_means must be an int"),
        (power_of_proportions, {"n": 5, "p_control": 0, "p_treatment": 0.1}, r"'p_control' parameter"),
    ],
)
def test_invalid_parameters_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)
