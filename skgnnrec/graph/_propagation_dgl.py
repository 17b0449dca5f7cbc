"""Message passing with the kernels of DGL: generalised products of sparse matrices, edge softmax."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse

__all__ = ["DGLMessagePassing"]


def import_dgl() -> Any:
    """Import DGL for torch, without the file it writes into the user's home where nobody named a backend.

    Returns
    -------
    dgl : module
        The module.

    Raises
    ------
    ImportError
        If DGL is not installed or does not load beside this torch.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations in DGL's own imports
            import dgl
            import dgl.ops
    except Exception as error:  # wheels built for another torch fail with OSError, FileNotFoundError or RuntimeError
        raise ImportError(
            "backend='dgl' needs DGL 1.1.3, which runs on Python 3.11 and Linux (x86-64): pip install 'dgl>=1.1.3,<2'. "
            f"backend='torch' needs nothing else. Importing dgl failed: {error}"
        ) from error
    return dgl


class DGLMessagePassing:
    """A bipartite graph whose messages are sent by DGL.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items), float32 or float64
        The edges and their weights, canonical.
    device : torch.device or str, default="cpu"
        Where the graph is kept.
    """

    def __init__(self, X: sparse.csr_array, device: torch.device | str = "cpu") -> None:
        dgl = import_dgl()
        self._ops = dgl.ops
        self.n_users, self.n_items = X.shape
        # Of validated arrays only: DGL follows a negative id into foreign memory.
        users = torch.tensor(np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), dtype=torch.int32, device=device)
        items = torch.tensor(X.indices, dtype=torch.int32, device=device)
        sizes = {"user": self.n_users, "item": self.n_items}
        self._to_users = dgl.heterograph({("item", "to", "user"): (items, users)}, sizes)
        self._to_items = dgl.heterograph({("user", "to", "item"): (users, items)}, sizes)
        self._weights = torch.tensor(X.data, device=device)

    def to_users(self, items: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_i w_ui h_i for each user u."""
        return self._sum(self._to_users, items, weights)

    def to_items(self, users: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_u w_ui h_u for each item i."""
        return self._sum(self._to_items, users, weights)

    def dot(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return h_u · h_i for each edge."""
        return self._ops.u_dot_v(self._to_users, items, users).squeeze(-1)

    def softmax_by_user(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each user."""
        return self._ops.edge_softmax(self._to_users, scores.unsqueeze(-1)).squeeze(-1)

    def softmax_by_item(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each item."""
        return self._ops.edge_softmax(self._to_items, scores.unsqueeze(-1)).squeeze(-1)

    def _sum(self, graph: Any, source: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        weights = self._weights if weights is None else weights
        return self._ops.u_mul_e_sum(graph, source, weights.to(source.dtype).unsqueeze(-1))
