"""Fits to shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec.catalog import item_vocabulary
from skgnnrec.distributed._cluster import check_options, connect, reduce_tasks
from skgnnrec.distributed._shards import (
    check_column,
    is_path,
    parquet_files,
    read_columns,
)
from skgnnrec.distributed._sums import cooccurrence_of, multiplication_by, stored_shards, totals_of
from skgnnrec.distributed._training import train_on_shards
from skgnnrec.graph import Statistics, pairs_that_fit
from skgnnrec.interactions import Table, Vocabulary, as_ids, check_interactions, column_vocabulary
from skgnnrec.recommenders import BaseRecommender, GNNRecommender, GraphFilterRecommender

__all__ = ["fit"]


def fit(
    recommender: BaseRecommender,
    shards: Any,
    *,
    user: str = "user",
    item: str = "item",
    item_ids: Any = None,
    items_per_task: int | None = None,
    n_workers: int | None = None,
    ray_remote_args: Mapping[str, Any] | None = None,
) -> BaseRecommender:
    r"""Fit a recommender to interactions that are divided into shards.

    Closed forms are fitted to sums. Workers compute the sums over the users of each shard, the co-occurrences
    :math:`C = X^T D_u^{-a} X` and the item counts, and add them up in a tree. The sums are integers, so that they do
    not depend on the shards or on the order of additions. The recommender is then fitted to the sums on this machine.
    The spectral part of a `GraphFilterRecommender` is decomposed by products of C and random vectors,
    :math:`\sum_s X_s^T D_u^{-a} (X_s Q)` over the shards s. They are added up in the same order in each fit.

    A `GNNRecommender` is trained by `n_workers` processes at the same time. Each has the users of some shards and a
    copy of all parameters. Messages to the items and the gradients of a step are summed over the processes, which share
    the `batch_size` users or interactions of the step.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender, PopularityRecommender or GNNRecommender
        The recommender. A closed form must use X as binary, and no order. A `GNNRecommender` must have
        ``conv=None`` or ``conv="lightgcn"``, and neither a `contrast_weight` nor a `diversity_weight`. The recommender
        is not changed.
    shards : path, list of paths, or list of {array-like, sparse matrix, DataFrame} of shape (n_users, n_items)
        Parquet files with one interaction a row, or a folder of them, in which each user is in one file:
        `split_by_user` writes such files. Or matrices with the same columns.
    user : str, default="user"
        The column of the users in parquet files.
    item : str, default="item"
        The column of the items in parquet files.
    item_ids : array-like of shape (n_items,), default=None
        The items, for parquet files. None takes those of the catalog, or without a catalog those of the files, for
        which these are read twice.
    items_per_task : int, default=None
        The number of items whose co-occurrences a task adds up, with all other items. None takes as many items as have
        256 MB of them.
    n_workers : int, default=None
        The number of processes that train a `GNNRecommender`. The training waits until the cluster has room for all.
        None takes as many as the cluster has room for. There are at most as many as shards.
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_cpus": 4}``, and of the processes that train.

    Returns
    -------
    fitted : BaseRecommender
        A fitted clone. A closed form gives the scores of a fit to all interactions together, a `GraphFilterRecommender`
        with the same `random_state` up to rounding in float32. The parameters have to be numbers: a `popularity_weight`
        of "auto" cannot be chosen without interactions, and has the value of `fit_statistics`. A closed form keeps no
        histories, so that it has no updates. A `GNNRecommender` has the loss of a training on one machine in
        expectation: workers draw other batches, negatives and held-out interactions. Its `partial_fit` is that of a
        fit on one machine.

    Raises
    ------
    ValueError
        If the recommender cannot be fitted to shards, or shards have different columns or common users. (Common users
        are looked for in samples of 1,024 users of each shard.)
    ItemAlignmentError
        If files have items that are not in `item_ids` or in the catalog.
    ImportError
        If the package ray is not installed.

    See Also
    --------
    split_by_user : Divides a log into shards.
    recommend : Recommends to all users of such files.

    Notes
    -----
    The interactions of a shard have to fit into the memory of one worker, together with the co-occurrences of
    `items_per_task` items, or four times these. The object store of Ray holds the interactions of all shards, and moves
    to the disk what does not fit. All co-occurrences have to fit into the memory of this machine. Where they do not, a
    `GraphFilterRecommender` keeps the pairs of each item with the largest cosines, as in a fit on one machine, and
    workers prune them. The products have n_items × (`n_components` + 20) numbers. A `RidgeRecommender` solves a system
    of n_items × n_items on this machine.

    If a process that trains is lost, all processes begin again: with `checkpoint_dir`, a folder that all nodes see, at
    the last complete epoch, and else at the start. The same call also continues with the checkpoint of a program that
    was lost. Processes communicate by gloo, and between GPUs by NCCL: ``ray_remote_args={"num_gpus": 1}`` gives each
    process one. Callbacks are not called. Files have no order of the interactions; the values of matrices order
    histories, as in a fit on one machine.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender, distributed
    >>> rec = distributed.fit(RidgeRecommender(popularity_weight=0), "shards/")  # doctest: +SKIP
    """
    exponent = None if isinstance(recommender, GNNRecommender) else _exponent_of_sums(recommender)
    check_options(ray_remote_args)
    _check_positive(items_per_task, "items_per_task")
    _check_positive(n_workers, "n_workers")
    names = check_column(user, "user"), check_column(item, "item")
    if not is_path(shards) and (not isinstance(shards, Sequence) or not len(shards)):
        raise ValueError(f"shards must be a path, or a list of paths or matrices; got {shards!r:.100}.")
    given = None if item_ids is None else Vocabulary(as_ids(item_ids, "item_ids"), "item_ids")
    if isinstance(recommender, GNNRecommender):
        recommender._validate_params()
        recommender._check_shared()
    sources: list[tuple]  # a matrix, or the arguments of read_shard
    if is_path(shards) or all(map(is_path, shards)):
        files = parquet_files(shards, "shards")
        items = _items(recommender, files, names[1], given, ray_remote_args)
        shared, n_items = [connect().put(items)], len(items)
        sources = [(path, *names, shared) for path in files]
        is_by_position = recommender.catalog is not None and recommender.catalog.ids is None
        vocabulary = None if is_by_position else items
    else:
        if given is not None:
            raise ValueError(f"item_ids is for parquet files; matrices have columns, got {item_ids!r:.100}.")
        matrices, vocabulary = _matrices(shards)
        n_items = matrices[0].shape[1]
        sources = [(X,) for X in matrices]
    if isinstance(recommender, GNNRecommender):
        return clone(recommender)._fit_shared(
            lambda vectors: train_on_shards(recommender, vectors, sources, n_workers, ray_remote_args),
            n_items,
            vocabulary,
        )
    statistics = _statistics(recommender, sources, exponent, items_per_task, ray_remote_args)
    return clone(recommender)._fit_statistics(statistics, vocabulary)


def _check_positive(value: Any, name: str) -> None:
    if value is not None and (not isinstance(value, Integral) or isinstance(value, bool) or value < 1):
        raise ValueError(f"{name} must be a positive integer or None, got {value!r:.100}.")


def _statistics(
    recommender: BaseRecommender,
    sources: list[tuple],
    exponent: float | None,
    items_per_task: int | None,
    ray_remote_args: Any,
) -> Statistics:
    """Return the sums over the users of all shards that a recommender needs."""
    stored = stored_shards(sources, ray_remote_args)
    kept_shards = [] if exponent is None else list(stored)  # matrices that are used once are not kept
    totals = totals_of(kept_shards or stored, exponent or 0.0, ray_remote_args)
    if not totals.n_users:
        raise ValueError("shards must have interactions; got none.")
    n_items = len(totals.item_counts)
    C, multiply = sparse.csr_array((n_items, n_items), dtype=np.int64), None
    if exponent is not None:
        is_filter = isinstance(recommender, GraphFilterRecommender)
        max_pairs = pairs_that_fit(totals.most_pairs, n_items) if is_filter else None
        C = cooccurrence_of(kept_shards, totals, exponent, max_pairs, items_per_task, ray_remote_args)
        multiply = multiplication_by(kept_shards, exponent, ray_remote_args) if is_filter else None
    return Statistics(C, totals.item_counts, totals.n_users, exponent or 0.0, multiply)


def _exponent_of_sums(recommender: Any) -> float | None:
    if not isinstance(recommender, BaseRecommender) or not hasattr(recommender, "_exponent_of_sums"):
        raise ValueError(
            "recommender must be a RidgeRecommender, GraphFilterRecommender, ContentRecommender, "
            f"PopularityRecommender or GNNRecommender; got {recommender!r:.100}."
        )
    recommender._validate_params()
    return recommender._exponent_of_sums()


def _items(
    recommender: BaseRecommender, files: list[str], item: str, given: Vocabulary | None, ray_remote_args: Any
) -> Vocabulary:
    """Return the items: those that are given, else those of the catalog, else those of the files."""
    if given is not None:
        return given
    if recommender.catalog is not None:
        ids = recommender.catalog.ids
        return Vocabulary(np.arange(recommender.catalog.n_items) if ids is None else ids)
    found = reduce_tasks(_items_of_file, ((path, item) for path in files), _join, ray_remote_args)
    if not len(found):
        raise ValueError("shards must have interactions; got none.")
    return item_vocabulary(found, None)[0]


def _matrices(shards: Sequence[Any]) -> tuple[list[sparse.csr_array], Vocabulary | None]:
    """Return canonical matrices, and the ids of their columns."""
    names = [f"shards[{place}]" for place in range(len(shards))]
    matrices = [check_interactions(X, input_name=name) for X, name in zip(shards, names, strict=True)]
    vocabularies = [column_vocabulary(X, name) for X, name in zip(shards, names, strict=True)]
    first = vocabularies[0]
    for name, X, own in zip(names, matrices, vocabularies, strict=True):
        same = own.equals(first) if own is not None and first is not None else own is first
        if X.shape[1] != matrices[0].shape[1] or not same:
            raise ValueError(f"{name} must have the {matrices[0].shape[1]} columns of shards[0]; got {X.shape[1]}.")
    return matrices, first


# What workers compute -------------------------------------------------------------------------------------------------


def _items_of_file(path: str, item: str) -> np.ndarray:
    table = Table(read_columns(path, [item]), path)
    return Vocabulary.of(table.ids(item, "item"))[0].ids if len(table) else np.zeros(0, dtype=np.int64)


def _join(*parts: np.ndarray) -> np.ndarray:
    filled = [part for part in parts if len(part)] or list(parts[:1])
    same = len({part.dtype for part in filled}) == 1
    return Vocabulary.of(np.concatenate(filled if same else [part.astype(object) for part in filled]))[0].ids
