"""Networks beside those of transformers: static vectors, dense layers, and linear layers packed for the processor."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from skgnnrec.text._layout import Layout

# The activations of dense layers that sentence-transformers itself saves.
_ACTIVATIONS = {cls.__name__: cls for cls in (torch.nn.Identity, torch.nn.Tanh, torch.nn.ReLU, torch.nn.GELU)}
# How far the vectors of packed layers may be from those of the same layers as they were, relative to the largest.
_PACKING_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
# What float32 is given up for, and where: a word, a title, signs, numbers, and a text of many words.
_LEAST_COSINE = 0.999
_PROBED_TOKENS = 128
_PROBES = (
    "mug",
    "Red coffee mug, set of 6",
    "caf\u00e9 \u2013 100% \u201cbest\u201d :-)",
    "42 x 17.5 cm, 2011-12-09",
    " ".join(f"The quick brown fox number {number} jumps over the lazy dog." for number in range(12)),
)
# Up to here a text's attention matrix is small beside its other activations.
_EAGER_LENGTH = 512
# Rows that weights are packed for; others take as long.
_PACKED_ROWS = 256


class StaticNetwork(torch.nn.Module):
    """A table of vectors, one a token, in the manner of a network of transformers.

    Parameters
    ----------
    table : Tensor of float32, shape (n_tokens, embedding_dim)
        The vectors.
    """

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(table)
        self.config = SimpleNamespace(max_position_embeddings=None)

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the vectors."""
        return self.embedding.weight.dtype

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Return the vectors of tokens."""
        return SimpleNamespace(last_hidden_state=self.embedding(input_ids))


def read_static(find: Callable[[str], Any], layout: Layout) -> tuple[StaticNetwork, Any, int | None]:
    """Read static vectors that model2vec or sentence-transformers saved.

    Parameters
    ----------
    find : callable
        Returns the path of a file of the model.
    layout : Layout
        The settings of the model.

    Returns
    -------
    network : StaticNetwork
        The vectors.
    tokenizer : transformers tokenizer
        Its tokenizer.
    dropped_id : int or None
        The number of a token that is no part of a text's vector.

    Raises
    ------
    OSError
        If the weights are not in safetensors or the tokenizer is absent.
    """
    prefix = f"{layout.path}/" if layout.path else ""
    weights = load_file(find(f"{prefix}model.safetensors"))
    backend = Tokenizer.from_file(str(find(f"{prefix}tokenizer.json")))
    backend.no_padding()
    backend.no_truncation()
    dropped_id = None
    if "embedding.weight" in weights:
        table = weights["embedding.weight"].float()
    else:
        # model2vec may keep one vector for several tokens, and a weight for each token.
        table = weights["embeddings"].float()
        if "mapping" in weights:
            table = table[weights["mapping"].long()]
        if "weights" in weights:
            table = table * weights["weights"].float()[:, None]
        # As it does, leave out what the vocabulary does not know.
        unknown = getattr(backend.model, "unk_token", None)
        dropped_id = None if unknown is None else backend.token_to_id(unknown)
    return StaticNetwork(table), PreTrainedTokenizerFast(tokenizer_object=backend), dropped_id


def read_dense(find: Callable[[str], Any], read: Callable[[str], Any], layout: Layout) -> torch.nn.Module | None:
    """Read the layers that follow pooling; None where there are none.

    Parameters
    ----------
    find : callable
        Returns the path of a file of the model.
    read : callable
        Returns what a JSON file of the model holds.
    layout : Layout
        The settings of the model.

    Returns
    -------
    head : torch.nn.Module or None
        The layers, in float32.

    Raises
    ------
    ValueError
        If a layer is of a kind that is not supported.
    OSError
        If its weights are not in safetensors.
    """
    layers = []
    for path in layout.dense:
        stated = read(f"{path}/config.json") or {}
        activation = str(stated.get("activation_function")).rpartition(".")[2]
        on_tokens = stated.get("module_input_name", "sentence_embedding") != "sentence_embedding"
        if activation not in _ACTIVATIONS or stated.get("use_residual") or on_tokens:
            raise ValueError(f"The model has a dense layer that is not supported, {path!r}: {stated}.")
        weights = load_file(find(f"{path}/model.safetensors"))
        n_out, n_in = weights["linear.weight"].shape
        linear = torch.nn.Linear(n_in, n_out, bias="linear.bias" in weights)
        linear.load_state_dict({name.removeprefix("linear."): value for name, value in weights.items()})
        layers += [linear, _ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers).eval().requires_grad_(False) if layers else None


class PackedLinear(torch.nn.Module):
    """A linear layer for inference on a CPU, its weights laid out for oneDNN.

    torch's own float32 product comes from MKL, which on an AMD EPYC reaches less than half of the speed.

    Parameters
    ----------
    linear : torch.nn.Linear
        The layer.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _PACKED_ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x · weightᵀ + bias."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def prepare_for_cpu(network: Any, position_limit: int | None) -> None:
    """Make a network of transformers faster on the CPU, for inference only.

    Parameters
    ----------
    network : transformers model
        The network.
    position_limit : int or None
        Tokens of a text that it can read.
    """
    # On short texts torch's fused attention is the slower one in bfloat16; on long ones it saves memory.
    if network.dtype is torch.bfloat16 and position_limit is not None and position_limit <= _EAGER_LENGTH:
        # A network without that choice keeps what it has.
        with suppress(ValueError, AttributeError, NotImplementedError):
            network.set_attn_implementation("eager")
    pack_linears(network)


def pack_linears(network: Any) -> bool:
    """Put packed layers in the place of linear ones, where that works and changes no more than rounding.

    Parameters
    ----------
    network : torch.nn.Module
        A network on the CPU. It can no longer be trained or copied.

    Returns
    -------
    packed : bool
        Whether layers were packed. These are operators that torch does not document: where they are absent, fail or
        answer otherwise, the network stays as it was.
    """
    linears = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Linear
    ]
    if not linears or not _can_pack(linears[0][2].weight):
        return False
    n_tokens = network.get_input_embeddings().num_embeddings
    tokens = (torch.arange(12) % n_tokens).reshape(2, 6)
    with torch.inference_mode():
        before = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state.float()
        try:
            for parent, name, linear in linears:
                setattr(parent, name, PackedLinear(linear))
            after = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state.float()
            tolerance = _PACKING_TOLERANCE[linears[0][2].weight.dtype] * float(before.abs().max())
            if torch.allclose(before, after, rtol=0, atol=tolerance):
                return True
        except (RuntimeError, AttributeError, TypeError, NotImplementedError):
            pass
    for parent, name, linear in linears:
        setattr(parent, name, linear)
    return False


def _can_pack(weight: torch.Tensor) -> bool:
    supported = weight.dtype is torch.float32 or (
        weight.dtype is torch.bfloat16 and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    )
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    return supported and is_x86 and weight.device.type == "cpu" and torch.backends.mkldnn.is_available()


def bears(network: Any, tokenizer: Any, dtype: torch.dtype, pooling: str, position_limit: int | None) -> bool:
    """Tell whether a network gives nearly the same vectors when it computes with fewer digits.

    Parameters
    ----------
    network : transformers model
        The network in float32; it stays as it is.
    tokenizer : transformers tokenizer
        Its tokenizer.
    dtype : torch.dtype
        The floating-point type in question.
    pooling : str
        How token vectors become one; all but "cls" and "last" are tried as their mean.
    position_limit : int or None
        Tokens of a text that the network can read.

    Returns
    -------
    bears : bool
        Whether the cosine of each of a few texts is at least .999.
    """
    max_length = min(_PROBED_TOKENS, position_limit or _PROBED_TOKENS)
    batches = [tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in _PROBES]
    tokens = [torch.tensor([ids], device=network.device) for ids in batches if ids]
    exact = [_probe(network, ids, pooling) for ids in tokens]
    rough = copy.deepcopy(network).to(dtype)
    pairs = zip(exact, (_probe(rough, ids, pooling) for ids in tokens), strict=True)
    return all(float(torch.cosine_similarity(a, b, dim=0)) >= _LEAST_COSINE for a, b in pairs)


def _probe(network: Any, ids: torch.Tensor, pooling: str) -> torch.Tensor:
    with torch.inference_mode():
        hidden = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].float()
    return {"cls": hidden[0], "last": hidden[-1]}.get(pooling, hidden.mean(dim=0))


def is_causal(network: Any, device: torch.device) -> bool:
    """Tell whether tokens see only those before them, by what happens to the first when the second changes.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    device : torch.device
        Where it is.

    Returns
    -------
    causal : bool
        True for decoders.
    """
    n_tokens = network.get_input_embeddings().num_embeddings
    tokens = torch.tensor([[0, 0], [0, n_tokens - 1]], device=device)
    with torch.inference_mode():
        hidden = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[:, 0].float()
    return bool((hidden[0] - hidden[1]).abs().max() <= 1e-3 * hidden.abs().max())
