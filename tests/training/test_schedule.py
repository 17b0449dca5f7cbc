"""Step sizes that rise and fall, and gradients that are clipped."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skgnnrec.training import schedule_steps


def take_steps(optimizer, parameter, n, gradient=1.0):
    rates = []
    for _ in range(n):
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    return np.array(rates)


@pytest.fixture
def parameter():
    return torch.zeros(2, requires_grad=True)


def test_steps_rise_and_fall(parameter):
    other = torch.zeros(1, requires_grad=True)  # never has a gradient: it takes no step
    optimizer = torch.optim.AdamW([{"params": [other], "lr": 0.6}, {"params": [parameter], "lr": 6.0}])
    schedule_steps(optimizer, n_steps=8, warmup_fraction=0.375)
    rates = take_steps(optimizer, parameter, 8)
    assert_allclose(rates[:, 1], [2, 4, 6, 5, 4, 3, 2, 1])
    assert_allclose(rates[:, 0], rates[:, 1] / 10)
    assert (take_steps(optimizer, parameter, 1) == 0).all()  # steps after the end change nothing


@pytest.mark.parametrize("warmup_fraction", [0.0, 1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_extremes(parameter, warmup_fraction, n_steps):
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    schedule_steps(optimizer, n_steps, warmup_fraction)
    rates = take_steps(optimizer, parameter, n_steps)
    assert (rates > 0).all()
    assert rates.max() == 1.0


def test_a_restored_optimizer_continues_the_schedule(parameter):
    whole = torch.optim.AdamW([parameter], lr=1.0)
    schedule_steps(whole, 10, 0.2)
    expected = take_steps(whole, parameter, 6)[3:]
    first = torch.optim.AdamW([parameter], lr=1.0)
    schedule_steps(first, 10, 0.2)
    take_steps(first, parameter, 3)
    second = torch.optim.AdamW([parameter], lr=1.0)
    schedule_steps(second, 10, 0.2)
    second.load_state_dict(first.state_dict())
    assert_allclose(take_steps(second, parameter, 3), expected)


@pytest.mark.parametrize(("gradient", "length"), [(0.1, 0.1 * 2**0.5), (1000.0, 1.0)])
def test_long_gradients_are_clipped(parameter, gradient, length):
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    schedule_steps(optimizer, 1, 0.0)
    take_steps(optimizer, parameter, 1, gradient)
    assert float(torch.linalg.vector_norm(parameter.grad)) == pytest.approx(length, rel=1e-4)
