"""How many users an A/B test needs: power and sample size of two-sample z-tests."""

from collections.abc import Callable
from math import sqrt
from numbers import Integral, Real

from scipy.stats import norm
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

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
def power_of_means(
    n: int, difference: float, std: float, *, ratio: float = 1.0, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """Probability that an A/B test on means finds a difference of a given size.

    The test rejects where the difference of the means lies beyond z σ₀, with σ₀ = std √(1/n + 1/(ratio n)) and z the
    normal quantile at 1 - alpha/2 (two-sided) or 1 - alpha. A true difference δ is found with probability
    Φ(δ/σ₀ - z) + Φ(-δ/σ₀ - z), of which one-sided tests have one term [1]_.

    Parameters
    ----------
    n : int
        Users of the control group, at least 1.
    difference : float
        The true mean of the treatment group less that of the control group, in the unit of `std`.
    std : float
        Standard deviation between users, the same in both groups, > 0.
    ratio : float, default=1.0
        Users of the treatment group for each of the control group, > 0.
    alpha : float, default=0.05
        Probability of finding a difference where there is none, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        What the test looks for: any difference, or a greater or smaller mean in the treatment group.

    Returns
    -------
    power : float
        Between 0 and 1.

    See Also
    --------
    sample_size_of_means : How many users give a power.

    Notes
    -----
    The normal approximation serves groups of more than some 30 users. The user must be the unit: values per user, not
    per page view.

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
def sample_size_of_means(
    difference: float,
    std: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> int:
    """Number of users that an A/B test on means needs.

    The smallest n with ``power_of_means(n, ...) >= power``. For a two-sided test with equal groups that is close to
    2 (z_{1-alpha/2} + z_{power})² (std / difference)², the "16 σ²/δ²" of the textbooks [1]_.

    Parameters
    ----------
    difference : float
        The smallest difference of the means that should be found, treatment less control; not 0.
    std : float
        Standard deviation between users, > 0.
    power : float, default=0.8
        Probability to find it, in (0, 1).
    ratio : float, default=1.0
        Users of the treatment group for each of the control group, > 0.
    alpha : float, default=0.05
        Probability of finding a difference where there is none, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        What the test looks for.

    Returns
    -------
    n : int
        Users of the control group; the treatment group needs ``ceil(ratio * n)``.

    Raises
    ------
    ValueError
        If `difference` is 0 or on the other side than `alternative`.

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
def power_of_proportions(
    n: int,
    p_control: float,
    p_treatment: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Probability that an A/B test on proportions, such as click-through rates, finds their difference.

    The test rejects where the difference of the proportions lies beyond z σ₀, its standard deviation at the pooled
    proportion being σ₀ and its true one, with p (1 - p) of each group, σ₁. A true difference δ is found with
    probability Φ((δ - z σ₀)/σ₁) + Φ((-δ - z σ₀)/σ₁), of which one-sided tests have one term [1]_.

    Parameters
    ----------
    n : int
        Users of the control group, at least 1.
    p_control : float
        Proportion in the control group, in (0, 1).
    p_treatment : float
        Proportion in the treatment group, in (0, 1).
    ratio : float, default=1.0
        Users of the treatment group for each of the control group, > 0.
    alpha : float, default=0.05
        Probability of finding a difference where there is none, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        What the test looks for: any difference, or a greater or smaller proportion in the treatment group.

    Returns
    -------
    power : float
        Between 0 and 1.

    See Also
    --------
    sample_size_of_proportions : How many users give a power.

    Notes
    -----
    One answer per user: several page views of a user are not independent.

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
def sample_size_of_proportions(
    p_control: float,
    p_treatment: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> int:
    """Number of users that an A/B test on proportions, such as click-through rates, needs.

    The smallest n with ``power_of_proportions(n, ...) >= power`` [1]_.

    Parameters
    ----------
    p_control : float
        Proportion in the control group, in (0, 1).
    p_treatment : float
        The nearest proportion in the treatment group that should be told from it, in (0, 1).
    power : float, default=0.8
        Probability to do so, in (0, 1).
    ratio : float, default=1.0
        Users of the treatment group for each of the control group, > 0.
    alpha : float, default=0.05
        Probability of finding a difference where there is none, in (0, 1).
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
        What the test looks for.

    Returns
    -------
    n : int
        Users of the control group; the treatment group needs ``ceil(ratio * n)``.

    Raises
    ------
    ValueError
        If the proportions are equal, or `p_treatment` is on the other side than `alternative`.

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
    above = norm.sf((bound - difference) / spread)
    below = norm.cdf((-bound - difference) / spread)
    return float({"two-sided": above + below, "greater": above, "less": below}[alternative])


def _check_side(difference: float, alternative: str, name: str) -> None:
    if difference == 0 or (alternative == "greater" and difference < 0) or (alternative == "less" and difference > 0):
        wanted = {"two-sided": "not 0", "greater": "> 0", "less": "< 0"}[alternative]
        raise ValueError(f"{name} must be {wanted} with alternative={alternative!r}; got {difference}.")


def _smallest(power_of: Callable[[int], float], power: float) -> int:
    """Return the smallest n whose power suffices; power grows with n."""
    above = 1
    while power_of(above) < power:
        above *= 2
        if above > LARGEST:
            raise ValueError(f"The difference is too small: more than {LARGEST} users would be needed.")
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if power_of(middle) >= power else (middle, above)
    return above
