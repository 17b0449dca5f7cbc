"""Logs divided into shards by users."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skgnnrec._files import replaced_file
from skgnnrec.distributed._cluster import check_options, connect, map_tasks
from skgnnrec.distributed._output import check_folder, fingerprints, open_output, remove_remains
from skgnnrec.distributed._shards import check_column, parquet_files, read_columns
from skgnnrec.interactions import Table

__all__ = ["split_by_user"]


def split_by_user(
    log: Any,
    out: Any,
    *,
    n_shards: int,
    user: str = "user",
    ray_remote_args: Mapping[str, Any] | None = None,
) -> list[str]:
    """Divide the parquet files of a log into shards, each with all interactions of some users.

    The shard of a user follows from a hash of the id. If the call is interrupted, the same call continues.

    Parameters
    ----------
    log : path or list of paths
        Parquet files with one interaction a row and the same columns, or a folder of them.
    out : path
        The folder of the shards: a new or empty one, or that of the same call, which was interrupted.
    n_shards : int
        The number of shards. The tasks of `fit` and `recommend` read one shard each: take several times the number of
        workers, and so many that a shard fits into the memory of a worker.
    user : str, default="user"
        The column of the users.
    ray_remote_args : dict, default=None
        Options of the tasks of Ray, such as ``{"num_cpus": 4}``.

    Returns
    -------
    files : list of str
        The files of the shards.

    Raises
    ------
    ValueError
        If a file lacks the column, or `out` contains something else.
    ImportError
        If the package ray is not installed.

    Examples
    --------
    >>> from skgnnrec import distributed
    >>> files = distributed.split_by_user("log/", "shards/", n_shards=64)  # doctest: +SKIP
    """
    if not isinstance(n_shards, Integral) or isinstance(n_shards, bool) or n_shards < 1:
        raise ValueError(f"n_shards must be a positive integer, got {n_shards!r:.100}.")
    check_column(user, "user")
    check_options(ray_remote_args)
    folder = check_folder(out)
    files = parquet_files(log, "log")
    connect()
    open_output(folder, log=fingerprints(files), n_shards=int(n_shards), user=user)
    shards = [str(folder / f"part-{shard:06d}.parquet") for shard in range(n_shards)]
    missing = [shard for shard in range(n_shards) if not Path(shards[shard]).exists()]
    if missing:
        pieces = folder / "_pieces"  # one row group for each shard
        pieces.mkdir(exist_ok=True)
        remove_remains(pieces)
        paths = [str(pieces / f"part-{place:06d}.parquet") for place in range(len(files))]
        pairs = zip(files, paths, strict=True)
        calls = [(path, piece, user, int(n_shards)) for path, piece in pairs if not Path(piece).exists()]
        for _ in map_tasks(_split_file, calls, ray_remote_args):
            pass
        for _ in map_tasks(_join_shard, ((paths, shard, shards[shard]) for shard in missing), ray_remote_args):
            pass
    for path in (folder / "_pieces").glob("*"):
        path.unlink()
    if (folder / "_pieces").exists():
        (folder / "_pieces").rmdir()
    remove_remains(folder)
    return shards


# What workers compute -------------------------------------------------------------------------------------------------


def _split_file(path: str, piece: str, user: str, n_shards: int) -> None:
    from pyarrow import parquet

    table = read_columns(path, None)
    shard_of = np.zeros(0, dtype=np.int64)
    if len(table):
        ids = Table(table, path).ids(user, "user") if user in table.column_names else None
        if ids is None:
            raise ValueError(f"user={user!r} is not a column of {path}.")
        hashes = pd.util.hash_array(ids if ids.dtype.kind in "iuf" else ids.astype(str).astype(object))
        shard_of = (hashes % np.uint64(n_shards)).astype(np.int64)
    order = np.argsort(shard_of, kind="stable")
    ends = np.searchsorted(shard_of[order], np.arange(n_shards + 1))
    with replaced_file(piece) as file, parquet.ParquetWriter(file, table.schema) as writer:
        for shard in range(n_shards):
            rows = order[ends[shard] : ends[shard + 1]]
            writer.write_table(table.take(rows), row_group_size=max(len(rows), 1))


def _join_shard(pieces: list[str], shard: int, result: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parts = []
    for piece in pieces:
        with parquet.ParquetFile(piece) as file:
            parts.append(file.read_row_groups([shard]))
    with replaced_file(result) as file:
        parquet.write_table(pa.concat_tables(parts), file)
