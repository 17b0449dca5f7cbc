"""Projections of vectors to two dimensions, and limits that ignore outliers."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

METHODS = ("tsne", "umap", "pca")
PERPLEXITY = 30.0  # of t-SNE
N_NEIGHBORS = 15  # of UMAP
LEAST_SPREAD = 1e-12  # of vectors of unit length
CENTRAL_PERCENT = 98  # of the items define the limits of the axes
MARGIN = 0.15  # of their range, on either side

Map = tuple[NDArray[np.float64], tuple[str, str]]  # coordinates, and the labels of the axes


def project(vectors: NDArray[np.float64], method: str, rng: np.random.RandomState) -> Map:
    """Return vectors of unit length in two dimensions, and the labels of the axes."""
    coordinates, labels = _pca(vectors)
    if method == "pca":
        return coordinates, labels
    spread = float(coordinates[:, 0].std())
    if spread > LEAST_SPREAD:  # TSNE ends the process if it starts from equal points
        start = (coordinates / spread).astype(np.float32)
        coordinates = _umap(vectors, start, rng) if method == "umap" else _tsne(vectors, start, rng)
    name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
    return coordinates, (f"{name} 1", f"{name} 2")


def robust_limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits around the central values, which need not include outliers."""
    tail = (100 - CENTRAL_PERCENT) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    margin = MARGIN * (high - low)
    least, greatest = float(values.min()), float(values.max())
    padding = 0.05 * (min(greatest, high + margin) - max(least, low - margin)) or 0.5
    return max(least, low - margin) - padding, min(greatest, high + margin) + padding


def _pca(vectors: NDArray[np.float64]) -> Map:
    pca = PCA(2, svd_solver="covariance_eigh" if vectors.shape[1] <= len(vectors) else "full")
    with np.errstate(all="ignore"):  # equal vectors have no variance
        coordinates = pca.fit_transform(vectors)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    first, second = (f"{100 * share:.0f} % of the variance" for share in shares)
    return coordinates, (f"First component ({first})", f"Second component ({second})")


def _tsne(vectors: NDArray[np.float64], start: NDArray[np.float32], rng: np.random.RandomState) -> NDArray[np.float64]:
    perplexity = max(1.0, min(PERPLEXITY, (len(vectors) - 1) / 3))
    tsne = TSNE(init=np.float32(1e-4) * start, perplexity=perplexity, random_state=rng)
    return np.asarray(tsne.fit_transform(vectors), dtype=np.float64)


def _umap(vectors: NDArray[np.float64], start: NDArray[np.float32], rng: np.random.RandomState) -> NDArray[np.float64]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("method='umap' needs UMAP, which is not installed: pip install umap-learn") from error
    seed = int(rng.randint(np.iinfo(np.int32).max))
    n_neighbors = min(N_NEIGHBORS, len(vectors) - 1)
    # The default start from eigenvectors fails for few items.
    init = "spectral" if len(vectors) > N_NEIGHBORS else start
    umap = UMAP(metric="cosine", n_neighbors=n_neighbors, init=init, random_state=seed, n_jobs=1)
    return np.asarray(umap.fit_transform(vectors), dtype=np.float64)
