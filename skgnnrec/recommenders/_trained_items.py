"""The embeddings of items before and after training: closed-form start, items without users, new items."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from skgnnrec._device import torch_settings
from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.graph import (
    Statistics,
    count_users,
    multiply_by_cooccurrence,
    nearest_items,
    ridge_response,
    spectrum_of_sums,
)
from skgnnrec.interactions import binarize
from skgnnrec.recommenders._item_inputs import OF_EACH_ITEM, Arrays, ItemInputs
from skgnnrec.recommenders._new_items import known_items
from skgnnrec.training import ALONE, Workers

__all__ = ["BESIDE_VECTORS", "check_size", "embed_new_items", "spectral_embedding", "with_cold_items"]

LARGEST_ENTRY = 1e15  # of an embedding whose products are finite in float32
SPECTRAL_ALPHA = 0.3  # of the response of the spectrum, as in GraphFilterRecommender
RANDOM_SHARE = 0.01  # of random embeddings in those of the spectrum: no item and no dimension starts at zero
BESIDE_VECTORS = 0.2  # length of E at the start, relative to the mapped vectors: these generalise to rare items
N_NEIGHBORS, POWER = 20, 4  # of the cosines, for the embeddings of items without users


@np.errstate(under="ignore")
def spectral_embedding(X: sparse.csr_array, random: np.ndarray, seed: int, workers: Workers = ALONE) -> np.ndarray:
    """Return the item embeddings of a graph filter, V sqrt(h(σ²)), of the mean squared length 1."""
    X, n_items = binarize(X), X.shape[1]
    n_users = int(workers.total(np.array(X.shape[0])))
    n_components = min(random.shape[1], max(1, min(n_users, n_items) // 4))
    sums = Statistics(
        sparse.csr_array((n_items, n_items), dtype=np.int64),
        workers.total(count_users(X)),
        n_users,
        1.0,
        lambda vectors: workers.total(multiply_by_cooccurrence(X, 1.0, vectors)),
    )
    spectrum = spectrum_of_sums(sums, n_components, seed)
    factors = spectrum.vectors * np.sqrt(ridge_response(spectrum.values, SPECTRAL_ALPHA))
    squares = np.square(factors).sum(axis=1)
    factors /= np.sqrt(squares[squares > 0].mean()) if squares.any() else 1.0
    embedding = np.float32(RANDOM_SHARE) * random
    embedding[:, :n_components] += factors
    return embedding


def with_cold_items(parameters: Arrays, vectors: np.ndarray, item_counts: np.ndarray) -> Arrays:
    """Return parameters in which items without users have the mean embeddings of their nearest items by content."""
    is_known, found = known_items(item_counts), dict(parameters)
    shares = _shares(vectors, is_known, vectors[~is_known])
    for name in set(OF_EACH_ITEM) & set(parameters):
        found[name] = parameters[name].copy()
        found[name][~is_known] = shares @ parameters[name]
    return found


def embed_new_items(parameters: Arrays, vectors: np.ndarray, item_counts: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return H of items of which only the item vectors are known, (n_new, dim)."""
    with torch_settings(), torch.no_grad():
        inputs = ItemInputs(parameters, None, np.ones(len(vectors), dtype=bool), torch.device("cpu"))
        mapped = inputs.mapped(torch.tensor(new)).numpy()
    if "embedding" not in parameters:
        return mapped
    return mapped + _shares(vectors, known_items(item_counts), new) @ parameters["embedding"]


def _shares(vectors: np.ndarray, is_known: np.ndarray, new: np.ndarray) -> sparse.csr_array:
    """Return the shares of items in new items, (n_new, n_items), whose sums are one."""
    return sparse.csr_array(nearest_items(vectors, is_known, new, N_NEIGHBORS, POWER).T)


def check_size(embeddings: list[np.ndarray]) -> None:
    """Raise NonFiniteLossError if products of embeddings could overflow: the last step is followed by no loss."""
    with np.errstate(invalid="ignore"):
        largest = np.max([np.abs(part).max(initial=0.0) for part in embeddings])
    if not largest <= LARGEST_ENTRY:  # also where it is NaN
        raise NonFiniteLossError(
            f"The embeddings have entries up to {largest:.3g}: training has diverged. Lower learning_rate_init."
        )
