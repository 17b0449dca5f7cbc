"""The items of a fit whose users are elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders._item_vectors import requires_y

__all__ = ["header_of"]


def header_of(recommender: Any, n_items: int, vocabulary: Vocabulary | None) -> Any:
    """Return a matrix of the items without interactions."""
    if requires_y(getattr(recommender, "item_encoder", None)):
        raise ValueError(
            f"item_encoder of {type(recommender).__name__} learns from interactions, and a fit to statistics or shards "
            "has none here: pass an encoder that learns from the catalog alone."
        )
    header = sparse.csr_array((1, n_items), dtype=np.float32)
    if vocabulary is None:
        return header
    return pd.DataFrame(header.toarray(), columns=pd.Index(list(vocabulary.ids), tupleize_cols=False))
