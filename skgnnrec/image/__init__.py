"""Images of items as vectors."""

from skgnnrec.image._embedder import ImageEmbedder

__all__ = ["ImageEmbedder"]
