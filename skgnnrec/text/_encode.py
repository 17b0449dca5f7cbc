"""From texts to vectors: tokens, batches of equal cost, pooling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from skgnnrec.text._cache import VectorCache, embed_through
from skgnnrec.text._layout import POOLINGS, Reading
from skgnnrec.text._model import TextModel

# Characters read for a token that the model reads. English has about 5 to a token; the rest is safety.
_CHARACTERS_PER_TOKEN = 64
# Texts given to the tokenizer at once: enough for its threads, few enough to keep its Python lists small.
_TOKENIZER_CHUNK = 4096
# Tokens to compute at once where the user does not say. On a CPU, activations stay in its cache and texts of a batch
# are about equally long; a GPU needs more to be busy.
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
    """Embed texts and keep their vectors.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    texts : sequence of str
        The texts, all different.
    keys : sequence of bytes
        A key for each text.
    cache : VectorCache
        Where vectors are put, and where those of other processes appear.
    reading : Reading
        The prompt, and how to pool.
    max_length : int or None
        Tokens of a text to read; None for the model's own length.
    batch_tokens : int or None
        The most tokens of a batch, padding included; None for what suits the device.
    report : callable
        Hands on the batches and tells of each that begins and ends.

    Returns
    -------
    vectors : dict of bytes to ndarray of float32, shape (embedding_dim,)
        The vector of each key.

    Raises
    ------
    ValueError
        If `max_length` does not fit the model, or a vector is not finite.
    """
    max_length = choose_max_length(model, max_length)
    token_ids = tokenize(model, [reading.prompt + text for text in texts], max_length)
    skips_prompt = reading.prompt and not model.layout.includes_prompt
    n_skipped = count_prompt_tokens(model, reading.prompt, max_length) if skips_prompt else 0
    encode = BatchEncoder(model, reading.pooling or model.pooling, n_skipped)
    lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
    batches = make_batches(lengths, batch_tokens or default_batch_tokens(model.device))
    vectors = embed_through(cache, keys, report(batches), lambda rows: encode([token_ids[row] for row in rows]))
    # Texts that the tokenizer drops as a whole have no tokens to embed.
    dropped = [keys[row] for row in np.flatnonzero(lengths == 0).tolist()]
    nothing = np.zeros((len(dropped), model.embedding_dim), dtype=np.float32)
    cache.put(dropped, nothing)
    return {**vectors, **dict(zip(dropped, nothing, strict=True))}


def choose_max_length(model: TextModel, max_length: int | None) -> int:
    """Find how many tokens of a text to read.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    max_length : int or None
        What the user asks for; None for the model's own length.

    Returns
    -------
    max_length : int
        Number of tokens, special ones included.

    Raises
    ------
    ValueError
        If the network cannot read as much, or no token of text would be left.
    """
    if max_length is None:
        return model.max_length
    if model.position_limit is not None and max_length > model.position_limit:
        raise ValueError(
            f"max_length must be at most the {model.position_limit} tokens that the model can read, got {max_length}."
        )
    n_special = model.tokenizer.num_special_tokens_to_add()
    if max_length <= n_special:
        raise ValueError(
            f"max_length must leave room for text beside the model's {n_special} special tokens, got {max_length}."
        )
    return max_length


def tokenize(model: TextModel, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """Turn texts into token numbers.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    texts : sequence of str
        The texts, prompt included.
    max_length : int
        Tokens of a text to keep.

    Returns
    -------
    token_ids : list of ndarray of int32, shape (n_tokens,)
        One array a text, special tokens included.
    """
    n_characters = max_length * _CHARACTERS_PER_TOKEN
    token_ids: list[np.ndarray] = []
    for start in range(0, len(texts), _TOKENIZER_CHUNK):
        # The tokenizer cuts after it has read everything, which takes long for a text of a million characters.
        chunk = [text[:n_characters] for text in texts[start : start + _TOKENIZER_CHUNK]]
        if model.layout.lower_case:
            chunk = [text.lower() for text in chunk]
        with _limit_tokenizer_threads():
            encoded = model.tokenizer(
                chunk,
                add_special_tokens=not model.layout.is_static,
                truncation=True,
                max_length=max_length,
                padding=False,
                return_attention_mask=False,
            )
        token_ids.extend(np.array(ids, dtype=np.int32) for ids in encoded["input_ids"])
    if model.dropped_id is not None:
        token_ids = [ids[ids != model.dropped_id] for ids in token_ids]
    return token_ids


@contextmanager
def _limit_tokenizer_threads() -> Iterator[None]:
    """Keep the tokenizer to one thread where torch is: its own threads are as many as the machine has cores."""
    name = "TOKENIZERS_PARALLELISM"
    if torch.get_num_threads() > 1 or name in os.environ:
        yield
        return
    os.environ[name] = "false"
    try:
        yield
    finally:
        del os.environ[name]


def count_prompt_tokens(model: TextModel, prompt: str, max_length: int) -> int:
    """Count the tokens that a prompt takes at the start of a text.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    prompt : str
        The prompt.
    max_length : int
        Tokens of a text that are read.

    Returns
    -------
    n_tokens : int
        All of its own but a special one at the end.

    Raises
    ------
    ValueError
        If no room is left for the text.
    """
    (ids,) = tokenize(model, [prompt], max_length)
    n_tokens = len(ids) - int(len(ids) > 0 and int(ids[-1]) in model.tokenizer.all_special_ids)
    if n_tokens + model.tokenizer.num_special_tokens_to_add() >= max_length:
        raise ValueError(f"max_length must leave room for text beside the {n_tokens} tokens of the prompt.")
    return n_tokens


def make_batches(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Group texts of similar length, so that padding costs little and every batch costs about the same.

    Parameters
    ----------
    lengths : ndarray of int, shape (n_texts,)
        Tokens of each text. Texts without tokens are left out.
    batch_tokens : int
        The most tokens of a batch, padding included; a longer text stands alone.

    Returns
    -------
    batches : list of ndarray of int64
        Positions of the texts. The longest come first: what does not fit into memory fails at the start.
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
    """Embeds batch after batch, in smaller parts from when memory runs out.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    pooling : str
        How a text's token vectors become one.
    n_skipped : int, default=0
        Tokens at the start of each text that are not pooled.
    """

    def __init__(self, model: TextModel, pooling: str, n_skipped: int = 0) -> None:
        self.model = model
        self.pooling = pooling
        self.n_skipped = n_skipped
        self._most_tokens: int | None = None

    def __call__(self, token_ids: Sequence[np.ndarray]) -> np.ndarray:
        """Embed one batch.

        Parameters
        ----------
        token_ids : sequence of ndarray of int32
            Token numbers of each text, at least one a text, about equally many.

        Returns
        -------
        vectors : ndarray of float32, shape (n_texts, embedding_dim)
            One vector a text.
        """
        longest = max(len(ids) for ids in token_ids)
        parts: list[np.ndarray] = []
        start = 0
        while start < len(token_ids):
            n_texts = len(token_ids) if self._most_tokens is None else max(1, self._most_tokens // longest)
            part = token_ids[start : start + n_texts]
            vectors = self._try(part)
            if vectors is None:
                self._most_tokens = longest * (len(part) // 2)
                if self.model.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            parts.append(vectors)
            start += n_texts
        return _check_finite(np.concatenate(parts), self.model)

    def _try(self, token_ids: Sequence[np.ndarray]) -> np.ndarray | None:
        """Embed texts; None where they are too many for the memory. One text that is too much is an error."""
        try:
            return embed_tokens(self.model, token_ids, self.pooling, self.n_skipped)
        except (MemoryError, RuntimeError) as error:
            if len(token_ids) == 1 or not _is_out_of_memory(error):
                raise
        # Out here: as long as the error is handled, it keeps the activations alive.
        return None


def _check_finite(vectors: np.ndarray, model: TextModel) -> np.ndarray:
    n_broken = int(len(vectors) - np.isfinite(vectors).all(axis=1).sum())
    if n_broken:
        raise ValueError(
            f"The network must give finite vectors, {n_broken} of {len(vectors)} are not in {model.network.dtype}; "
            "dtype='float32' has the widest range."
        )
    return vectors


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def default_batch_tokens(device: torch.device) -> int:
    """Return how many tokens to compute at once on a device.

    Parameters
    ----------
    device : torch.device
        Where the network computes.

    Returns
    -------
    batch_tokens : int
        Tokens, padding included.
    """
    return _CPU_BATCH_TOKENS if device.type == "cpu" else _GPU_BATCH_TOKENS


def embed_tokens(model: TextModel, token_ids: Sequence[np.ndarray], pooling: str, n_skipped: int = 0) -> np.ndarray:
    """Embed one batch.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    token_ids : sequence of ndarray of int32
        Token numbers of each text, at least one a text.
    pooling : {"mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"}
        How a text's token vectors become one.
    n_skipped : int, default=0
        Tokens at the start of each text that are not pooled.

    Returns
    -------
    vectors : ndarray of float32, shape (n_texts, embedding_dim)
        One vector a text.
    """
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
    """Copy to a device; to a GPU from pinned memory, while it still computes what came before."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Make one vector a text out of its token vectors.

    Parameters
    ----------
    hidden : Tensor of float32, shape (n_texts, longest, embedding_dim)
        Token vectors, padded on the right.
    mask : Tensor of bool, shape (n_texts, longest)
        True for tokens, False for padding; at least one token a text.
    pooling : {"mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"}
        Their mean, the first, the largest value in each dimension, the last, a mean in which the k-th token counts k
        times, or their sum over the root of their number.

    Returns
    -------
    vectors : Tensor of float32, shape (n_texts, embedding_dim)
        One vector a text.
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
    # Filling, not multiplying: zero times a non-finite value at a padded place would be no zero.
    return hidden.masked_fill(~mask.unsqueeze(-1), 0.0).sum(dim=1)
