"""The co-occurrence graph of items: its normalised weights, its spectrum, and the response of a filter on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import eigh, qr, svd
from scipy.sparse.linalg import eigsh
from sklearn.utils import check_random_state

from skgnnrec._memory import check_memory
from skgnnrec.graph._degrees import inverse_power, rescale
from skgnnrec.graph._statistics import Statistics, count_users

__all__ = [
    "Spectrum",
    "leading_eigenvectors",
    "multiply_by_cooccurrence",
    "ridge_response",
    "sharpened_cooccurrence",
    "spectrum_of",
    "spectrum_of_sums",
    "tail_slope",
]

RANK_TOLERANCE = 1e-6  # of the largest square; float32 leaves about 1e-7 beyond the rank of the matrix
OVERSAMPLES, POWER_ITERATIONS = 20, 2
FACTOR_BYTES = 16  # for each entry of a factor: measured peak of the decomposition in float32
USER_VALUES = 1 << 26  # of the factor of users that is in memory at a time
DENSE_ITEMS, DENSE_SHARE = 1000, 0.2  # up to these, of items and of eigenvectors, LAPACK is faster than Lanczos
TAIL_POINTS = 200  # at which the response of the tail is fitted


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The leading singular values and right singular vectors of N = D_u^{-a} X D_i^{a-1}."""

    values: np.ndarray  # squares of the singular values over the largest one, float64, descending
    vectors: np.ndarray  # V, (n_items, n_components), float32
    largest: float  # the square of the largest singular value


@np.errstate(under="ignore")
def sharpened_cooccurrence(statistics: Statistics, sharpness: float) -> sparse.csr_array:
    """Return (D_i^{a-1} C D_i^{a-1})^{∘s} in float32, with 2a the user exponent of the statistics and s the sharpness.

    This is (NᵀN)^{∘s} with N = D_u^{-a} X D_i^{a-1}: Turbo-CF (Park et al., SIGIR 2024).
    """
    C = statistics.cooccurrence
    scale = item_scale(statistics)
    data = C.data.astype(np.float32)
    data *= np.float32(statistics.unit)
    data *= np.repeat(scale, np.diff(C.indptr))
    data *= scale[C.indices]
    if sharpness != 1:
        np.maximum(data, 0, out=data)  # sums with noise
        np.power(data, np.float32(sharpness), out=data)
    return sparse.csr_array((data, C.indices, C.indptr), shape=C.shape)


@np.errstate(under="ignore")
def spectrum_of(X: sparse.csr_array, degree_exponent: float, n_components: int, random_state: object) -> Spectrum:
    """Return the leading part of the spectrum of N = D_u^{-a} X D_i^{a-1}.

    It is computed from X: the co-occurrence NᵀN has the same vectors, but many times the entries.
    """
    if n_components == 0:
        return Spectrum(np.zeros(0), np.zeros((X.shape[1], 0), dtype=np.float32), 1.0)
    n_users = min(X.shape[0], max(1, USER_VALUES // (n_components + OVERSAMPLES)))  # in a block
    check_memory(
        FACTOR_BYTES * (n_users + X.shape[1]) * (n_components + OVERSAMPLES),
        f"The low-pass part with {n_components} components of {X.shape[0]} users and {X.shape[1]} items",
        "Lower n_components.",
    )
    N = rescale(
        X, inverse_power(np.diff(X.indptr), degree_exponent), inverse_power(count_users(X), 1.0 - degree_exponent)
    )
    blocks = [N[start : start + n_users] for start in range(0, X.shape[0], n_users)] if n_users < X.shape[0] else [N]

    def multiply(vectors: np.ndarray) -> np.ndarray:
        total = blocks[0].T @ (blocks[0] @ vectors)
        for block in blocks[1:]:
            total += block.T @ (block @ vectors)
        return total

    return _spectrum_from_products(multiply, X.shape[1], n_components, random_state)


@np.errstate(under="ignore")
def spectrum_of_sums(statistics: Statistics, n_components: int, random_state: object) -> Spectrum:
    """Return the leading part of the spectrum of N, with 2a the user exponent of the statistics.

    It is computed from products with C where the statistics have them, and then it is that of `spectrum_of`.
    """
    n_items = len(statistics.item_counts)
    if n_components == 0:
        return Spectrum(np.zeros(0), np.zeros((n_items, 0), dtype=np.float32), 1.0)
    multiply = statistics.multiply
    if multiply is None:
        squares, vectors = leading_eigenvectors(sharpened_cooccurrence(statistics, 1.0), n_components)
        vectors[:, squares <= squares[0] * RANK_TOLERANCE] = 0.0
        return _as_spectrum(squares, vectors)
    check_memory(
        FACTOR_BYTES * n_items * (n_components + OVERSAMPLES),
        f"The low-pass part with {n_components} components of {n_items} items",
        "Lower n_components.",
    )
    scale = item_scale(statistics)[:, None]
    return _spectrum_from_products(
        lambda vectors: scale * multiply(scale * vectors), n_items, n_components, random_state
    )


def item_scale(statistics: Statistics) -> np.ndarray:
    """Return D_i^{a-1}, (n_items,), float32."""
    return inverse_power(statistics.item_counts, 1.0 - statistics.user_exponent / 2).astype(np.float32)


@np.errstate(under="ignore")
def multiply_by_cooccurrence(X: sparse.csr_array, user_exponent: float, vectors: np.ndarray) -> np.ndarray:
    """Return C times vectors, (n_items, n_vectors), in float32, without C."""
    weighted = rescale(X, inverse_power(np.diff(X.indptr), user_exponent / 2), np.ones(X.shape[1]))
    return weighted.T @ (weighted @ vectors)


def _spectrum_from_products(
    multiply: Callable[[np.ndarray], np.ndarray], n_items: int, n_components: int, random_state: object
) -> Spectrum:
    """Return the leading part of the spectrum of N from products with NᵀN, which can be sums over parts of X."""
    # Halko et al. (SIAM Review 2011) in Nyström's form, NᵀN Q (Qᵀ NᵀN Q)^{-1} Qᵀ NᵀN: all matrices are of items.
    size = min(n_components + OVERSAMPLES, n_items)
    Q = check_random_state(random_state).normal(size=(n_items, size)).astype(np.float32)
    for _ in range(POWER_ITERATIONS):
        Q = multiply(Q)
    Q, _ = qr(Q, mode="economic", overwrite_a=True, check_finite=False)
    product = multiply(Q)
    small, rotation = eigh((Q.T @ product).astype(np.float64))
    kept = small > RANK_TOLERANCE * small[-1]
    factor = product @ (rotation[:, kept] / np.sqrt(small[kept])).astype(np.float32)
    squares, vectors = np.zeros(n_components), np.zeros((n_items, n_components), dtype=np.float32)
    if kept.any():
        V, strength, _ = svd(factor, full_matrices=False, overwrite_a=True, check_finite=False)
        n_found = min(len(strength), n_components)
        squares[:n_found] = strength[:n_found].astype(np.float64) ** 2
        vectors[:, :n_found] = _with_fixed_signs(V[:, :n_found])
    return _as_spectrum(squares, vectors)


def _as_spectrum(squares: np.ndarray, vectors: np.ndarray) -> Spectrum:
    largest = float(squares[0]) or 1.0
    return Spectrum(np.maximum(squares, 0) / largest, vectors, largest)


def _with_fixed_signs(V: np.ndarray) -> np.ndarray:
    """Return vectors whose largest entry is positive: the signs of a decomposition are arbitrary."""
    return V * np.where(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])] < 0, -1, 1).astype(V.dtype)


def leading_eigenvectors(C: sparse.csr_array, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues of a symmetric matrix, descending, and their eigenvectors in float32."""
    n_items = C.shape[0]
    if n_items <= DENSE_ITEMS or n_components > DENSE_SHARE * n_items:
        check_memory(16 * n_items**2, f"The spectrum of {n_items} items", "Lower n_components.")
        values, V = eigh(C.toarray().astype(np.float64), subset_by_index=[n_items - n_components, n_items - 1])
    else:
        values, V = eigsh(C.astype(np.float64), n_components, which="LA", v0=np.ones(n_items))
    order = np.argsort(values)[::-1]
    return values[order], np.ascontiguousarray(_with_fixed_signs(V[:, order]), dtype=np.float32)


def ridge_response(values: np.ndarray, alpha: float) -> np.ndarray:
    """Return σ² / (σ² + alpha), the share of each component that a ridge regression keeps."""
    return values / (values + alpha)


def tail_slope(last: float, alpha: float) -> float:
    """Return the slope of the line through zero that is nearest to the response between 0 and `last`."""
    points = last * np.arange(1, TAIL_POINTS + 1) / TAIL_POINTS
    return float(points @ ridge_response(points, alpha) / (points @ points)) if last > 0 else 1.0 / alpha
