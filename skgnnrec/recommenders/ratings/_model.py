"""The network of `GNNRatingRegressor`: messages along the ratings of each level, and the squared error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from skgnnrec.graph import message_passing
from skgnnrec.recommenders.ratings._biases import Pairs

__all__ = ["Arrays", "RatingGraph", "RatingLearner", "RatingModel", "initial_parameters", "parameter_shapes"]

Arrays = dict[str, np.ndarray]

INITIAL_SCALE = 0.03  # standard deviation of the entries of an initial message


class RatingGraph:
    """The graph of ratings: each level of an item is a node, so that one product sums over all levels, Σ_r A_r H_r.

    The sum that a node receives is divided by the square root of the number of its ratings.
    """

    def __init__(
        self,
        pairs: Pairs,
        levels: np.ndarray,
        n_users: int,
        n_items: int,
        n_levels: int,
        *,
        backend: str,
        device: torch.device,
    ) -> None:
        users, items, _ = pairs
        # (n_ratings,): rows in the tables of messages, (n_levels * n_nodes, dim)
        self.from_items, self.from_users = levels * n_items + items, levels * n_users + users
        to_user, to_item = (_inverse_root_degrees(nodes) for nodes in (users, items))
        by_user = sparse.csr_array((to_user, (users, self.from_items)), shape=(n_users, n_levels * n_items))
        by_item = sparse.csr_array((to_item, (self.from_users, items)), shape=(n_levels * n_users, n_items))
        self._to_users = message_passing(by_user, backend=backend, device=device)
        self._to_items = message_passing(by_item, backend=backend, device=device)
        self.weights_to_user, self.weights_to_item = to_user, to_item

    def to_rows(self, sent: torch.Tensor) -> torch.Tensor:
        """Return the sums that users receive, (n_users, dim), of messages (n_levels * n_items, dim)."""
        return self._to_users.to_rows(sent)

    def to_columns(self, sent: torch.Tensor) -> torch.Tensor:
        """Return the sums that items receive, (n_items, dim), of messages (n_levels * n_users, dim)."""
        return self._to_items.to_columns(sent)


def _inverse_root_degrees(nodes: np.ndarray) -> np.ndarray:
    return (1 / np.sqrt(np.bincount(nodes)[nodes])).astype(np.float32)


def parameter_shapes(
    n_users: int, n_items: int, n_levels: int, n_dimensions: int | None, dim: int, with_ids: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters by name.

    These are biases, the messages that users and, `with_ids`, items send at each level, and maps from item vectors of
    `n_dimensions` to the messages and the embedding of an item.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "user_bias": (n_users,),
        "item_bias": (n_items,),
        "sent_by_users": (n_levels * n_users, dim),
    }
    if with_ids:
        shapes["sent_by_items"] = (n_levels * n_items, dim)
    if n_dimensions is not None:
        shapes |= {"map_sent": (n_dimensions, n_levels * dim), "map_own": (n_dimensions, dim)}
    return shapes


def initial_parameters(shapes: dict[str, tuple[int, ...]], seed: int) -> Arrays:
    """Return the parameters at the start of training: zero biases, random messages and maps."""
    rng = np.random.default_rng(seed)
    return {
        name: np.zeros(shape, np.float32)
        if name.endswith("bias")
        else (INITIAL_SCALE * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


class Nodes(NamedTuple):
    """The embeddings of users and items, and the messages that they are sums of."""

    users: torch.Tensor  # (n_users, dim)
    items: torch.Tensor  # (n_items, dim)
    described: torch.Tensor | None  # (n_items, dim): the part of the items from their vectors
    sent_by_items: torch.Tensor  # (n_levels * n_items, dim)
    sent_by_users: torch.Tensor  # (n_levels * n_users, dim)


class RatingModel:
    """Embeddings of users and items as sums of messages along ratings.

    `vectors` are frozen item vectors, (n_items, n_dimensions) or None. The parameters are copied to `device`.
    """

    def __init__(
        self, graph: RatingGraph, parameters: Arrays, vectors: np.ndarray | None, device: torch.device
    ) -> None:
        self.graph, self.device = graph, device
        self.learned = {
            name: torch.tensor(array, device=device, requires_grad=True) for name, array in parameters.items()
        }
        # Adam changes all entries of a map by similar steps. Their sum over the dimensions changes an item by up to
        # sqrt(n_dimensions) times the step of a message. Half of this exponent was best on held-out ratings.
        self._vectors = None if vectors is None else torch.tensor(vectors / vectors.shape[1] ** 0.25, device=device)

    def nodes(self) -> Nodes:
        """Return the embeddings for the current parameters, with gradients."""
        sent_by_items, sent_by_users = self._sent_by_items(), self.learned["sent_by_users"]
        users, items = self.graph.to_rows(sent_by_items), self.graph.to_columns(sent_by_users)
        described = None if self._vectors is None else self._vectors @ self.learned["map_own"]
        items = items if described is None else items + described
        return Nodes(users, items, described, sent_by_items, sent_by_users)

    def arrays(self) -> Arrays:
        """Return copies of the parameters as arrays."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned.items()}

    def _sent_by_items(self) -> torch.Tensor:
        own = self.learned.get("sent_by_items")
        if self._vectors is None:
            assert own is not None  # the regressor requires item vectors or embeddings
            return own
        dim = self.learned["map_own"].shape[1]
        mapped = (self._vectors @ self.learned["map_sent"]).view(len(self._vectors), -1, dim)
        mapped = mapped.transpose(0, 1).reshape(-1, dim)  # (n_levels * n_items, dim)
        return mapped if own is None else mapped + own


class Batch(NamedTuple):
    """Ratings of the graph."""

    rows: torch.Tensor  # (n_batch,): positions of the ratings
    as_cold: torch.Tensor  # (n_batch,), bool: whether the item is treated as an item without ratings


class RatingLearner:
    """A learner that minimises the squared error of the residuals of the biases.

    No rating takes part in its own prediction. The items of a random share are predicted from their vectors alone.
    """

    def __init__(
        self,
        model: RatingModel,
        pairs: Pairs,
        *,
        held_out: Pairs | None = None,
        variance: float = 1.0,
        batch_size: int,
        cold_fraction: float,
        seed: int,
    ) -> None:
        self.model, self._variance = model, variance
        self._batch_size, self._cold_fraction, self._seed = batch_size, cold_fraction, seed
        self._users, self._items, self._residuals = self._put(pairs)
        self._from_items, self._from_users = (
            torch.tensor(rows, device=model.device) for rows in (model.graph.from_items, model.graph.from_users)
        )
        self._to_user, self._to_item = (
            torch.tensor(weights, device=model.device)[:, None]
            for weights in (model.graph.weights_to_user, model.graph.weights_to_item)
        )
        self._held_out = None if held_out is None else self._put(held_out)

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters."""
        return list(self.model.learned.values())

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch; they depend on the seed and the epoch only."""
        rng = np.random.default_rng([self._seed, epoch])
        n, device = len(self._users), self.model.device
        order = torch.tensor(rng.permutation(n), device=device).split(self._batch_size)
        as_cold = torch.tensor(rng.random(n) < self._cold_fraction, device=device).split(self._batch_size)
        return map(Batch, order, as_cold)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean squared error of a batch."""
        rows, nodes = batch.rows, self.model.nodes()
        users, items = self._users.index_select(0, rows), self._items.index_select(0, rows)
        from_item = F.embedding(self._from_items.index_select(0, rows), nodes.sent_by_items)
        from_user = F.embedding(self._from_users.index_select(0, rows), nodes.sent_by_users)
        z_users = F.embedding(users, nodes.users) - self._to_user.index_select(0, rows) * from_item
        z_items = F.embedding(items, nodes.items) - self._to_item.index_select(0, rows) * from_user
        if nodes.described is not None:
            z_items = torch.where(batch.as_cold[:, None], F.embedding(items, nodes.described), z_items)
        found = self._bias(users, items) + (z_users * z_items).sum(dim=1)
        return F.mse_loss(found, self._residuals.index_select(0, rows))

    def validate(self) -> float | None:
        """Return R² on the held-out ratings, None without any."""
        if self._held_out is None:
            return None
        users, items, residuals = self._held_out
        with torch.no_grad():
            nodes = self.model.nodes()
            found = (F.embedding(users, nodes.users) * F.embedding(items, nodes.items)).sum(dim=1)
            return 1.0 - float(F.mse_loss(self._bias(users, items) + found, residuals)) / self._variance

    def _bias(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        learned = self.model.learned
        return learned["user_bias"].index_select(0, users) + learned["item_bias"].index_select(0, items)

    def _put(self, pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        device = self.model.device
        users, items = (torch.tensor(nodes, device=device) for nodes in pairs[:2])
        return users, items, torch.tensor(pairs.ratings, device=device, dtype=torch.float32)
