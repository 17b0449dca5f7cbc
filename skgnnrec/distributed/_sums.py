"""Sums over shards: totals, co-occurrences in blocks of items, and products of co-occurrences and vectors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skgnnrec.distributed._cluster import connect, reduce_tasks, task
from skgnnrec.distributed._shards import NO_USERS, Shard, UserSample, read_shard
from skgnnrec.graph import (
    PAIR_BYTES,
    check_pairs,
    cooccurrence_rows,
    count_users,
    multiply_by_cooccurrence,
    pruned_rows,
    stack_rows,
    weighted_interactions,
)
from skgnnrec.interactions import binarize

__all__ = ["Totals", "cooccurrence_of", "multiplication_by", "stored_shards", "totals_of"]

BLOCK_BYTES = 1 << 28  # of the rows of co-occurrences that a task returns


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over users that are as long as the catalog."""

    item_counts: np.ndarray  # (n_items,), int64
    diagonal: np.ndarray  # (n_items,): that of the co-occurrences, int64
    pairs: np.ndarray  # (n_items,): the pairs of each item with the items in the histories of its users, int64
    n_users: int
    sample: UserSample

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.item_counts + other.item_counts,
            self.diagonal + other.diagonal,
            self.pairs + other.pairs,
            self.n_users + other.n_users,
            self.sample + other.sample,
        )

    @property
    def most_pairs(self) -> int:
        """Return the largest number of pairs of items that the co-occurrences can have, in both orders."""
        return int(min(self.pairs.sum(), float(len(self.pairs)) ** 2))

    def blocks(self, items_per_task: int | None) -> list[tuple[int, int]]:
        """Return blocks of items, of so many or of so many that their co-occurrences have at most BLOCK_BYTES."""
        n_items = len(self.pairs)
        if items_per_task is not None:
            return list(itertools.pairwise([*range(0, n_items, items_per_task), n_items]))
        needed = np.cumsum(PAIR_BYTES * np.minimum(self.pairs, n_items).astype(np.float64))
        bounds = np.searchsorted(needed, np.arange(BLOCK_BYTES, needed[-1], BLOCK_BYTES))
        return list(itertools.pairwise(np.unique([0, *bounds, n_items]).tolist()))


def stored_shards(sources: Iterable[tuple], ray_remote_args: Any) -> Iterator[Any]:
    """Yield references of binary shards; sources are matrices or arguments of `read_shard`."""
    put, submit = connect().put, task(read_shard, ray_remote_args).remote
    for source in sources:
        yield submit(*source) if len(source) > 1 else put((binarize(source[0]), UserSample.of(NO_USERS)))


def totals_of(stored: Iterable[Any], exponent: float, ray_remote_args: Any) -> Totals:
    """Return the totals of all shards."""
    return reduce_tasks(_totals, ((shard, exponent) for shard in stored), _add, ray_remote_args)


def cooccurrence_of(
    stored: list[Any],
    totals: Totals,
    exponent: float,
    max_pairs: int | None,
    items_per_task: int | None,
    ray_remote_args: Any,
) -> sparse.csr_array:
    """Return the co-occurrences in all shards, with `max_pairs` those of each item with the largest cosines."""
    check_pairs(totals.most_pairs, len(totals.pairs), max_pairs)
    prune, diagonal = task(pruned_rows, ray_remote_args).remote, connect().put(totals.diagonal.astype(np.float64))
    blocks = []
    for start, stop in totals.blocks(items_per_task):

        def last(rows: Any, start: int = start) -> Any:
            return rows if max_pairs is None else prune(rows, start, diagonal, max_pairs)

        calls = ((shard, exponent, start, stop) for shard in stored)
        blocks.append(reduce_tasks(_rows, calls, _add, ray_remote_args, last))
    return stack_rows(blocks, max_pairs)


def multiplication_by(stored: list[Any], exponent: float, ray_remote_args: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that multiplies vectors by the co-occurrences in all shards, without these."""

    def multiply(vectors: np.ndarray) -> np.ndarray:
        shared = connect().put(vectors)
        return reduce_tasks(_product, ((shard, exponent, shared) for shard in stored), _add, ray_remote_args)

    return multiply


# What workers compute -------------------------------------------------------------------------------------------------


def _totals(shard: Shard, exponent: float) -> Totals:
    X, sample = shard
    _, weighted = weighted_interactions(X, exponent)
    lengths = np.diff(X.indptr).astype(np.int64)
    pairs = sparse.csr_array((np.repeat(lengths, lengths), X.indices, X.indptr), shape=X.shape).sum(axis=0)
    return Totals(count_users(X), weighted.sum(axis=0), pairs, X.shape[0], sample)


def _rows(shard: Shard, exponent: float, start: int, stop: int) -> sparse.csr_array:
    return cooccurrence_rows(shard[0], exponent, start, stop)


def _product(shard: Shard, exponent: float, vectors: np.ndarray) -> np.ndarray:
    return multiply_by_cooccurrence(shard[0], exponent, vectors)


def _add(*parts: Any) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
