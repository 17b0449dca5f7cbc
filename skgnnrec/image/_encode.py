"""From pictures to vectors: batches, and networks that read one size or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from skgnnrec._device import map_in_threads
from skgnnrec.encoding import InParts, VectorCache, embed_through
from skgnnrec.image._images import Picture

if TYPE_CHECKING:
    from skgnnrec.image._model import ImageModel

__all__ = ["embed_pictures", "embed_sentences"]

# So few images keep the activations in the cache of a CPU; a GPU needs more to be busy.
_CPU_BATCH, _GPU_BATCH = 4, 128


def embed_pictures(
    model: ImageModel,
    pictures: Sequence[Picture],
    keys: Sequence[bytes],
    cache: VectorCache,
    *,
    batch_size: int | None,
    report: Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]],
) -> dict[bytes, np.ndarray]:
    """Embed distinct pictures, store their vectors in a cache, and return the vector of each key, (embedding_dim,).

    `report` yields the batches and reports the begin and the end of each.
    """
    size = batch_size or (_CPU_BATCH if model.device.type == "cpu" else _GPU_BATCH)
    batches = [np.arange(start, min(start + size, len(pictures))) for start in range(0, len(pictures), size)]
    in_parts = InParts(lambda part: _embed(model, part))
    return embed_through(
        cache, keys, report(batches), lambda rows: in_parts([pictures[row] for row in rows]), model.embedding_dim
    )


def _embed(model: ImageModel, pictures: Sequence[Picture]) -> np.ndarray:
    """Return the vectors of a batch, (n_pictures, embedding_dim) float32."""
    inputs = map_in_threads(lambda picture: model.prepare(picture.pixels()), pictures)
    same_size = len({image.shape for image in inputs}) == 1
    stacks = [torch.stack(inputs)] if same_size else [image[None] for image in inputs]
    with torch.inference_mode():
        vectors = torch.cat([model.network(stack.to(model.device)).float() for stack in stacks]).cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise ValueError(
            f"The network must give finite vectors, that of the image at {pictures[broken[0]].place} is not; "
            "dtype='float32' has the widest range."
        )
    return vectors


def embed_sentences(model: ImageModel, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of texts in the space of the images, (n_texts, embedding_dim) float32."""
    if model.read_texts is None:
        raise ValueError(
            "texts can be embedded by models with a tower of texts and a tokenizer, such as CLIP; this model has none."
        )
    vectors = np.zeros((len(texts), model.embedding_dim), dtype=np.float32)
    size = _CPU_BATCH if model.device.type == "cpu" else _GPU_BATCH
    with torch.inference_mode():
        for start in range(0, len(texts), size):
            vectors[start : start + size] = model.read_texts(texts[start : start + size]).float().cpu().numpy()
    return vectors
