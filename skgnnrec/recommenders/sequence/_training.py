"""The training of `SequenceRecommender`: from histories and item vectors to the attributes of a fitted recommender."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import check_random_state

from skgnnrec._device import resolve_device, torch_settings
from skgnnrec._memory import check_memory
from skgnnrec.graph import count_users
from skgnnrec.interactions import hold_out_share_of_users
from skgnnrec.recommenders._base import SCORE_TEST_SIZE
from skgnnrec.recommenders._item_inputs import (
    Arrays,
    ItemInputs,
    continue_from,
    initial_parameters,
    parameter_shapes,
)
from skgnnrec.recommenders._trained_items import (
    BESIDE_VECTORS,
    check_size,
    spectral_embedding,
    with_cold_items,
)
from skgnnrec.recommenders._trained_scores import comparable, popularity_bias, score_with_bias
from skgnnrec.recommenders.sequence._learner import SequenceLearner, Validation
from skgnnrec.recommenders.sequence._network import head_parameters
from skgnnrec.recommenders.sequence._scorer import SequenceFactors
from skgnnrec.training import open_checkpoint, train_estimator

__all__ = ["train_on_sequences"]

LEARNING = ("head", "max_length", "batch_size", "n_negatives", "temperature", "dropout")
# Parameters on which the state after a given number of epochs depends, beside the item vectors.
IDENTIFYING = (
    *LEARNING, "embedding_dim", "n_layers", "id_embedding", "popularity_exponent", "solver", "alpha",
    "learning_rate_init", "early_stopping", "validation_fraction", "n_recommendations",
)  # fmt: skip
OF_ITEMS = {"weight", "bias", "weight_out", "embedding"}  # parameters that the head does not use


def train_on_sequences(
    recommender: Any,
    X: sparse.csr_array,
    vectors: np.ndarray | None,
    item_counts: np.ndarray,
    previous: Any,
    *,
    max_iter: int,
    start: tuple[Arrays, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Train on the rows of X and return the fitted attributes.

    `item_counts` also counts earlier users; `start` holds parameters and the positions of the items among them.
    """
    seed = int(check_random_state(recommender.random_state).randint(np.iinfo(np.int32).max))
    train, held_out = X, sparse.csr_array(X.shape, dtype=np.float32)
    if recommender.early_stopping:
        train, held_out = hold_out_share_of_users(X, recommender.validation_fraction, SCORE_TEST_SIZE, seed)
    with torch_settings():
        device = resolve_device(recommender.device)
        parameters = start_parameters(recommender, train, vectors, device, seed)
        if start is not None:
            parameters = continue_from(*start, parameters)
        has_users = count_users(train) > 0 if start is None else item_counts > 0
        inputs = ItemInputs(parameters, vectors, has_users, device)
        users = np.flatnonzero(np.diff(held_out.indptr))
        learner = build_learner(recommender, inputs, train, held_out, users, seed)
        settings = {name: getattr(recommender, name) for name in IDENTIFYING}
        identity = (seed, settings, train.indptr, train.indices, train.data, list(inputs.state()))
        progress = train_estimator(
            recommender,
            learner,
            max_iter=max_iter,
            checkpoint=open_checkpoint(recommender.checkpoint_dir, recommender.random_state, identity),
            reconstruct=lambda: _reconstruct(recommender, inputs, count_users(train)),
            held_out=(train[users], held_out[users]) if len(users) else (None, None),
            original=previous,
        )
        parameters, has_own = inputs.arrays(), item_counts > 0
        if vectors is not None:
            parameters = with_cold_items(parameters, vectors, item_counts)
            has_own = np.ones(len(item_counts), dtype=bool)
        inputs = ItemInputs(parameters, vectors, has_own, device)
        return {
            **fitted_attributes(recommender, inputs, item_counts),
            "loss_curve_": progress.losses,
            "validation_scores_": progress.scores,
            "n_iter_": len(progress.losses),
        }


def start_parameters(
    recommender: Any, X: sparse.csr_array, vectors: np.ndarray | None, device: torch.device, seed: int
) -> Arrays:
    """Return the parameters at the start, or raise MemoryLimitError if the machine cannot hold the training."""
    dim, n_dimensions = int(recommender.embedding_dim), None if vectors is None else vectors.shape[1]
    max_length, n_layers = int(recommender.max_length), int(recommender.n_layers)
    shapes = parameter_shapes(X.shape[1], n_dimensions, dim, with_embedding=recommender.id_embedding, with_source=False)
    if device.type == "cpu":  # elsewhere torch raises an error of its own
        n_parameters = sum(map(math.prod, shapes.values())) + 8 * n_layers * dim**2
        n_batch = min(int(recommender.batch_size), X.shape[0]) * min(max_length, int(np.diff(X.indptr).max(initial=1)))
        check_memory(
            # A parameter has a gradient and two moments; a step keeps what its layers computed.
            16 * n_parameters + 8 * dim * (X.shape[1] + 8 * n_layers * n_batch),
            f"Training {type(recommender).__name__} on {X.shape[0]} users and {X.shape[1]} items with "
            f"embedding_dim={dim}",
            "Lower embedding_dim, n_layers, max_length or batch_size.",
        )
    parameters = initial_parameters(shapes, seed)
    if "embedding" in parameters:
        size = np.float32(1.0 if vectors is None else BESIDE_VECTORS)
        parameters["embedding"] = size * spectral_embedding(X, parameters["embedding"], seed)
    return parameters | head_parameters(recommender.head, n_layers, dim, max_length, seed)


def build_learner(
    recommender: Any,
    inputs: ItemInputs,
    X: sparse.csr_array,
    held_out: sparse.csr_array,
    users: np.ndarray,
    seed: int,
) -> SequenceLearner:
    """Return the learner of X, with the held-out interactions of some users as validation."""
    bias, _ = popularity_bias(count_users(X), recommender.popularity_exponent, recommender.temperature)
    validation = Validation(X[users], held_out[users], bias, recommender.n_recommendations) if len(users) else None
    settings = {name: getattr(recommender, name) for name in LEARNING}
    return SequenceLearner(inputs, X, seed=seed, validation=validation, **settings)


def fitted_attributes(recommender: Any, inputs: ItemInputs, item_counts: np.ndarray) -> dict[str, Any]:
    """Return the fitted attributes that scores are computed from."""
    with torch.no_grad():
        items = inputs().cpu().numpy()
    parameters = inputs.arrays()
    head = {name: array for name, array in parameters.items() if name not in OF_ITEMS}
    check_size([items, *head.values()])
    bias, new_item_bias = popularity_bias(item_counts, recommender.popularity_exponent, recommender.temperature)
    factors = SequenceFactors(
        items, comparable(items, is_cosine=True), recommender.head, head, int(recommender.max_length)
    )
    return {
        "item_embedding_": factors.items,
        "item_bias_": bias,
        "_new_item_bias_": new_item_bias,
        "_factors_": factors,
        "_parameters_": parameters,
    }


def _reconstruct(recommender: Any, inputs: ItemInputs, item_counts: np.ndarray) -> dict[str, Any]:
    """Return the fitted attributes for the current parameters, for callbacks."""
    attributes = fitted_attributes(recommender, inputs, item_counts)
    scorer = score_with_bias(attributes["_factors_"], attributes["item_bias_"])
    return {**attributes, "_scorer_": recommender._with_fallback(scorer)}
