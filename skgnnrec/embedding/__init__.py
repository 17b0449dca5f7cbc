"""Vectors of items from interactions alone."""

from skgnnrec.embedding._item_to_vec import ItemToVec

__all__ = ["ItemToVec"]
