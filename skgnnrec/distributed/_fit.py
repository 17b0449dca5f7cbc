"""Fits to sums over shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from skgnnrec.catalog import item_vocabulary
from skgnnrec.distributed._cluster import check_options, connect, reduce_tasks
from skgnnrec.distributed._shards import (
    UserSample,
    check_column,
    is_path,
    parquet_files,
    read_columns,
    rows_by_user,
)
from skgnnrec.graph import Statistics, count_users
from skgnnrec.interactions import Table, Vocabulary, as_ids, binarize, check_interactions, column_vocabulary
from skgnnrec.recommenders import BaseRecommender

__all__ = ["fit"]


def fit(
    recommender: BaseRecommender,
    shards: Any,
    *,
    user: str = "user",
    item: str = "item",
    item_ids: Any = None,
    ray_remote_args: Mapping[str, Any] | None = None,
) -> BaseRecommender:
    r"""Fit a recommender in closed form to interactions that are divided into shards.

    Workers compute the sums over the users of each shard, the co-occurrences :math:`X^T D_u^{-a} X` and the item
    counts, and add them up in a tree. The sums are integers, so that they do not depend on the shards or on the order
    of additions. The recommender is then fitted to the sums on this machine.

    Parameters
    ----------
    recommender : RidgeRecommender, GraphFilterRecommender, ContentRecommender or PopularityRecommender
        The recommender. It must use X as binary, and no order. It is not changed.
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
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_cpus": 4}``.

    Returns
    -------
    fitted : BaseRecommender
        A fitted clone. It gives the scores of a fit to all interactions together, where the parameters are numbers: a
        `popularity_weight` of "auto" cannot be chosen without interactions, and has the value of `fit_statistics`. The
        spectral part of a `GraphFilterRecommender` is computed exactly, and by a randomised method in a fit to
        interactions. The recommender keeps no histories, so that it has no updates.

    Raises
    ------
    ValueError
        If the recommender is not computed from such sums, or shards have different columns or common users. (Common
        users are looked for in samples of 1,024 users of each shard.)
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
    The interactions of a shard and the co-occurrences of all items have to fit into the memory of one worker, and those
    of four shards into the worker that adds them up. Between tasks they are in the object store of Ray, which moves to
    the disk what does not fit. A `RidgeRecommender` solves a system of n_items × n_items on this machine.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender, distributed
    >>> rec = distributed.fit(RidgeRecommender(popularity_weight=0), "shards/")  # doctest: +SKIP
    """
    exponent = _exponent_of_sums(recommender)
    check_options(ray_remote_args)
    names = {"user": check_column(user, "user"), "item": check_column(item, "item")}
    if not is_path(shards) and (not isinstance(shards, Sequence) or not len(shards)):
        raise ValueError(f"shards must be a path, or a list of paths or matrices; got {shards!r:.100}.")
    vocabulary = None if item_ids is None else Vocabulary(as_ids(item_ids, "item_ids"), "item_ids")
    if is_path(shards) or all(map(is_path, shards)):
        files = parquet_files(shards, "shards")
        items = _items(recommender, files, names["item"], vocabulary, ray_remote_args)
        calls: Iterator[tuple] = ((path, *names.values(), items, exponent) for path in files)
        statistics, _ = reduce_tasks(_sums_of_file, calls, _add, ray_remote_args)
        is_by_position = recommender.catalog is not None and recommender.catalog.ids is None
        vocabulary = None if is_by_position else items
    else:
        if item_ids is not None:
            raise ValueError(f"item_ids is for parquet files; matrices have columns, got {item_ids!r:.100}.")
        matrices, vocabulary = _matrices(shards)
        ray = connect()
        calls = ((ray.put(X), exponent) for X in matrices)
        statistics, _ = reduce_tasks(_sums_of_matrix, calls, _add, ray_remote_args)
    if not statistics.n_users:
        raise ValueError("shards must have interactions; got none.")
    return clone(recommender)._fit_statistics(statistics, vocabulary)


def _exponent_of_sums(recommender: Any) -> float | None:
    if not isinstance(recommender, BaseRecommender) or not hasattr(recommender, "_exponent_of_sums"):
        raise ValueError(
            "recommender must be a RidgeRecommender, GraphFilterRecommender, ContentRecommender or "
            f"PopularityRecommender, whose fits are computed from sums over users; got {recommender!r:.100}."
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
    """Return binary matrices, and the ids of their columns."""
    names = [f"shards[{place}]" for place in range(len(shards))]
    matrices = [binarize(check_interactions(X, input_name=name)) for X, name in zip(shards, names, strict=True)]
    vocabularies = [column_vocabulary(X, name) for X, name in zip(shards, names, strict=True)]
    first = vocabularies[0]
    for name, X, own in zip(names, matrices, vocabularies, strict=True):
        same = own.equals(first) if own is not None and first is not None else own is first
        if X.shape[1] != matrices[0].shape[1] or not same:
            raise ValueError(f"{name} must have the {matrices[0].shape[1]} columns of shards[0]; got {X.shape[1]}.")
    return matrices, first


# What workers compute -------------------------------------------------------------------------------------------------

Sums = tuple[Statistics, UserSample]


def _items_of_file(path: str, item: str) -> np.ndarray:
    table = Table(read_columns(path, [item]), path)
    return Vocabulary.of(table.ids(item, "item"))[0].ids if len(table) else np.zeros(0, dtype=np.int64)


def _join(*parts: np.ndarray) -> np.ndarray:
    filled = [part for part in parts if len(part)] or list(parts[:1])
    same = len({part.dtype for part in filled}) == 1
    return Vocabulary.of(np.concatenate(filled if same else [part.astype(object) for part in filled]))[0].ids


def _sums_of_file(path: str, user: str, item: str, items: Vocabulary, exponent: float | None) -> Sums:
    users, X, _ = rows_by_user(path, user, item, items, ignore_unknown=False)
    return _sums(X, exponent), UserSample.of(users)


def _sums_of_matrix(X: sparse.csr_array, exponent: float | None) -> Sums:
    return _sums(X, exponent), UserSample.of(np.zeros(0, dtype=np.int64))


def _sums(X: sparse.csr_array, exponent: float | None) -> Statistics:
    if exponent is not None:
        return Statistics.accumulate(X, exponent)
    empty = sparse.csr_array((X.shape[1], X.shape[1]), dtype=np.int64)
    return Statistics(empty, count_users(X), X.shape[0], 0.0)


def _add(*parts: Sums) -> Sums:
    statistics, sample = parts[0]
    for further, further_sample in parts[1:]:
        statistics, sample = statistics + further, sample + further_sample
    return statistics, sample
