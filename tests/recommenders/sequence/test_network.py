"""The network of the sequence models: causality, the start of training, NumPy against torch."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.recommenders.sequence._network import EXACT, HEADS, Operations, encode_steps, head_parameters, unit

DIM, LENGTH = 8, 6
heads = pytest.mark.parametrize("head", HEADS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def trained(head, n_layers=2):
    """Return parameters as training leaves them: none is at its start."""
    start = head_parameters(head, n_layers, DIM, LENGTH, seed=0)
    return {name: array + 0.3 * normal(*array.shape, seed=place) for place, (name, array) in enumerate(start.items())}


@heads
def test_later_steps_do_not_change_earlier_outputs(head):
    steps, parameters = normal(3, LENGTH, DIM), trained(head)
    outputs = encode_steps(EXACT, head, parameters, steps)
    for last in range(1, LENGTH):
        changed = np.concatenate([steps[:, :last], normal(3, LENGTH - last, DIM, seed=1)], axis=1)
        found = encode_steps(EXACT, head, parameters, changed)
        assert_allclose(found[:, :last], outputs[:, :last], atol=1e-5)  # factors are rounded together
        assert (np.abs(found[:, last:] - outputs[:, last:]) > 1e-4).any(axis=2).all()


@heads
def test_earlier_steps_and_their_order_change_the_output(head):
    steps, parameters = normal(3, LENGTH, DIM), trained(head)
    last = encode_steps(EXACT, head, parameters, steps, last=True)
    swapped = encode_steps(EXACT, head, parameters, steps[:, [1, 0, 2, 3, 4, 5]], last=True)
    assert (np.abs(swapped - last).max(axis=2) > 1e-4).all()


@heads
def test_the_output_at_the_last_step_alone(head):
    steps, parameters = normal(4, LENGTH, DIM), trained(head)
    last = encode_steps(EXACT, head, parameters, steps, last=True)
    assert last.shape == (4, 1, DIM)
    assert_array_equal(last, encode_steps(EXACT, head, parameters, steps)[:, -1:])


@heads
def test_numpy_computes_what_torch_computes(head):
    steps, parameters = normal(4, LENGTH, DIM), trained(head)
    tensors = {name: torch.tensor(array) for name, array in parameters.items()}
    expected = encode_steps(Operations(torch, torch.matmul, lambda x: x), head, tensors, torch.tensor(steps))
    assert_allclose(encode_steps(EXACT, head, parameters, steps), expected, rtol=1e-4, atol=1e-5)


@heads
def test_a_row_has_the_same_bits_in_any_company(head):
    steps, parameters = normal(50, LENGTH, DIM), trained(head)
    together = encode_steps(EXACT, head, parameters, steps)
    for row in (0, 17, 49):
        assert_array_equal(encode_steps(EXACT, head, parameters, steps[[row]]), together[[row]])


@heads
def test_every_parameter_takes_part(head):
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in trained(head).items()}
    steps = torch.tensor(normal(4, LENGTH, DIM))
    outputs = encode_steps(Operations(torch, torch.matmul, lambda x: x), head, parameters, steps)
    (outputs * torch.tensor(normal(4, LENGTH, DIM, seed=1))).sum().backward()
    for name, parameter in parameters.items():
        assert parameter.grad.abs().max() > 1e-6, name


@pytest.mark.parametrize("head", ["attention", "mlp"])
def test_at_the_start_the_output_is_the_last_step_plus_a_mean_in_which_later_steps_count_more(head):
    steps = unit(np, normal(3, LENGTH, DIM))
    weights = 0.75 ** np.arange(LENGTH)[::-1]
    expected = steps[:, -1] + np.einsum("s,nsd->nd", weights / weights.sum(), steps)
    output = encode_steps(EXACT, head, head_parameters(head, 1, DIM, LENGTH, seed=0), steps, last=True)
    assert_allclose(output[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_at_the_start_the_state_is_a_mean_in_which_later_steps_count_more():
    one_hot = np.eye(LENGTH, DIM, dtype=np.float32)[None]
    output = encode_steps(EXACT, "gru", head_parameters("gru", 1, DIM, LENGTH, seed=0), one_hot, last=True)[0, 0]
    shares = output[:LENGTH] - one_hot[0, -1, :LENGTH]
    assert (np.diff(shares) > 0).all()
    assert_allclose(shares[:-1] / shares[1:], 0.75, atol=0.1)


@heads
def test_steps_without_an_embedding_give_finite_outputs(head):
    outputs = encode_steps(EXACT, head, trained(head), np.zeros((2, LENGTH, DIM), dtype=np.float32))
    assert np.isfinite(outputs).all()
