"""The inputs of trained networks: embeddings of items and maps of their vectors, with their parameters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from skgnnrec.interactions import Vocabulary

__all__ = [
    "OF_EACH_ITEM",
    "Arrays",
    "ItemInputs",
    "continue_from",
    "initial_parameters",
    "match_items",
    "parameter_shapes",
]

Arrays = dict[str, np.ndarray]

HOW_TO_NAME_ITEMS = "Pass X as a DataFrame whose columns are the item ids, or catalog=ItemCatalog(..., ids=...)."
OF_EACH_ITEM = ("embedding", "source")  # parameters with a row for each item


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

    def of_items(self, name: str, columns: torch.Tensor | None = None) -> torch.Tensor | None:
        """Return "embedding" or "source", (n_items, dim), with zeros for items without; None where no item has one."""
        own = self.learned.get(name)
        if own is None:
            return None
        own, trained = _select(own, columns), self._is_trained
        return own if trained is None else own * _select(trained, columns)

    def __call__(self, columns: torch.Tensor | None = None) -> torch.Tensor:
        """Return H, (n_items, dim), of all items or of those in `columns`."""
        own = self.of_items("embedding", columns)
        if self.features is None:
            assert own is not None  # the recommender requires item vectors or embeddings
            return own
        mapped = self.mapped(_select(self.features, columns))
        return mapped if own is None else mapped + own

    def state(self) -> Iterator[np.ndarray]:
        """Yield the item vectors, if any, and the parameters."""
        if self.features is not None:
            yield self.features.cpu().numpy()
        yield from self.arrays().values()

    def arrays(self) -> Arrays:
        """Return copies of the parameters as arrays."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.learned.items()}


def _select(rows: torch.Tensor, columns: torch.Tensor | None) -> torch.Tensor:
    return rows if columns is None else F.embedding(columns, rows)
