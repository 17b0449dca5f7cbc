"""From texts to vectors: tokens, batches of equal cost, pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from skgnnrec.text._model import TextModel

# Characters read for a token that the model reads. English has about 5 to a token; the rest is safety.
_CHARACTERS_PER_TOKEN = 64
# Texts given to the tokenizer at once: enough for its threads, few enough to keep its Python lists small.
_TOKENIZER_CHUNK = 4096


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
        encoded = model.tokenizer(
            chunk, truncation=True, max_length=max_length, padding=False, return_attention_mask=False
        )
        token_ids.extend(np.array(ids, dtype=np.int32) for ids in encoded["input_ids"])
    return token_ids


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


def embed_tokens(model: TextModel, token_ids: Sequence[np.ndarray], pooling: str) -> np.ndarray:
    """Embed one batch.

    Parameters
    ----------
    model : TextModel
        The loaded model.
    token_ids : sequence of ndarray of int32
        Token numbers of each text, at least one a text.
    pooling : {"mean", "cls", "max", "last"}
        How a text's token vectors become one.

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
        attention_mask = torch.from_numpy(mask).to(model.device)
        hidden = model.network(
            input_ids=torch.from_numpy(padded).to(model.device),
            attention_mask=attention_mask.to(torch.int64),
        ).last_hidden_state  # (n_texts, longest, embedding_dim)
        return pool(hidden.float(), attention_mask, pooling).cpu().numpy()


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Make one vector a text out of its token vectors.

    Parameters
    ----------
    hidden : Tensor of float32, shape (n_texts, longest, embedding_dim)
        Token vectors, padded on the right.
    mask : Tensor of bool, shape (n_texts, longest)
        True for tokens, False for padding; at least one token a text.
    pooling : {"mean", "cls", "max", "last"}
        Their mean, the first, the largest value in each dimension, or the last.

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
    is_padding = ~mask.unsqueeze(-1)  # (n_texts, longest, 1)
    if pooling == "max":
        return hidden.masked_fill(is_padding, -torch.inf).amax(dim=1)
    # Filling, not multiplying: zero times a non-finite value at a padded place would be no zero.
    return hidden.masked_fill(is_padding, 0.0).sum(dim=1) / n_tokens.unsqueeze(-1)
