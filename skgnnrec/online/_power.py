"""Power and sample size of A/B tests (two-sample z-tests)."""

from collections.abc import Callable
from math import isnan, sqrt
from numbers import Integral, Real

import numpy as np
from scipy.stats import norm
from sklearn.utils._param_validation import StrOptions, validate_params

from skgnnrec._constraints import Interval

_COMMON = {
    "ratio": [Interval(Real, 0, None, closed="neither")],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "alternative": [StrOptions({"two-sided", "greater", "less"})],
}
_MEANS = {
    "difference": [Interval(Real, None, None, closed="neither")],
    "std": [Interval(Real, 0, None, closed="neither")],
    **_COMMON,
}
_PROPORTIONS = {
    "p_control": [Interval(Real, 0, 1, closed="neither")],
    "p_treatment": [Interval(Real, 0, 1, closed="neither")],
    **_COMMON,
}
_N = {"n": [Interval(Integral, 1, None, closed="left")]}
_POWER = {"power": [Interval(Real, 0, 1, closed="neither")]}
LARGEST = 2**62


@validate_params({**_N, **_MEANS}, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def power_of_means(
    n: int, difference: float, std: float, *, ratio: float = 1.0, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """Compute the power of an A/B test that compares the means of two groups.

    The test rejects equal means if the difference of the means is larger than z σ₀. Here σ₀ = std √(1/n + 1/(ratio n))
    is the standard deviation of the difference, and z is the normal quantile at 1 - alpha/2 (two-sided) or 1 - alpha
    (one-sided). For a true difference δ, the power is Φ(δ/σ₀ - z) + Φ(-δ/σ₀ - z). One-sided tests have only one of the
    two terms [1]_.

    Parameters
    ----------
    n : int
        The number of users in the control group, at least 1.
    difference : float
        The mean of the treatment group minus the mean of the control group.
    std : float
        The standard deviation between users, > 0. It is the same in both groups.
    ratio : float, default=1.0
        The number of users in the treatment group per user in the control group, > 0.
    alpha : float, default=0.05
        The probability of a false positive, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        The alternative hypothesis: the mean of the treatment group differs, is greater or is less.

    Returns
    -------
    power : float
        The probability that the test finds the difference, between 0 and 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or too extreme for a finite result.

    See Also
    --------
    sample_size_of_means : Compute the number of users for a given power.

    Notes
    -----
    The normal approximation needs groups of more than about 30 users. The values must be values per user, not per page
    view.

    References
    ----------
    .. [1] J. L. Fleiss, B. Levin and M. C. Paik, "Statistical methods for rates and proportions", 3rd edition,
       chapter 4, Wiley, 2003.

    Examples
    --------
    >>> from skgnnrec.online import power_of_means
    >>> round(power_of_means(1000, difference=0.1, std=1.0), 3)
    0.609
    """
    std_of_difference = std * sqrt(1 + 1 / ratio)
    return _power(n, difference, std_of_difference, std_of_difference, alpha, alternative)


@validate_params({**_MEANS, **_POWER}, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def sample_size_of_means(
    difference: float,
    std: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> int:
    """Compute the number of users for an A/B test that compares the means of two groups.

    The result is the smallest n with ``power_of_means(n, ...) >= power``. For a two-sided test with equal groups, it is
    close to 2 (z_{1-alpha/2} + z_{power})² (std / difference)², which textbooks round to 16 σ²/δ² [1]_.

    Parameters
    ----------
    difference : float
        The smallest difference of interest between the means, treatment minus control. It is not 0.
    std : float
        The standard deviation between users, > 0.
    power : float, default=0.8
        The probability that the test finds the difference, in (0, 1).
    ratio : float, default=1.0
        The number of users in the treatment group per user in the control group, > 0.
    alpha : float, default=0.05
        The probability of a false positive, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        The alternative hypothesis: the mean of the treatment group differs, is greater or is less.

    Returns
    -------
    n : int
        The number of users in the control group. The treatment group needs ``ceil(ratio * n)`` users.

    Raises
    ------
    ValueError
        If `difference` is 0 or contradicts `alternative`, or if the parameters are too extreme for a finite result.

    See Also
    --------
    power_of_means : Compute the power for a given number of users.

    References
    ----------
    .. [1] R. Kohavi, D. Tang and Y. Xu, "Trustworthy online controlled experiments", section 17,
       Cambridge University Press, 2020.

    Examples
    --------
    >>> from skgnnrec.online import sample_size_of_means
    >>> sample_size_of_means(difference=0.1, std=1.0)
    1570
    """
    _check_side(difference, alternative, "difference")
    return _smallest(
        lambda n: power_of_means(n, difference, std, ratio=ratio, alpha=alpha, alternative=alternative), power
    )


@validate_params({**_N, **_PROPORTIONS}, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def power_of_proportions(
    n: int,
    p_control: float,
    p_treatment: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Compute the power of an A/B test that compares proportions, such as click-through rates.

    The test rejects equal proportions if their difference is larger than z σ₀. Here σ₀ is the standard deviation of the
    difference for the pooled proportion, and z is the normal quantile at 1 - alpha/2 (two-sided) or 1 - alpha
    (one-sided). With the standard deviation σ₁ for the two true proportions and a true difference δ, the power is
    Φ((δ - z σ₀)/σ₁) + Φ((-δ - z σ₀)/σ₁). One-sided tests have only one of the two terms [1]_.

    Parameters
    ----------
    n : int
        The number of users in the control group, at least 1.
    p_control : float
        The proportion in the control group, in (0, 1).
    p_treatment : float
        The proportion in the treatment group, in (0, 1).
    ratio : float, default=1.0
        The number of users in the treatment group per user in the control group, > 0.
    alpha : float, default=0.05
        The probability of a false positive, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        The alternative hypothesis: the proportion in the treatment group differs, is greater or is less.

    Returns
    -------
    power : float
        The probability that the test finds the difference, between 0 and 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or too extreme for a finite result.

    See Also
    --------
    sample_size_of_proportions : Compute the number of users for a given power.

    Notes
    -----
    Each user must count once, because the page views of a user are not independent.

    References
    ----------
    .. [1] J. L. Fleiss, B. Levin and M. C. Paik, "Statistical methods for rates and proportions", 3rd edition,
       chapter 4, Wiley, 2003.

    Examples
    --------
    >>> from skgnnrec.online import power_of_proportions
    >>> round(power_of_proportions(5000, 0.10, 0.12), 3)
    0.892
    """
    pooled = (p_control + ratio * p_treatment) / (1 + ratio)
    std_null = sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    std_true = sqrt(p_control * (1 - p_control) + p_treatment * (1 - p_treatment) / ratio)
    return _power(n, p_treatment - p_control, std_null, std_true, alpha, alternative)


@validate_params({**_PROPORTIONS, **_POWER}, prefer_skip_nested_validation=True)
@np.errstate(all="ignore")
def sample_size_of_proportions(
    p_control: float,
    p_treatment: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> int:
    """Compute the number of users for an A/B test that compares proportions, such as click-through rates.

    The result is the smallest n with ``power_of_proportions(n, ...) >= power`` [1]_.

    Parameters
    ----------
    p_control : float
        The proportion in the control group, in (0, 1).
    p_treatment : float
        The proportion in the treatment group, in (0, 1). Its distance from `p_control` is the smallest difference of
        interest.
    power : float, default=0.8
        The probability that the test finds the difference, in (0, 1).
    ratio : float, default=1.0
        The number of users in the treatment group per user in the control group, > 0.
    alpha : float, default=0.05
        The probability of a false positive, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        The alternative hypothesis: the proportion in the treatment group differs, is greater or is less.

    Returns
    -------
    n : int
        The number of users in the control group. The treatment group needs ``ceil(ratio * n)`` users.

    Raises
    ------
    ValueError
        If the proportions are equal, if `p_treatment` contradicts `alternative`, or if the parameters are too extreme
        for a finite result.

    See Also
    --------
    power_of_proportions : Compute the power for a given number of users.

    References
    ----------
    .. [1] J. L. Fleiss, B. Levin and M. C. Paik, "Statistical methods for rates and proportions", 3rd edition,
       chapter 4, Wiley, 2003.

    Examples
    --------
    >>> from skgnnrec.online import sample_size_of_proportions
    >>> sample_size_of_proportions(0.10, 0.12)
    3841
    """
    _check_side(p_treatment - p_control, alternative, "p_treatment - p_control")
    options = {"ratio": ratio, "alpha": alpha}
    return _smallest(
        lambda n: power_of_proportions(n, p_control, p_treatment, alternative=alternative, **options), power
    )


def _power(n: int, difference: float, std_null: float, std_true: float, alpha: float, alternative: str) -> float:
    """Return the power; the standard deviations are those of the difference, times √n."""
    bound = norm.isf(alpha / 2 if alternative == "two-sided" else alpha) * std_null / sqrt(n)
    spread = std_true / sqrt(n)
    above = norm.sf(np.divide(bound - difference, spread))
    below = norm.cdf(np.divide(-bound - difference, spread))
    power = float({"two-sided": above + below, "greater": above, "less": below}[alternative])
    if isnan(power):
        raise ValueError(
            f"The power is not defined for a difference of {difference:g} with the standard deviation {spread:g}. Give "
            "less extreme parameters."
        )
    return power


def _check_side(difference: float, alternative: str, name: str) -> None:
    if difference == 0 or (alternative == "greater" and difference < 0) or (alternative == "less" and difference > 0):
        wanted = {"two-sided": "not 0", "greater": "> 0", "less": "< 0"}[alternative]
        raise ValueError(f"{name} must be {wanted} with alternative={alternative!r}; got {difference}.")


def _smallest(power_of: Callable[[int], float], power: float) -> int:
    """Return the smallest n with sufficient power, by bisection."""
    above = 1
    while power_of(above) < power:
        above *= 2
        if above > LARGEST:
            raise ValueError(f"The difference is too small: it needs more than {LARGEST} users.")
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if power_of(middle) >= power else (middle, above)
    return above
