"""Integrated gradients: the terms of scores that trained embeddings and attention compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec._device import torch_settings
from skgnnrec.graph import inverse_power
from skgnnrec.ranking import Scorer, Sum, UserFactors, WithFallback
from skgnnrec.recommenders import GNNRecommender

__all__ = ["check_gradients", "integrated_gradients"]

N_STEPS = 64  # of the quadrature: the error is below 1e-5 of the scores on Online Retail


def check_gradients(recommender: Any, query: Any) -> None:
    """Refuse recommenders without trained embeddings, and queries."""
    if not isinstance(recommender, GNNRecommender):
        raise ValueError(
            f"method='integrated_gradients' requires a GNNRecommender, got a {type(recommender).__name__}. "
            "method='additive' lists the terms of its scores."
        )
    if query is not None:
        raise ValueError("method='integrated_gradients' explains recommendations without query; set query=None.")


def integrated_gradients(recommender: GNNRecommender, X: sparse.csr_array, columns: np.ndarray) -> tuple:
    """Return the contributions of the entries of X to the scores of one item for each row, and the rest of the scores.

    The path leads from the mean history of the fit to the history, with the same sum of the weights: the scores do not
    change with the unit of the weights, and have no gradient on a path from the empty history.
    """
    gradients = _import_captum().IntegratedGradients
    factors = _factors_of(recommender._scorer_)
    mean = recommender._item_counts_ / max(recommender._item_counts_.sum(), 1)
    parts, rest = np.zeros(X.nnz), recommender._scorer_.baseline(X, columns)
    for row in np.flatnonzero(factors.embed(X).any(axis=1)):  # others, such as those of new items, have no direction
        entries = slice(X.indptr[row], X.indptr[row + 1])
        inputs = np.zeros(X.shape[1])
        inputs[X.indices[entries]] = X.data[entries]
        used = np.flatnonzero((mean > 0) | (inputs > 0))
        with torch_settings():
            score = _score_of_history(factors, used, columns[row], n_weights=entries.stop - entries.start)
            values, first = _integrate(gradients(score), score, inputs[used], (mean * inputs.sum())[used])
        own = np.searchsorted(used, X.indices[entries])
        parts[entries] = values[own]
        rest[row] += first + values.sum() - values[own].sum()
    return parts, rest


def _import_captum() -> Any:
    try:
        from captum import attr
    except ImportError as error:
        raise ImportError(
            "method='integrated_gradients' needs the package captum: pip install \"skgnnrec[explain]\"."
        ) from error
    return attr


def _factors_of(scorer: Scorer) -> UserFactors:
    """Return the factors in the scorer of trained embeddings."""
    if isinstance(scorer, WithFallback):
        return _factors_of(scorer.scorer)
    assert isinstance(scorer, Sum)  # of a bias and the factors
    (factors,) = scorer.products()
    assert isinstance(factors, UserFactors)
    return factors


def _integrate(gradients: Any, score: Callable, inputs: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the integrated gradients of a score, and the score at the start of the path."""
    import torch

    history, first = torch.tensor(inputs[None]), torch.tensor(start[None])
    values = gradients.attribute(history, first, n_steps=N_STEPS, method="gausslegendre")
    with torch.no_grad():
        return values.numpy()[0], float(score(first)[0])


def _score_of_history(factors: UserFactors, used: np.ndarray, column: int, *, n_weights: int) -> Callable:
    """Return a function from weights of the items in `used`, (n_rows, n_used), to scores of one item, (n_rows,).

    The number of weights, which scales the embeddings, remains that of the history.
    """
    import torch

    def tensor(values: Any) -> torch.Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64))

    candidate = tensor(factors.items[[column]])[0]
    layers = [tensor(layer[used]) for layer in getattr(factors, "layers", (factors.projection,))]
    scale = tensor(inverse_power(factors.item_degrees[used], 0.5)) if hasattr(factors, "item_degrees") else None

    def score(weights: torch.Tensor) -> torch.Tensor:
        weights = weights * n_weights**0.5 / weights.sum(dim=1, keepdim=True)
        users = [(weights if scale is None else weights * scale) @ layers[0]]
        for layer in layers[1:]:
            attention = torch.softmax(users[-1] @ layer.T / layer.shape[1] ** 0.5, dim=1) * weights
            users.append(attention / attention.sum(dim=1, keepdim=True) @ layer)
        kept = users if len(users) == 1 or getattr(factors, "keep_input", True) else users[1:]
        user = torch.stack(kept).mean(dim=0)
        if factors.is_cosine:
            user = torch.nn.functional.normalize(user, dim=1)
        return user @ candidate

    return score
