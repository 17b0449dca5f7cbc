"""Message passing with torch's own sparse matrices, on any device."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

__all__ = ["TorchMessagePassing"]

with warnings.catch_warnings():  # torch warns once in a process that its CSR tensors are in beta
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


class Pattern(NamedTuple):
    """The positions of the entries of a CSR matrix."""

    indptr: torch.Tensor
    indices: torch.Tensor
    shape: tuple[int, int]


class TorchMessagePassing:
    """A bipartite graph whose sums are products of sparse matrices; results do not depend on the number of threads."""

    def __init__(self, W: sparse.csr_array, device: torch.device | str = "cpu") -> None:
        self.n_rows, self.n_columns = W.shape
        # Torch's own backward pass transposes the matrix each time. With the edges in both orders, a backward pass is a
        # forward product. On a CPU a thread sums a row in the order of its edges.
        edges = sparse.csr_array((np.arange(W.nnz), W.indices, W.indptr), shape=W.shape).T.tocsr()

        def put(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
            # A copy: memory maps are read-only, and the caller's arrays must not change with the tensors.
            return torch.tensor(array, dtype=dtype, device=device)

        self._by_row = Pattern(put(W.indptr, torch.int32), put(W.indices, torch.int32), W.shape)
        self._by_column = Pattern(put(edges.indptr, torch.int32), put(edges.indices, torch.int32), edges.shape)
        self._column_order = put(edges.data, torch.int64)  # (n_edges,): edges sorted by column
        self._rows = put(np.repeat(np.arange(W.shape[0]), np.diff(W.indptr)), torch.int64)  # (n_edges,)
        self._columns = put(W.indices, torch.int64)  # (n_edges,)
        self._weights = torch.tensor(W.data, device=device)
        self._weights_by_column = self._weights.index_select(0, self._column_order)

    def to_rows(self, column_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_c w_rc h_c for each row r."""
        return _Sum.apply(self, column_vectors, weights, True)

    def to_columns(self, row_vectors: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_r w_rc h_r for each column c."""
        return _Sum.apply(self, row_vectors, weights, False)

    def dot(self, row_vectors: torch.Tensor, column_vectors: torch.Tensor) -> torch.Tensor:
        """Return h_r · h_c for each edge."""
        return _Dot.apply(self, row_vectors, column_vectors)

    def softmax_by_row(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each row."""
        return _Softmax.apply(scores, self._rows, self.n_rows)

    def softmax_by_column(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each column."""
        return _Softmax.apply(scores, self._columns, self.n_columns)

    def _sum(self, source: torch.Tensor, weights: torch.Tensor | None, *, to_rows: bool) -> torch.Tensor:
        if to_rows:
            return _product(self._by_row, self._weights if weights is None else weights, source)
        by_column = self._weights_by_column if weights is None else weights.index_select(0, self._column_order)
        return _product(self._by_column, by_column, source)

    def _dot(self, row_vectors: torch.Tensor, column_vectors: torch.Tensor) -> torch.Tensor:
        if not len(self._columns):
            return row_vectors.new_zeros(0)
        pattern = _matrix(self._by_row, row_vectors.new_zeros(len(self._columns)))
        return torch.sparse.sampled_addmm(pattern, row_vectors, column_vectors.T, beta=0.0).values()


def _matrix(pattern: Pattern, values: torch.Tensor) -> torch.Tensor:
    return torch.sparse_csr_tensor(
        pattern.indptr,
        pattern.indices,
        values,
        pattern.shape,
        check_invariants=False,  # of a validated matrix
    )


def _product(pattern: Pattern, values: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    matrix = _matrix(pattern, values.to(dense.dtype))
    if dense.device.type == "cpu":  # the product as a reduction: threads share the rows by their edges
        return torch.sparse.mm(matrix, dense.contiguous(), "sum")
    return torch.sparse.mm(matrix, dense)


class _Sum(torch.autograd.Function):
    """Weighted sums over neighbours; the gradient is a sum along the same edges."""

    @staticmethod
    def forward(
        ctx: Any, graph: TorchMessagePassing, source: torch.Tensor, weights: torch.Tensor | None, to_rows: bool
    ) -> torch.Tensor:
        ctx.graph, ctx.to_rows = graph, to_rows
        ctx.save_for_backward(source if weights is not None else None, weights)
        return graph._sum(source, weights, to_rows=to_rows)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        source, weights = ctx.saved_tensors
        to_source = ctx.graph._sum(gradient, weights, to_rows=not ctx.to_rows) if ctx.needs_input_grad[1] else None
        to_weights = None
        if ctx.needs_input_grad[2]:
            row_vectors, column_vectors = (gradient, source) if ctx.to_rows else (source, gradient)
            to_weights = ctx.graph._dot(row_vectors.contiguous(), column_vectors.contiguous())
        return None, to_source, to_weights, None


class _Dot(torch.autograd.Function):
    """Dot products of the ends of edges; the gradients are weighted sums over neighbours."""

    @staticmethod
    def forward(
        ctx: Any, graph: TorchMessagePassing, row_vectors: torch.Tensor, column_vectors: torch.Tensor
    ) -> torch.Tensor:
        ctx.graph = graph
        ctx.save_for_backward(row_vectors, column_vectors)
        return graph._dot(row_vectors, column_vectors)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        row_vectors, column_vectors = ctx.saved_tensors
        to_row_vectors = ctx.graph._sum(column_vectors, gradient, to_rows=True)
        return None, to_row_vectors, ctx.graph._sum(row_vectors, gradient, to_rows=False)


class _Softmax(torch.autograd.Function):
    """The softmax over groups of edges."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, groups: torch.Tensor, n_groups: int) -> torch.Tensor:
        highest = scores.new_full((n_groups,), -torch.inf).scatter_reduce_(0, groups, scores, "amax")
        powers = torch.exp(scores - highest.index_select(0, groups))
        attention = powers / _sum_groups(powers, groups, n_groups).index_select(0, groups)
        ctx.n_groups = n_groups
        ctx.save_for_backward(attention, groups)
        return attention

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        attention, groups = ctx.saved_tensors
        weighted = attention * gradient
        return weighted - attention * _sum_groups(weighted, groups, ctx.n_groups).index_select(0, groups), None, None


def _sum_groups(values: torch.Tensor, groups: torch.Tensor, n_groups: int) -> torch.Tensor:
    return values.new_zeros(n_groups).index_add_(0, groups, values)
