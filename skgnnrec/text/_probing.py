"""What a network can do, measured on a few tokens: precision, direction of attention, positions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["find_position_limit", "is_causal", "measure_embedding_dim", "tolerates"]

# The cosine that a lower precision must reach, and the texts on which it is measured: a word, a title, signs, numbers,
# and a text of many words.
_LEAST_COSINE = 0.999
_PROBED_TOKENS = 128
_PROBES = (
    "mug",
    "Red coffee mug, set of 6",
    "caf\u00e9 \u2013 100% \u201cbest\u201d :-)",
    "42 x 17.5 cm, 2011-12-09",
    " ".join(f"The quick brown fox number {number} jumps over the lazy dog." for number in range(12)),
)
# Larger limits are those of relative or rotary positions, which have no table that could end.
_LONGEST_POSITION_TABLE = 8192


def tolerates(network: Any, tokenizer: Any, dtype: torch.dtype, pooling: str, position_limit: int | None) -> bool:
    """Return whether a float32 network gives nearly the same vectors in another type: cosines of at least .999.

    Poolings other than "cls" and "last" are tested as the mean of the token vectors.
    """
    max_length = min(_PROBED_TOKENS, position_limit or _PROBED_TOKENS)
    batches = [tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in _PROBES]
    tokens = [torch.tensor([ids], device=network.device) for ids in batches if ids]
    exact = [_embed_probe(network, ids, pooling) for ids in tokens]
    rounded = copy.deepcopy(network).to(dtype)
    pairs = zip(exact, (_embed_probe(rounded, ids, pooling) for ids in tokens), strict=True)
    return all(float(torch.cosine_similarity(a, b, dim=0)) >= _LEAST_COSINE for a, b in pairs)


def _embed_probe(network: Any, ids: torch.Tensor, pooling: str) -> torch.Tensor:
    with torch.inference_mode():
        hidden = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].float()
    return {"cls": hidden[0], "last": hidden[-1]}.get(pooling, hidden.mean(dim=0))


def is_causal(network: Any, device: torch.device) -> bool:
    """Return whether a token depends on earlier ones only, as in decoders: the first is the same before two others."""
    n_tokens = network.get_input_embeddings().num_embeddings
    tokens = torch.tensor([[0, 0], [0, n_tokens - 1]], device=device)
    with torch.inference_mode():
        hidden = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state[:, 0].float()
    return bool((hidden[0] - hidden[1]).abs().max() <= 1e-3 * hidden.abs().max())


def find_position_limit(network: Any) -> int | None:
    """Return the most tokens of a text that a network on the CPU can read, None where it states no limit.

    The stated number of positions can be too large: RoBERTa and its relatives start to count at padding_idx + 1.
    """
    stated = getattr(network.config, "max_position_embeddings", None)
    # Networks without limit state -1 or 0.
    if stated is None or stated < 1:
        return None
    if stated > _LONGEST_POSITION_TABLE or _can_read(network, stated) or not _can_read(network, 1):
        return stated
    low, high = 1, stated  # the network reads `low` tokens and not `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _can_read(network, middle) else (low, middle)
    return low


class _FirstLayerReachedError(Exception):
    """Ends a forward pass whose positions have been looked up."""


def _can_read(network: Any, n_tokens: int) -> bool:
    """Return whether the network finds a position for each of some tokens; only its embeddings are computed."""
    padding = getattr(network.config, "pad_token_id", None)
    tokens = torch.full((1, n_tokens), 1 if padding == 0 else 0)
    try:
        with torch.inference_mode(), _stopped_at_first_layer(network):
            network(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    except _FirstLayerReachedError:
        return True
    except (IndexError, RuntimeError):
        return False
    return True


@contextmanager
def _stopped_at_first_layer(network: Any) -> Iterator[None]:
    def stop(*inputs: Any) -> None:
        raise _FirstLayerReachedError

    stacks = [module for module in network.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    hooks = [max(stacks, key=len)[0].register_forward_pre_hook(stop)] if stacks else []
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def measure_embedding_dim(network: Any, head: Any, device: torch.device) -> int:
    """Return the length of the vectors; configurations name it differently."""
    with torch.inference_mode():
        token = torch.zeros((1, 1), dtype=torch.int64, device=device)
        vector = network(input_ids=token, attention_mask=token + 1).last_hidden_state[0].float()
        return int((vector if head is None else head(vector)).shape[-1])
