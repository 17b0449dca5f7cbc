"""Scorers: values made of arrays that compute the scores of candidates from histories.

Fitted recommenders hold a scorer. Ranking, explanations, export and serving need only the scorer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import sparse_matmul_to_dense

from skgnnrec.interactions import balance, row_of_each, weigh_by_rank
from skgnnrec.ranking._exact import largest_norm, matmul_by_row, round_for_exact_sums, row_lengths, to_unit_length
from skgnnrec.ranking._quantized import Matrix, multiply, multiply_transposed

__all__ = [
    "EPSILON",
    "TINY",
    "ByRecency",
    "Constant",
    "DenseWeights",
    "LowRank",
    "Product",
    "Rough",
    "Scorer",
    "SideBySide",
    "SparseWeights",
    "Sum",
    "UserFactors",
    "WithFallback",
    "like",
]

EXACT_VALUES = 1 << 17  # of two factors in float64 at once: more would leave the processor's cache
EPSILON, TINY = 2.0**-24, 2.0**-126  # of float32: the relative error of a rounding, the smallest normal number


class Rough(NamedTuple):
    """Approximate scores, fast to compute, with a bound of their error."""

    scores: np.ndarray  # (n_rows, n_columns), float32, a new array
    error: np.ndarray  # (n_rows,): a bound of the error of each row, before the terms of a sum are rounded
    exact: Callable[[np.ndarray, np.ndarray], np.ndarray]  # returns the exact scores of the cells (rows, columns)


class Scorer(ABC):
    """Computes the score of each candidate for each history.

    Histories are the rows of a CSR array of shape (n_rows, n_items), float32; candidates are the columns of the scores.
    The scores of a row do not depend on the other rows, to the bit.
    """

    n_columns: int

    @abstractmethod
    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """Return the scores as a new array of shape (n_rows, n_columns), float32."""

    @abstractmethod
    def take(self, columns: np.ndarray) -> Scorer:
        """Return the scorer of the candidates in these columns."""

    @abstractmethod
    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        """Return the contribution of each item of history r to the score of candidate ``columns[r]``.

        The result has the sparsity pattern of X. The sum of a row, plus its `baseline`, is the score.
        """

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        """Return the part of the score of candidate ``columns[r]`` that does not depend on the items of history r."""
        return np.zeros(X.shape[0])

    def rough(self, X: sparse.csr_array) -> Rough | None:
        """Return approximate scores where they are faster than exact ones, else None."""
        return None

    def rank(self, X: sparse.csr_array, k: int, seen: sparse.csr_array | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return lists as `rank_in_blocks` does where they are not those of the largest scores, else None."""
        return None


@dataclass(frozen=True, eq=False)
class Constant(Scorer):
    """The same scores for every history."""

    values: np.ndarray  # (n_columns,), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return len(self.values)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return np.tile(self.values, (X.shape[0], 1))

    def take(self, columns: np.ndarray) -> Constant:
        return Constant(self.values[columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return like(X, np.zeros(X.nnz))

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self.values[columns].astype(np.float64)


@dataclass(frozen=True, eq=False)
class DenseWeights(Scorer):
    """X W with dense weights W."""

    weights: Matrix  # (n_items, n_columns), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return int(self.weights.shape[1])

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return multiply(X, self.weights)

    def take(self, columns: np.ndarray) -> DenseWeights:
        return DenseWeights(np.ascontiguousarray(self.weights[:, columns]))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return like(X, X.data.astype(np.float64) * self.weights[X.indices, columns[row_of_each(X)]])


@dataclass(frozen=True, eq=False)
class SparseWeights(Scorer):
    """X W with sparse weights W."""

    weights: sparse.csr_array  # (n_items, n_columns), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return int(self.weights.shape[1])

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return sparse_matmul_to_dense(X, self.weights)

    def take(self, columns: np.ndarray) -> SparseWeights:
        return SparseWeights(self.weights[:, columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        weights = np.asarray(self.weights[X.indices, columns[row_of_each(X)]]).ravel() if X.nnz else np.zeros(0)
        return like(X, X.data.astype(np.float64) * weights)


class Product(Scorer):
    """Dot products of the vectors of users with those of candidates."""

    items: Matrix  # (n_columns, n_dimensions), float32, from `round_for_exact_sums`

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return len(self.items)

    @abstractmethod
    def embed(self, X: sparse.csr_array) -> np.ndarray:
        """Return the vectors of the users with these histories, (n_rows, n_dimensions), float32."""

    def add_to(self, X: sparse.csr_array, out: np.ndarray) -> None:
        """Add the scores to an array in place."""
        matmul_by_row(self.embed(X), self.items, out)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        out = np.zeros((X.shape[0], self.n_columns), dtype=np.float32)
        self.add_to(X, out)
        return out

    def take(self, columns: np.ndarray) -> Self:
        return replace(self, items=self.items[columns])  # type: ignore[type-var]

    @np.errstate(under="ignore")
    def rough(self, X: sparse.csr_array) -> Rough:
        """Return the product in float32.

        The error of a sum of n products in float32 is at most n 2^-24 times the sum of their absolute values, in any
        order of the terms.
        """
        n_inner = self.items.shape[1]
        A = round_for_exact_sums(self.embed(X), n_inner, axis=1)
        scores = multiply_transposed(A, self.items)
        A = A.astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", A, A))
        error = 1.01 * n_inner * (EPSILON * self._longest * length + TINY)  # TINY for what underflows

        def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            values = np.empty(len(rows))
            step = max(1, EXACT_VALUES // n_inner)
            for start in range(0, len(rows), step):
                part = slice(start, start + step)
                values[part] = np.einsum("ij,ij->i", A[rows[part]], self.items[columns[part]].astype(np.float64))
            return values

        return Rough(scores, error, exact)

    @cached_property
    def _longest(self) -> float:
        return largest_norm(self.items)


@dataclass(frozen=True, eq=False)
class LowRank(Product):
    """X U Vᵀ with factors of items."""

    projection: Matrix  # U, (n_items, n_dimensions), float32
    items: Matrix  # V, (n_columns, n_dimensions), float32

    def embed(self, X: sparse.csr_array) -> np.ndarray:
        return multiply(X, self.projection)

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return like(X, X.data * _dots(self.projection, self.items, X.indices, columns[row_of_each(X)]))


@dataclass(frozen=True, eq=False)
class UserFactors(Product):
    """The dot product of users with candidates; a user is the sum of the items of the history, weighted by `balance`.

    With `is_cosine` the vectors of users have length one.
    """

    projection: Matrix  # (n_items, n_dimensions), float32
    items: Matrix  # (n_columns, n_dimensions), float32
    is_cosine: bool

    @np.errstate(under="ignore")
    def embed(self, X: sparse.csr_array) -> np.ndarray:
        users = multiply(balance(X), self.projection)
        return to_unit_length(users) if self.is_cosine else users

    @np.errstate(under="ignore")
    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        X = balance(X)
        parts = X.data * _dots(self.projection, self.items, X.indices, columns[row_of_each(X)])
        if self.is_cosine:
            length = row_lengths(multiply(X, self.projection))
            parts /= np.where(length > 0, length, 1)[row_of_each(X)]
        return like(X, parts)


@dataclass(frozen=True, eq=False)
class Sum(Scorer):
    """The sum of scorers of the same candidates."""

    terms: tuple[Scorer, ...]

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.terms[0].n_columns

    @np.errstate(under="ignore")
    def scores(self, X: sparse.csr_array) -> np.ndarray:
        total, products = self.known(X), self.products()
        # Several products are added up in float64, so that only their sum is rounded.
        sums = total if len(products) < 2 else np.zeros(total.shape)
        for product in products:
            product.add_to(X, sums)
        return total if sums is total else (total + sums).astype(np.float32)

    def take(self, columns: np.ndarray) -> Sum:
        return Sum(tuple(term.take(columns) for term in self.terms))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return like(X, np.sum([term.contributions(X, columns).data for term in self.terms], axis=0))

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return np.sum([term.baseline(X, columns) for term in self.terms], axis=0)

    def rough(self, X: sparse.csr_array) -> Rough | None:
        products = [product.rough(X) for product in self.products()]
        if not products:
            return None
        known = self.known(X)
        total = products[0].scores
        for part in (known, *(product.scores for product in products[1:])):
            total += part

        @np.errstate(under="ignore")
        def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            values = np.sum([product.exact(rows, columns) for product in products], axis=0)
            return (known[rows, columns] + values).astype(np.float32)

        return Rough(total, np.sum([product.error for product in products], axis=0), exact)

    def products(self) -> list[Product]:
        """Return the terms that are products."""
        return [term for term in self.terms if isinstance(term, Product)]

    def known(self, X: sparse.csr_array) -> np.ndarray:
        """Return the sum of the terms that are no products."""
        parts = [term.scores(X) for term in self.terms if not isinstance(term, Product)]
        if not parts:
            return np.zeros((X.shape[0], self.n_columns), dtype=np.float32)
        for part in parts[1:]:
            parts[0] += part
        return parts[0]


@dataclass(frozen=True, eq=False)
class ByRecency(Scorer):
    """The scores of histories whose values are replaced by decay^r, with r the number of later steps."""

    scorer: Scorer
    decay: float

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        return self.scorer.scores(weigh_by_rank(X, self.decay))

    def take(self, columns: np.ndarray) -> ByRecency:
        return ByRecency(self.scorer.take(columns), self.decay)

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return self.scorer.contributions(weigh_by_rank(X, self.decay), columns)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self.scorer.baseline(weigh_by_rank(X, self.decay), columns)

    def rough(self, X: sparse.csr_array) -> Rough | None:
        return self.scorer.rough(weigh_by_rank(X, self.decay))


@dataclass(frozen=True, eq=False)
class WithFallback(Scorer):
    """The scores of a scorer; rows without history receive constant scores."""

    scorer: Scorer
    fallback: np.ndarray  # (n_columns,), float32

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.scorer.n_columns

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        scores = self.scorer.scores(X)
        scores[np.diff(X.indptr) == 0] = self.fallback
        return scores

    def take(self, columns: np.ndarray) -> WithFallback:
        return WithFallback(self.scorer.take(columns), self.fallback[columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return self.scorer.contributions(X, columns)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return np.where(np.diff(X.indptr) == 0, self.fallback[columns], self.scorer.baseline(X, columns))

    def rough(self, X: sparse.csr_array) -> Rough | None:
        found = self.scorer.rough(X)
        if found is None:
            return None
        is_empty = np.diff(X.indptr) == 0
        found.scores[is_empty], found.error[is_empty] = self.fallback, 0

        def exact(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            return np.where(is_empty[rows], self.fallback[columns], found.exact(rows, columns))

        return Rough(found.scores, found.error, exact)


@dataclass(frozen=True, eq=False)
class SideBySide(Scorer):
    """The candidates of several scorers as the columns of one."""

    parts: tuple[tuple[Scorer, np.ndarray], ...]  # each scorer with the columns of its candidates

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return sum(len(places) for _, places in self.parts)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        scores = np.empty((X.shape[0], self.n_columns), dtype=np.float32)
        for scorer, places in self.parts:
            scores[:, places] = scorer.scores(X)
        return scores

    def take(self, columns: np.ndarray) -> SideBySide:
        chosen = []
        for scorer, places in self.parts:
            place = np.full(self.n_columns, -1)
            place[places] = np.arange(len(places))
            inside = np.flatnonzero(place[columns] >= 0)
            chosen.append((scorer.take(place[columns][inside]), inside))
        return SideBySide(tuple(chosen))

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        def ask(scorer: Scorer, X: sparse.csr_array, own: np.ndarray) -> np.ndarray:
            return scorer.contributions(X, own).data

        return like(X, self._gather(X, columns, ask, per_entry=True))

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return self._gather(X, columns, lambda scorer, X, own: scorer.baseline(X, own), per_entry=False)

    def _gather(self, X: sparse.csr_array, columns: np.ndarray, ask: Any, *, per_entry: bool) -> np.ndarray:
        """Return the results of `ask` for the rows of each scorer, in the order of the rows or of the entries of X."""
        rows = row_of_each(X)
        found = np.zeros(X.nnz if per_entry else X.shape[0])
        for scorer, places in self.parts:
            place = np.full(self.n_columns, -1)
            place[places] = np.arange(len(places))
            inside = place[columns] >= 0
            found[inside[rows] if per_entry else inside] = ask(scorer, X[inside], place[columns][inside])
        return found


def like(X: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    """Return an array with the sparsity pattern of X and other values."""
    return sparse.csr_array((data, X.indices, X.indptr), shape=X.shape)


def _dots(left: Matrix, right: Matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the dot product of row `rows[n]` of `left` with row `columns[n]` of `right` for each n, in float64."""
    return np.einsum("nd,nd->n", left[rows], right[columns], dtype=np.float64)
