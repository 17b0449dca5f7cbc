"""Recommendations for all users of a data set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgnnrec._files import replaced_file
from skgnnrec.distributed._cluster import check_options, connect, kept, map_tasks, reduce_tasks
from skgnnrec.distributed._output import check_folder, fingerprints, open_output, remove_remains
from skgnnrec.distributed._shards import UserSample, check_column, parquet_files, read_columns, rows_by_user
from skgnnrec.interactions import Table, Vocabulary
from skgnnrec.recommenders import BaseRecommender, LogRecommender

__all__ = ["recommend"]


def recommend(
    recommender: BaseRecommender | LogRecommender,
    histories: Any,
    out: Any,
    *,
    user: str = "user",
    item: str = "item",
    n_recommendations: int | None = None,
    exclude_seen: bool = True,
    ray_remote_args: Mapping[str, Any] | None = None,
) -> list[str]:
    """Recommend items to all users of parquet files, and write the recommendations as parquet files.

    Each file of `histories` results in one file of `out`, with one row for each user. Files appear when they are
    complete. If the call is interrupted, the same call continues with the files that are missing.

    Parameters
    ----------
    recommender : BaseRecommender or LogRecommender
        The fitted recommender. A `LogRecommender` reads the columns of its fit, with weights and times; for others,
        interactions have the value 1.
    histories : path or list of paths
        Parquet files with one interaction a row, or a folder of them. Each user is in one file: `split_by_user` writes
        such files. Items that the recommender does not know are left out.
    out : path
        The folder of the results: a new or empty one, or that of the same call, which was interrupted.
    user : str, default="user"
        The column of the users. A `LogRecommender` knows its own.
    item : str, default="item"
        The column of the items. A `LogRecommender` knows its own.
    n_recommendations : int, default=None
        Items per user; None takes the parameter of the recommender.
    exclude_seen : bool, default=True
        Whether to leave out items of the history.
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_cpus": 4}``.

    Returns
    -------
    files : list of str
        The files, one for each file of `histories`, in their order. Their columns are `user`, "items" (a list of ids,
        best first) and "scores" (a list of float32). Items are positions where the recommender has no ids.

    Raises
    ------
    ValueError
        If a user is in several files, or `out` contains something else. (Common users are looked for in samples of
        1,024 users of each file.)
    ImportError
        If the package ray is not installed.

    Warns
    -----
    UserWarning
        If files have items that the recommender does not know.

    See Also
    --------
    fit : Fits a recommender to such files.

    Notes
    -----
    The interactions of one file have to fit into the memory of a worker, together with the recommender.

    Examples
    --------
    >>> from skgnnrec import distributed
    >>> files = distributed.recommend(rec, "shards/", "recommendations/")  # doctest: +SKIP
    """
    if not isinstance(recommender, BaseRecommender | LogRecommender):
        raise ValueError(f"recommender must be a recommender, got {recommender!r:.100}.")
    check_is_fitted(recommender)
    if n_recommendations is not None and (
        not isinstance(n_recommendations, Integral) or isinstance(n_recommendations, bool) or n_recommendations < 1
    ):
        raise ValueError(f"n_recommendations must be a positive integer or None, got {n_recommendations!r:.100}.")
    if not isinstance(exclude_seen, bool | np.bool_):
        raise ValueError(f"exclude_seen must be a boolean, got {exclude_seen!r:.100}.")
    check_options(ray_remote_args)
    folder = check_folder(out)
    columns = check_column(user, "user"), check_column(item, "item")
    files = parquet_files(histories, "histories")
    if isinstance(recommender, LogRecommender):
        columns = _own_columns(recommender, files[0])
    ray = connect()
    options = {"n_recommendations": n_recommendations, "exclude_seen": bool(exclude_seen)}
    call = {"recommender": recommender, "histories": fingerprints(files), "columns": columns, "options": options}
    open_output(folder, **call)
    results = [str(folder / f"part-{place:06d}.parquet") for place in range(len(files))]
    shared = [ray.put(recommender)]
    calls = [
        (shared, path, result, columns, options)
        for path, result in zip(files, results, strict=True)
        if not Path(result).exists()
    ]
    n_unknown = sum(found for _, found in map_tasks(_recommend_to_file, calls, ray_remote_args))
    remove_remains(folder)
    if n_unknown:
        warnings.warn(f"Unknown items of histories were left out, {n_unknown} in all files.", UserWarning, stacklevel=2)
    reduce_tasks(_users_of_file, ((path, columns[0]) for path in results), _add, ray_remote_args)
    return results


def _own_columns(recommender: LogRecommender, path: str) -> tuple[str, str]:
    """Return the names of the columns of users and items."""
    from pyarrow import parquet

    table = Table(parquet.read_schema(path).empty_table(), path)
    given = recommender._user_, recommender._item_
    user, item = (column if isinstance(column, str) else str(table.labels[column]) for column in given)
    return user, item


# What workers compute -------------------------------------------------------------------------------------------------


def _recommend_to_file(
    shared: list[Any], path: str, result: str, columns: tuple[str, str], options: dict[str, Any]
) -> int:
    """Write the recommendations for the users of a file, and return the number of its unknown items."""
    from pyarrow import parquet

    recommender, (user, item) = kept(shared), columns
    ids = recommender.item_ids_
    known = Vocabulary(np.arange(recommender.n_features_in_) if ids is None else ids)
    users, X, n_unknown = rows_by_user(path, user, item, known, ignore_unknown=True)
    items = scores = np.zeros((0, 1))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of unknown items, and of a fit to names
        if len(users) and isinstance(recommender, LogRecommender):
            table = read_columns(path, None)
            items, scores = recommender.recommend(histories=table, **options)
            if len(items) < len(users):  # interactions of weight 0 are none
                users = Vocabulary.of(recommender._read_log(table, reset=False).users)[0].ids
        elif len(users):
            items, scores = recommender.recommend(X, **options)
    written = _as_table(path, (user, users), known, items, scores)
    with replaced_file(result) as file:
        parquet.write_table(written, file)
    return n_unknown


def _as_table(
    path: str, users: tuple[str, np.ndarray], known: Vocabulary, items: np.ndarray, scores: np.ndarray
) -> Any:
    """Return the table of results; its columns have the same types for all files."""
    import pyarrow as pa
    from pyarrow import parquet

    is_filled = scores > -np.inf
    ends = np.concatenate([[0], np.cumsum(is_filled.sum(axis=1))]).astype(np.int32)
    ids = pa.array(items[is_filled].tolist(), type=pa.array(_values(known.ids)).type)
    user, kind = users[0], parquet.read_schema(path).field(users[0]).type
    who = pa.array(_values(users[1]))
    return pa.table(
        {
            user: who.cast(kind.value_type if pa.types.is_dictionary(kind) else kind),
            "items": pa.ListArray.from_arrays(pa.array(ends), ids),
            "scores": pa.ListArray.from_arrays(pa.array(ends), pa.array(scores[is_filled].astype(np.float32))),
        }
    )


def _values(ids: np.ndarray) -> Any:
    return ids.tolist() if ids.dtype == object else ids


def _users_of_file(path: str, user: str) -> UserSample:
    table = Table(read_columns(path, [user]), path)
    return UserSample.of(table.ids(user, "user") if len(table) else np.zeros(0, dtype=np.int64))


def _add(*samples: UserSample) -> UserSample:
    total = samples[0]
    for sample in samples[1:]:
        total += sample
    return total
