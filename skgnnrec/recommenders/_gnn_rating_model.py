"""The trainable part of `GNNRatingRegressor`: messages along the ratings of each level, and their squared error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse

from skgnnrec.graph import message_passing
from skgnnrec.recommenders._rating_baseline import Pairs

__all__ = ["Arrays", "RatingGraph", "RatingLearner", "RatingModel", "initial_parameters"]

Arrays = dict[str, np.ndarray]

SIZE = 0.03  # of an entry of what is sent at the start


class RatingGraph:
    """Who has rated what, at which level, in both directions.

    A level of an item is a node of its own: column level * n_items + item of a matrix whose rows are the users. So one
    product sums over all levels, Σ_r A_r H_r. The sum a node receives is divided by the root of its number of ratings.

    Parameters
    ----------
    pairs : Pairs
        The ratings, each pair once.
    levels : ndarray of shape (n_ratings,), int64
        Their levels.
    n_users, n_items, n_levels : int
        How many there are.
    backend : {"auto", "torch", "dgl"}
        Who computes.
    device : torch.device
        Where.
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
        # (n_ratings,): what is sent is the row of a table of levels x nodes
        self.from_items, self.from_users = levels * n_items + items, levels * n_users + users
        to_user, to_item = (_inverse_root_degrees(nodes) for nodes in (users, items))
        by_user = sparse.csr_array((to_user, (users, self.from_items)), shape=(n_users, n_levels * n_items))
        by_item = sparse.csr_array((to_item, (self.from_users, items)), shape=(n_levels * n_users, n_items))
        self._to_users = message_passing(by_user, backend=backend, device=device)
        self._to_items = message_passing(by_item, backend=backend, device=device)
        self.weights_to_user, self.weights_to_item = to_user, to_item

    def to_users(self, sent: torch.Tensor) -> torch.Tensor:
        """Return what users receive, (n_users, dim), of what levels of items send, (n_levels * n_items, dim)."""
        return self._to_users.to_users(sent)

    def to_items(self, sent: torch.Tensor) -> torch.Tensor:
        """Return what items receive, (n_items, dim), of what levels of users send, (n_levels * n_users, dim)."""
        return self._to_items.to_items(sent)


def _inverse_root_degrees(nodes: np.ndarray) -> np.ndarray:
    return (1 / np.sqrt(np.bincount(nodes)[nodes])).astype(np.float32)


def initial_parameters(
    n_users: int, n_items: int, n_levels: int, n_dimensions: int | None, dim: int, with_ids: bool, seed: int
) -> Arrays:
    """Return where training starts.

    Parameters
    ----------
    n_users, n_items, n_levels : int
        How many there are.
    n_dimensions : int or None
        Dimensions of the item vectors F, where there are any.
    dim : int
        Dimensions of an embedding.
    with_ids : bool
        Whether an item sends something of its own at each level.
    seed : int
        Seeds what is drawn.

    Returns
    -------
    parameters : dict of str to ndarray
        "user_bias" and "item_bias", zero; "sent_by_users" (n_levels * n_users, dim); with ids "sent_by_items"
        (n_levels * n_items, dim); with item vectors "map_sent" (n_dimensions, n_levels * dim) and "map_own"
        (n_dimensions, dim).
    """
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (SIZE * rng.standard_normal(shape)).astype(np.float32)

    parameters = {
        "user_bias": np.zeros(n_users, dtype=np.float32),
        "item_bias": np.zeros(n_items, dtype=np.float32),
        "sent_by_users": draw(n_levels * n_users, dim),
    }
    if with_ids:
        parameters["sent_by_items"] = draw(n_levels * n_items, dim)
    if n_dimensions is not None:
        parameters["map_sent"] = draw(n_dimensions, n_levels * dim)
        parameters["map_own"] = draw(n_dimensions, dim)
    return parameters


class Nodes(NamedTuple):
    """Users and items, and what they were made of."""

    users: torch.Tensor  # (n_users, dim)
    items: torch.Tensor  # (n_items, dim)
    described: torch.Tensor | None  # (n_items, dim): the part of an item that needs no ratings
    sent_by_items: torch.Tensor  # (n_levels * n_items, dim)
    sent_by_users: torch.Tensor  # (n_levels * n_users, dim)


class RatingModel:
    """Embeddings of users and items from the ratings they share.

    Parameters
    ----------
    graph : RatingGraph
        The ratings.
    parameters : dict of str to ndarray
        From `initial_parameters`, or learned before. Copied.
    vectors : ndarray of shape (n_items, n_dimensions) or None
        The item vectors F, frozen.
    device : torch.device
        Where they are kept.
    """

    def __init__(
        self, graph: RatingGraph, parameters: Arrays, vectors: np.ndarray | None, device: torch.device
    ) -> None:
        self.graph, self.device = graph, device
        self.learned = {
            name: torch.tensor(array, device=device, requires_grad=True) for name, array in parameters.items()
        }
        # Adam moves each entry of a map alike, and an item by the sum over all dimensions: by up to sqrt(n_dimensions)
        # times what a message moves. Half of that, as a power, was best on held-out ratings.
        self._vectors = None if vectors is None else torch.tensor(vectors / vectors.shape[1] ** 0.25, device=device)

    def nodes(self) -> Nodes:
        """Return users and items from the present parameters."""
        sent_by_items, sent_by_users = self._sent_by_items(), self.learned["sent_by_users"]
        users, items = self.graph.to_users(sent_by_items), self.graph.to_items(sent_by_users)
        described = None if self._vectors is None else self._vectors @ self.learned["map_own"]
        items = items if described is None else items + described
        return Nodes(users, items, described, sent_by_items, sent_by_users)

    def arrays(self) -> Arrays:
        """Return what is learned."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned.items()}

    def _sent_by_items(self) -> torch.Tensor:
        own = self.learned.get("sent_by_items")
        if self._vectors is None:
            assert own is not None  # the regressor refuses to learn from nothing
            return own
        dim = self.learned["map_own"].shape[1]
        mapped = (self._vectors @ self.learned["map_sent"]).view(len(self._vectors), -1, dim)
        mapped = mapped.transpose(0, 1).reshape(-1, dim)  # (n_levels * n_items, dim)
        return mapped if own is None else mapped + own


class Batch(NamedTuple):
    """Some ratings."""

    rows: torch.Tensor  # (n_batch,): among those of the graph
    as_cold: torch.Tensor  # (n_batch,), bool: whether the item is taken for one that nobody has rated


class RatingLearner:
    """A `Learner` that minimises the squared error of what the biases leave of the ratings.

    No rating takes part in its own prediction: what it sends to its user and to its item is subtracted. Where there are
    item vectors, some items are predicted from them alone, so that these learn to answer for items without ratings.

    Parameters
    ----------
    model : RatingModel
        Holds the parameters.
    pairs : Pairs
        The pairs of the graph, with what the biases leave of their ratings.
    held_out : Pairs or None
        Others, that scores are taken on.
    variance : float
        Of the held-out ratings.
    batch_size : int
        Ratings in a batch.
    cold_fraction : float
        The share of the ratings whose item is taken for one that nobody has rated.
    seed : int
        Seeds the order and that share; each epoch draws from its own stream.
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
        """Return what is learned."""
        return list(self.model.learned.values())

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch, drawn from the seed and its number."""
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
        """Return R² on what is held out."""
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
