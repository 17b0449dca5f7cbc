"""Item text as vectors."""

from skgnnrec.text._embedder import TextEmbedder

__all__ = ["TextEmbedder"]
