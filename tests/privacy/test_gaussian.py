"""The accountant of Gaussian noise: known values, the definition, composition."""

import numpy as np
import pytest
from scipy.stats import norm

from skgnnrec.privacy import gaussian_epsilon, gaussian_noise_multiplier

# Computed by dp-accounting 0.6 from the distribution of the privacy loss, with steps of 1e-4.
BY_DP_ACCOUNTING = [
    (0.5, 1e-5, 9.997256),
    (1.0, 1e-5, 4.377178),
    (2.0, 1e-6, 2.254085),
    (5.0, 1e-5, 0.725522),
    (10.0, 1e-6, 0.396857),
]


@pytest.mark.parametrize(("noise_multiplier", "delta", "epsilon"), BY_DP_ACCOUNTING)
def test_epsilon_is_that_of_another_accountant(noise_multiplier, delta, epsilon):
    assert gaussian_epsilon(noise_multiplier, delta) == pytest.approx(epsilon, abs=2e-6)
    assert gaussian_noise_multiplier(epsilon, delta) == pytest.approx(noise_multiplier, rel=1e-6)


def test_releases_compose_as_in_another_accountant():
    assert gaussian_epsilon(4.0, 1e-5, n_releases=5) == pytest.approx(2.258145, abs=2e-6)
    assert gaussian_epsilon(2.0, 1e-5, n_releases=4) == pytest.approx(gaussian_epsilon(1.0, 1e-5))


def test_noise_is_that_of_the_definition_and_less_than_the_classical_one():
    for epsilon in (0.1, 0.5, 0.9, 3.0):
        z = gaussian_noise_multiplier(epsilon, 1e-5)
        delta = norm.cdf(0.5 / z - epsilon * z) - np.exp(epsilon) * norm.cdf(-0.5 / z - epsilon * z)
        assert delta == pytest.approx(1e-5, rel=1e-4)
        if epsilon < 1:
            assert z < np.sqrt(2 * np.log(1.25e5)) / epsilon


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 1.0, 1e3, 1e9])
def test_extremes_are_consistent(epsilon):
    z = gaussian_noise_multiplier(epsilon, 1e-6)
    assert gaussian_epsilon(z, 1e-6) == pytest.approx(epsilon, rel=1e-4)


def test_noise_that_delta_alone_covers_costs_nothing():
    assert gaussian_epsilon(1e6, 1e-5) == 0
