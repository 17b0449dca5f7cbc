"""The co-occurrence graph of items: its sharpened weights and its low-pass part."""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from skgnnrec._memory import check_memory
from skgnnrec.graph._degrees import inverse_power, item_degrees, rescale
from skgnnrec.graph._statistics import Statistics

__all__ = ["low_pass_factors", "sharpened_cooccurrence"]

RANK_TOLERANCE = 1e-5  # of the largest singular value; float32 leaves about 1e-6 beyond the rank of the matrix
OVERSAMPLES = 20
FACTOR_BYTES = 16  # for each entry of a factor: measured peak of the decomposition in float32


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
    np.power(data, np.float32(sharpness), out=data)
    return sparse.csr_array((data, C.indices, C.indptr), shape=C.shape)


@np.errstate(under="ignore")
def low_pass_factors(X: sparse.csr_array, n_components: int, random_state: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors D_i^{-1/2} V and D_i^{1/2} V of the low-pass part, (n_items, n_components), float32.

    V holds the leading right singular vectors of D_u^{-1/2} X D_i^{-1/2}: GF-CF (Shen et al., CIKM 2021). They are
    computed from X: the co-occurrence XᵀX has the same eigenvectors, but many times the entries.
    """
    if n_components == 0:
        return np.empty((X.shape[1], 0), dtype=np.float32), np.empty((X.shape[1], 0), dtype=np.float32)
    check_memory(
        FACTOR_BYTES * sum(X.shape) * (n_components + OVERSAMPLES),
        f"The low-pass part with {n_components} components of {X.shape[0]} users and {X.shape[1]} items",
        "Lower n_components.",
    )
    degrees = item_degrees(X)
    scale = inverse_power(degrees, 0.5)
    smoothed = rescale(X, inverse_power(np.diff(X.indptr), 0.5), scale)
    _, strength, Vt = randomized_svd(
        smoothed, n_components, n_oversamples=OVERSAMPLES, n_iter=2, random_state=random_state
    )
    # Beyond the rank of X the vectors are rounding errors, which differ between machines.
    Vt[strength <= strength[0] * RANK_TOLERANCE] = 0.0
    left = np.ascontiguousarray((scale[:, None] * Vt.T).astype(np.float32))
    right = np.ascontiguousarray((Vt * np.sqrt(degrees)).T.astype(np.float32))
    return left, right
