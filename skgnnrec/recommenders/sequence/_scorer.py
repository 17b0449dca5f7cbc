"""The steps of histories, and the scorer of a trained sequence model: arrays without torch objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skgnnrec.interactions import places_from_end, row_of_each
from skgnnrec.ranking import Product, like, to_unit_length
from skgnnrec.recommenders.sequence._network import EXACT, encode_steps

__all__ = ["SequenceFactors", "Steps", "steps_of"]

BLOCK_STEPS = 4096  # steps that are encoded at once


class Steps(NamedTuple):
    """The steps of histories, row by row from the earliest one: items whose values are equal are one step."""

    starts: np.ndarray  # (n_rows + 1,): the first step of each row
    items: sparse.csr_array  # (n_steps, n_items): the shares of items in steps, rows sum to 1


def steps_of(X: sparse.csr_array, ages: np.ndarray, max_length: int) -> Steps:
    """Return the latest steps of each row; `ages` (n_entries,) counts the later steps of the row of each entry."""
    kept = ages < max_length
    rows, ages, columns = row_of_each(X)[kept], ages[kept], X.indices[kept]
    n_steps = np.zeros(X.shape[0], dtype=np.int64)
    np.maximum.at(n_steps, rows, ages + 1)
    starts = np.concatenate([[0], np.cumsum(n_steps)])
    step = starts[rows + 1] - 1 - ages
    shares = (1 / np.bincount(step, minlength=starts[-1])[step]).astype(np.float32)
    return Steps(starts, sparse.csr_array((shares, (step, columns)), shape=(starts[-1], X.shape[1])))


@dataclass(frozen=True, eq=False)
class SequenceFactors(Product):
    """The cosine of candidates with the output of a head for the steps of a history."""

    inputs: np.ndarray  # embeddings of items in histories, (n_items, dim), float32
    items: np.ndarray  # (n_columns, dim), float32, from `round_for_exact_sums`
    head: str
    parameters: dict[str, np.ndarray]
    max_length: int

    @np.errstate(under="ignore")
    def embed(self, X: sparse.csr_array) -> np.ndarray:
        starts, items = steps_of(X, places_from_end(X), self.max_length)
        users = np.zeros((X.shape[0], self.items.shape[1]), dtype=np.float32)
        n_steps = np.diff(starts)
        # Rows of one length are encoded together: padding would cost time, and change sums.
        for length in np.unique(n_steps[n_steps > 0]):
            rows = np.flatnonzero(n_steps == length)
            for first in range(0, len(rows), max(1, BLOCK_STEPS // length)):
                block = rows[first : first + max(1, BLOCK_STEPS // length)]
                vectors = items[(starts[block][:, None] + np.arange(length)).ravel()] @ self.inputs
                steps = vectors.reshape(len(block), length, -1)
                users[block] = encode_steps(EXACT, self.head, self.parameters, steps, last=True)[:, 0]
        return to_unit_length(users)

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        """Return zeros: the score is no sum over the items of the history."""
        return like(X, np.zeros(X.nnz))

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return np.einsum("nd,nd->n", self.embed(X), self.items[columns], dtype=np.float64)
