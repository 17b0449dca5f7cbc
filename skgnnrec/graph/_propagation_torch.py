"""Message passing with torch's own sparse matrices, on any device."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

__all__ = ["TorchMessagePassing"]

with warnings.catch_warnings():  # torch says once a process that its CSR tensors are in beta; that once is here
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


class Pattern(NamedTuple):
    """Where the entries of a CSR matrix stand."""

    indptr: torch.Tensor
    indices: torch.Tensor
    shape: tuple[int, int]


class TorchMessagePassing:
    """A bipartite graph whose sums are products of sparse matrices.

    Torch's own backward pass of such a product transposes the matrix anew each time. Here both orders of the edges are
    laid out once, so that a backward pass is another forward product (and a gradient of edge weights is a dot product
    per edge). On a CPU each row is summed by one thread in the order of its edges: results do not depend on the number
    of threads.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items), float32 or float64
        The edges and their weights, canonical.
    device : torch.device or str, default="cpu"
        Where the graph is kept.
    """

    def __init__(self, X: sparse.csr_array, device: torch.device | str = "cpu") -> None:
        self.n_users, self.n_items = X.shape
        edges = sparse.csr_array((np.arange(X.nnz), X.indices, X.indptr), shape=X.shape).T.tocsr()

        def put(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
            # A copy: memory maps are read-only, and what torch writes on the device must not reach the caller.
            return torch.tensor(array, dtype=dtype, device=device)

        self._by_user = Pattern(put(X.indptr, torch.int32), put(X.indices, torch.int32), X.shape)
        self._by_item = Pattern(put(edges.indptr, torch.int32), put(edges.indices, torch.int32), edges.shape)
        self._item_order = put(edges.data, torch.int64)  # (n_edges,): edges sorted by item
        self._users = put(np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), torch.int64)  # (n_edges,)
        self._items = put(X.indices, torch.int64)  # (n_edges,)
        self._weights = torch.tensor(X.data, device=device)
        self._weights_by_item = self._weights.index_select(0, self._item_order)

    def to_users(self, items: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_i w_ui h_i for each user u."""
        return _Sum.apply(self, items, weights, True)

    def to_items(self, users: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return sum_u w_ui h_u for each item i."""
        return _Sum.apply(self, users, weights, False)

    def dot(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return h_u · h_i for each edge."""
        return _Dot.apply(self, users, items)

    def softmax_by_user(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each user."""
        return _Softmax.apply(scores, self._users, self.n_users)

    def softmax_by_item(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the softmax over the edges of each item."""
        return _Softmax.apply(scores, self._items, self.n_items)

    def _sum(self, source: torch.Tensor, weights: torch.Tensor | None, *, to_users: bool) -> torch.Tensor:
        if to_users:
            return _product(self._by_user, self._weights if weights is None else weights, source)
        by_item = self._weights_by_item if weights is None else weights.index_select(0, self._item_order)
        return _product(self._by_item, by_item, source)

    def _dot(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        if not len(self._items):
            return users.new_zeros(0)
        pattern = _matrix(self._by_user, users.new_zeros(len(self._items)))
        return torch.sparse.sampled_addmm(pattern, users, items.T, beta=0.0).values()


def _matrix(pattern: Pattern, values: torch.Tensor) -> torch.Tensor:
    return torch.sparse_csr_tensor(
        pattern.indptr,
        pattern.indices,
        values,
        pattern.shape,
        check_invariants=False,  # X came through the gate
    )


def _product(pattern: Pattern, values: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    matrix = _matrix(pattern, values.to(dense.dtype))
    if dense.device.type == "cpu":  # the product as a reduction: threads share the rows by their edges
        return torch.sparse.mm(matrix, dense.contiguous(), "sum")
    return torch.sparse.mm(matrix, dense)


class _Sum(torch.autograd.Function):
    """Weighted sums over neighbours; the gradient goes back along the same edges."""

    @staticmethod
    def forward(
        ctx: Any, graph: TorchMessagePassing, source: torch.Tensor, weights: torch.Tensor | None, to_users: bool
    ) -> torch.Tensor:
        ctx.graph, ctx.to_users = graph, to_users
        ctx.save_for_backward(source if weights is not None else None, weights)
        return graph._sum(source, weights, to_users=to_users)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        source, weights = ctx.saved_tensors
        to_source = ctx.graph._sum(gradient, weights, to_users=not ctx.to_users) if ctx.needs_input_grad[1] else None
        to_weights = None
        if ctx.needs_input_grad[2]:
            users, items = (gradient, source) if ctx.to_users else (source, gradient)
            to_weights = ctx.graph._dot(users.contiguous(), items.contiguous())
        return None, to_source, to_weights, None


class _Dot(torch.autograd.Function):
    """A dot product per edge; its gradients are weighted sums over neighbours."""

    @staticmethod
    def forward(ctx: Any, graph: TorchMessagePassing, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        ctx.graph = graph
        ctx.save_for_backward(users, items)
        return graph._dot(users, items)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        users, items = ctx.saved_tensors
        return None, ctx.graph._sum(items, gradient, to_users=True), ctx.graph._sum(users, gradient, to_users=False)


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
