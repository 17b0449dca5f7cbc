"""What users did with pairs of items: the sharpened co-occurrence graph and its low-pass part."""

import itertools

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from skgnnrec._device import map_in_threads, n_threads
from skgnnrec._validation import check_memory
from skgnnrec.graph._degrees import degrees, inverse_power, normalize

__all__ = ["low_pass_factors", "sharpened_cooccurrence"]

RANK_TOLERANCE = 1e-5  # of the largest singular value; float32 leaves some 1e-6 where there is nothing


def sharpened_cooccurrence(X: sparse.csr_array, degree_exponent: float, sharpness: float) -> sparse.csr_array:
    """Return the graph of items that the same users have, (NᵀN)^{∘s} with N = D_u^{-a} X D_i^{a-1}.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        The interactions.
    degree_exponent : float
        The exponent a: how much an active user's pairs count less than a quiet user's; 1 - a is how much a popular
        item's do.
    sharpness : float
        The elementwise exponent s.

    Returns
    -------
    cooccurrence : csr_array of shape (n_items, n_items), float32
        Symmetric, non-negative.

    References
    ----------
    .. [1] J.-D. Park, Y.-M. Shin, W.-Y. Shin, "Turbo-CF: Matrix decomposition-free graph filtering for fast
           recommendation", SIGIR 2024.
    """
    user_degrees, item_degrees = degrees(X)
    N = normalize(X, inverse_power(user_degrees, degree_exponent), inverse_power(item_degrees, 1.0 - degree_exponent))
    # The pairs of each user's items bound the entries of NᵀN, so does the full matrix.
    n_pairs = min(float((np.diff(X.indptr).astype(np.float64) ** 2).sum()), float(X.shape[1]) ** 2)
    check_memory(
        int(8 * n_pairs),
        f"The co-occurrence graph of {X.shape[1]} items",
        "Leave out the longest histories or the items without neighbours.",
    )
    product = _gram(N)
    np.power(product.data, np.float32(sharpness), out=product.data)
    return product


def _gram(N: sparse.csr_array) -> sparse.csr_array:
    """Return NᵀN, its row blocks computed by a thread each (scipy's product releases the interpreter)."""
    by_item = N.T.tocsr()
    # Blocks of equal work, not of equal size: popular items come in bunches.
    work = np.cumsum(by_item.astype(bool).astype(np.float64) @ np.diff(N.indptr))
    cuts = np.searchsorted(work, np.linspace(0, work[-1], 4 * n_threads() + 1)[1:-1])
    bounds = np.unique([0, *cuts, N.shape[1]])
    blocks = [by_item[start:stop] for start, stop in itertools.pairwise(bounds)]
    return sparse.vstack(map_in_threads(lambda rows: rows @ N, blocks), format="csr")


def low_pass_factors(X: sparse.csr_array, n_components: int, random_state: object) -> tuple[np.ndarray, np.ndarray]:
    """Return the smoothest signals on the graph, as factors of D_i^{-1/2} V Vᵀ D_i^{1/2}.

    Parameters
    ----------
    X : csr_array of shape (n_users, n_items)
        The interactions.
    n_components : int
        The number of singular vectors, at most min(n_users, n_items); 0 decomposes nothing.
    random_state : int, RandomState instance or None
        Seeds the randomized decomposition.

    Returns
    -------
    left : ndarray of shape (n_items, n_components), float32
        D_i^{-1/2} V: a history times it is a user's embedding.
    right : ndarray of shape (n_components, n_items), float32
        Vᵀ D_i^{1/2}: an embedding times it is a score per item.

    References
    ----------
    .. [1] Y. Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021 (GF-CF).
    """
    if n_components == 0:
        return np.empty((X.shape[1], 0), dtype=np.float32), np.empty((0, X.shape[1]), dtype=np.float32)
    user_degrees, item_degrees = degrees(X)
    scale = inverse_power(item_degrees, 0.5)
    smoothed = normalize(X, inverse_power(user_degrees, 0.5), scale)
    _, strength, Vt = randomized_svd(smoothed, n_components, n_oversamples=20, n_iter=2, random_state=random_state)
    # Beyond the rank of X the vectors are whatever rounding left: no signal, and another one on every machine.
    Vt[strength <= strength[0] * RANK_TOLERANCE] = 0.0
    left = np.ascontiguousarray((scale[:, None] * Vt.T).astype(np.float32))
    right = np.ascontiguousarray((Vt * np.sqrt(item_degrees)).astype(np.float32))
    return left, right
