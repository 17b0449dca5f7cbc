"""Matrices in few bits: rows of small numbers, each row with a unit of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

__all__ = ["Matrix", "Quantized", "multiply", "multiply_transposed"]

# The values of a row are below it before they are rounded: what is quantised already stays as it is.
LARGEST = {"int8": np.float32(127.5), "float16": np.float32(2.001)}
# Of the values in float16: their multiples of 2^-16 are short enough for the sums of `round_for_exact_sums`.
FLOAT16_STEPS = 2.0**16
SMALLEST_EXPONENT = -126  # of a normal number in float32
BLOCK_ROWS = 1024  # of a matrix that is quantised
BLOCK_VALUES, BLOCK_ENTRIES = 1 << 19, 512  # converted to float32 at once: more would leave the processor's cache
BLOCK_COLUMNS = 4096


@dataclass(frozen=True, eq=False)
class Quantized:
    """A matrix in int8 or float16. Indexing returns a part of it in float32.

    The units are powers of two. Hence the parts are exact in float32, and have the few bits that sums of exact products
    require.
    """

    values: np.ndarray  # (n_rows, n_columns), int8 or float16
    units: np.ndarray  # (n_rows,), float32

    @classmethod
    def of(cls, matrix: Any, dtype: Literal["int8", "float16"]) -> Quantized:
        """Return the nearest matrix in `dtype`."""
        values = np.empty(matrix.shape, dtype=dtype)
        units = np.empty(len(matrix), dtype=np.float32)
        steps = np.float32(FLOAT16_STEPS if dtype == "float16" else 1)
        for start in range(0, len(matrix), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            largest = np.abs(matrix[rows]).max(axis=1, initial=0.0) / LARGEST[dtype]
            units[rows] = np.ldexp(np.float32(1), np.maximum(np.frexp(largest)[1], SMALLEST_EXPONENT))
            with np.errstate(under="ignore"):
                values[rows] = np.rint(matrix[rows] / units[rows, None] * steps) / steps
        return cls(values, units)

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return rows, or cells of rows, in float32."""
        units = self.units[key[0] if isinstance(key, tuple) else key]
        values = _as_float32(self.values[key])
        values *= units if values.ndim < 2 else units[:, None]
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)

    @np.errstate(under="ignore")
    def weighted_sums(self, X: sparse.csr_array) -> np.ndarray:
        """Return X times the matrix, float32; the bits of a row do not depend on other rows."""
        n_columns = self.shape[1]
        sums = np.zeros((X.shape[0], n_columns), dtype=np.float32)
        weights = X.data * self.units[X.indices]
        for first, last in _blocks(X.indptr, min(BLOCK_ENTRIES, BLOCK_VALUES // max(1, n_columns))):
            for start in range(X.indptr[first], X.indptr[last], BLOCK_ENTRIES):
                part = slice(start, min(start + BLOCK_ENTRIES, X.indptr[last]))
                values = _as_float32(self.values[X.indices[part]])
                ends = np.clip(X.indptr[first : last + 1], start, part.stop) - start
                block = sparse.csr_array(
                    (weights[part], np.arange(len(values), dtype=ends.dtype), ends), shape=(last - first, len(values))
                )
                sums[first:last] += block @ values
        return sums


Matrix = np.ndarray | Quantized


def _blocks(ends: np.ndarray, n_entries: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last row, exclusive, of blocks of at most so many entries, or of one row."""
    first = 0
    while first < len(ends) - 1:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + n_entries, side="right")) - 1)
        yield first, last
        first = last


def _as_float32(values: np.ndarray) -> np.ndarray:
    """Return finite numbers in float32, from float16 by their bits: `astype` takes six times as long."""
    if values.dtype != np.float16:
        return values.astype(np.float32)
    bits = values.view(np.int16).astype(np.int32)
    bits <<= 13  # the fractions of float32 have 13 bits more
    bits &= np.int32(-0x70002000)  # without the copies of the sign in the place of the exponent
    converted = bits.view(np.float32)
    converted *= np.float32(2.0**112)  # the exponents of float32 start at -127, those of float16 at -15
    return converted


def multiply(X: sparse.csr_array, matrix: Matrix) -> np.ndarray:
    """Return X times a matrix, float32; the bits of a row do not depend on other rows."""
    return matrix.weighted_sums(X) if isinstance(matrix, Quantized) else X @ matrix


def multiply_transposed(A: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Return A times the transpose of a matrix, float32."""
    if not isinstance(matrix, Quantized):
        return A @ matrix.T
    product = np.empty((len(A), len(matrix)), dtype=np.float32)
    for start in range(0, len(matrix), BLOCK_COLUMNS):
        rows = slice(start, start + BLOCK_COLUMNS)
        product[:, rows] = A @ matrix[rows].T
    return product
