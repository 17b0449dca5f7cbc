"""Vectors of texts and images that are computed once: the base of embedders, caches, and files of models."""

from skgnnrec.encoding._cache import VectorCache, embed_through, make_keys, memory_cache, open_cache
from skgnnrec.encoding._embedder import BaseEmbedder, Loaded, scale_to_unit_length
from skgnnrec.encoding._loading import named_errors, quiet_transformers
from skgnnrec.encoding._model_files import Described, FileState, digest_of, file_states, is_settled, joined_digest
from skgnnrec.encoding._parts import InParts

__all__ = [
    "BaseEmbedder",
    "Described",
    "FileState",
    "InParts",
    "Loaded",
    "VectorCache",
    "digest_of",
    "embed_through",
    "file_states",
    "is_settled",
    "joined_digest",
    "make_keys",
    "memory_cache",
    "named_errors",
    "open_cache",
    "quiet_transformers",
    "scale_to_unit_length",
]
