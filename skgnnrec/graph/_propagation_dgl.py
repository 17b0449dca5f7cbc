"""Message passing with the kernels of DGL: generalised products of sparse matrices, edge softmax."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse

__all__ = ["DGLMessagePassing", "import_dgl"]


def import_dgl() -> Any:
    """Import DGL with torch as its backend; it would otherwise write a configuration file into the home directory."""
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
    """A bipartite graph whose messages are sent by DGL."""

    def __init__(self, W: sparse.csr_array, device: torch.device | str = "cpu") -> None:
        dgl = import_dgl()
        self._ops = dgl.ops
        self.n_rows, self.n_columns = W.shape
        # Only validated arrays: DGL reads foreign memory where an index is negative.
        rows = torch.tensor(np.repeat(np.arange(W.shape[0]), np.diff(W.indptr)), dtype=torch.int32, device=device)
        columns = torch.tensor(W.indices, dtype=torch.int32, device=device)
        sizes = {"row": self.n_rows, "column": self.n_columns}
        self._to_rows = dgl.heterograph({("column", "to", "row"): (columns, rows)}, sizes)
        self._to_columns = dgl.heterograph({("row", "to", "column"): (rows, columns)}, sizes)
        self._weights = torch.tensor(W.data, device=device)

    def to_rows(self, column_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_c w_rc h_c for each row r."""
        return self._sum(self._to_rows, column_vectors, weights)

    def to_columns(self, row_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_r w_rc h_r for each column c."""
        return self._sum(self._to_columns, row_vectors, weights)

    def dot(self, row_vectors: torch.Tensor, column_vectors: torch.Tensor) -> torch.Tensor:
        """Return h_r · h_c for each edge."""
        return self._ops.u_dot_v(self._to_rows, column_vectors, row_vectors).squeeze(-1)

    def softmax_by_row(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each row."""
        return self._ops.edge_softmax(self._to_rows, scores.unsqueeze(-1)).squeeze(-1)

    def softmax_by_column(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each column."""
        return self._ops.edge_softmax(self._to_columns, scores.unsqueeze(-1)).squeeze(-1)

    def _sum(self, graph: Any, source: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        weights = self._weights if weights is None else weights
        return self._ops.u_mul_e_sum(graph, source, weights.to(source.dtype).unsqueeze(-1))
