"""Smaller scorers that give about the same scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from skgnnrec.ranking._exact import round_for_exact_sums
from skgnnrec.ranking._quantized import Matrix, Quantized
from skgnnrec.ranking._scorers import DenseWeights, LowRank, Scorer, SparseWeights, Sum

__all__ = ["Compression"]

BLOCK_COLUMNS = 512  # whose weights are dense at once
OVERSAMPLES, SVD_PASSES = 16, 4  # as many random vectors more than components; more passes change nothing
LINEAR = DenseWeights | SparseWeights | LowRank  # products of the history with a matrix of weights


@dataclass
class Compression:
    """Compresses scorers and the arrays beside them; an array that several of them share is compressed once."""

    dtype: Literal["int8", "float16", "float32"]
    n_largest: int | None
    rank: int | None
    item_counts: np.ndarray  # (n_items,): the number of users of each item
    n_reduced: int = 0  # scorers of which `n_largest` or `rank` were taken
    _done: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # originals, which keep their numbers, and results

    def of_scorer(self, scorer: Scorer) -> Scorer:
        """Return the compressed scorer."""
        return self._once(scorer, self._compress)

    def of_matrix(self, matrix: Matrix) -> Matrix:
        """Return a matrix in `dtype`."""
        return self._once(matrix, self._quantize)

    def _once(self, value: Any, compress: Any) -> Any:
        if id(value) not in self._done:
            self._done[id(value)] = value, compress(value)
        return self._done[id(value)][1]

    def _compress(self, scorer: Scorer) -> Scorer:
        if self.n_largest is not None or self.rank is not None:
            terms = scorer.terms if isinstance(scorer, Sum) else (scorer,)
            linear = tuple(term for term in terms if isinstance(term, LINEAR))
            if linear:
                others = (self.of_scorer(term) for term in terms if not isinstance(term, LINEAR))
                return _sum_of(self._reduce(_sum_of(*linear)), *others)
        parts = {part.name: self._part(getattr(scorer, part.name)) for part in fields(scorer)}  # type: ignore[arg-type]
        return replace(scorer, **parts)  # type: ignore[type-var]

    def _part(self, value: Any) -> Any:
        """Return what takes the place of a part of a scorer."""
        if isinstance(value, tuple):
            return tuple(map(self._part, value))
        if isinstance(value, Scorer):
            return self.of_scorer(value)
        return self.of_matrix(value) if getattr(value, "ndim", 0) == 2 and isinstance(value, np.ndarray) else value

    def _quantize(self, matrix: Matrix) -> Matrix:
        return matrix if self.dtype == "float32" else Quantized.of(matrix, self.dtype)

    def _reduce(self, scorer: Scorer) -> Scorer:
        """Return fewer weights than those of a linear scorer, or factors of them."""
        self.n_reduced += 1
        if self.n_largest is not None:
            return self._largest_weights(scorer, self.n_largest)
        assert self.rank is not None
        return self._of_low_rank(scorer, self.rank)

    @property
    def _importance(self) -> np.ndarray:
        """Return the root of the number of users of each item: the effect of its weights on the scores of all users."""
        return np.sqrt(1 + self.item_counts).astype(np.float32)

    def _largest_weights(self, scorer: Scorer, n_largest: int) -> SparseWeights:
        k, importance = min(n_largest, len(self.item_counts)), self._importance[:, None]
        kept = []
        for start in range(0, scorer.n_columns, BLOCK_COLUMNS):
            weights = _weights_of(scorer, slice(start, start + BLOCK_COLUMNS))
            rows = np.argpartition(np.abs(weights) * -importance, k - 1, axis=0)[:k]
            values = np.take_along_axis(weights, rows, axis=0)
            ends = np.arange(0, rows.size + 1, k, dtype=np.int32)
            block = sparse.csc_array((values.T.ravel(), rows.T.ravel().astype(np.int32), ends), shape=weights.shape)
            block.eliminate_zeros()
            kept.append(block)
        return SparseWeights(sparse.csr_array(sparse.hstack(kept, format="csr")))

    def _of_low_rank(self, scorer: Scorer, rank: int) -> LowRank:
        """Return the factors that are nearest to the weights, where the items count by their importance."""
        importance = self._importance[:, None]
        U, s, V = _singular_vectors(
            lambda A: importance * _product(scorer, A),
            lambda A: _transposed_product(scorer, importance * A),
            scorer.n_columns,
            min(rank, len(importance), scorer.n_columns),
        )
        projection = (U * s / importance).astype(np.float32)
        items = round_for_exact_sums(V.astype(np.float32), len(s), axis=1)
        return LowRank(self.of_matrix(projection), self.of_matrix(items))


def _sum_of(*terms: Scorer) -> Scorer:
    return Sum(terms) if len(terms) > 1 else terms[0]


def _weights_of(scorer: Any, columns: slice) -> np.ndarray:
    """Return the weights of some candidates of a linear scorer, (n_items, n_columns)."""
    if isinstance(scorer, Sum):
        return np.sum([_weights_of(term, columns) for term in scorer.terms], axis=0)
    if isinstance(scorer, LowRank):
        return np.asarray(scorer.projection) @ scorer.items[columns].T
    weights = scorer.weights[:, columns]
    return weights.toarray() if sparse.issparse(weights) else weights


def _product(scorer: Any, A: np.ndarray) -> np.ndarray:
    """Return W A for the weights W of a linear scorer."""
    if isinstance(scorer, Sum):
        return np.sum([_product(term, A) for term in scorer.terms], axis=0)
    if isinstance(scorer, LowRank):
        return np.asarray(scorer.projection) @ (np.asarray(scorer.items).T @ A)
    return _weights(scorer) @ A


def _transposed_product(scorer: Any, A: np.ndarray) -> np.ndarray:
    """Return W^T A for the weights W of a linear scorer."""
    if isinstance(scorer, Sum):
        return np.sum([_transposed_product(term, A) for term in scorer.terms], axis=0)
    if isinstance(scorer, LowRank):
        return np.asarray(scorer.items) @ (np.asarray(scorer.projection).T @ A)
    return _weights(scorer).T @ A


def _weights(scorer: Any) -> Any:
    return scorer.weights if sparse.issparse(scorer.weights) else np.asarray(scorer.weights)


def _singular_vectors(
    product: Callable[[np.ndarray], np.ndarray],
    transposed_product: Callable[[np.ndarray], np.ndarray],
    n_columns: int,
    n_components: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the leading singular vectors and values of a matrix that is known by its products (Halko et al. 2011)."""
    n_random = min(n_columns, n_components + OVERSAMPLES)
    rng = np.random.default_rng(0)
    basis = product(rng.standard_normal((n_columns, n_random), dtype=np.float32))
    for _ in range(SVD_PASSES):
        basis = product(np.linalg.qr(transposed_product(np.linalg.qr(basis)[0]))[0])
    basis, _ = np.linalg.qr(basis)
    V, s, Ut = np.linalg.svd(transposed_product(basis), full_matrices=False)
    return (basis @ Ut.T)[:, :n_components], s[:n_components], V[:, :n_components]
