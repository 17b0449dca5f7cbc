"""Message passing on a bipartite graph: the protocol and the choice of the backend.

Torch is imported on use: closed-form recommenders never load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from scipy import sparse

if TYPE_CHECKING:
    import torch

__all__ = ["MessagePassing", "message_passing"]


class MessagePassing(Protocol):
    """The bipartite graph of the rows and columns of a matrix W; vectors are sent along its edges, differentiably.

    Each stored entry of W is an edge. Values of edges have the order of the CSR form of W.
    """

    n_rows: int
    n_columns: int

    def to_rows(self, column_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_c w_rc h_c for each row r, (n_rows, dim); without `weights`, w are the entries of W."""

    def to_columns(self, row_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_r w_rc h_r for each column c, (n_columns, dim); without `weights`, w are the entries of W."""

    def dot(self, row_vectors: torch.Tensor, column_vectors: torch.Tensor) -> torch.Tensor:
        """Return h_r · h_c for each edge (r, c), (n_edges,)."""

    def softmax_by_row(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax of the scores of edges over the edges of each row, (n_edges,)."""

    def softmax_by_column(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax of the scores of edges over the edges of each column, (n_edges,)."""


def message_passing(
    W: sparse.csr_array, *, backend: str = "auto", device: torch.device | str = "cpu"
) -> MessagePassing:
    """Return the graph of a canonical matrix of edge weights, float32 or float64.

    The backend "auto" is torch: it runs on any device, and is the faster one on a CPU (``benchmarks/gpu.py``).
    """
    if backend == "dgl":
        from skgnnrec.graph._propagation_dgl import DGLMessagePassing

        return DGLMessagePassing(W, device)
    from skgnnrec.graph._propagation_torch import TorchMessagePassing

    return TorchMessagePassing(W, device)
