"""Messages along the edges of the graph of users and items: the protocol, and the choice of who computes them.

Torch is imported on use: closed-form recommenders never pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from scipy import sparse

if TYPE_CHECKING:
    import torch

__all__ = ["MessagePassing", "message_passing"]


class MessagePassing(Protocol):
    """A bipartite graph along whose edges vectors are sent, in both directions, differentiably.

    An edge is a stored entry of the matrix of users and items; edge values are in the order of its CSR form.
    """

    n_users: int
    n_items: int

    def to_users(self, items: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_i w_ui h_i for each user u, shape (n_users, dim); None takes the graph's own weights."""

    def to_items(self, users: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_u w_ui h_u for each item i, shape (n_items, dim); None takes the graph's own weights."""

    def dot(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return h_u · h_i for each edge (u, i), shape (n_edges,)."""

    def softmax_by_user(self, scores: torch.Tensor) -> torch.Tensor:
        """Return exp(s_ui) over its sum along the edges of user u, shape (n_edges,)."""

    def softmax_by_item(self, scores: torch.Tensor) -> torch.Tensor:
        """Return exp(s_ui) over its sum along the edges of item i, shape (n_edges,)."""


def message_passing(
    X: sparse.csr_array, *, backend: str = "auto", device: torch.device | str = "cpu"
) -> MessagePassing:
    """Return the graph of a matrix of edge weights.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items), float32 or float64
        The edges and their weights, canonical.
    backend : {"auto", "torch", "dgl"}, default="auto"
        Who computes. "auto" takes torch, which needs nothing else, runs on any device, and whose sums are the faster
        ones on a CPU (``benchmarks/propagation.py``).
    device : torch.device or str, default="cpu"
        Where the graph is kept.

    Returns
    -------
    graph : MessagePassing
        The graph.

    Raises
    ------
    ImportError
        If DGL is asked for by name and cannot be imported.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scipy import sparse
    >>> from skgnnrec.graph import message_passing
    >>> graph = message_passing(sparse.csr_array(np.array([[0.8, 0.2], [0.0, 0.5]])))
    >>> graph.to_users(torch.ones(2, 1, dtype=torch.float64))
    tensor([[1.0000],
            [0.5000]], dtype=torch.float64)
    """
    if backend == "dgl":
        from skgnnrec.graph._propagation_dgl import DGLMessagePassing

        return DGLMessagePassing(X, device)
    from skgnnrec.graph._propagation_torch import TorchMessagePassing

    return TorchMessagePassing(X, device)
