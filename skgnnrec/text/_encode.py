"""From texts to vectors: tokens, batches of equal cost, pooling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from skgnnrec.encoding import InParts, VectorCache, embed_through
from skgnnrec.text._layout import POOLINGS, Reading
from skgnnrec.text._model import TextModel

__all__ = [
    "BatchEncoder",
    "choose_max_length",
    "count_own_tokens",
    "count_prompt_tokens",
    "default_batch_tokens",
    "embed_texts",
    "embed_tokens",
    "make_batches",
    "pool",
    "tokenize",
]

# Characters of a text that are tokenized at first, for each token that the model reads; English has about 5 a token.
_CHARACTERS_PER_TOKEN = 64
# The factor by which the start of a text grows as long as it has too few tokens.
_GROWTH = 8
# Texts that are tokenized at once: enough for the threads of the tokenizer, few enough for small Python lists.
_TOKENIZER_CHUNK = 4096
# Tokens that are computed at once by default. So few keep the activations in the cache of a CPU; a GPU needs more to be
# busy.
_CPU_BATCH_TOKENS, _GPU_BATCH_TOKENS = 1024, 16_384


def embed_texts(
    model: TextModel,
    texts: Sequence[str],
    keys: Sequence[bytes],
    cache: VectorCache,
    reading: Reading,
    *,
    max_length: int | None,
    batch_tokens: int | None,
    report: Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]],
) -> dict[bytes, np.ndarray]:
    """Embed distinct texts, store their vectors in a cache, and return the vector of each key, (embedding_dim,).

    `report` yields the batches and reports the begin and the end of each. Texts without a token of their own have the
    zero vector.
    """
    max_length = choose_max_length(model, max_length, reading.prompt)
    token_ids = tokenize(model, [reading.prompt + text for text in texts], max_length)
    lengths = count_own_tokens(model, token_ids, reading.prompt, max_length)
    skips_prompt = reading.prompt and not model.layout.includes_prompt
    n_skipped = count_prompt_tokens(model, reading.prompt) if skips_prompt else 0
    encode = BatchEncoder(model, reading.pooling or model.pooling, n_skipped)
    batches = make_batches(lengths, batch_tokens or default_batch_tokens(model.device))
    vectors = embed_through(
        cache, keys, report(batches), lambda rows: encode([token_ids[row] for row in rows]), model.embedding_dim
    )
    without = [keys[row] for row in np.flatnonzero(lengths == 0).tolist()]
    zeros = np.zeros((len(without), model.embedding_dim), dtype=np.float32)
    cache.put(without, zeros)
    return {**vectors, **dict(zip(without, zeros, strict=True))}


def count_own_tokens(model: TextModel, token_ids: Sequence[np.ndarray], prompt: str, max_length: int) -> np.ndarray:
    """Return the number of tokens of each text, 0 where they are those of the prompt alone."""
    (of_prompt,) = tokenize(model, [prompt], max_length)
    return np.array([0 if np.array_equal(ids, of_prompt) else len(ids) for ids in token_ids], dtype=np.int64)


def choose_max_length(model: TextModel, max_length: int | None, prompt: str = "") -> int:
    """Return how many tokens of a text are read, special tokens and prompt included; None takes those of the model.

    A length that the network cannot read, or that leaves no token for the text, raises ValueError.
    """
    got = f"got {max_length}" if max_length is not None else f"got {model.max_length}, the model's own"
    if max_length is None:
        max_length = model.max_length
    elif model.position_limit is not None and max_length > model.position_limit:
        raise ValueError(
            f"max_length must be at most the {model.position_limit} tokens that the model can read, {got}."
        )
    n_special, n_prompt = _count_special_tokens(model), 0
    if prompt:
        n_prompt = len(_tokenizer_output(model, [prompt], add_special_tokens=False)[0])
    if max_length <= n_special + n_prompt:
        of_prompt = f" and the {n_prompt} tokens of the prompt {prompt!r}" if prompt else ""
        raise ValueError(
            f"max_length must leave room for text beside the model's {n_special} special tokens{of_prompt}, {got}."
        )
    return max_length


def _count_special_tokens(model: TextModel) -> int:
    return 0 if model.layout.is_static else model.tokenizer.num_special_tokens_to_add()


def tokenize(model: TextModel, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """Return the token numbers of each text, (n_tokens,) int32, at most `max_length` with the special tokens."""
    token_ids: list[np.ndarray] = []
    for start in range(0, len(texts), _TOKENIZER_CHUNK):
        token_ids.extend(_tokenize_starts(model, texts[start : start + _TOKENIZER_CHUNK], max_length))
    if model.dropped_id is not None:
        token_ids = [ids[ids != model.dropped_id] for ids in token_ids]
    n_known = model.network.get_input_embeddings().num_embeddings
    largest = max((int(ids.max()) for ids in token_ids if len(ids)), default=0)
    if largest >= n_known:
        raise ValueError(f"The network of the model has {n_known} tokens, its tokenizer gave token {largest}.")
    return token_ids


def _tokenize_starts(model: TextModel, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """Tokenize the start of each text; longer starts follow where a start has too few tokens.

    The tokenizer itself cuts a text after it has read all of it, which takes long for a million characters.
    """
    n_characters = max_length * _CHARACTERS_PER_TOKEN
    options = {"add_special_tokens": not model.layout.is_static, "truncation": True, "max_length": max_length}
    token_ids = _tokenizer_output(model, [text[:n_characters] for text in texts], **options)
    short: Sequence[int] = range(len(texts))
    while short := [row for row in short if len(texts[row]) > n_characters and len(token_ids[row]) < max_length]:
        n_characters *= _GROWTH
        longer = _tokenizer_output(model, [texts[row][:n_characters] for row in short], **options)
        for row, ids in zip(short, longer, strict=True):
            token_ids[row] = ids
    return token_ids


def _tokenizer_output(model: TextModel, texts: Sequence[str], **options: Any) -> list[np.ndarray]:
    if model.layout.lower_case:
        texts = [text.lower() for text in texts]
    with _limit_tokenizer_threads():
        output = model.tokenizer(list(texts), padding=False, return_attention_mask=False, **options)
    return [np.array(ids, dtype=np.int32) for ids in output["input_ids"]]


@contextmanager
def _limit_tokenizer_threads() -> Iterator[None]:
    """Limit the tokenizer to one thread where torch has one; by itself it uses all cores of the machine."""
    name = "TOKENIZERS_PARALLELISM"
    if torch.get_num_threads() > 1 or name in os.environ:
        yield
        return
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name, None)


def count_prompt_tokens(model: TextModel, prompt: str) -> int:
    """Return how many tokens a prompt takes at the start of a text, special tokens at the start included."""
    (ids,) = _tokenizer_output(model, [prompt], add_special_tokens=not model.layout.is_static)
    return len(ids) - int(len(ids) > 0 and int(ids[-1]) in model.tokenizer.all_special_ids)


def make_batches(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Return the positions of texts in batches of similar length, at most `batch_tokens` with padding in each.

    So padding costs little and all batches cost about the same. A longer text is a batch of its own; texts of length 0
    are left out. The longest texts come first: a batch that does not fit into memory fails at the start.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    batches = []
    start = 0
    while start < len(order):
        n_texts = max(1, batch_tokens // int(lengths[order[start]]))
        batches.append(order[start : start + n_texts])
        start += n_texts
    return batches


class BatchEncoder:
    """Embeds one batch after another, in smaller parts once memory has run out."""

    def __init__(self, model: TextModel, pooling: str, n_skipped: int = 0) -> None:
        self.model = model
        self._in_parts = InParts(lambda token_ids: embed_tokens(model, token_ids, pooling, n_skipped))

    def __call__(self, token_ids: Sequence[np.ndarray]) -> np.ndarray:
        """Return the vectors of texts of about equal length, (n_texts, embedding_dim)."""
        return _check_finite(self._in_parts(token_ids, cost=max(len(ids) for ids in token_ids)), self.model)


def _check_finite(vectors: np.ndarray, model: TextModel) -> np.ndarray:
    n_broken = int(len(vectors) - np.isfinite(vectors).all(axis=1).sum())
    if n_broken:
        raise ValueError(
            f"The network must give finite vectors, {n_broken} of {len(vectors)} are not in {model.network.dtype}; "
            "dtype='float32' has the widest range."
        )
    return vectors


def default_batch_tokens(device: torch.device) -> int:
    """Return how many tokens are computed at once on a device, padding included."""
    return _CPU_BATCH_TOKENS if device.type == "cpu" else _GPU_BATCH_TOKENS


def embed_tokens(model: TextModel, token_ids: Sequence[np.ndarray], pooling: str, n_skipped: int = 0) -> np.ndarray:
    """Return the vectors of texts, (n_texts, embedding_dim) float32; the first `n_skipped` tokens are not pooled."""
    lengths = np.array([len(ids) for ids in token_ids])
    mask = np.arange(lengths.max()) < lengths[:, np.newaxis]  # (n_texts, longest)
    padded = np.full(mask.shape, model.pad_id, dtype=np.int64)
    padded[mask] = np.concatenate(token_ids)
    with torch.inference_mode():
        attention_mask = _to_device(mask, model.device)
        hidden = model.network(
            input_ids=_to_device(padded, model.device),
            attention_mask=attention_mask.to(torch.int64),
        ).last_hidden_state  # (n_texts, longest, embedding_dim)
        pooled = pool(hidden[:, n_skipped:].float(), attention_mask[:, n_skipped:], pooling)
        return (pooled if model.head is None else model.head(pooled)).cpu().numpy()


def _to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy an array to a device; to a GPU from pinned memory, while it still computes the batch before."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return the pooled vector of each text from its token vectors, (n_texts, longest, embedding_dim) float32.

    `mask`, (n_texts, longest), is True for tokens and False for the padding behind them. "weighted_mean" weighs the
    k-th token by k, and "mean_sqrt_len" is the sum over the root of the number of tokens.
    """
    if pooling == "cls":
        return hidden[:, 0]
    n_tokens = mask.sum(dim=1)  # (n_texts,)
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), n_tokens - 1]
    if pooling == "weighted_mean":
        weights = mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)  # (n_texts, longest)
        return _sum(hidden * weights.unsqueeze(-1), mask) / weights.sum(dim=1, keepdim=True)
    if pooling == "max":
        return hidden.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)
    if pooling not in ("mean", "mean_sqrt_len"):
        raise ValueError(f"pooling must be one of {POOLINGS}, got {pooling!r}.")
    divisor = n_tokens.sqrt() if pooling == "mean_sqrt_len" else n_tokens
    return _sum(hidden, mask) / divisor.unsqueeze(-1)


def _sum(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    # Filled, not multiplied: zero times a padded value that is not finite is not zero.
    return hidden.masked_fill(~mask.unsqueeze(-1), 0.0).sum(dim=1)
