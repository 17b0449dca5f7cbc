"""The co-occurrence graph of items: its normalised weights, its spectrum, and the response of a filter on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh
from sklearn.utils.extmath import randomized_svd

from skgnnrec._memory import check_memory
from skgnnrec.graph._degrees import inverse_power, rescale
from skgnnrec.graph._statistics import Statistics, count_users

__all__ = [
    "Spectrum",
    "leading_eigenvectors",
    "ridge_response",
    "sharpened_cooccurrence",
    "spectrum_of",
    "spectrum_of_sums",
    "tail_slope",
]

RANK_TOLERANCE = 1e-5  # of the largest singular value; float32 leaves about 1e-6 beyond the rank of the matrix
OVERSAMPLES = 20
FACTOR_BYTES = 16  # for each entry of a factor: measured peak of the decomposition in float32
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
    scale = inverse_power(statistics.item_counts, 1.0 - statistics.user_exponent / 2).astype(np.float32)
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
    check_memory(
        FACTOR_BYTES * sum(X.shape) * (n_components + OVERSAMPLES),
        f"The low-pass part with {n_components} components of {X.shape[0]} users and {X.shape[1]} items",
        "Lower n_components.",
    )
    N = rescale(
        X, inverse_power(np.diff(X.indptr), degree_exponent), inverse_power(count_users(X), 1.0 - degree_exponent)
    )
    _, strength, Vt = randomized_svd(N, n_components, n_oversamples=OVERSAMPLES, n_iter=2, random_state=random_state)
    # Beyond the rank of X the vectors are rounding errors, which differ between machines.
    Vt[strength <= strength[0] * RANK_TOLERANCE] = 0.0
    squares = strength.astype(np.float64) ** 2
    largest = float(squares[0]) or 1.0
    return Spectrum(squares / largest, np.ascontiguousarray(Vt.T, dtype=np.float32), largest)


@np.errstate(under="ignore")
def spectrum_of_sums(statistics: Statistics, n_components: int) -> Spectrum:
    """Return the leading part of the spectrum of N from NᵀN, with 2a the user exponent of the statistics."""
    n_items = len(statistics.item_counts)
    if n_components == 0:
        return Spectrum(np.zeros(0), np.zeros((n_items, 0), dtype=np.float32), 1.0)
    squares, vectors = leading_eigenvectors(sharpened_cooccurrence(statistics, 1.0), n_components)
    vectors[:, squares <= squares[0] * RANK_TOLERANCE] = 0.0
    largest = float(squares[0]) or 1.0
    return Spectrum(np.maximum(squares, 0) / largest, vectors, largest)


def leading_eigenvectors(C: sparse.csr_array, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest eigenvalues of a symmetric matrix, descending, and their eigenvectors in float32."""
    n_items = C.shape[0]
    if n_items <= DENSE_ITEMS or n_components > DENSE_SHARE * n_items:
        check_memory(16 * n_items**2, f"The spectrum of {n_items} items", "Lower n_components.")
        values, V = eigh(C.toarray().astype(np.float64), subset_by_index=[n_items - n_components, n_items - 1])
    else:
        values, V = eigsh(C.astype(np.float64), n_components, which="LA", v0=np.ones(n_items))
    order = np.argsort(values)[::-1]
    V = V[:, order]
    V *= np.where(V[np.abs(V).argmax(axis=0), np.arange(n_components)] < 0, -1.0, 1.0)  # the sign is arbitrary
    return values[order], np.ascontiguousarray(V, dtype=np.float32)


def ridge_response(values: np.ndarray, alpha: float) -> np.ndarray:
    """Return σ² / (σ² + alpha), the share of each component that a ridge regression keeps."""
    return values / (values + alpha)


def tail_slope(last: float, alpha: float) -> float:
    """Return the slope of the line through zero that is nearest to the response between 0 and `last`."""
    points = last * np.arange(1, TAIL_POINTS + 1) / TAIL_POINTS
    return float(points @ ridge_response(points, alpha) / (points @ points)) if last > 0 else 1.0 / alpha
