"""The linear algebra of item-to-item ridge regression: Gram matrices, kernels, inverses, weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import blas, lapack

from skgnnrec._device import map_in_threads
from skgnnrec.graph import Statistics, inverse_power, next_item_sums, popularity_scale, rescale

__all__ = ["Regression", "mean_length", "next_item_weights", "regress", "regress_on"]

BLOCK_ROWS = 1024
DENSE_SHARE = 0.03  # of non-zero sums, from which on a dense product is faster than a sparse one


def sphere_kernel(cosines: np.ndarray, gamma: float) -> np.ndarray:
    """Return (exp(γ(cos - 1)) - exp(-γ)) / (1 - exp(-γ)) in place: the cosine for γ = 0, sharper for larger γ.

    The kernel is 1 for equal vectors and 0 for orthogonal ones. Its series in the cosine has positive coefficients:
    it is positive semidefinite.
    """
    if gamma == 0:
        return cosines
    cosines -= 1.0
    cosines *= gamma
    np.expm1(cosines, out=cosines)  # exp would lose the digits of the cosine for small γ
    cosines /= np.float32(-np.expm1(-gamma))
    cosines += 1.0
    return cosines


def scaled_gram(statistics: Statistics, item_exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Return D_i^{-c} C D_i^{-c} in Fortran order, float32, and the scale D_i^{-c}, 1 for items without users."""
    scale = popularity_scale(statistics.item_counts, -item_exponent).astype(np.float32)
    gram = np.asfortranarray(statistics.cooccurrence.astype(np.float32).toarray(order="F"))
    if statistics.user_exponent:
        gram *= np.float32(statistics.unit)
    if item_exponent:
        gram *= scale[:, None]
        gram *= scale
    return gram, scale


def solve(gram: np.ndarray, vectors: np.ndarray | None, gamma: float, weight: float, ridge: float) -> np.ndarray:
    """Return P = (G + w² K + λ I)^{-1}, symmetric float32, in the memory of G.

    K is the kernel of the item vectors, w² the weight and λ the ridge.
    """
    if vectors is not None and gamma == 0:
        gram = blas.ssyrk(weight, vectors, beta=1.0, c=gram, lower=True, overwrite_c=True)
    elif vectors is not None:
        for start in range(0, len(gram), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            gram[rows] += np.float32(weight) * sphere_kernel(vectors[rows] @ vectors.T, gamma)
    gram[np.diag_indices_from(gram)] += ridge
    precision, failed = lapack.spotrf(gram, lower=True, overwrite_a=True, clean=False)
    if not failed:
        precision, failed = lapack.spotri(precision, lower=True, overwrite_c=True)
    if failed or not np.isfinite(precision.diagonal()).all():
        raise ValueError(
            f"The Gram matrix of {len(gram)} items is not positive definite in float32: raise alpha, which adds "
            f"{ridge:.3g} to its diagonal."
        )
    _mirror_lower(precision)
    return precision.T  # symmetric: the transpose of a Fortran array is the same matrix in C order


def regression_weights(precision: np.ndarray) -> np.ndarray:
    """Return B with B_ij = -P_ij / P_jj and B_jj = 0, in the memory of P; column j predicts item j from the others."""
    precision /= -precision.diagonal().copy()
    np.fill_diagonal(precision, 0.0)
    return precision


@dataclass(frozen=True, eq=False)
class Regression:
    """The inverse P of a Gram matrix, and what is computed from it."""

    precision: np.ndarray  # P, (n_items, n_items), float32
    scale: np.ndarray  # D_i^{-c}, (n_items,)
    projection: np.ndarray | None  # w² D_i^{-c} P F, where there are vectors F
    user_exponent: float
    ridge: float  # λ

    def copy(self) -> Regression:
        """Return a regression with arrays of its own."""
        projection = None if self.projection is None else np.array(self.projection)
        return replace(self, precision=np.array(self.precision), scale=np.array(self.scale), projection=projection)

    def weights(self, *, overwrite: bool) -> np.ndarray:
        """Return D_i^{-c} B D_i^{c}, with `overwrite` in the memory of P."""
        weights = regression_weights(self.precision if overwrite else self.precision.copy())
        if not (self.scale == 1).all():
            weights *= self.scale[:, None]
            weights /= self.scale
        return weights

    def mean_length(self, is_counted: np.ndarray) -> float:
        """Return the mean Euclidean length of some columns of the weights."""
        squares = np.zeros(len(self.precision))
        for start in range(0, len(self.precision), BLOCK_ROWS):
            rows = self.scale[start : start + BLOCK_ROWS, None] * self.precision[start : start + BLOCK_ROWS]
            squares += np.einsum("ij,ij->j", rows, rows)
        own = self.scale * self.precision.diagonal()
        return float((np.sqrt(np.maximum(squares - own**2, 0)) / own)[is_counted].mean())

    @np.errstate(under="ignore")
    def scores_without(self, X: sparse.csr_array, targets: np.ndarray) -> np.ndarray:
        """Return the scores that rows of the fit without their targets give to other items, by the other rows.

        With the row x, its weight u² and v = P x / (1 - u² x P x), the inverse on the other rows is
        P' = P + u² (1 - u² x P x) v vᵀ, and x P' = v.
        """
        rows = np.arange(len(targets))
        scaled = rescale(X, np.ones(len(rows)), self.scale)
        weights = inverse_power(np.diff(X.indptr), self.user_exponent).astype(np.float32)
        v = np.asarray(scaled @ self.precision)
        kept = 1 - weights * np.asarray(scaled.multiply(v).sum(axis=1)).ravel()
        v /= kept[:, None]
        lengths = (weights * kept)[:, None]
        own = np.asarray(scaled[rows, targets]).ravel()[:, None]
        scores = own * (self.precision[targets] + lengths * v[rows, targets][:, None] * v) - v
        return scores / ((self.precision.diagonal() + lengths * v**2) * self.scale)

    @np.errstate(under="ignore")
    def update(self, removed: sparse.csr_array, added: sparse.csr_array) -> Regression:
        """Return the regression without some rows and with others, where the scale is 1: Woodbury's identity.

        With the rows U, weighted by d_u^{-a/2}, and their signs S, the inverse of G + Uᵀ S U is
        P - P Uᵀ (S + U P Uᵀ)^{-1} U P.
        """
        rows = sparse.vstack([removed, added], format="csr")
        rows = rescale(rows, inverse_power(np.diff(rows.indptr), self.user_exponent / 2), np.ones(rows.shape[1]))
        signs = np.repeat([-1.0, 1.0], [removed.shape[0], added.shape[0]])
        product = rows @ self.precision  # U P, (n_rows, n_items)
        inner = np.diag(signs) + (product @ rows.T).astype(np.float64)
        shift = np.linalg.solve(inner, product.astype(np.float64)).astype(np.float32)
        # Not in place: the regression before the update must survive an error. P is symmetric: Pᵀ is in Fortran order.
        precision = blas.sgemm(-1.0, product.T, shift.T, beta=1.0, c=self.precision.T, trans_b=True).T
        projection = self.projection
        if projection is not None:
            projection = projection - shift.T @ (rows @ projection)
        return replace(self, precision=precision, projection=projection)


def regress(
    X: sparse.csr_array,
    vectors: np.ndarray | None,
    *,
    user_exponent: float,
    item_exponent: float,
    gamma: float,
    content_weight: float,
    alpha: float,
) -> Regression:
    """Return the inverse of the Gram matrix of interactions."""
    kernel = {"gamma": gamma, "content_weight": content_weight, "alpha": alpha}
    return regress_on(Statistics.accumulate(X, user_exponent), vectors, item_exponent=item_exponent, **kernel)


def regress_on(
    statistics: Statistics,
    vectors: np.ndarray | None,
    *,
    item_exponent: float,
    gamma: float,
    content_weight: float,
    alpha: float,
) -> Regression:
    """Return the inverse of the Gram matrix; λ and w² are relative to its mean diagonal."""
    gram, scale = scaled_gram(statistics, item_exponent)
    mean_diagonal = _mean_diagonal(gram)
    weight = content_weight * mean_diagonal
    ridge = alpha * mean_diagonal
    precision = solve(gram, vectors, gamma, weight, ridge)
    projection = None if vectors is None else np.float32(weight) * scale[:, None] * (precision @ vectors)
    return Regression(precision, scale, projection, statistics.user_exponent, ridge)


def _mean_diagonal(gram: np.ndarray) -> float:
    """Return the mean of the diagonal over items with users, 1 where no item has any."""
    diagonal = gram.diagonal()
    return float(diagonal[diagonal > 0].mean(dtype=np.float64)) if (diagonal > 0).any() else 1.0


def _mirror_lower(A: np.ndarray) -> None:
    """Copy the lower triangle of A onto the upper one, in place."""
    for start in range(0, len(A), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(A))
        A[:start, start:stop] = A[start:stop, :start].T
        corner = A[start:stop, start:stop]
        corner[...] = np.tril(corner) + np.tril(corner, -1).T


def next_item_weights(
    X: sparse.csr_array, vectors: np.ndarray | None, *, gamma: float, content_weight: float, alpha: float
) -> np.ndarray:
    """Return the ridge regression of the next item on the items before it, (n_items, n_items), with a zero diagonal.

    With the sums SᵀS and SᵀT over prefixes, P = (SᵀS + w² K + λ I)^{-1} and A = P (SᵀT + w² K), the weights with a
    zero diagonal are A - P diag(A_jj / P_jj). Since P P^{-1} = I, A = I - λ P + P (SᵀT - SᵀS): one sparse product.
    """
    past, following = next_item_sums(X)
    gram = np.asfortranarray(past.astype(np.float32).toarray(order="F"))
    mean_diagonal = _mean_diagonal(gram)
    ridge = alpha * mean_diagonal
    precision = solve(gram, vectors, gamma, content_weight * mean_diagonal, ridge)
    weights = _product(precision, sparse.csr_array((following - past).astype(np.float32)))
    diagonal = precision.diagonal()
    shift = ridge + (1 - ridge * diagonal + weights.diagonal()) / diagonal
    for start in range(0, len(weights), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        weights[rows] -= precision[rows] * shift
    np.fill_diagonal(weights, 0.0)
    return weights


def _product(P: np.ndarray, M: sparse.csr_array) -> np.ndarray:
    """Return P M for a symmetric P in C order."""
    if M.nnz > DENSE_SHARE * M.shape[0] * M.shape[1]:
        return P @ M.toarray()
    Mt, out = M.T.tocsr(), np.empty_like(P)

    def fill(start: int) -> None:
        rows = slice(start, start + BLOCK_ROWS)
        out[rows] = (Mt @ np.ascontiguousarray(P[:, rows])).T

    map_in_threads(fill, range(0, len(P), BLOCK_ROWS))
    return out


def mean_length(weights: np.ndarray, is_counted: np.ndarray) -> float:
    """Return the mean Euclidean length of some columns, 1 where they are zero."""
    squares = np.zeros(weights.shape[1])
    for start in range(0, len(weights), BLOCK_ROWS):
        rows = weights[start : start + BLOCK_ROWS]
        squares += np.einsum("ij,ij->j", rows, rows)
    return float(np.sqrt(squares)[is_counted].mean()) or 1.0
