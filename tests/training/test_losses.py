"""Losses against their formulas, value and gradient."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skgnnrec.training import (
    _losses,
    bpr_loss,
    contrast_loss,
    multiple_negatives_loss,
    sampled_softmax_loss,
    similarity_loss,
    softmax_loss,
    unit_rows,
)


@pytest.fixture
def batch():
    """Return users, items, and the user and the item of seven interactions; the first user has none."""
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 4, generator=generator, dtype=torch.float64).requires_grad_() for n in (5, 11))
    rows = torch.tensor([1, 1, 2, 3, 3, 3, 4])
    columns = torch.tensor([0, 5, 10, 2, 3, 4, 4])
    return users, items, rows, columns


def full_softmax(users, items, rows, columns, temperature):
    """Return the softmax loss with users x items in memory."""
    scores = torch.log_softmax(users @ items.T / temperature, dim=1)
    return -scores[rows, columns].mean()


def test_bpr_of_equal_scores_is_log_two():
    assert float(bpr_loss(torch.zeros(3), torch.zeros(3, 2))) == pytest.approx(math.log(2))


def test_bpr_by_hand():
    loss = bpr_loss(torch.tensor([1.0, 0.0]), torch.tensor([[0.0], [2.0]]))
    assert float(loss) == pytest.approx((math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2)


def test_bpr_without_a_negative_is_zero():
    positive = torch.tensor([1.0], requires_grad=True)
    loss = bpr_loss(positive, torch.tensor([[-torch.inf]]))
    loss.backward()
    assert (loss.item(), positive.grad.item()) == (0.0, 0.0)


def test_similarity_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    even, certain = similarity_loss(torch.zeros(1, 2), vectors), similarity_loss(torch.tensor([[99.0, 0.0]]), vectors)
    assert float(even) == pytest.approx(0.5)  # both items are the same in half of the pairs
    assert float(certain) == pytest.approx(1.0)
    shares, cosines = np.array([0.5, 0.3, 0.2]), np.array([[1, 0.6, 0], [0.6, 1, 0.8], [0, 0.8, 1]])
    vectors = torch.tensor([[1, 0], [0.6, 0.8], [0, 1]], dtype=torch.float64)
    found = similarity_loss(torch.tensor(np.log(shares))[None], vectors)
    assert float(found) == pytest.approx(shares @ cosines @ shares)


def test_sampled_softmax_by_hand():
    positive, negative = torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 0.5]])
    loss = sampled_softmax_loss(positive, negative, torch.tensor([0, 0]))
    expected = [-math.log(math.exp(s) / (math.exp(s) + 1 + math.exp(0.5))) for s in (1.0, 2.0)]
    assert float(loss) == pytest.approx(np.mean(expected))


def test_sampled_softmax_without_negatives_is_zero():
    loss = sampled_softmax_loss(torch.tensor([1.0]), torch.full((1, 3), -torch.inf), torch.tensor([0]))
    assert float(loss) == 0.0


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 25])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_softmax_in_blocks_is_softmax(monkeypatch, batch, temperature, block_bytes):
    monkeypatch.setattr(_losses, "BLOCK_BYTES", block_bytes)
    users, items, rows, columns = batch
    positive = (users[rows] * items[columns]).sum(dim=1) / temperature
    loss = softmax_loss(users, items, positive, rows, temperature)
    expected = full_softmax(users, items, rows, columns, temperature)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    found, wanted = (torch.autograd.grad(value, (users, items)) for value in (loss, expected))
    for ours, theirs in zip(found, wanted, strict=True):
        assert_allclose(ours, theirs, atol=1e-12)


@pytest.fixture
def native_bfloat16(monkeypatch):
    """Let the processor compute in bfloat16, and let few items count as many."""
    monkeypatch.setattr(_losses, "resolve_dtype", lambda dtype, device: torch.bfloat16)
    monkeypatch.setattr(_losses, "MANY_ITEMS", 11)


@pytest.mark.usefixtures("native_bfloat16")
@pytest.mark.parametrize("block_bytes", [1, 1 << 12])
def test_softmax_in_bfloat16_is_close(monkeypatch, batch, block_bytes):
    monkeypatch.setattr(_losses, "BLOCK_BYTES", block_bytes)
    users, items, rows, columns = batch
    users, items = (side.detach().float().requires_grad_() for side in (users, items))
    loss = softmax_loss(users, items, (users[rows] * items[columns]).sum(dim=1) / 0.5, rows, 0.5)
    expected = full_softmax(users, items, rows, columns, 0.5)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-2)
    assert loss.item() != pytest.approx(expected.item(), rel=1e-6)
    found, wanted = (torch.autograd.grad(value, (users, items)) for value in (loss, expected))
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == torch.float32
        assert_allclose(ours, theirs, atol=0.03 * float(theirs.abs().max()))


@pytest.mark.usefixtures("native_bfloat16")
def test_softmax_over_few_items_or_in_double_precision_is_exact(batch):
    users, items, rows, columns = batch
    for few, dtype in ((items[:10], torch.float32), (items, torch.float64)):
        users, few, columns = users.detach().to(dtype), few.detach().to(dtype), columns.clamp(max=9)
        loss = softmax_loss(users, few, (users[rows] * few[columns]).sum(dim=1), rows, 1.0)
        assert loss.item() == pytest.approx(full_softmax(users, few, rows, columns, 1.0).item(), rel=1e-6)


def test_softmax_of_large_scores_is_finite():
    users, items = torch.tensor([[1e4]]), torch.tensor([[1.0], [-1.0]])
    assert float(softmax_loss(users, items, torch.tensor([1e4]), torch.tensor([0]), 1.0)) == 0.0


def test_contrast_of_a_view_with_itself_is_small_and_with_another_large():
    nodes = torch.eye(4, dtype=torch.float64)
    assert float(contrast_loss(nodes, nodes, 0.1)) == pytest.approx(math.log(1 + 3 * math.exp(-10)), rel=1e-3)
    assert float(contrast_loss(nodes, nodes.flip(0), 0.1)) > 9


def test_contrast_is_a_cross_entropy_over_all_nodes():
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(6, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    loss = contrast_loss(*views, 0.2)
    first, second = (torch.nn.functional.normalize(view, dim=1) for view in views)
    expected = torch.nn.functional.cross_entropy(first @ second.T / 0.2, torch.arange(6))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for ours, theirs in zip(*(torch.autograd.grad(value, views) for value in (loss, expected)), strict=True):
        assert_allclose(ours, theirs, atol=1e-12)


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_contrast_depends_on_directions_only(a, b):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    assert float(contrast_loss(a * first, b * second, 0.2)) == pytest.approx(float(contrast_loss(first, second, 0.2)))


def test_unit_rows_are_those_of_torch_with_their_gradients():
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert_allclose(unit_rows(vectors).detach(), torch.nn.functional.normalize(vectors, dim=1).detach())
    assert torch.autograd.gradcheck(unit_rows, vectors)
    assert not unit_rows(torch.zeros(2, 3)).any()


def test_multiple_negatives_by_hand():
    anchors, partners = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    cosines = np.array([[1.0, 0.5**0.5], [0.0, 0.5**0.5]]) / 0.5
    own = np.diag(cosines)
    rows, columns = np.log(np.exp(cosines).sum(axis=1)) - own, np.log(np.exp(cosines).sum(axis=0)) - own
    loss = multiple_negatives_loss(anchors, partners, 0.5, torch.eye(2, dtype=torch.bool))
    assert float(loss) == pytest.approx((rows.mean() + columns.mean()) / 2)


def test_multiple_negatives_leave_out_equal_texts():
    generator = torch.Generator().manual_seed(0)
    anchors, partners = (torch.randn(3, 4, generator=generator) for _ in range(2))
    nothing = torch.zeros((3, 3), dtype=torch.bool)
    assert float(multiple_negatives_loss(anchors, partners, 0.1, ~nothing)) == pytest.approx(0, abs=1e-6)
    same = nothing.clone()
    same[:2, 2] = same[2, :2] = True  # the third pair stands alone, and the others do without it
    pair = multiple_negatives_loss(anchors[:2], partners[:2], 0.1, nothing[:2, :2])
    assert float(multiple_negatives_loss(anchors, partners, 0.1, same)) == pytest.approx(float(pair) * 2 / 3)
