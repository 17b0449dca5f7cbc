"""The network of `GNNRecommender`: the propagation of the input embeddings of items over the graph.

Users have no parameters: the embedding of a user is computed from the history, in training and afterwards.
Embeddings have a length of about one at the start of training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from skgnnrec.graph import MessagePassing
from skgnnrec.recommenders._item_inputs import ItemInputs
from skgnnrec.training import ALONE, Workers

__all__ = ["Embeddings", "GraphEncoder", "attend"]


class Embeddings(NamedTuple):
    """The embeddings that propagation computes.

    `users` and `layers` are None where users are sums of the sources in their histories; `layers` holds the embeddings
    of users and of items, layer by layer.
    """

    items: torch.Tensor  # (n_items, dim)
    sources: torch.Tensor  # (n_items, dim)
    users: torch.Tensor | None = None  # (n_users, dim)
    layers: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None


class GraphEncoder:
    """Propagates item inputs H by I_0 = H, U_l = A I_l, I_{l+1} = Aᵀ U_l; embeddings are means over the layers.

    With conv=None there is layer 0 only; with "attention", softmax weights replace those of A from layer 1 on. The
    graph has the users of this worker, and items receive the messages of the users of all `workers`.
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
        workers: Workers = ALONE,
    ) -> None:
        self.graph, self.inputs, self._workers = graph, inputs, workers
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
            items = self._to_items(users, self._attention(users, items, of_users=False))
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
            layers.append(self._to_items(self.graph.to_rows(layers[-1])))
        return self._mean_of_items(layers)

    def _to_items(self, users: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        return self._workers.sum(self.graph.to_columns(users, weights))

    def _mean_of_items(self, layers: list[torch.Tensor]) -> torch.Tensor:
        means = mean_of_layers(layers, self.keep_input)
        return means if len(layers) == 1 else self._keep_isolated(layers[0], means)

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
    if not others:
        return first
    for layer in others:
        first = first + layer
    return first / (1 + len(others))


def _perturb(nodes: torch.Tensor, noise: float, generator: torch.Generator | None) -> torch.Tensor:
    """Add a random vector of length `noise` to each node, in the orthant of the node (XSimGCL)."""
    drawn = torch.rand(nodes.shape, generator=generator, device=nodes.device)
    return nodes + noise * torch.sign(nodes) * F.normalize(drawn, dim=1)
