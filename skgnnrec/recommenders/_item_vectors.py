"""From a catalog to unit vectors: the fitted item encoder, and the unit and the centre of the fitted items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array
from sklearn.utils.validation import check_memory as check_cache

from skgnnrec._memory import check_memory
from skgnnrec.catalog import ItemCatalog, encoder_input
from skgnnrec.ranking import row_lengths, to_unit_length

__all__ = ["ItemEncoder", "requires_y"]

ORDINARY_EXPONENT = 64  # vectors with values up to 2^64, and not all below 2^-64, need no other unit in float32
NOISE = 1e-6  # relative to the values: the difference of an item at the centre is a rounding error


@dataclass(frozen=True, eq=False)
class ItemEncoder:
    """Turns item data into centred vectors of length one.

    Vectors of texts have a large common part; without it, their cosines distinguish items. The unit of the vectors does
    not matter: very large and very small ones are divided by a power of two before they become float32.
    """

    encoder: Any  # fitted; None takes the data of the catalog as vectors
    exponent: int  # of the power of two that is the unit of the vectors
    mean: np.ndarray  # of the vectors of the fitted items in that unit, (n_dimensions,), float32

    @classmethod
    def fit_transform(
        cls, encoder: Any, catalog: ItemCatalog, memory: Any, X: sparse.csr_array
    ) -> tuple[ItemEncoder, np.ndarray]:
        """Fit a clone of an encoder and return it with the vectors of the catalog, (n_items, n_dimensions), float32.

        Encoders whose tags require a y receive the interactions, items × users. Items whose data do not differ from the
        mean have the zero vector.
        """
        unfitted = None if encoder is None else clone(encoder)
        y = sparse.csr_array(X.T) if requires_y(unfitted) else None
        fitted, encoded, exponent = check_cache(memory).cache(_fit_encode)(unfitted, catalog, y)
        with np.errstate(under="ignore"):
            mean = encoded.mean(axis=0, dtype=np.float64).astype(np.float32)
        result = cls(fitted, exponent, mean)
        return result, result._centre(encoded)

    def transform(self, catalog: ItemCatalog, name: str = "candidates") -> np.ndarray:
        """Return the vectors of other items in the same space, (n_items, n_dimensions), float32."""
        data = encoder_input(catalog, self.encoder)
        encoded = _as_vectors(data if self.encoder is None else self.encoder.transform(data), catalog, self.encoder)
        return self.centre(encoded, name)

    def centre(self, encoded: np.ndarray, name: str) -> np.ndarray:
        """Return encoded items in the space of the fit."""
        if encoded.shape[1] != len(self.mean):
            raise ValueError(f"{name} has vectors of {encoded.shape[1]} dimensions, the fitted items {len(self.mean)}.")
        return self._centre(_in_unit(encoded, self.exponent, name))

    @np.errstate(under="ignore")
    def _centre(self, encoded: np.ndarray) -> np.ndarray:
        """Return the differences from the mean, scaled to unit length; items at the mean have the zero vector."""
        centred = encoded - self.mean
        noise = NOISE * (np.abs(self.mean).max(initial=0.0) + np.abs(encoded).max(axis=1, initial=0.0))
        centred[row_lengths(centred) <= noise] = 0.0
        return to_unit_length(centred)


def requires_y(encoder: Any) -> bool:
    """Return whether the tags of an encoder, or of an estimator inside it, require a y."""
    if encoder is None:
        return False
    inside = encoder.get_params(deep=True).values() if hasattr(encoder, "get_params") else ()
    return any(get_tags(part).target_tags.required for part in (encoder, *inside) if isinstance(part, BaseEstimator))


def _fit_encode(encoder: Any, catalog: ItemCatalog, y: sparse.csr_array | None) -> tuple[Any, np.ndarray, int]:
    """Return the fitted encoder, the vectors of the catalog in float32 and the exponent of their unit."""
    encoded = data = encoder_input(catalog, encoder)
    if encoder is not None:
        if not hasattr(encoder, "fit_transform"):  # such as a FrozenEstimator
            encoded = encoder.fit(data, y).transform(data)
        else:
            encoded = encoder.fit_transform(data) if y is None else encoder.fit_transform(data, y)
    encoded = _as_vectors(encoded, catalog, encoder)
    exponent = int(np.frexp(max(encoded.max(initial=0.0), -encoded.min(initial=0.0)))[1])
    exponent = exponent if abs(exponent) > ORDINARY_EXPONENT else 0
    return encoder, _in_unit(encoded, exponent, "catalog"), exponent


def _in_unit(encoded: np.ndarray, exponent: int, name: str) -> np.ndarray:
    """Return vectors divided by 2^exponent, float32."""
    with np.errstate(over="ignore", under="ignore"):
        scaled = (np.ldexp(encoded, -exponent) if exponent else encoded).astype(np.float32, copy=False)
    if not np.isfinite(scaled).all():
        raise ValueError(
            f"{name} has values up to {np.abs(encoded).max():.3g}, too large in the unit of the fitted items."
        )
    return scaled


def _as_vectors(encoded: Any, catalog: ItemCatalog, encoder: Any) -> np.ndarray:
    if encoder is None:
        _require_numbers(encoded)
        encoded = encoded if getattr(encoded, "ndim", 2) == 2 else np.asarray(encoded)[:, None]
    name = "catalog" if encoder is None else f"the output of item_encoder ({type(encoder).__name__})"
    if sparse.issparse(encoded):
        check_memory(
            4 * encoded.shape[0] * encoded.shape[1],
            f"Dense item vectors from {name}",
            "Reduce them, for example with make_pipeline(TfidfVectorizer(), TruncatedSVD(128)).",
        )
        encoded = encoded.toarray()
    with np.errstate(all="ignore"):
        encoded = check_array(encoded, dtype=[np.float32, np.float64], input_name=name)
    if encoded.shape[0] != catalog.n_items:
        raise ValueError(
            f"{name} has {encoded.shape[0]} rows for {catalog.n_items} items. A transformer of texts takes one column: "
            "ItemCatalog(table['title'], ids=table['id'])."
        )
    return encoded


def _require_numbers(data: Any) -> None:
    columns = (
        [(f"column {name!r}", data[name].dtype) for name in data]
        if hasattr(data, "columns")
        else [("the data", data.dtype)]
    )
    for where, dtype in columns:
        if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
            if getattr(dtype, "kind", "O") in "biuf":  # numbers in an extension type of pandas
                continue
            raise ValueError(
                f"item_encoder=None takes the data of the catalog as vectors, but {where} of the catalog is of dtype "
                f"{dtype}. Pass item_encoder=TextEmbedder(...), make_pipeline(TfidfVectorizer(), TruncatedSVD(128)) or "
                "any other transformer of that data."
            )
