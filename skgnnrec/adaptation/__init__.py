"""Text models that learn further: from the catalog's texts, and from who takes which items together."""

from skgnnrec.adaptation._base import BaseAdapter
from skgnnrec.adaptation._interactions import InteractionAdapter
from skgnnrec.adaptation._masked_lm import MaskedLMAdapter

__all__ = ["BaseAdapter", "InteractionAdapter", "MaskedLMAdapter"]
