"""Networks that transformers does not read: tables of vectors, and the dense layers of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from skgnnrec.text._layout import Layout
from skgnnrec.text._settings import ReadSettings, load_tensors

__all__ = ["StaticNetwork", "read_dense", "read_static"]

# The activations of dense layers that sentence-transformers itself saves.
_ACTIVATIONS = {cls.__name__: cls for cls in (torch.nn.Identity, torch.nn.Tanh, torch.nn.ReLU, torch.nn.GELU)}


class StaticNetwork(torch.nn.Module):
    """A table of vectors, one for each token, with the interface of a network of transformers."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(table)  # (n_tokens, embedding_dim), float32
        self.config = SimpleNamespace(max_position_embeddings=None)

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the vectors."""
        return self.embedding.weight.dtype

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """Return the table."""
        return self.embedding

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Return the vectors of tokens."""
        return SimpleNamespace(last_hidden_state=self.embedding(input_ids))


def read_static(find: Callable[[str], Path], layout: Layout) -> tuple[StaticNetwork, Any, int | None]:
    """Return the network and the tokenizer of a static model, and the token that is left out of vectors, if any.

    `find` returns the path of a file of the model; the model was saved by model2vec or sentence-transformers.
    """
    prefix = f"{layout.path}/" if layout.path else ""
    path = find(f"{prefix}model.safetensors")
    weights = load_tensors(path)
    backend = _read_tokenizer_file(find(f"{prefix}tokenizer.json"))
    if "embedding.weight" in weights:
        table, dropped_id = weights["embedding.weight"].float(), None
    elif "embeddings" in weights:
        table = _model2vec_table(weights, path)
        # As model2vec does, leave out tokens that are not in the vocabulary.
        unknown = getattr(backend.model, "unk_token", None)
        dropped_id = None if unknown is None else backend.token_to_id(unknown)
    else:
        raise ValueError(f"{str(path)!r} must have 'embeddings' or 'embedding.weight', got {sorted(weights)[:5]}.")
    if table.ndim != 2 or not table.numel():
        raise ValueError(f"{str(path)!r} must have a table of vectors, got one of shape {tuple(table.shape)}.")
    return StaticNetwork(table), PreTrainedTokenizerFast(tokenizer_object=backend), dropped_id


def _read_tokenizer_file(path: Path) -> Tokenizer:
    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no class of its own
        raise ValueError(f"{str(path)!r} must hold a tokenizer, got: {error}.") from error
    backend.no_padding()
    backend.no_truncation()
    return backend


def _model2vec_table(weights: dict[str, torch.Tensor], path: Path) -> torch.Tensor:
    """Return the vector of each token; tokens may share vectors, and each may have a weight."""
    try:
        table = weights["embeddings"].float()
        if "mapping" in weights:
            table = table[weights["mapping"].long()]
        if "weights" in weights:
            table = table * weights["weights"].float()[:, None]
    except (RuntimeError, IndexError) as error:
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        raise ValueError(f"{str(path)!r} must have tensors that fit each other, got {shapes}: {error}.") from error
    return table


def read_dense(find: Callable[[str], Path], read: ReadSettings, layout: Layout) -> torch.nn.Module | None:
    """Return the layers after pooling in float32, None where there are none.

    `find` returns the path of a file of the model, `read` the settings in it.
    """
    layers: list[torch.nn.Module] = []
    for folder in layout.dense:
        stated = read(f"{folder}/config.json")
        activation = (stated.text("activation_function") or "").rpartition(".")[2]
        on_tokens = stated.text("module_input_name") not in (None, "sentence_embedding")
        if activation not in _ACTIVATIONS or stated.flag("use_residual") or on_tokens:
            raise ValueError(
                f"{stated.name} must describe a layer of the pooled vector without residual connection and with one of "
                f"the activations {sorted(_ACTIVATIONS)}, got {stated.shown()}."
            )
        path = find(f"{folder}/model.safetensors")
        layers += [_read_linear(path), _ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers).eval().requires_grad_(False) if layers else None


def _read_linear(path: Path) -> torch.nn.Linear:
    weights = load_tensors(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if len(shapes.get("linear.weight", ())) != 2:
        raise ValueError(f"{str(path)!r} must have a matrix 'linear.weight', got {shapes}.")
    n_out, n_in = shapes["linear.weight"]
    linear = torch.nn.Linear(n_in, n_out, bias="linear.bias" in weights)
    try:
        linear.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
    except RuntimeError as error:
        raise ValueError(f"{str(path)!r} must have the tensors of a linear layer, got {shapes}.") from error
    return linear
