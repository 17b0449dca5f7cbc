"""From a catalog to unit vectors: the item encoder, fitted, and the centre of the fitted items."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array, check_memory

from skgnnrec._validation import check_memory as check_free_memory
from skgnnrec.catalog import ItemCatalog

__all__ = ["ItemVectors"]


class ItemVectors:
    """Centred unit vectors of items.

    Vectors of texts crowd around a common direction; without it, their cosines tell items apart.

    Parameters
    ----------
    encoder : transformer or None
        Fitted to the catalog's data; None takes the data itself, which then must be numeric.
    memory : str, object with the joblib.Memory interface or None
        Keeps encoded catalogs between fits.
    """

    def __init__(self, encoder: Any, memory: Any) -> None:
        self.encoder = None if encoder is None else clone(encoder)
        self._memory = memory

    def fit_transform(self, catalog: ItemCatalog, X: sparse.csr_array | None = None) -> np.ndarray:
        """Return the vectors of the catalog's items and keep their centre.

        Parameters
        ----------
        catalog : ItemCatalog
            The items.
        X : csr_array of shape (n_users, n_items), default=None
            The interactions of the fit, for encoders that require a y: they are given items × users.

        Returns
        -------
        vectors : ndarray of shape (n_items, n_dimensions), float32
            Unit vectors; zero where an item has no data that sets it apart from the mean.
        """
        fit_encode = check_memory(self._memory).cache(_fit_encode)
        y = sparse.csr_array(X.T) if X is not None and _requires_y(self.encoder) else None
        self.encoder, encoded = fit_encode(self.encoder, catalog, y)
        self.mean = encoded.mean(axis=0, dtype=np.float64).astype(np.float32)
        return self._unit(encoded)

    def transform(self, catalog: ItemCatalog) -> np.ndarray:
        """Return the vectors of other items in the same space.

        Parameters
        ----------
        catalog : ItemCatalog
            The items, with the same columns.

        Returns
        -------
        vectors : ndarray of shape (n_items, n_dimensions), float32
            Unit vectors.
        """
        data = catalog.data
        encoded = _as_vectors(data if self.encoder is None else self.encoder.transform(data), catalog, self.encoder)
        if encoded.shape[1] != len(self.mean):
            raise ValueError(f"items has vectors of {encoded.shape[1]} dimensions, the fitted items {len(self.mean)}.")
        return self._unit(encoded)

    def _unit(self, encoded: np.ndarray) -> np.ndarray:
        centred = encoded - self.mean
        # What rounding leaves of an item that stands at the centre is noise, not a direction.
        noise = 1e-6 * (np.abs(self.mean).max(initial=0.0) + np.abs(encoded).max(axis=1, initial=0.0))
        length = np.linalg.norm(centred, axis=1)
        length[length <= noise] = np.inf
        return centred / length[:, None]


def _requires_y(encoder: Any) -> bool:
    """Return whether an encoder, or one inside of it, says by its tags that it learns from a y."""
    if encoder is None:
        return False
    inside = encoder.get_params(deep=True).values() if hasattr(encoder, "get_params") else ()
    return any(get_tags(part).target_tags.required for part in (encoder, *inside) if isinstance(part, BaseEstimator))


def _fit_encode(encoder: Any, catalog: ItemCatalog, y: sparse.csr_array | None) -> tuple[Any, np.ndarray]:
    data = catalog.data
    if encoder is None:
        return encoder, _as_vectors(data, catalog, encoder)
    if not hasattr(encoder, "fit_transform"):  # such as a FrozenEstimator
        encoded = encoder.fit(data, y).transform(data)
    else:
        encoded = encoder.fit_transform(data) if y is None else encoder.fit_transform(data, y)
    return encoder, _as_vectors(encoded, catalog, encoder)


def _as_vectors(encoded: Any, catalog: ItemCatalog, encoder: Any) -> np.ndarray:
    if encoder is None:
        _require_numbers(encoded)
        if isinstance(encoded, pd.Series):
            encoded = encoded.to_frame()
    name = "items" if encoder is None else f"the output of item_encoder ({type(encoder).__name__})"
    if sparse.issparse(encoded):
        check_free_memory(
            4 * encoded.shape[0] * encoded.shape[1],
            f"Dense item vectors from {name}",
            "Reduce them, for example with make_pipeline(TfidfVectorizer(), TruncatedSVD(128)).",
        )
        encoded = encoded.toarray()
    with np.errstate(over="ignore"):
        encoded = check_array(encoded, dtype=np.float32, input_name=name)
    if encoded.shape[0] != catalog.n_items:
        raise ValueError(
            f"{name} has {encoded.shape[0]} rows for {catalog.n_items} items. A transformer of texts takes one column: "
            "ItemCatalog(table['title'], ids=table['id'])."
        )
    return encoded


def _require_numbers(data: Any) -> None:
    columns = data.columns if isinstance(data, pd.DataFrame) else [None]
    for name in columns:
        dtype = data[name].dtype if name is not None else data.dtype
        if not pd.api.types.is_numeric_dtype(dtype):
            where = f"column {name!r}" if name is not None else "the data"
            raise ValueError(
                f"item_encoder=None takes the catalog's data as vectors, but {where} of items is of dtype {dtype}. "
                "Pass item_encoder=TextEmbedder(...), make_pipeline(TfidfVectorizer(), TruncatedSVD(128)) or any other "
                "transformer of that data."
            )
