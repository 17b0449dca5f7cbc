"""The privacy of Gaussian noise: the exact relation of ε, δ and the scale of the noise, also of several releases."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval

__all__ = ["distance_of", "gaussian_epsilon", "gaussian_noise_multiplier"]

EPSILON = [Interval(Real, 0, None, closed="neither")]
DELTA = [Interval(Real, 0, 1, closed="neither")]
SMALLEST, LARGEST = 1e-12, 1e12  # distances between which solutions are looked for


@validate_params({"epsilon": EPSILON, "delta": DELTA}, prefer_skip_nested_validation=True)
def gaussian_noise_multiplier(epsilon: float, delta: float) -> float:
    r"""Compute the smallest scale of Gaussian noise that satisfies (ε, δ)-differential privacy.

    A sum to which one user contributes a vector of length Δ or less, published with independent noise of standard
    deviation z Δ in each entry, is (ε, δ)-differentially private if and only if [1]_

    .. math:: \Phi\left(\frac{1}{2 z} - \varepsilon z\right)
                  - e^{\varepsilon} \, \Phi\left(-\frac{1}{2 z} - \varepsilon z\right) \le \delta.

    Parameters
    ----------
    epsilon : float
        The bound ε, positive.
    delta : float
        The probability δ, between 0 and 1.

    Returns
    -------
    noise_multiplier : float
        The smallest z, the standard deviation of the noise relative to Δ.

    See Also
    --------
    gaussian_epsilon : The inverse.

    References
    ----------
    .. [1] B. Balle, Y.-X. Wang, "Improving the Gaussian mechanism for differential privacy: analytical calibration and
           optimal denoising", ICML 2018.

    Examples
    --------
    >>> from skgnnrec.privacy import gaussian_noise_multiplier
    >>> round(gaussian_noise_multiplier(epsilon=1.0, delta=1e-5), 3)
    3.731
    """
    return 1 / distance_of(float(epsilon), float(delta))


@validate_params(
    {
        "noise_multiplier": [Interval(Real, 0, None, closed="neither")],
        "delta": DELTA,
        "n_releases": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def gaussian_epsilon(noise_multiplier: float, delta: float, n_releases: int = 1) -> float:
    """Compute the ε of sums that are published with Gaussian noise.

    Several releases with Gaussian noise are together as private as one with less noise: for n releases with the scale
    z, that is the scale z / √n. The result is therefore exact, no upper bound [1]_.

    Parameters
    ----------
    noise_multiplier : float
        The standard deviation of the noise of each release, relative to the length of what a user contributes.
        Positive.
    delta : float
        The probability δ, between 0 and 1.
    n_releases : int, default=1
        The number of releases, in each of which the same user may take part.

    Returns
    -------
    epsilon : float
        The smallest ε with which the releases together are (ε, δ)-differentially private.

    References
    ----------
    .. [1] J. Dong, A. Roth, W. J. Su, "Gaussian differential privacy", Journal of the Royal Statistical Society B,
           2022.

    Examples
    --------
    >>> from skgnnrec.privacy import gaussian_epsilon
    >>> round(gaussian_epsilon(noise_multiplier=4.0, delta=1e-5, n_releases=5), 3)
    2.258
    """
    return epsilon_of(np.sqrt(n_releases) / float(noise_multiplier), float(delta))


def log_delta(epsilon: float, distance: float) -> float:
    """Return the logarithm of the smallest δ for two normal distributions with variance 1 at a distance."""
    first = log_ndtr(distance / 2 - epsilon / distance)
    second = epsilon + log_ndtr(-distance / 2 - epsilon / distance)
    with np.errstate(divide="ignore"):
        return float(first + np.log(max(-np.expm1(min(second - first, 0.0)), 0.0)))


def epsilon_of(distance: float, delta: float) -> float:
    """Return ε for two normal distributions with variance 1 at a distance."""
    if 2 * ndtr(distance / 2) - 1 <= delta:
        return 0.0
    target, upper = np.log(delta), 1.0
    while log_delta(upper, distance) > target:
        upper *= 2
    return float(brentq(lambda epsilon: log_delta(epsilon, distance) - target, 0.0, upper, xtol=1e-12, rtol=1e-12))


def distance_of(epsilon: float, delta: float) -> float:
    """Return the largest distance of two normal distributions with variance 1 for (ε, δ)."""
    target = np.log(delta)
    root = brentq(
        lambda log: max(log_delta(epsilon, np.exp(log)), -1e9) - target, np.log(SMALLEST), np.log(LARGEST), xtol=1e-14
    )
    return float(np.exp(root))
