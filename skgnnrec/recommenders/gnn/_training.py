"""The training of `GNNRecommender`: from interactions and item vectors to the attributes of a fitted recommender."""

from __future__ import annotations

import math
from typing import Any

import joblib
import numpy as np
import torch
from scipy import sparse
from sklearn.utils import check_random_state

from skgnnrec._device import resolve_device, torch_settings
from skgnnrec._memory import check_memory
from skgnnrec.graph import count_users, message_passing, normalized_history
from skgnnrec.interactions import ENOUGH_HELD_OUT, hold_out_share_of_users
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
from skgnnrec.recommenders._trained_scores import popularity_bias, score_with_bias
from skgnnrec.recommenders.gnn._learner import RankingLearner, Validation
from skgnnrec.recommenders.gnn._model import GraphEncoder
from skgnnrec.recommenders.gnn._scorer import graph_factors
from skgnnrec.training import ALONE, Checkpoint, Workers, open_checkpoint, train_estimator

__all__ = ["attributes_without_graph", "train_on_graph"]

# Parameters of the network and of the learner, which defines a training step.
NETWORK = ("conv", "n_layers", "keep_input")
LEARNING = (
    "loss", "batch_size", "temperature", "n_negatives", "popularity_exponent", "contrast_weight", "noise",
    "diversity_weight",
)  # fmt: skip
# Parameters that do not change the state after a given number of epochs. The state depends on the catalog only by the
# item vectors, which identify a checkpoint themselves.
NOT_IDENTIFYING = {
    "max_iter", "tol", "n_iter_no_change", "warm_start", "catalog", "item_encoder", "memory", "device", "backend",
    "checkpoint_dir", "random_state",
}  # fmt: skip
REPLAYED = 1 << 20  # interactions of earlier users that a further training keeps in the graph
POPULARITY_EXPONENTS, USUAL_EXPONENT = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2), 0.2


def train_on_graph(
    recommender: Any,
    X: sparse.csr_array,
    vectors: np.ndarray | None,
    item_counts: np.ndarray,
    previous: Any,
    *,
    max_iter: int,
    start: tuple[Arrays, np.ndarray] | None = None,
    first_row: int = 0,
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Train on the rows of X from `first_row` on, on the graph of all rows, and return the fitted attributes.

    `item_counts` also counts earlier users; `start` holds parameters and the positions of the items among them. X holds
    the users of this worker, `item_counts` counts those of all `workers`.
    """
    seed = int(check_random_state(recommender.random_state).randint(np.iinfo(np.int32).max))
    own_seed = seed + workers.rank
    train, held_out = X, sparse.csr_array(X.shape, dtype=np.float32)
    if recommender.early_stopping:
        share = recommender.validation_fraction
        enough = ENOUGH_HELD_OUT // workers.n_workers
        train, held_out = hold_out_share_of_users(X, share, SCORE_TEST_SIZE, own_seed, first_row, enough)
    with torch_settings():
        device = resolve_device(recommender.device)
        counts = workers.total(count_users(train))
        has_users = (counts if start is None else item_counts) > 0  # also where no user in X has the item
        parameters = initial_parameters(check_shapes(recommender, X, vectors, device), seed)
        parameters = workers.from_first(_at_the_start(parameters, train, vectors is not None, seed, start, workers))
        encoder = build_encoder(recommender, train, counts, has_users, vectors, parameters, device, workers)
        learner = build_learner(recommender, encoder, train, counts, held_out, first_row, own_seed, workers)
        progress = train_estimator(
            recommender,
            learner,
            max_iter=max_iter,
            checkpoint=checkpoint_of(recommender, learner, train, first_row, seed, workers),
            reconstruct=lambda: _reconstruct(recommender, encoder, counts),
            held_out=_users_held_out(train, held_out),
            original=previous,
            workers=workers,
        )
        exponent = best_exponent(recommender, learner)
        # After training, the held-out interactions are part of the graph.
        parameters, has_own = encoder.inputs.arrays(), item_counts > 0
        if vectors is not None:
            parameters = with_cold_items(parameters, vectors, item_counts)
            has_own = np.ones(len(item_counts), dtype=bool)
        counts = workers.total(count_users(X))
        encoder = build_encoder(recommender, X, counts, has_own, vectors, parameters, device, workers)
        return {
            **fitted_attributes(recommender, encoder, counts, item_counts, exponent),
            "_replay_": sample_histories(X, REPLAYED // workers.n_workers, seed),
            "loss_curve_": progress.losses,
            "validation_scores_": progress.scores,
            "n_iter_": len(progress.losses),
        }


def _at_the_start(
    random: Arrays,
    train: sparse.csr_array,
    has_vectors: bool,
    seed: int,
    start: tuple[Arrays, np.ndarray] | None,
    workers: Workers,
) -> Arrays:
    """Return the parameters of `start`, without it the random ones with embeddings in closed form."""
    if start is not None:
        return continue_from(*start, random)
    if "embedding" not in random:
        return random
    size = np.float32(BESIDE_VECTORS if has_vectors else 1.0)
    return {**random, "embedding": size * spectral_embedding(train, random["embedding"], seed, workers)}


def _users_held_out(train: sparse.csr_array, held_out: sparse.csr_array) -> tuple[Any, Any]:
    """Return the users of which interactions are held out, as X and y of callbacks."""
    users = np.flatnonzero(np.diff(held_out.indptr))
    return (train[users], held_out[users]) if len(users) else (None, None)


def usual_exponent(recommender: Any) -> float:
    """Return the popularity exponent that is given, that of the training before, or the usual one."""
    given = recommender.popularity_exponent
    return float(getattr(recommender, "popularity_exponent_", USUAL_EXPONENT) if given == "auto" else given)


def best_exponent(recommender: Any, learner: RankingLearner) -> float:
    """Return the popularity exponent after a training: a further training keeps that of the first one."""
    usual = usual_exponent(recommender)
    if recommender.popularity_exponent != "auto" or hasattr(recommender, "popularity_exponent_"):
        return usual
    return learner.best_popularity_exponent(POPULARITY_EXPONENTS, usual)


def check_shapes(
    recommender: Any, X: sparse.csr_array, vectors: np.ndarray | None, device: torch.device
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters, or raise MemoryLimitError if the machine cannot hold the training."""
    n_dimensions, dim = None if vectors is None else vectors.shape[1], int(recommender.embedding_dim)
    sums_users = recommender.conv != "attention" and recommender.contrast_weight == 0
    with_source = recommender.id_embedding and recommender.loss == "softmax" and sums_users
    shapes = parameter_shapes(
        X.shape[1], n_dimensions, dim, with_embedding=recommender.id_embedding, with_source=with_source
    )
    if device.type == "cpu":  # elsewhere torch raises an error of its own
        check_memory(
            training_bytes(recommender, X, sum(map(math.prod, shapes.values()))),
            f"Training {type(recommender).__name__} on {X.shape[0]} users and {X.shape[1]} items with "
            f"embedding_dim={dim}",
            "Lower embedding_dim, n_layers, batch_size or n_negatives.",
        )
    return shapes


def training_bytes(recommender: Any, X: sparse.csr_array, n_parameters: int) -> int:
    """Return a lower bound of the memory that training takes."""
    n_users, n_items = X.shape
    n_layers, dim = 1 if recommender.conv is None else 1 + int(recommender.n_layers), int(recommender.embedding_dim)
    keeps_users = recommender.conv == "attention" or recommender.contrast_weight > 0
    n_nodes = n_layers * n_items + (n_layers if keeps_users else 1) * n_users
    n_batch, n_negatives = min(int(recommender.batch_size), X.nnz), int(recommender.n_negatives or 0)
    if recommender.loss == "bpr":
        n_negatives = n_batch * max(1, n_negatives)
    n_scores = n_batch * (n_negatives or n_items) if recommender.diversity_weight else 0
    # A parameter has a gradient and two moments; the graph keeps its edges in two orders.
    return 16 * n_parameters + 4 * dim * (n_nodes + 2 * n_batch + n_negatives) + 8 * n_scores + 40 * X.nnz


def edge_degrees(recommender: Any, counts: np.ndarray) -> np.ndarray:
    """Return the degrees D_i in the weights of the edges, (n_items,), float64; ones without a convolution."""
    return np.ones(len(counts)) if recommender.conv is None else counts.astype(np.float64)


def build_encoder(
    recommender: Any,
    X: sparse.csr_array,
    counts: np.ndarray,
    has_users: np.ndarray,
    vectors: np.ndarray | None,
    parameters: Arrays,
    device: torch.device,
    workers: Workers = ALONE,
) -> GraphEncoder:
    """Return the network on the graph of X, in which items have `counts` users."""
    weights = normalized_history(X, edge_degrees(recommender, counts))
    graph = message_passing(weights, backend=recommender.backend, device=device)
    inputs = ItemInputs(parameters, vectors, has_users, device)
    return GraphEncoder(graph, inputs, counts > 0, workers=workers, **_settings(recommender, NETWORK))


def build_learner(
    recommender: Any,
    encoder: GraphEncoder,
    X: sparse.csr_array,
    counts: np.ndarray,
    held_out: sparse.csr_array,
    first_row: int,
    seed: int,
    workers: Workers,
) -> RankingLearner:
    """Return the learner of X, with the held-out interactions as validation."""
    history = normalized_history(X, edge_degrees(recommender, counts))
    rows = np.flatnonzero(np.diff(held_out.indptr))
    validation = None
    if workers.total(np.array(len(rows))):
        validation = Validation(history[rows], rows, held_out[rows], recommender.n_recommendations)
    settings = {**_settings(recommender, LEARNING), "popularity_exponent": usual_exponent(recommender)}
    return RankingLearner(
        encoder, X, history, first_row=first_row, seed=seed, validation=validation, workers=workers, **settings
    )


def checkpoint_of(
    recommender: Any, learner: RankingLearner, X: sparse.csr_array, first_row: int, seed: int, workers: Workers
) -> Checkpoint | None:
    """Return the checkpoint of a training, None without `checkpoint_dir`."""
    settings = {
        name: value for name, value in recommender.get_params(deep=False).items() if name not in NOT_IDENTIFYING
    }
    if recommender.checkpoint_dir is None:
        return None
    interactions = workers.gathered(joblib.hash((X.indptr, X.indices, X.data)))
    identity = (seed, settings, first_row, interactions, list(learner.encoder.inputs.state()))
    return open_checkpoint(recommender.checkpoint_dir, recommender.random_state, identity, workers)


def fitted_attributes(
    recommender: Any, encoder: GraphEncoder, counts: np.ndarray, item_counts: np.ndarray, exponent: float
) -> dict[str, Any]:
    """Return the fitted attributes that scores are computed from; items have `counts` users in the graph."""
    with torch.no_grad():
        embeddings = encoder.propagate()
        layers = None if embeddings.layers is None else [layer.cpu().numpy() for layer in embeddings.layers[1]]
        items, sources = embeddings.items.cpu().numpy(), embeddings.sources.cpu().numpy()
    check_size([items, sources, *(layers or [])])
    is_cosine = recommender.loss == "softmax"
    bias, new_item_bias = popularity_bias(item_counts, exponent if is_cosine else 0.0, recommender.temperature)
    keep_input, degrees = recommender.keep_input, edge_degrees(recommender, counts)
    factors = graph_factors(items, sources, layers, degrees, is_cosine=is_cosine, keep_input=keep_input)
    return {
        "item_embedding_": factors.items,
        "popularity_exponent_": exponent,
        "item_bias_": bias,
        "_new_item_bias_": new_item_bias,
        "_factors_": factors,
        "_parameters_": encoder.inputs.arrays(),
    }


def attributes_without_graph(
    recommender: Any, parameters: Arrays, vectors: np.ndarray | None, item_counts: np.ndarray
) -> dict[str, Any]:
    """Return the fitted attributes of given parameters, which suffice where there is no convolution."""
    X, counts = sparse.csr_array((1, len(item_counts)), dtype=np.float32), np.zeros(len(item_counts), dtype=np.int64)
    has_own = item_counts > 0 if vectors is None else np.ones(len(item_counts), dtype=bool)
    with torch_settings():
        encoder = build_encoder(recommender, X, counts, has_own, vectors, parameters, torch.device("cpu"))
        return fitted_attributes(recommender, encoder, counts, item_counts, usual_exponent(recommender))


def sample_histories(X: sparse.csr_array, n_interactions: int, seed: int) -> sparse.csr_array:
    """Return the non-empty rows of X, or a random sample of them with about `n_interactions` entries if X has more."""
    rows = np.flatnonzero(np.diff(X.indptr))
    if X.nnz > n_interactions:
        order = np.random.default_rng(seed).permutation(rows)
        n_rows = int(np.searchsorted(np.cumsum(np.diff(X.indptr)[order]), n_interactions))
        rows = np.sort(order[: max(1, n_rows)])
    return X[rows]


def _reconstruct(recommender: Any, encoder: GraphEncoder, counts: np.ndarray) -> dict[str, Any]:
    """Return the fitted attributes for the current parameters, for callbacks."""
    attributes = fitted_attributes(recommender, encoder, counts, counts, usual_exponent(recommender))
    scorer = score_with_bias(attributes["_factors_"], attributes["item_bias_"])
    return {**attributes, "_scorer_": recommender._with_fallback(scorer)}


def _settings(recommender: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(recommender, name) for name in names}
