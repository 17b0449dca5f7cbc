"""The network of `GNNRecommender`: the input embeddings of items and their propagation over the graph.

Users have no parameters: the embedding of a user is computed from the history, in training and afterwards.
Embeddings have a length of about one at the start of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from skgnnrec.graph import MessagePassing
from skgnnrec.interactions import Vocabulary

__all__ = [
    "OF_EACH_ITEM",
    "Embeddings",
    "GraphEncoder",
    "ItemInputs",
    "attend",
    "continue_from",
    "initial_parameters",
    "match_items",
    "parameter_shapes",
]

Arrays = dict[str, np.ndarray]

HOW_TO_NAME_ITEMS = "Pass X as a DataFrame whose columns are the item ids, or catalog=ItemCatalog(..., ids=...)."
OF_EACH_ITEM = ("embedding", "source")  # parameters with a row for each item


class Embeddings(NamedTuple):
    """The embeddings that propagation computes.

    `users` and `layers` are None where users are sums of the sources in their histories; `layers` holds the embeddings
    of users and of items, layer by layer.
    """

    items: torch.Tensor  # (n_items, dim)
    sources: torch.Tensor  # (n_items, dim)
    users: torch.Tensor | None = None  # (n_users, dim)
    layers: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None


def parameter_shapes(
    n_items: int, n_dimensions: int | None, dim: int, *, with_embedding: bool, with_source: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters by name.

    "weight", "bias" and "weight_out" map item vectors of `n_dimensions` to embeddings; "embedding" holds the embeddings
    E of items and "source" the embeddings O.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    if n_dimensions is not None:
        n_hidden = max(dim, (n_dimensions + dim) // 2)
        shapes |= {"weight": (n_dimensions, n_hidden), "bias": (n_hidden,), "weight_out": (n_hidden, dim)}
    if with_embedding:
        shapes["embedding"] = (n_items, dim)
    if with_source:
        shapes["source"] = (n_items, dim)
    return shapes


def initial_parameters(shapes: dict[str, tuple[int, ...]], seed: int) -> Arrays:
    """Return parameters at the start of training; "bias" and "source" are zero."""
    rng = np.random.default_rng(seed)
    scales = {name: shape[-1] ** -0.5 for name, shape in shapes.items()}
    if "weight" in shapes:
        n_dimensions, n_hidden = shapes["weight"]
        # Steps of Adam have one size for all entries: from small hidden units they do not throw the output far.
        scales["weight"] = n_dimensions**-0.5
        scales["weight_out"] = (2 * n_dimensions / n_hidden / shapes["weight_out"][1]) ** 0.5
    return {
        name: np.zeros(shape, np.float32)
        if name in ("bias", "source")
        else (scales[name] * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


def match_items(before: Vocabulary | None, now: Vocabulary | None, n_before: int, n_items: int) -> np.ndarray:
    """Return the position of each item in the previous fit, -1 for new items; without ids, positions must agree."""
    if before is not None and now is not None:
        return before.positions(now.ids)
    known = before if now is None else now
    if known is not None and not known.equals(Vocabulary(np.arange(len(known)))):
        which = "this fit has" if now is None else "the previous fit had"
        raise ValueError(f"warm_start=True matches items by id, but {which} no item ids. {HOW_TO_NAME_ITEMS}")
    if n_before != n_items:
        raise ValueError(
            f"warm_start=True without item ids requires the items of the previous fit: X has {n_items} columns, the "
            f"previous fit {n_before} items. {HOW_TO_NAME_ITEMS}"
        )
    return np.arange(n_items)


def continue_from(learned: Arrays, places: np.ndarray, fresh: Arrays) -> Arrays:
    """Return learned parameters for the items of another fit.

    `places` holds the positions of these items among the learned embeddings, -1 for new items, whose embeddings are the
    fresh ones.
    """
    if learned.keys() != fresh.keys():
        raise ValueError(
            "id_embedding, conv, loss and the use of a catalog must be those of the previous fit for training to "
            f"continue: the previous fit has the parameters {sorted(learned)}, this one {sorted(fresh)}."
        )
    for name, array in fresh.items():
        before = (len(places), *learned[name].shape[1:]) if name in OF_EACH_ITEM else learned[name].shape
        if array.shape != before:
            raise ValueError(
                "embedding_dim and the dimensions of the item vectors must be those of the previous fit for training "
                f"to continue: {name!r} has the shape {array.shape}, in the previous fit {before}."
            )
    if "embedding" not in fresh:
        return learned
    is_new = places < 0
    if is_new.all() and set(fresh) <= set(OF_EACH_ITEM):
        raise ValueError(
            f"warm_start=True requires items of the previous fit: none of the {len(places)} item ids was in it. "
            "Set warm_start=False to start anew."
        )
    return {
        name: np.where(is_new[:, None], array, learned[name][places]) if name in OF_EACH_ITEM else learned[name]
        for name, array in fresh.items()
    }


class ItemInputs:
    """Layer 0 of the items, H = map(F) + E, with its parameters, and their sources in histories, H + O.

    F are frozen item vectors, (n_items, n_dimensions) or None; E and O are embeddings of items. Items that are False in
    `is_trained` (n_items,) have no E and no O. The parameters are copied to `device`.
    """

    def __init__(
        self, parameters: Arrays, vectors: np.ndarray | None, is_trained: np.ndarray, device: torch.device
    ) -> None:
        self.learned = {
            name: torch.tensor(array, device=device, requires_grad=True) for name, array in parameters.items()
        }
        self.device = device
        self.features = None if vectors is None else torch.tensor(vectors, device=device)
        trained = torch.tensor(is_trained, device=device, dtype=torch.float32)[:, None]
        self._is_trained = None if is_trained.all() else trained

    def mapped(self, features: torch.Tensor) -> torch.Tensor:
        """Return map(F), a network with one hidden layer."""
        hidden = F.leaky_relu(features @ self.learned["weight"] + self.learned["bias"])
        return hidden @ self.learned["weight_out"]

    def of_items(self, name: str) -> torch.Tensor | None:
        """Return "embedding" or "source", (n_items, dim), with zeros for items without; None where no item has one."""
        own = self.learned.get(name)
        return own if own is None or self._is_trained is None else own * self._is_trained

    def __call__(self) -> torch.Tensor:
        """Return H, (n_items, dim)."""
        own = self.of_items("embedding")
        if self.features is None:
            assert own is not None  # the recommender requires item vectors or embeddings
            return own
        mapped = self.mapped(self.features)
        return mapped if own is None else mapped + own

    def state(self) -> Iterator[np.ndarray]:
        """Yield the item vectors, if any, and the parameters."""
        if self.features is not None:
            yield self.features.cpu().numpy()
        yield from self.arrays().values()

    def arrays(self) -> Arrays:
        """Return copies of the parameters as arrays."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned.items()}


class GraphEncoder:
    """Propagates item inputs H by I_0 = H, U_l = A I_l, I_{l+1} = Aᵀ U_l; embeddings are means over the layers.

    With conv=None there is layer 0 only; with "attention", softmax weights replace those of A from layer 1 on.
    """

    def __init__(
        self,
        graph: MessagePassing,
        inputs: ItemInputs,
        has_edges: np.ndarray,
        *,
        conv: str | None,
        n_layers: int,
        keep_input: bool,
    ) -> None:
        self.graph, self.inputs = graph, inputs
        self.conv, self.n_layers, self.keep_input = conv, 0 if conv is None else n_layers, keep_input
        isolated = torch.tensor(~has_edges, device=inputs.device)[:, None]
        self._is_isolated = None if has_edges.all() else isolated

    def propagate(self, noise: float = 0.0, generator: torch.Generator | None = None) -> Embeddings:
        """Return the embeddings of items, and of users where they are not sums of items, with gradients.

        `noise` is the length of a random vector that is added to each node in each layer, in the orthant of the node.
        """
        if self.conv != "attention" and not noise:
            items, offset = self._smooth(self.inputs()), self.inputs.of_items("source")
            return Embeddings(items, items if offset is None else items + offset)
        user_layers, item_layers = self.layers(noise, generator)
        users = mean_of_layers(user_layers, self.keep_input)
        items = self._mean_of_items(item_layers)
        return Embeddings(items, items, users, (user_layers, item_layers))

    def layers(
        self, noise: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return the embeddings of users and of items, layer by layer from layer 0."""
        items = self.inputs()
        users = self.graph.to_rows(items)
        user_layers, item_layers = [users], [items]
        for _ in range(self.n_layers):
            items = self.graph.to_columns(users, self._attention(users, items, of_users=False))
            items = self._keep_isolated(item_layers[0], items)
            items = _perturb(items, noise, generator) if noise else items
            users = self.graph.to_rows(items, self._attention(users, items, of_users=True))
            users = _perturb(users, noise, generator) if noise else users
            user_layers.append(users)
            item_layers.append(items)
        return user_layers, item_layers

    def _attention(self, users: torch.Tensor, items: torch.Tensor, *, of_users: bool) -> torch.Tensor | None:
        """Return the attention weights of the edges, None for the weights of the graph."""
        if self.conv != "attention":
            return None
        scores = attention_scores(self.graph, users, items)
        return self.graph.softmax_by_row(scores) if of_users else self.graph.softmax_by_column(scores)

    def _smooth(self, items: torch.Tensor) -> torch.Tensor:
        """Return the mean of (AᵀA)^l H over the layers l."""
        layers = [items]
        for _ in range(self.n_layers):
            layers.append(self.graph.to_columns(self.graph.to_rows(layers[-1])))
        return self._mean_of_items(layers)

    def _mean_of_items(self, layers: list[torch.Tensor]) -> torch.Tensor:
        return self._keep_isolated(layers[0], mean_of_layers(layers, self.keep_input))

    def _keep_isolated(self, own: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return `items`, with the rows of `own` for items without edges."""
        return items if self._is_isolated is None else torch.where(self._is_isolated, own, items)


def attend(
    graph: MessagePassing, item_layers: list[torch.Tensor], keep_input: bool, weights: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the embeddings of users, (n_users, dim), and the attention of each layer from 1 on, (n_edges,).

    `graph` holds normalised histories, `item_layers` the items in each layer of the training graph, and `weights`
    (n_edges,) the weights of the histories, which multiply the attention before it is normalised to sum to 1.
    """
    user_layers, attentions = [graph.to_rows(item_layers[0])], []
    for items in item_layers[1:]:
        scores = attention_scores(graph, user_layers[-1], items)
        attentions.append(graph.softmax_by_row(scores + weights.log()))
        user_layers.append(graph.to_rows(items, attentions[-1]))
    return mean_of_layers(user_layers, keep_input), attentions


def attention_scores(graph: MessagePassing, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Return h_u · h_i / sqrt(dim) for each edge."""
    return graph.dot(users, items) / items.shape[1] ** 0.5


def mean_of_layers(layers: list[torch.Tensor], keep_input: bool) -> torch.Tensor:
    """Return the mean over the layers, with layer 0 if `keep_input` or if there is no other."""
    first, *others = layers if keep_input or len(layers) == 1 else layers[1:]
    for layer in others:
        first = first + layer
    return first / (1 + len(others))


def _perturb(nodes: torch.Tensor, noise: float, generator: torch.Generator | None) -> torch.Tensor:
    """Add a random vector of length `noise` to each node, in the orthant of the node (XSimGCL)."""
    drawn = torch.rand(nodes.shape, generator=generator, device=nodes.device)
    return nodes + noise * torch.sign(nodes) * F.normalize(drawn, dim=1)
