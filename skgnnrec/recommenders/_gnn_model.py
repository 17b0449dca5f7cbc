"""The trainable part of `GNNRecommender`: what an item starts as, and how it spreads over the graph.

Users have no parameters. A user is what her history says, in the graph as in an answer to somebody new.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from skgnnrec.graph import MessagePassing

__all__ = ["GraphEncoder", "ItemInputs", "Spread", "attend", "check_goes_on", "initial_parameters"]

Arrays = dict[str, np.ndarray]

SIZE = 0.1  # of an entry of an initial embedding


class Spread(NamedTuple):
    """What propagation gives: items, and users where they are more than the sum of the items of a history.

    `layers` then holds users and items layer by layer.
    """

    items: torch.Tensor  # (n_items, dim)
    users: torch.Tensor | None = None  # (n_users, dim)
    layers: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None


def initial_parameters(
    n_items: int, n_dimensions: int | None, dim: int, item_map: str | None, with_ids: bool, seed: int
) -> Arrays:
    """Return where training starts.

    Parameters
    ----------
    n_items : int
        The number of items.
    n_dimensions : int or None
        Dimensions of the item vectors F, where there are any.
    dim : int
        Dimensions of an embedding.
    item_map : {"linear", "mlp"} or None
        What takes F to embeddings.
    with_ids : bool
        Whether items have an embedding of their own.
    seed : int
        Seeds what is drawn.

    Returns
    -------
    parameters : dict of str to ndarray
        "embedding" of shape (n_items, dim), entries about 0.1 large; "weight", and of an MLP "bias" and "weight_out",
        drawn so that unit vectors are mapped to embeddings of that size.
    """
    rng = np.random.default_rng(seed)
    parameters: Arrays = {}

    def draw(shape: tuple[int, int], size: float) -> np.ndarray:
        return (size * rng.standard_normal(shape)).astype(np.float32)

    if n_dimensions is not None and item_map == "linear":
        parameters["weight"] = draw((n_dimensions, dim), SIZE)
    elif n_dimensions is not None and item_map == "mlp":
        n_hidden = max(dim, (n_dimensions + dim) // 2)
        parameters["weight"] = draw((n_dimensions, n_hidden), 1.0)
        parameters["bias"] = np.zeros(n_hidden, dtype=np.float32)
        parameters["weight_out"] = draw((n_hidden, dim), SIZE * np.sqrt(2 / n_hidden))
    if with_ids:
        parameters["embedding"] = draw((n_items, dim), SIZE)
    return parameters


def check_goes_on(learned: Arrays, fresh: Arrays) -> None:
    """Refuse to go on from what was learned with other items, vectors or dimensions.

    Parameters
    ----------
    learned : dict of str to ndarray
        The parameters of the last fit.
    fresh : dict of str to ndarray
        From `initial_parameters`: what the present data and settings ask for.

    Raises
    ------
    ValueError
        If they differ in name or in shape.
    """
    if learned.keys() != fresh.keys():
        raise ValueError(
            f"warm_start=True goes on with {sorted(learned)}, item_features and id_embedding ask for {sorted(fresh)}."
        )
    for name, array in fresh.items():
        if learned[name].shape != array.shape:
            raise ValueError(
                f"warm_start=True goes on with {name}s of shape {learned[name].shape}, X and embedding_dim ask for "
                f"{array.shape}."
            )


class ItemInputs:
    """What an item starts as: H = map(F) + E, with what is learned of both.

    Parameters
    ----------
    parameters : dict of str to ndarray
        From `initial_parameters`, or learned before. Copied.
    vectors : ndarray of shape (n_items, n_dimensions) or None
        The item vectors F, frozen.
    has_users : ndarray of shape (n_items,), bool
        Items that somebody has. Others have no embedding of their own: nothing would teach it.
    device : torch.device
        Where they are kept.
    """

    def __init__(
        self, parameters: Arrays, vectors: np.ndarray | None, has_users: np.ndarray, device: torch.device
    ) -> None:
        self.learned = {
            name: torch.tensor(array, device=device, requires_grad=True) for name, array in parameters.items()
        }
        self.device = device
        self.features = None if vectors is None else torch.tensor(vectors, device=device)
        warm = torch.tensor(has_users, device=device, dtype=torch.float32)[:, None]
        self._has_users = None if has_users.all() else warm

    @property
    def is_linear(self) -> bool:
        """Whether F enters by a linear map."""
        return "weight" in self.learned and "bias" not in self.learned

    def mapped(self, features: torch.Tensor) -> torch.Tensor:
        """Return map(F)."""
        hidden = features @ self.learned["weight"]
        if self.is_linear:
            return hidden
        return F.leaky_relu(hidden + self.learned["bias"]) @ self.learned["weight_out"]

    def own(self) -> torch.Tensor | None:
        """Return E; None where items have no embedding of their own."""
        embedding = self.learned.get("embedding")
        return embedding if embedding is None or self._has_users is None else embedding * self._has_users

    def __call__(self) -> torch.Tensor:
        """Return H, of shape (n_items, dim)."""
        own = self.own()
        if self.features is None:
            assert own is not None  # the recommender refuses to learn from nothing
            return own
        mapped = self.mapped(self.features)
        return mapped if own is None else mapped + own

    def state(self) -> Iterator[np.ndarray]:
        """Yield the item vectors, where there are some, and what is learned."""
        if self.features is not None:
            yield self.features.cpu().numpy()
        yield from self.arrays().values()

    def arrays(self) -> Arrays:
        """Return what is learned."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned.items()}


class GraphEncoder:
    """Spreads what items start as over the graph of users and items.

    A layer goes from items to users and back. With A the normalised adjacency (users × items), users in layer l are
    U_l = A I_l, items in the next I_{l+1} = Aᵀ U_l, and I_0 = H: LightGCN of 2 n_layers + 1 hops, whose users have no
    embedding of their own. "attention" puts softmax weights in the place of those of A from layer 1 on. Both sides are
    the mean over their layers. An item without users has no neighbours: every layer of it is H.

    Parameters
    ----------
    graph : MessagePassing
        The graph, symmetrically normalised.
    inputs : ItemInputs
        Layer 0 of the items.
    has_users : ndarray of shape (n_items,), bool
        Items that somebody has.
    conv : {"lightgcn", "attention"}
        The convolution.
    n_layers : int
        Layers after layer 0.
    keep_input : bool
        Whether layer 0 is part of the mean over the layers.
    """

    def __init__(
        self,
        graph: MessagePassing,
        inputs: ItemInputs,
        has_users: np.ndarray,
        *,
        conv: str,
        n_layers: int,
        keep_input: bool,
    ) -> None:
        self.graph, self.inputs = graph, inputs
        self.conv, self.n_layers, self.keep_input = conv, n_layers, keep_input
        isolated = torch.tensor(~has_users, device=inputs.device)[:, None]
        self._is_isolated = None if has_users.all() else isolated
        # A linear map and a linear convolution commute: the frozen vectors are spread once, before training.
        self._spread_features: torch.Tensor | None = None
        if conv == "lightgcn" and inputs.features is not None and inputs.is_linear:
            self._spread_features = self._smooth(inputs.features)

    def spread(self, noise: float = 0.0, generator: torch.Generator | None = None) -> Spread:
        """Return items, and users where they are no plain sum of items, from the present parameters.

        Parameters
        ----------
        noise : float, default=0.0
            Length of a random vector that is added to each node in each layer, its signs those of the node's.
        generator : torch.Generator, default=None
            Draws the noise.

        Returns
        -------
        spread : Spread
            With gradients.
        """
        if self.conv == "lightgcn" and not noise:
            return Spread(self._smooth_inputs())
        user_layers, item_layers = self.layers(noise, generator)
        users = mean_of_layers(user_layers, self.keep_input)
        return Spread(self._mean_of_items(item_layers), users, (user_layers, item_layers))

    def layers(
        self, noise: float = 0.0, generator: torch.Generator | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return users and items, layer by layer from layer 0.

        Parameters
        ----------
        noise : float, default=0.0
            As in `spread`.
        generator : torch.Generator, default=None
            As in `spread`.

        Returns
        -------
        user_layers : list of Tensor of shape (n_users, dim)
            Each has n_layers + 1 entries.
        item_layers : list of Tensor of shape (n_items, dim)
            Layer 0 is H.
        """
        items = self.inputs()
        users = self.graph.to_users(items)
        user_layers, item_layers = [users], [items]
        for _ in range(self.n_layers):
            items = self.graph.to_items(users, self._attention(users, items, of_users=False))
            items = self._keep_isolated(item_layers[0], items)
            items = _perturb(items, noise, generator) if noise else items
            users = self.graph.to_users(items, self._attention(users, items, of_users=True))
            users = _perturb(users, noise, generator) if noise else users
            user_layers.append(users)
            item_layers.append(items)
        return user_layers, item_layers

    def _attention(self, users: torch.Tensor, items: torch.Tensor, *, of_users: bool) -> torch.Tensor | None:
        """Return the weights of the edges; None stands for the graph's own."""
        if self.conv == "lightgcn":
            return None
        scores = attention_scores(self.graph, users, items)
        return self.graph.softmax_by_user(scores) if of_users else self.graph.softmax_by_item(scores)

    def _smooth_inputs(self) -> torch.Tensor:
        if self._spread_features is None:
            return self._smooth(self.inputs())
        mapped = self.inputs.mapped(self._spread_features)
        own = self.inputs.own()
        return mapped if own is None else mapped + self._smooth(own)

    def _smooth(self, items: torch.Tensor) -> torch.Tensor:
        """Return the mean of (AᵀA)^l H over the layers l."""
        layers = [items]
        for _ in range(self.n_layers):
            layers.append(self.graph.to_items(self.graph.to_users(layers[-1])))
        return self._mean_of_items(layers)

    def _mean_of_items(self, layers: list[torch.Tensor]) -> torch.Tensor:
        return self._keep_isolated(layers[0], mean_of_layers(layers, self.keep_input))

    def _keep_isolated(self, own: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return items, those without neighbours as they are by themselves."""
        return items if self._is_isolated is None else torch.where(self._is_isolated, own, items)


def attend(
    graph: MessagePassing,
    item_layers: list[torch.Tensor],
    keep_input: bool,
    weights: torch.Tensor,
    rows: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return users, from their histories and the items' layers, and how much they attend to each item.

    Parameters
    ----------
    graph : MessagePassing
        Histories, normalised.
    item_layers : list of Tensor of shape (n_items, dim)
        The items in each layer of the graph that was learned from.
    keep_input : bool
        Whether layer 0 is part of the mean over the layers.
    weights : Tensor of shape (n_edges,)
        What each item counts in its history: attention is multiplied by it.
    rows : Tensor of shape (n_edges,), int64
        The user of each edge.

    Returns
    -------
    users : Tensor of shape (n_users, dim)
        The mean over the layers.
    attention : Tensor of shape (n_edges,)
        The weights of a user's items, their mean over the layers from 1 on: they add up to 1.
    """
    user_layers, attentions = [graph.to_users(item_layers[0])], []
    for items in item_layers[1:]:
        attention = weights * graph.softmax_by_user(attention_scores(graph, user_layers[-1], items))
        total = graph.to_users(torch.ones(len(items), 1), attention)[:, 0]
        attentions.append(attention / total.index_select(0, rows))
        user_layers.append(graph.to_users(items, attentions[-1]))
    return mean_of_layers(user_layers, keep_input), mean_of_layers(attentions, keep_input=True)


def attention_scores(graph: MessagePassing, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Return h_u · h_i / sqrt(dim) for each edge."""
    return graph.dot(users, items) / items.shape[1] ** 0.5


def mean_of_layers(layers: list[torch.Tensor], keep_input: bool) -> torch.Tensor:
    """Return the mean over layers, with or without layer 0."""
    first, *others = layers if keep_input else layers[1:]
    for layer in others:
        first = first + layer
    return first / (1 + len(others))


def _perturb(nodes: torch.Tensor, noise: float, generator: torch.Generator | None) -> torch.Tensor:
    """Add a random vector of length `noise` within the orthant of each node (XSimGCL)."""
    drawn = torch.rand(nodes.shape, generator=generator, device=nodes.device)
    return nodes + noise * torch.sign(nodes) * F.normalize(drawn, dim=1)
