"""Ridge regression of items on the profiles of users, alone and together with histories."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from skgnnrec.graph import inverse_power, popularity_scale, rescale
from skgnnrec.interactions import binarize
from skgnnrec.recommenders._ridge import RidgeRecommender

__all__ = ["can_take_profiles", "profile_weights", "take_profiles"]

ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, np.inf)  # infinity: the profiles predict nothing


@np.errstate(under="ignore")
def profile_weights(X: sparse.csr_array, profiles: np.ndarray, alpha: float | None) -> tuple[np.ndarray, float]:
    """Return n (UᵀU + αI)^{-1} Uᵀ (X - 1 μᵀ), (n_dimensions, n_items), and α: in the unit of item counts n μ.

    Without α, it is the one with the smallest squared error of users who are left out, each in turn; infinity, where
    the profiles reduce this error by less than twice its standard error.
    """
    n_users = X.shape[0]
    X, U = binarize(X), profiles.astype(np.float64)
    mean = np.bincount(X.indices, minlength=X.shape[1]) / n_users
    moments = (X.T @ U).T - np.outer(U.sum(axis=0), mean)
    values, vectors = np.linalg.eigh(U.T @ U)
    values = np.maximum(values, 0)
    if alpha is None:
        errors = [_left_out_errors(X, U @ vectors, mean, vectors.T @ moments, values + each) for each in ALPHAS]
        best = int(np.argmin([each.sum() for each in errors]))
        gains = errors[-1] - errors[best]
        alpha = ALPHAS[best] if gains.sum() > 2 * np.sqrt(n_users) * gains.std() else np.inf
    weights = vectors @ ((vectors.T @ moments) / (values + alpha)[:, None])
    return (n_users * weights).astype(np.float32), float(alpha)


def _left_out_errors(
    X: sparse.csr_array, U: np.ndarray, mean: np.ndarray, moments: np.ndarray, ridge: np.ndarray
) -> np.ndarray:
    """Return |t - u M|² / (1 - h)² of each user, with the targets t = x - μ and h = u (UᵀU + αI)^{-1} uᵀ.

    UᵀU is diagonal here. The squares are expanded, so that nothing of the shape users × items is computed.
    """
    M = moments / ridge[:, None]
    targets = np.diff(X.indptr) - 2 * (X @ mean) + mean @ mean
    products = np.einsum("id,id->i", X @ M.T - M @ mean, U)
    fitted = np.einsum("id,id->i", U @ (M @ M.T), U)
    leverage = np.einsum("id,id->i", U / ridge, U)
    return np.asarray((targets - 2 * products + fitted) / (1 - leverage) ** 2)


def can_take_profiles(recommender: object) -> bool:
    """Return whether profiles can become further columns of a fitted regression: a dense one, without order."""
    if not isinstance(recommender, RidgeRecommender):
        return False
    return recommender.solver_ == "dense" and not recommender._as_chosen().order_weight


@np.errstate(under="ignore")
def take_profiles(
    recommender: RidgeRecommender, X: sparse.csr_array, profiles: np.ndarray, weight: float
) -> np.ndarray:
    """Turn a fitted regression on items into one on items and profiles; return the weights of the profiles."""
    # With the scaled histories H and the profiles U, the Gram matrix of both is [[G, C], [Cᵀ, D]] with C = HᵀU and
    # D = UᵀU + λI. Its inverse follows from P = G^{-1}: with Q = P C, S = D - Cᵀ Q and R = S^{-1} Qᵀ, its blocks are
    # P + Q R and -R. The weights of item j are the columns of these blocks over -p_j, with p the diagonal of P + Q R.
    ridge = recommender._as_chosen()
    counts, scale, diagonal = ridge._item_counts_, ridge._item_scale_.astype(np.float64), ridge._diagonal_
    popularity = popularity_scale(counts, ridge.popularity_exponent)
    users = inverse_power(np.diff(X.indptr), ridge.user_exponent / 2)  # 0 for users without history
    if not ridge.user_exponent:
        users = (np.diff(X.indptr) > 0).astype(np.float64)
    H = rescale(binarize(X) if ridge.binary else X, users, scale)
    U = weight * profiles.astype(np.float64) * users[:, None]
    C, weights = H.T @ U, ridge.weights_
    # P is in the weights: W_ij = -P_ij / P_jj s_i / s_j q_j with the scale s and the popularity q.
    Q = diagonal[:, None] * C - (weights @ ((diagonal * scale / popularity)[:, None] * C)) / scale[:, None]
    S = U.T @ U + ridge._ridge_ * np.eye(U.shape[1]) - C.T @ Q
    R = np.linalg.solve(S, Q.T)
    own = diagonal + np.einsum("id,di->i", Q, R)  # the diagonal of P + Q R
    by_item = R * (popularity / (own * scale))
    left, right = (scale[:, None] * Q).astype(np.float32), by_item.astype(np.float32)
    weights *= (diagonal / own).astype(np.float32)
    weights -= left @ right
    np.fill_diagonal(weights, 0.0)
    ridge._diagonal_ = own.astype(diagonal.dtype)
    _take_embedding(ridge, left, R)
    ridge._scorer_ = ridge._with_fallback(ridge._scorer())
    found = (weight * by_item).astype(np.float32)
    if ridge.item_vectors_ is not None:
        cold = ridge._by_content_.cold
        shares, neighbours = ridge._by_content_.of_cold()
        weights[:, cold] = ridge._mix(shares, neighbours)
        found[:, cold] = found @ shares
    recommender.__dict__.update({name: value for name, value in vars(ridge).items() if name.endswith("_")})
    return found


def _take_embedding(ridge: RidgeRecommender, left: np.ndarray, R: np.ndarray) -> None:
    """Update the map of histories to embeddings: that of the kernel is w² D_i^{-c} P F."""
    if ridge.item_vectors_ is None:
        ridge._projection_ = ridge.weights_ @ ridge.item_embedding_
    else:
        kernel = ridge.content_weight * ridge._ridge_ / ridge.alpha
        ridge._projection_ = ridge._projection_ + np.float32(kernel) * (left @ (R @ ridge.item_vectors_)).astype(
            np.float32
        )
