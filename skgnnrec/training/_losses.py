"""The losses of rankings: the scores of a user's own items against the scores of other items."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from skgnnrec._device import resolve_dtype

__all__ = [
    "bpr_loss",
    "contrast_loss",
    "multiple_negatives_loss",
    "sampled_softmax_loss",
    "similarity_loss",
    "softmax_loss",
    "unit_rows",
]

SHORTEST = 1e-12  # length of a row that is scaled; zeros stay zeros
MANY_ITEMS = 4096  # from this number on, products are computed in bfloat16
BLOCK_BYTES = 1 << 25  # of one block of scores, users of a batch × all items


def bpr_loss(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log σ(s⁺ - s⁻), Bayesian personalised ranking (Rendle et al., UAI 2009).

    `positive` holds the scores of interactions, (n_interactions,), and `negative` the scores of the same users for
    items that they have not seen, (n_interactions, n_negatives).
    """
    return F.softplus(negative - positive[:, None]).mean()


def sampled_softmax_loss(positive: torch.Tensor, negative: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log(exp s⁺ / (exp s⁺ + Σ exp s⁻)), with negatives that a batch shares (Wu et al., TOIS 2024).

    `positive` (n_interactions,) and `negative` (n_users, n_negatives) are scores divided by the temperature, -inf for
    negatives that a user has; `rows` (n_interactions,) is the user of each interaction.
    """
    others = torch.logsumexp(negative, dim=1).index_select(0, rows)
    return (torch.logaddexp(positive, others) - positive).mean()


def softmax_loss(
    users: torch.Tensor, items: torch.Tensor, positive: torch.Tensor, rows: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the mean of -log(exp s⁺ / Σ_j exp s_j) over all items j, a multinomial likelihood (Liang et al., 2018).

    `users` (n_users, dim) and `items` (n_items, dim) are embeddings, `positive` (n_interactions,) the scores of the
    interactions divided by the temperature, and `rows` (n_interactions,) the user of each interaction.
    """
    n_interactions = torch.bincount(rows, minlength=len(users)).to(users.dtype)  # (n_users,)
    normaliser = _WeightedLogSumExp.apply(users / temperature, items, n_interactions)
    return (normaliser - positive.sum()) / len(positive)


def contrast_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the InfoNCE loss between two views of the same nodes, (n_nodes, dim) each (XSimGCL; Yu et al., TKDE 2023).

    It is the mean of -log of the softmax of a node's cosine with itself among its cosines with all nodes.
    """
    first, second = unit_rows(first), unit_rows(second)
    own = (first * second).sum(dim=1) / temperature
    return softmax_loss(first, second, own, torch.arange(len(own), device=own.device), temperature)


def similarity_loss(scores: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Return the mean over users of the expected similarity of two recommended items, Σ_ij p_i p_j v_i · v_j.

    p is the softmax of the scores, (n_users, n_items), and `vectors` holds unit vectors of the items, (n_items, dim).
    For unit vectors, it is one minus the quadratic entropy of p (Rao, Theoretical Population Biology 1982), a diversity
    whose mean over lists is the intra-list distance (Wasilewski & Hurley, FLAIRS 2016).
    """
    means = torch.softmax(scores, dim=1) @ vectors  # (n_users, dim)
    return means.square().sum(dim=1).mean()


def multiple_negatives_loss(
    anchors: torch.Tensor, positives: torch.Tensor, temperature: float, same: torch.Tensor
) -> torch.Tensor:
    """Return the mean cross-entropy of finding each anchor's positive among all positives, and the other way round.

    `anchors` and `positives` are (n_pairs, dim), and the scores are cosines divided by the temperature; anchor i and
    positive j are left out as negatives where same[i, j] is True (Henderson et al., arXiv:1705.00652).
    """
    cosines = F.normalize(anchors, dim=1) @ F.normalize(positives, dim=1).T / temperature  # (n_pairs, n_pairs)
    own = cosines.diagonal()
    others = cosines.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool, device=same.device), -torch.inf)
    return (torch.logsumexp(others, dim=1) + torch.logsumexp(others, dim=0) - 2 * own).mean() / 2


def unit_rows(vectors: torch.Tensor) -> torch.Tensor:
    """Return vectors scaled to length one, (n, dim).

    The embeddings of all items are scaled in each step. The gradient in closed form reads them less often than torch's.
    """
    return _UnitRows.apply(vectors)


class _UnitRows(torch.autograd.Function):
    """x / |x| of each row; the gradient g is projected to (g - u (g · u)) / |x|, where u is the scaled row."""

    @staticmethod
    def forward(ctx: Any, vectors: torch.Tensor) -> torch.Tensor:
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min_(SHORTEST)
        unit = vectors / lengths
        ctx.save_for_backward(unit, lengths)
        return unit

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        unit, lengths = ctx.saved_tensors
        along = torch.einsum("nd,nd->n", gradient, unit)[:, None]
        return torch.addcmul(gradient, unit, along, value=-1).div_(lengths)


class _WeightedLogSumExp(torch.autograd.Function):
    """Σ_u w_u log Σ_j exp(u · j); the forward pass computes the gradients too, so users × items is never in memory."""

    @staticmethod
    def forward(ctx: Any, users: torch.Tensor, items: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        total = users.new_zeros(())
        dtype = _dtype_of_products(items)
        rounded = items.to(dtype)
        block = max(1, BLOCK_BYTES // (4 * max(1, len(items))))
        # All blocks have one shape, the last is padded with users of weight zero: oneDNN keeps megabytes for each shape
        # of a product in bfloat16.
        n_padding = -len(users) % block if dtype == torch.bfloat16 else 0
        padded, weights = F.pad(users, (0, 0, 0, n_padding)), F.pad(weights, (0, n_padding))
        user_gradient, item_gradient = torch.empty_like(padded), torch.zeros_like(items)
        for start in range(0, len(padded), block):
            rows = slice(start, start + block)
            scores = padded[rows].to(dtype) @ rounded.T  # (block, n_items)
            highest = scores.amax(dim=1, keepdim=True)
            powers = scores.sub_(highest).exp_()
            sums = powers.sum(dim=1, keepdim=True, dtype=users.dtype)
            total += ((sums.log() + highest).squeeze(1) * weights[rows]).sum()
            scaled = weights[rows, None] / sums  # a probability is a power divided by the sum of the powers
            user_gradient[rows] = scaled * (powers @ rounded)
            item_gradient += powers.T @ (scaled * padded[rows]).to(dtype)
        user_gradient = user_gradient[: len(users)]
        ctx.save_for_backward(user_gradient, item_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        user_gradient, item_gradient = ctx.saved_tensors
        return gradient * user_gradient, gradient * item_gradient, None


def _dtype_of_products(items: torch.Tensor) -> torch.dtype:
    """Return bfloat16 where it is native and there are many items, else the type of the items.

    Sums over blocks stay in single precision.
    """
    if items.dtype != torch.float32 or len(items) < MANY_ITEMS:
        return items.dtype
    return resolve_dtype("auto", items.device)
