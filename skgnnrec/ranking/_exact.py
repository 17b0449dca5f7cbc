"""Products and lengths of rows that do not depend on the other rows of the matrix, to the bit.

A matrix product sums in an order that depends on its shape: near-ties of a user would have another order in a call for
one user than in a call for all. Sums of exact products do not depend on their order.
"""

import numpy as np

from skgnnrec.ranking._quantized import Matrix

__all__ = ["largest_norm", "matmul_by_row", "round_for_exact_sums", "row_lengths", "to_unit_length"]

SMALLEST_EXPONENT, LARGEST_EXPONENT = -149, 127  # of powers of two in float32
PRODUCT_ROWS = 128  # rows of a product in float64, before they are added up in float32
PRODUCT_COLUMNS = 4096  # of a factor that is converted to float64 at once: more would leave the processor's cache


def round_for_exact_sums(A: np.ndarray, n_terms: int, axis: int) -> np.ndarray:
    """Round a factor so that sums of `n_terms` products along `axis` are exact in float64, in any order.

    The result is float32: integer multiples of a power of two that depends on the largest value along the axis. Up to
    512 terms keep 22 bits, as many as a sum in float32 keeps.
    """
    # n_terms products of two integers of that many bits stay within the 53 bits of float64.
    bits = min(24, (53 - max(1, n_terms - 1).bit_length()) // 2)
    largest = np.abs(A).max(axis=axis, keepdims=True, initial=0.0)
    # A power of two in float32: the multiplication by it is exact and needs no copy in float64.
    quantum = np.ldexp(np.float32(1.0), np.maximum(np.frexp(largest)[1] - bits, SMALLEST_EXPONENT))
    with np.errstate(under="ignore"):
        rounded = A / quantum
        np.rint(rounded, out=rounded)
        rounded *= quantum
    return rounded.astype(np.float32, copy=False)


def matmul_by_row(A: np.ndarray, B: Matrix, out: np.ndarray) -> None:
    """Add A Bᵀ to `out` in place; the bits of a row do not depend on other rows, nor those of a column on others.

    A (n_rows, n_inner) and B (n_columns, n_inner) are float32; B comes from ``round_for_exact_sums(B, n_inner, 1)``.
    """
    A = round_for_exact_sums(A, B.shape[1], axis=1).astype(np.float64)
    with np.errstate(under="ignore"):
        for first in range(0, B.shape[0], PRODUCT_COLUMNS):
            columns = slice(first, first + PRODUCT_COLUMNS)
            factor = B[columns].astype(np.float64).T
            for start in range(0, A.shape[0], PRODUCT_ROWS):
                rows = slice(start, start + PRODUCT_ROWS)
                out[rows, columns] += A[rows] @ factor


def row_lengths(A: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each row of a float32 array in float64, however large or small its values are."""
    _, lengths, exponents = _scale_rows(A)
    return np.ldexp(lengths.astype(np.float64), exponents)


def to_unit_length(A: np.ndarray) -> np.ndarray:
    """Return the rows of a float32 array divided by their lengths, float32; zero rows stay zero."""
    scaled, lengths, _ = _scale_rows(A)
    with np.errstate(under="ignore"):
        scaled /= np.where(lengths > 0, lengths, 1)[:, None]
    return scaled


@np.errstate(under="ignore")
def _scale_rows(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of A divided by a power of two each, their lengths, and the exponents of the powers.

    The division is exact, and squares of the result do not overflow. A new array in C order is summed row by row: its
    lengths do not depend on other rows, as those of `sklearn.preprocessing.normalize` do.
    """
    exponents = np.maximum(np.frexp(np.abs(A).max(axis=1, initial=0.0))[1], -LARGEST_EXPONENT)
    scaled = np.multiply(A, np.ldexp(np.float32(1.0), -exponents)[:, None], order="C")
    return scaled, np.linalg.norm(scaled, axis=1), exponents


def largest_norm(B: Matrix) -> float:
    """Return an upper bound of the Euclidean lengths of the rows, 0.01 % above the largest; 0 without rows."""
    B = np.asarray(B)
    squares = np.einsum("ij,ij->i", B, B, dtype=np.float64)
    return 1.0001 * float(np.sqrt(squares.max(initial=0.0)))
