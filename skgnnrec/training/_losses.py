"""What training minimises: how far the items of a user stand behind all others."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from skgnnrec._device import resolve_dtype

__all__ = ["bpr_loss", "contrast_loss", "multiple_negatives_loss", "sampled_softmax_loss", "softmax_loss"]

MANY_ITEMS = 4096  # from where on products are taken in bfloat16
BLOCK_BYTES = 1 << 25  # of one block of scores, users of a batch x all items


def bpr_loss(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log σ(s⁺ - s⁻), Bayesian personalised ranking.

    Parameters
    ----------
    positive : Tensor of shape (n_interactions,)
        Scores of interactions.
    negative : Tensor of shape (n_interactions, n_negatives)
        Scores of the same user with items she has not seen.

    Returns
    -------
    loss : Tensor of shape ()
        The loss.

    References
    ----------
    .. [1] S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009.
    """
    return F.softplus(negative - positive[:, None]).mean()


def sampled_softmax_loss(positive: torch.Tensor, negative: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log(exp s⁺ / (exp s⁺ + Σ exp s⁻)), the negatives shared by a batch.

    Parameters
    ----------
    positive : Tensor of shape (n_interactions,)
        Scores of interactions, divided by the temperature.
    negative : Tensor of shape (n_users, n_negatives)
        Scores of each user of the batch with the negatives, divided by the temperature; -inf where the user has the
        item.
    rows : Tensor of shape (n_interactions,), int64
        The user of each interaction.

    Returns
    -------
    loss : Tensor of shape ()
        The loss.

    References
    ----------
    .. [1] J. Wu et al., "On the effectiveness of sampled softmax loss for item recommendation", TOIS 2024.
    """
    others = torch.logsumexp(negative, dim=1).index_select(0, rows)
    return (torch.logaddexp(positive, others) - positive).mean()


def softmax_loss(
    users: torch.Tensor, items: torch.Tensor, positive: torch.Tensor, rows: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the mean of -log(exp s⁺ / Σ_j exp s_j) over all items j, a block of users at a time.

    Parameters
    ----------
    users : Tensor of shape (n_users, dim)
        The users of a batch.
    items : Tensor of shape (n_items, dim)
        All items.
    positive : Tensor of shape (n_interactions,)
        Scores of interactions, divided by the temperature.
    rows : Tensor of shape (n_interactions,), int64
        The user of each interaction.
    temperature : float
        What the dot products are divided by.

    Returns
    -------
    loss : Tensor of shape ()
        The loss.

    Notes
    -----
    The gradient of the normaliser is a product with the probabilities, taken while they are at hand: users × items is
    never kept.

    References
    ----------
    .. [1] D. Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018 (the multinomial
           likelihood).
    """
    n_interactions = torch.bincount(rows, minlength=len(users)).to(users.dtype)  # (n_users,)
    normaliser = _WeightedLogSumExp.apply(users / temperature, items, n_interactions)
    return (normaliser - positive.sum()) / len(positive)


def contrast_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return InfoNCE between two views: -log of the softmax of a row's cosine with itself among all rows.

    Parameters
    ----------
    first, second : Tensor of shape (n_nodes, dim)
        Two views of the same nodes.
    temperature : float
        What the cosines are divided by.

    Returns
    -------
    loss : Tensor of shape ()
        The mean over the nodes.

    References
    ----------
    .. [1] J. Yu et al., "XSimGCL: Towards extremely simple graph contrastive learning for recommendation", TKDE 2023.
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    own = (first * second).sum(dim=1) / temperature
    return softmax_loss(first, second, own, torch.arange(len(own), device=own.device), temperature)


def multiple_negatives_loss(
    anchors: torch.Tensor, positives: torch.Tensor, temperature: float, same: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy of telling each anchor's positive from those of the others, and the other way round.

    With the cosines s_ij of anchor i and positive j, over the temperature, it is the mean of log Σ_j exp s_ij - s_ii
    and of log Σ_j exp s_ji - s_ii: the positives of the other pairs are the negatives.

    Parameters
    ----------
    anchors, positives : Tensor of shape (n_pairs, dim)
        The vectors of pairs that belong together.
    temperature : float
        What the cosines are divided by.
    same : Tensor of bool, shape (n_pairs, n_pairs)
        Where anchor i and positive j are no negatives of each other, such as a text and itself. The diagonal does not
        matter.

    Returns
    -------
    loss : Tensor of shape ()
        The mean over the pairs and both directions.

    References
    ----------
    .. [1] M. Henderson et al., "Efficient natural language response suggestion for Smart Reply", 2017,
           arXiv:1705.00652.
    """
    cosines = F.normalize(anchors, dim=1) @ F.normalize(positives, dim=1).T / temperature  # (n_pairs, n_pairs)
    own = cosines.diagonal()
    others = cosines.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool, device=same.device), -torch.inf)
    return (torch.logsumexp(others, dim=1) + torch.logsumexp(others, dim=0) - 2 * own).mean() / 2


class _WeightedLogSumExp(torch.autograd.Function):
    """Σ_u w_u log Σ_j exp(u · j), with the gradients of u and j computed on the way."""

    @staticmethod
    def forward(ctx: Any, users: torch.Tensor, items: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        total = users.new_zeros(())
        dtype = _dtype_of_products(items)
        rivals = items.to(dtype)
        block = max(1, BLOCK_BYTES // (4 * max(1, len(items))))
        # Blocks of one shape, the last filled up with users of weight zero: for each shape of a product in bfloat16
        # the library behind torch keeps megabytes.
        n_filling = -len(users) % block if dtype == torch.bfloat16 else 0
        asking, weights = F.pad(users, (0, 0, 0, n_filling)), F.pad(weights, (0, n_filling))
        to_users, to_items = torch.empty_like(asking), torch.zeros_like(items)
        for start in range(0, len(asking), block):
            rows = slice(start, start + block)
            scores = asking[rows].to(dtype) @ rivals.T  # (block, n_items)
            highest = scores.amax(dim=1, keepdim=True)
            powers = scores.sub_(highest).exp_()
            sums = powers.sum(dim=1, keepdim=True, dtype=users.dtype)
            total += ((sums.log() + highest).squeeze(1) * weights[rows]).sum()
            scaled = weights[rows, None] / sums  # the probabilities are the powers over their sum
            to_users[rows] = scaled * (powers @ rivals)
            to_items += powers.T @ (scaled * asking[rows]).to(dtype)
        to_users = to_users[: len(users)]
        ctx.save_for_backward(to_users, to_items)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        to_users, to_items = ctx.saved_tensors
        return gradient * to_users, gradient * to_items, None


def _dtype_of_products(items: torch.Tensor) -> torch.dtype:
    """Return bfloat16 where it is native and products take the time, else what the items have.

    All that is summed over blocks stays in single precision.
    """
    if items.dtype != torch.float32 or len(items) < MANY_ITEMS:
        return items.dtype
    return resolve_dtype("auto", items.device)
